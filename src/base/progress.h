/* How library code reports through the caller's callbacks: see cdul/progress.h. `callbacks` may be
 * NULL everywhere, so nobody need ask. */
#ifndef CDUL_BASE_PROGRESS_H
#define CDUL_BASE_PROGRESS_H

#include "cdul/error.h"
#include "cdul/progress.h"

/* One message each: NOTE, DETAIL, WARNING. */
void cdul_say(const cdul_callbacks *callbacks, const char *format, ...) CDUL_PRINTF(2, 3);
void cdul_detail(const cdul_callbacks *callbacks, const char *format, ...) CDUL_PRINTF(2, 3);
void cdul_warn(const cdul_callbacks *callbacks, const char *format, ...) CDUL_PRINTF(2, 3);

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

#endif
