/* How library code reports through the caller's callbacks (cdul/progress.h). `callbacks` may be
 * NULL everywhere. */
#pragma once

#include "cdul/error.h"
#include "cdul/progress.h"

/* One message, as printf formats it. */
void cdul_tell(const cdul_callbacks *callbacks, cdul_event_kind kind, const char *format, ...)
    CDUL_PRINTF(3, 4);
#define cdul_say(callbacks, ...)    cdul_tell(callbacks, CDUL_EVENT_NOTE, __VA_ARGS__)
#define cdul_detail(callbacks, ...) cdul_tell(callbacks, CDUL_EVENT_DETAIL, __VA_ARGS__)
#define cdul_warn(callbacks, ...)   cdul_tell(callbacks, CDUL_EVENT_WARNING, __VA_ARGS__)

/* A pass over `total` images, 0 if that is not known. `note` may be NULL. */
void cdul_progress_begin(const cdul_callbacks *callbacks, const char *verb, size_t total);
void cdul_progress_update(const cdul_callbacks *callbacks, size_t done, size_t total,
                          const char *note);
void cdul_progress_end(const cdul_callbacks *callbacks);

/* True if the caller says stop. Long loops ask this between batches and return
 * CDUL_ERR_CANCELLED. */
bool cdul_stopped(const cdul_callbacks *callbacks);

/* Seconds of a clock that never goes back: for durations. */
double cdul_seconds(void);
