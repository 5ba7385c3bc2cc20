/* What people see on stderr while a program works: messages by level, and one progress line:
 *     label  12,340/82,081  15 %  42.1 img/s  ETA 27:41  skipped 3 */
#pragma once

#include "cdul/error.h"
#include "cdul/progress.h"

#include <stdio.h>

/* Warnings are always shown, notes from NORMAL on, details with VERBOSE. */
typedef enum cdul_level { CDUL_QUIET = -1, CDUL_NORMAL = 0, CDUL_VERBOSE = 1 } cdul_level;
typedef enum cdul_progress_mode {
    CDUL_PROGRESS_AUTO,
    CDUL_PROGRESS_ALWAYS,
    CDUL_PROGRESS_NEVER
} cdul_progress_mode;

typedef struct cdul_reporter cdul_reporter;

/* `stream` is stderr in the programs, a temporary file in tests. AUTO: a line rewritten at most 10
 * times a second if the stream is a terminal, otherwise a whole line every 30 seconds. */
cdul_status cdul_reporter_new(FILE *stream, cdul_level level, cdul_progress_mode mode,
                              cdul_reporter **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_reporter_free(cdul_reporter *reporter);

/* Shows an event, as on_progress of cdul_callbacks. A message clears the progress line, which is
 * drawn again after it; the end of a pass, or the begin of another, leaves the last state as a line
 * of its own. Thread-safe. */
void cdul_reporter_event(void *reporter, const cdul_event *event);

/* Seconds of a clock that never goes back: for durations. */
double cdul_clock(void);
