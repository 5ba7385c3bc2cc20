/* What the four main() functions share. */
#pragma once

#include "interrupt.h"
#include "options/parse.h"

/* What a program's work is given besides its options. */
typedef struct cdul_cli {
    const cdul_program *program;
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

/* The work: `options` is the program's own struct. */
typedef cdul_status cdul_cli_run(const void *options, cdul_cli *cli, cdul_error *err);

/* A program: its table, and what only it can give because it links the libraries. */
typedef struct cdul_cli_program {
    const cdul_program *table;
    void (*defaults)(void *options); /* as in cdul_program */
    cdul_status (*versions)(const void *options, FILE *out, cdul_error *err); /* the same */
    cdul_cli_run *run;
} cdul_cli_program;

/* Parses argv, answers --help and the like, catches SIGINT and SIGTERM, runs the work and prints
 * its failure as one line, `cdul-label: ...`. Returns the exit code. */
int cdul_cli_main(const cdul_cli_program *program, int argc, char **argv);
