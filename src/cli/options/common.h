/* What every program has: the options -c, --set, --print-config, -j, ... --help, and its exit
 * codes. */
#ifndef CDUL_CLI_OPTIONS_COMMON_H
#define CDUL_CLI_OPTIONS_COMMON_H

#include "cdul/strings.h"
#include "table.h"

typedef enum cdul_generate {
    CDUL_GENERATE_MAN,
    CDUL_GENERATE_BASH,
    CDUL_GENERATE_ZSH,
    CDUL_GENERATE_FISH,
    CDUL_GENERATE_NOTHING,
} cdul_generate;

typedef struct cdul_common_options {
    cdul_strings config, set;
    bool print_config, verbose, quiet, help, version;
    int progress; /* cdul_progress_mode */
    cdul_generate generate;
    size_t threads; /* 0: as many as this process may use */
} cdul_common_options;

/* Those that have a use in `program`: only `options`, `options_size` and `defaults`. */
const cdul_program *cdul_common_of(const cdul_program *program);

/* How a program ends. */
typedef struct cdul_exit_meaning {
    int code;
    const char *meaning; /* lower case */
    const char *detail; /* what the man page adds */
} cdul_exit_meaning;

#define CDUL_EXIT_SKIPPED 3
/* All of them; a NULL meaning ends the list. */
extern const cdul_exit_meaning cdul_exit_meanings[];
/* The code for a status, of which CDUL_EXIT_SKIPPED is none. */
int cdul_exit_code(cdul_status status);

#endif
