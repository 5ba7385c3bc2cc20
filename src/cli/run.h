/* What the four main() functions share. */
#pragma once

#include "options/parse.h"

/* What a program's work is given besides its options. */
typedef struct cdul_cli {
    const cdul_parsed *parsed; /* positional arguments, threads */
    const cdul_callbacks *callbacks; /* the terminal, and the signals */
    /* set by the work: done, but some inputs were passed over. The exit code is then 3 */
    bool skipped;
} cdul_cli;

/* A line for everybody, one for -v alone, and one about what should be mended. */
#define cdul_cli_say(cli, ...)    cdul_cli_tell(cli, CDUL_EVENT_NOTE, __VA_ARGS__)
#define cdul_cli_detail(cli, ...) cdul_cli_tell(cli, CDUL_EVENT_DETAIL, __VA_ARGS__)
#define cdul_cli_warn(cli, ...)   cdul_cli_tell(cli, CDUL_EVENT_WARNING, __VA_ARGS__)
void cdul_cli_tell(const cdul_cli *cli, cdul_event_kind kind, const char *format, ...)
    CDUL_PRINTF(3, 4);

/* The path of what cdul brings along, such as "encoder": share/cdul/NAME beside the program's own
 * folder. NULL, with a message, if it is not there. The caller frees it. */
char *cdul_cli_share(const char *name, cdul_error *err);

/* The work: `options` is the program's own struct. */
typedef cdul_status cdul_cli_run(const void *options, cdul_cli *cli, cdul_error *err);

/* Parses argv, answers --help and the like, catches SIGINT and SIGTERM, runs the work and prints
 * its failure as one line, `cdul-label: ...`. Returns the exit code. `defaults` and `versions` are
 * as in cdul_program: only a program that links the libraries can give them. */
int cdul_cli_main(const cdul_program *program, void (*defaults)(void *options),
                  void (*versions)(FILE *out), cdul_cli_run *run, int argc, char **argv);

/* --- SIGINT and SIGTERM --- */

/* From here on the first signal is noted, and a second one ends the process at once with exit code
 * 130. An interrupt that the process was started to ignore stays ignored. */
void cdul_interrupt_install(void);
bool cdul_interrupted(void);
/* For work whose steps may be long and keep nothing when they are interrupted. So many `seconds`
 * after the first signal the process writes the line `words`, which must stay in memory, and ends
 * with exit code 130. */
void cdul_interrupt_limit(unsigned seconds, const char *words);
