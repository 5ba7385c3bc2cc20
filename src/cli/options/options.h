/* Options of a program as one table. The table gives the command line, the config keys, --help, the
 * man page, the shell completion and --print-config, so that they cannot disagree.
 *
 * Every long option `--head-lr` of cdul-train is the config key `train.head_lr`. Precedence:
 * defaults, then config files (-c, in order), then --set and options in the order given. */
#ifndef CDUL_CLI_OPTIONS_OPTIONS_H
#define CDUL_CLI_OPTIONS_OPTIONS_H

#include "cdul/error.h"
#include "cdul/strings.h"
#include "cli/reporter.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum cdul_option_type {
    CDUL_OPTION_FLAG, /* bool;         --name, --no-name; config true/false */
    CDUL_OPTION_INT, /* long long;    minimum..maximum, within +-2^53 (JSON numbers are doubles) */
    CDUL_OPTION_REAL, /* double;       minimum..maximum; -INFINITY or INFINITY: no limit */
    CDUL_OPTION_STRING, /* const char *; owned by the parser; NULL without a default */
    /* cdul_strings; repeatable; config: a list of strings; first use replaces the default */
    CDUL_OPTION_STRINGS,
    CDUL_OPTION_CHOICE, /* int;          position in `choices` */
} cdul_option_type;

/* What a field holds while an option without a default was not given: these, NAN for a REAL, NULL
 * for a STRING, false, an empty list. --print-config writes null for them, and a config may say
 * null. */
#define CDUL_INT_NONE    LLONG_MIN
#define CDUL_CHOICE_NONE (-1)

typedef struct cdul_option {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter; /* short name, 0 = none */
    cdul_option_type type;
    size_t offset; /* of the field in the program's options struct */
    const char *fallback; /* default, as it would be typed; NULL = none ("" for empty string) */
    const char *argument; /* placeholder in help: "FILE", "RxC"; NULL for flags */
    const char *choices; /* "cdul|global|mean": CHOICE only */
    double minimum, maximum; /* INT and REAL, inclusive */
    const char *group; /* heading in --help, on the first option of a group, else NULL */
    const char *help; /* one sentence, lower case, no final stop; says unit and range */
    /* not a config key: -o, --merge, --resume ...; a flag then has no --no- form */
    bool command_only;
} cdul_option;

typedef struct cdul_program {
    const char *name; /* "cdul-label" */
    const char *section; /* "label": the config section */
    const char *summary; /* one line */
    const char *const *usage; /* synopsis lines, NULL-terminated */
    /* paragraphs for --help and the man page, an empty line between them */
    const char *description;
    const char *const *examples; /* pairs: what it does, the command; NULL-terminated */
    const cdul_option *options;
    size_t options_size; /* sizeof the options struct */
    /* More lines for --version, of linked libraries. `options` is the program's struct. May be
     * NULL. */
    cdul_status (*versions)(const void *options, FILE *out, cdul_error *err);
} cdul_program;

/* What every program has: -c, --set, --print-config, -v, -q, --progress, -j, --help, --version,
 * --generate. */
typedef struct cdul_common {
    cdul_level level;
    cdul_progress_mode progress;
    size_t threads; /* -j; default: processors this process may use */
    cdul_strings positional;
} cdul_common;

typedef struct cdul_parsed cdul_parsed; /* owns every string the options struct points to */

/* Parses into `options` (the program's struct) and `common`, which must outlive *parsed. `all`
 * lists all programs (NULL-terminated), whose sections and keys are valid in a config file; unknown
 * ones are errors with the nearest name suggested. *done is set if a request such as --help was
 * answered on `out` and the program should exit 0. Reorders argv (options before the rest), as
 * getopt does. CDUL_ERR_USAGE on any mistake. */
cdul_status cdul_options_parse(const cdul_program *program, const cdul_program *const *all,
                               int argc, char **argv, FILE *out, void *options, cdul_common *common,
                               cdul_parsed **parsed, bool *done, cdul_error *err) CDUL_MUST_CHECK;
/* True if the user gave the option (on the command line or in a config), rather than its
 * default. */
bool cdul_options_given(const cdul_parsed *parsed, const char *name);
/* The effective options as JSON text {"label": {...}}, for --print-config and provenance. Caller
 * frees. */
char *cdul_options_json(const cdul_program *program, const void *options);
/* Frees the lists and strings in the options struct and in `common` as well. Takes NULL. */
void cdul_parsed_free(cdul_parsed *parsed);

/* Exit code for a status: 0, 1, 2 (usage), 130 (cancelled). */
int cdul_exit_code(cdul_status status);

#endif
