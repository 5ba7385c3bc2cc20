/* The reporter and the events that reach it: a line for each message, and the progress line. */
#include "reporter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1 /* on a terminal */
#define LINE_SECONDS   30.0 /* elsewhere */
#define SAMPLES        64
#define SAMPLE_SECONDS 0.25 /* a sample at most this often, so that 64 of them span the window */
#define RATE_SECONDS   15.0 /* the rate is that of this window */
#define LINE_MAX_BYTES 512

typedef struct sample {
    double time;
    size_t done;
} sample;

struct cdul_reporter {
    pthread_mutex_t lock;
    FILE *stream;
    cdul_level level;
    bool shows; /* progress at all */
    bool live; /* one line, rewritten */
    int drawn; /* columns of the line that stands on the terminal, or 0 */

    bool active;
    char verb[64];
    char note[200];
    size_t done, total; /* total 0: unknown */
    double started, last_drawn;
    sample samples[SAMPLES]; /* a ring */
    size_t n_samples; /* ever taken */
};

double cdul_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

cdul_status cdul_reporter_new(FILE *stream, cdul_level level, cdul_progress_mode mode,
                              cdul_reporter **out, cdul_error *err) {
    *out = NULL;
    cdul_reporter *reporter = calloc(1, sizeof *reporter);
    if (!reporter) return cdul_fail_memory(err, "reporter");
    *reporter = (cdul_reporter){
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .stream = stream,
        .level = level,
        .shows = mode != CDUL_PROGRESS_NEVER && level > CDUL_QUIET,
        .live = mode == CDUL_PROGRESS_ALWAYS || isatty(fileno(stream)) == 1,
    };
    *out = reporter;
    return CDUL_OK;
}

/* --- The text of the progress line --- */

/* 12340 -> "12,340". */
static void format_count(size_t value, char *out, size_t size) {
    char digits[32];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%zu", value), used = 0;
    for (size_t i = 0; i < n && used + 2 < size; i++) {
        if (i > 0 && (n - i) % 3 == 0) out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

/* "27:41", "3:27:41", "2d 03:27:41". */
static void format_time(double seconds, char *out, size_t size) {
    if (seconds > 1e7) { /* months: not a forecast any more */
        snprintf(out, size, "long");
        return;
    }
    long all = (long)(seconds + 0.5), s = all % 60, m = all / 60 % 60, h = all / 3600;
    if (h >= 24)
        snprintf(out, size, "%ldd %02ld:%02ld:%02ld", h / 24, h % 24, m, s);
    else if (h > 0)
        snprintf(out, size, "%ld:%02ld:%02ld", h, m, s);
    else
        snprintf(out, size, "%ld:%02ld", m, s);
}

static void take_sample(cdul_reporter *r, double now) {
    if (r->n_samples > 0 && now - r->samples[(r->n_samples - 1) % SAMPLES].time < SAMPLE_SECONDS)
        return;
    r->samples[r->n_samples++ % SAMPLES] = (sample){now, r->done};
}

/* Items a second since the oldest sample of the window; where items are slower than the window,
 * since the youngest sample before it. 0: not known yet. */
static double recent_rate(const cdul_reporter *r, double now) {
    size_t kept = r->n_samples < SAMPLES ? r->n_samples : SAMPLES;
    const sample *from = NULL;
    for (size_t i = 1; i <= kept; i++) {
        const sample *s = &r->samples[(r->n_samples - i) % SAMPLES];
        if (from && now - s->time > RATE_SECONDS && r->done > from->done) break;
        from = s;
    }
    if (!from || now - from->time < 0.05 || r->done <= from->done) return 0;
    return (double)(r->done - from->done) / (now - from->time);
}

/* `last`: the whole run's rate and duration in place of the recent rate and the forecast. */
static void format_line(const cdul_reporter *r, double now, bool last, char line[LINE_MAX_BYTES]) {
    char done[48], total[48], share[96] = "", speed[48] = "", duration[48], time[64] = "";
    double elapsed = now - r->started;
    double rate = !last ? recent_rate(r, now) : elapsed > 0 ? (double)r->done / elapsed : 0;
    format_count(r->done, done, sizeof done);
    format_count(r->total, total, sizeof total);
    if (r->total > 0)
        snprintf(share, sizeof share, "/%s  %zu %%", total,
                 (size_t)(100.0 * (double)r->done / (double)r->total));
    if (rate > 0)
        snprintf(speed, sizeof speed, "  %.*f img/s", rate >= 100 ? 0 : rate >= 10 ? 1 : 2, rate);
    if (last || (rate > 0 && r->total > r->done)) {
        double seconds = last ? elapsed : (double)(r->total - r->done) / rate;
        format_time(seconds, duration, sizeof duration);
        snprintf(time, sizeof time, "  %s %s", last ? "in" : "ETA", duration);
    }
    snprintf(line, LINE_MAX_BYTES, "%s  %s%s%s%s%s%s", r->verb, done, share, speed, time,
             r->note[0] ? "  " : "", r->note);
}

/* --- Drawing; the lock is held --- */

/* Columns of UTF-8 text, counting a code point as one; *bytes is where `limit` columns end. */
static int columns(const char *text, int limit, int *bytes) {
    int n = 0, i = 0;
    for (; text[i]; i++) {
        bool begins = ((unsigned char)text[i] & 0xC0) != 0x80;
        if (begins && n == limit) break;
        n += begins;
    }
    *bytes = i;
    return n;
}

static int terminal_width(FILE *stream) {
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

/* With spaces, not escape sequences: right on every terminal. */
static void clear(cdul_reporter *r) {
    if (r->drawn > 0) fprintf(r->stream, "\r%*s\r", r->drawn, "");
    r->drawn = 0;
}

static void draw(cdul_reporter *r, double now) {
    char line[LINE_MAX_BYTES];
    format_line(r, now, false, line);
    r->last_drawn = now;
    if (!r->live) {
        fprintf(r->stream, "%s\n", line);
    } else {
        /* A line that wraps cannot be rewritten by a carriage return. */
        int bytes, width = columns(line, terminal_width(r->stream) - 1, &bytes);
        int rest = r->drawn > width ? r->drawn - width : 0;
        fprintf(r->stream, "\r%.*s%*s", bytes, line, rest, "");
        r->drawn = width + rest;
    }
    fflush(r->stream);
}

/* A name in a text must not steer the terminal: of the control characters only those in `allowed`
 * pass. */
static void defuse(char *text, const char *allowed) {
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 || *text == 0x7f) && !strchr(allowed, *text)) *text = '?';
}

static void set_text(char *to, size_t size, const char *text) {
    snprintf(to, size, "%s", text ? text : "");
    defuse(to, "");
}

static void begin(cdul_reporter *r, const char *verb, size_t total) {
    r->active = true;
    set_text(r->verb, sizeof r->verb, verb);
    r->note[0] = '\0';
    r->done = 0;
    r->total = total;
    r->n_samples = 0;
    /* On a terminal the line appears at once, elsewhere after the full interval. */
    r->started = r->last_drawn = cdul_clock();
    take_sample(r, r->started);
    if (r->shows && r->live) draw(r, r->started);
}

static void step(cdul_reporter *r, size_t done, const char *note) {
    if (!r->active) return;
    double now = cdul_clock();
    r->done = done;
    set_text(r->note, sizeof r->note, note);
    take_sample(r, now);
    if (r->shows && now - r->last_drawn >= (r->live ? REDRAW_SECONDS : LINE_SECONDS)) draw(r, now);
}

/* Leaves the last state as a line of its own. */
static void end(cdul_reporter *r) {
    if (r->active && r->shows) {
        char line[LINE_MAX_BYTES];
        format_line(r, cdul_clock(), true, line);
        clear(r);
        fprintf(r->stream, "%s\n", line);
        fflush(r->stream);
    }
    r->active = false;
}

static void message(cdul_reporter *r, cdul_level least, const char *prefix, const char *text) {
    char *safe = r->level >= least ? strdup(text) : NULL;
    if (!safe) return;
    defuse(safe, "\n\t");
    clear(r);
    fprintf(r->stream, "%s%s\n", prefix, safe);
    free(safe);
    if (r->active && r->shows && r->live)
        draw(r, cdul_clock());
    else
        fflush(r->stream);
}

void cdul_reporter_event(void *reporter, const cdul_event *event) {
    cdul_reporter *r = reporter;
    pthread_mutex_lock(&r->lock);
    switch (event->kind) {
    case CDUL_EVENT_BEGIN:
        end(r);
        begin(r, event->text, event->total);
        break;
    case CDUL_EVENT_STEP:
        step(r, event->done, event->text);
        break;
    case CDUL_EVENT_END:
        end(r);
        break;
    case CDUL_EVENT_DETAIL:
        message(r, CDUL_VERBOSE, "", event->text);
        break;
    case CDUL_EVENT_NOTE:
        message(r, CDUL_NORMAL, "", event->text);
        break;
    case CDUL_EVENT_WARNING:
        message(r, CDUL_QUIET, "warning: ", event->text);
        break;
    }
    pthread_mutex_unlock(&r->lock);
}

void cdul_reporter_free(cdul_reporter *reporter) {
    if (!reporter) return;
    end(reporter);
    pthread_mutex_destroy(&reporter->lock);
    free(reporter);
}
