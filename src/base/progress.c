/* Sends messages and progress to the caller's callbacks; the clock that measures durations. */
#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void send(const cdul_callbacks *callbacks, cdul_event event) {
    if (callbacks && callbacks->on_progress) callbacks->on_progress(callbacks->user, &event);
}

void cdul_tell(const cdul_callbacks *callbacks, cdul_event_kind kind, const char *format, ...) {
    char *text = NULL;
    if (!callbacks || !callbacks->on_progress) return;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return; /* no memory */
    send(callbacks, (cdul_event){.kind = kind, .text = text});
    free(text);
}

void cdul_progress_begin(const cdul_callbacks *callbacks, const char *verb, size_t total) {
    send(callbacks, (cdul_event){.kind = CDUL_EVENT_BEGIN, .text = verb, .total = total});
}

void cdul_progress_update(const cdul_callbacks *callbacks, size_t done, size_t total,
                          const char *note) {
    send(callbacks, (cdul_event){CDUL_EVENT_STEP, note, done, total});
}

void cdul_progress_end(const cdul_callbacks *callbacks) {
    send(callbacks, (cdul_event){.kind = CDUL_EVENT_END});
}

bool cdul_stopped(const cdul_callbacks *callbacks) {
    return callbacks && callbacks->should_stop && callbacks->should_stop(callbacks->user);
}

double cdul_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
