#include "test.h"

#include "base/progress.h"
#include "cli/reporter.h"

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <time.h>
#include <unistd.h>

/* A reporter that writes into memory. */
typedef struct capture {
    FILE *stream;
    cdul_reporter *reporter;
    cdul_callbacks callbacks;
    char text[65536];
} capture;

static void start(capture *c, cdul_level level, cdul_progress_mode mode) {
    cdul_error err;
    c->stream = tmpfile();
    assert_non_null(c->stream);
    assert_ok(cdul_reporter_new(c->stream, level, mode, &c->reporter, &err));
    c->callbacks = (cdul_callbacks){.on_progress = cdul_reporter_event, .user = c->reporter};
}

/* Ends the reporter and reads all that it wrote. */
static const char *finish(capture *c) {
    cdul_reporter_free(c->reporter);
    rewind(c->stream);
    c->text[fread(c->text, 1, sizeof c->text - 1, c->stream)] = '\0';
    fclose(c->stream);
    return c->text;
}

static void wait_seconds(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static size_t count_char(const char *text, char c) {
    size_t n = 0;
    for (; *text; text++) n += *text == c;
    return n;
}

static void the_last_state_is_a_line_of_its_own_with_grouped_thousands(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_AUTO);
    cdul_progress_begin(&c.callbacks, "label", 1234567);
    cdul_progress_update(&c.callbacks, 12340, 0, "skipped 2");
    cdul_progress_update(&c.callbacks, 1000000, 0, "skipped 3");
    cdul_progress_end(&c.callbacks);
    const char *text = finish(&c);
    assert_int_equal(strncmp(text, "label  1,000,000/1,234,567  81 %  ", 34), 0);
    assert_non_null(strstr(text, "  in 0:00  skipped 3\n"));
    assert_int_equal(count_char(text, '\n'), 1);
    assert_null(strchr(text, '\r'));
}

static void the_percentage_is_100_only_when_all_is_done(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_AUTO);
    cdul_progress_begin(&c.callbacks, "label", 1000);
    cdul_progress_update(&c.callbacks, 999, 0, NULL);
    cdul_progress_begin(&c.callbacks, "again", 3);
    cdul_progress_update(&c.callbacks, 3, 0, NULL);
    const char *text = finish(&c);
    assert_non_null(strstr(text, "label  999/1,000  99 %  "));
    assert_non_null(strstr(text, "again  3/3  100 %  "));
}

static void an_unknown_total_shows_no_share_and_no_forecast(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_ALWAYS);
    cdul_progress_begin(&c.callbacks, "read", 0);
    wait_seconds(0.15);
    cdul_progress_update(&c.callbacks, 7, 0, NULL);
    const char *text = finish(&c);
    assert_non_null(strstr(text, "read  7  "));
    assert_null(strchr(text, '%'));
    assert_null(strstr(text, "ETA"));
}

static void a_live_line_is_rewritten_at_most_ten_times_a_second(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_ALWAYS);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    cdul_progress_begin(&c.callbacks, "label", 100000);
    for (size_t i = 0; i < 400; i++) {
        cdul_progress_update(&c.callbacks, i + 1, 0, NULL);
        wait_seconds(0.001);
    }
    const char *text = finish(&c);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double elapsed =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
    size_t drawn = 0;
    for (const char *at = text; (at = strstr(at, "label  ")); at++) drawn++;
    /* At the start, every tenth of a second, at the end. */
    assert_in_range(drawn, 3, 2 + (size_t)(elapsed / 0.1));
    assert_int_equal(count_char(text, '\n'), 1);
    assert_non_null(strstr(text, "ETA "));
}

static void the_rate_is_in_images_a_second(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_ALWAYS);
    cdul_progress_begin(&c.callbacks, "label", 1000);
    for (size_t i = 1; i <= 10; i++) {
        wait_seconds(0.05);
        cdul_progress_update(&c.callbacks, i, 0, NULL);
    }
    const char *text = finish(&c), *last = NULL;
    for (const char *at = text; (at = strstr(at, " img/s  ETA")); at++) last = at;
    assert_non_null(last);
    while (last > text && last[-1] != ' ') last--;
    double rate = strtod(last, NULL); /* 20, or less on a busy machine */
    assert_true(rate > 2 && rate < 21);
}

static void messages_clear_the_live_line_and_draw_it_again(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_ALWAYS);
    cdul_progress_begin(&c.callbacks, "label", 10);
    cdul_say(&c.callbacks, "hello %d", 3);
    const char *text = finish(&c);
    static const char drawn[] = "\rlabel  0/10  0 %";
    assert_int_equal(strncmp(text, drawn, sizeof drawn - 1), 0);
    assert_non_null(strstr(text, "\r                \rhello 3\n\rlabel  0/10  0 %"));
}

static void levels_decide_what_is_said(void **state) {
    (void)state;
    static const struct {
        cdul_level level;
        const char *expected;
    } cases[] = {
        {CDUL_QUIET, "warning: w\n"},
        {CDUL_NORMAL, "s\nwarning: w\n"},
        {CDUL_VERBOSE, "s\nd\nwarning: w\n"},
    };
    for (size_t i = 0; i < 3; i++) {
        capture c;
        start(&c, cases[i].level, CDUL_PROGRESS_NEVER);
        cdul_progress_begin(&c.callbacks, "label", 10);
        cdul_say(&c.callbacks, "s");
        cdul_detail(&c.callbacks, "d");
        cdul_warn(&c.callbacks, "w");
        assert_string_equal(finish(&c), cases[i].expected);
    }
    capture c;
    start(&c, CDUL_QUIET, CDUL_PROGRESS_ALWAYS);
    cdul_progress_begin(&c.callbacks, "label", 10);
    assert_string_equal(finish(&c), "");
}

static void without_callbacks_everything_is_swallowed(void **state) {
    (void)state;
    cdul_say(NULL, "s");
    cdul_detail(NULL, "d");
    cdul_warn(NULL, "w");
    cdul_progress_begin(NULL, "label", 10);
    cdul_progress_update(NULL, 1, 0, "n");
    cdul_progress_end(NULL);
    const cdul_callbacks silent = {0};
    cdul_say(&silent, "s");
    cdul_progress_begin(&silent, "label", 10);
    assert_false(cdul_stopped(NULL) || cdul_stopped(&silent));
    cdul_reporter_free(NULL);
}

static void names_in_messages_cannot_steer_the_terminal(void **state) {
    (void)state;
    capture c;
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_AUTO);
    cdul_warn(&c.callbacks, "%s", "a\x1b[2Jb\rc\x7f");
    cdul_progress_begin(&c.callbacks, "label", 1);
    cdul_progress_update(&c.callbacks, 1, 0, "x\n\x1b]0;title\a");
    const char *text = finish(&c);
    assert_non_null(strstr(text, "warning: a?[2Jb?c?\n"));
    assert_non_null(strstr(text, "x??]0;title?\n"));
}

/* --- On a terminal --- */

/* Runs a short progress on a pseudo-terminal of `columns` columns and reads what arrived there
 * before its end. */
static void on_terminal(unsigned short columns, char *text, size_t size) {
    int master, slave;
    struct winsize window = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &window), 0);
    FILE *stream = fdopen(slave, "w");
    assert_non_null(stream);
    cdul_error err;
    cdul_reporter *reporter;
    assert_ok(cdul_reporter_new(stream, CDUL_NORMAL, CDUL_PROGRESS_AUTO, &reporter, &err));
    const cdul_callbacks callbacks = {.on_progress = cdul_reporter_event, .user = reporter};
    cdul_progress_begin(&callbacks, "label", 82081);
    wait_seconds(0.15);
    cdul_progress_update(&callbacks, 12340, 0, "skipped 3, and a note that is long");
    size_t used = 0;
    struct pollfd ready = {.fd = master, .events = POLLIN};
    while (used + 1 < size && poll(&ready, 1, 200) == 1) { /* what was written arrives bit by bit */
        ssize_t n = read(master, text + used, size - 1 - used);
        if (n <= 0) break;
        used += (size_t)n;
    }
    text[used] = '\0';
    cdul_reporter_free(reporter);
    fclose(stream);
    close(master);
}

static void a_terminal_gets_a_live_line_that_never_wraps(void **state) {
    (void)state;
    char text[4096];
    for (unsigned short columns = 20; columns <= 200; columns = (unsigned short)(columns + 60)) {
        on_terminal(columns, text, sizeof text);
        assert_null(strchr(text, '\n'));
        assert_non_null(strstr(text, "\rlabel  12,340/82,0"));
        size_t width = 0;
        for (const char *at = text; *at; at++) {
            width = *at == '\r' ? 0 : width + 1;
            assert_in_range(width, 0, columns - 1);
        }
    }
}

/* --- Threads --- */

#define THREADS 4
#define CALLS   2000

static void *report_much(void *user) {
    const cdul_callbacks *callbacks = user;
    for (size_t i = 0; i < CALLS; i++) {
        cdul_progress_update(callbacks, i, 0, "note");
        if (i % 100 == 0) cdul_say(callbacks, "a message of one line");
    }
    return NULL;
}

static void messages_of_many_threads_do_not_mix(void **state) {
    (void)state;
    capture c;
    pthread_t threads[THREADS];
    start(&c, CDUL_NORMAL, CDUL_PROGRESS_AUTO);
    cdul_progress_begin(&c.callbacks, "label", CALLS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, report_much, &c.callbacks), 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    char *text = strdup(finish(&c)), *rest = text;
    assert_non_null(text);
    size_t messages = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "label  ", 7) == 0) continue;
        assert_string_equal(line, "a message of one line");
        messages++;
    }
    assert_int_equal(messages, THREADS * CALLS / 100);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_state_is_a_line_of_its_own_with_grouped_thousands),
        cmocka_unit_test(the_percentage_is_100_only_when_all_is_done),
        cmocka_unit_test(an_unknown_total_shows_no_share_and_no_forecast),
        cmocka_unit_test(a_live_line_is_rewritten_at_most_ten_times_a_second),
        cmocka_unit_test(the_rate_is_in_images_a_second),
        cmocka_unit_test(messages_clear_the_live_line_and_draw_it_again),
        cmocka_unit_test(levels_decide_what_is_said),
        cmocka_unit_test(without_callbacks_everything_is_swallowed),
        cmocka_unit_test(names_in_messages_cannot_steer_the_terminal),
        cmocka_unit_test(a_terminal_gets_a_live_line_that_never_wraps),
        cmocka_unit_test(messages_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
