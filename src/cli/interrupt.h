/* SIGINT and SIGTERM, for the programs' should_stop. */
#pragma once

#include <stdbool.h>

/* From here on the first signal is noted, and a second one ends the process at once with exit code
 * 130. An interrupt that the process was started to ignore stays ignored. */
void cdul_interrupt_install(void);
/* True once a signal arrived. */
bool cdul_interrupted(void);
/* For work whose steps may be long and keep nothing when they are interrupted. So many `seconds`
 * after the first signal the process writes the line `words`, which must stay in memory, and ends
 * with exit code 130. */
void cdul_interrupt_limit(unsigned seconds, const char *words);
