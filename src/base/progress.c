/* Events for the caller's callbacks, written printf-like, and the clock that measures durations. */
#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void tell(const cdul_callbacks *callbacks, cdul_event event) {
    if (callbacks && callbacks->on_progress) callbacks->on_progress(callbacks->user, &event);
}

static void message(const cdul_callbacks *callbacks, cdul_event_kind kind, const char *format,
                    va_list args) __attribute__((format(printf, 3, 0)));

static void message(const cdul_callbacks *callbacks, cdul_event_kind kind, const char *format,
                    va_list args) {
    char *text = NULL;
    if (!callbacks || !callbacks->on_progress || vasprintf(&text, format, args) < 0) return;
    tell(callbacks, (cdul_event){.kind = kind, .text = text});
    free(text);
}

void cdul_say(const cdul_callbacks *callbacks, const char *format, ...) {
    va_list args;
    va_start(args, format);
    message(callbacks, CDUL_EVENT_NOTE, format, args);
    va_end(args);
}

void cdul_detail(const cdul_callbacks *callbacks, const char *format, ...) {
    va_list args;
    va_start(args, format);
    message(callbacks, CDUL_EVENT_DETAIL, format, args);
    va_end(args);
}

void cdul_warn(const cdul_callbacks *callbacks, const char *format, ...) {
    va_list args;
    va_start(args, format);
    message(callbacks, CDUL_EVENT_WARNING, format, args);
    va_end(args);
}

void cdul_progress_begin(const cdul_callbacks *callbacks, const char *verb, size_t total) {
    tell(callbacks, (cdul_event){.kind = CDUL_EVENT_BEGIN, .text = verb, .total = total});
}

void cdul_progress_update(const cdul_callbacks *callbacks, size_t done, size_t total,
                          const char *note) {
    tell(callbacks, (cdul_event){CDUL_EVENT_STEP, note, done, total});
}

void cdul_progress_end(const cdul_callbacks *callbacks) {
    tell(callbacks, (cdul_event){.kind = CDUL_EVENT_END});
}

bool cdul_stopped(const cdul_callbacks *callbacks) {
    return callbacks && callbacks->should_stop && callbacks->should_stop(callbacks->user);
}

double cdul_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
