/* What people see on stderr while a program works: messages by level, and one progress line. The
 * library reports through these callbacks; only src/cli creates a reporter that writes to a
 * terminal. */
#ifndef CDUL_BASE_PROGRESS_H
#define CDUL_BASE_PROGRESS_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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

/* Messages; the progress line is cleared first and drawn again after. A NULL reporter swallows
 * everything, so library code need not ask. */
/* level NORMAL and up */
void cdul_say(cdul_reporter *reporter, const char *format, ...) CDUL_PRINTF(2, 3);
/* level VERBOSE */
void cdul_detail(cdul_reporter *reporter, const char *format, ...) CDUL_PRINTF(2, 3);
/* "warning: ", always */
void cdul_warn(cdul_reporter *reporter, const char *format, ...) CDUL_PRINTF(2, 3);

/* One progress line at a time: `label  12,340/82,081  15 %  42.1 img/s  ETA 27:41  skipped 3`. */
void cdul_progress_begin(cdul_reporter *reporter, const char *verb, size_t total);
/* `note` (may be NULL) is appended: "skipped 3", "loss 0.213". */
void cdul_progress_update(cdul_reporter *reporter, size_t done, const char *note);
/* Prints the last state as a line of its own. */
void cdul_progress_end(cdul_reporter *reporter);

/* Seconds of a clock that never goes back: for durations. */
double cdul_seconds(void);

/* True once SIGINT or SIGTERM arrived (after cdul_interrupt_install, which main() calls). A second
 * signal ends the process at once. Long loops ask this between batches and return
 * CDUL_ERR_CANCELLED. */
void cdul_interrupt_install(void);
bool cdul_interrupt_installed(void);
bool cdul_interrupted(void);
/* For work that has steps of any length and keeps nothing of one that is interrupted: so many
 * seconds after the first signal the process says `words`, a line that stays where it is, and ends
 * with exit code 130. */
void cdul_interrupt_limit(unsigned seconds, const char *words);

#endif
