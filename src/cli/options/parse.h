/* The command line and config files of a program, parsed into its options struct.
 *
 * Precedence: defaults, then config files (-c, in order), then --set and options in the order
 * given. */
#pragma once

#include "../reporter.h"
#include "cdul/strings.h"
#include "table.h"

struct cdul_values;

/* All that a command line says. */
typedef struct cdul_parsed {
    bool done; /* a request such as --help was answered: the program should exit 0 */
    const void *options; /* the program's struct */
    cdul_level level;
    cdul_progress_mode progress;
    size_t threads; /* -j; 0, the default: as many as this process may use */
    cdul_strings positional;
    struct cdul_values *all; /* of every program; owns what `options` points to */
    struct cdul_values *own; /* the program's in it */
} cdul_parsed;

/* `all` lists all programs (NULL-terminated), whose sections and keys are valid in a config file;
 * unknown ones are errors with the nearest name suggested. Requests such as --help are answered on
 * `out`. Options may follow positional arguments, up to a "--". CDUL_ERR_USAGE on any mistake. */
cdul_status cdul_options_parse(const cdul_program *program, const cdul_program *const *all,
                               int argc, char **argv, FILE *out, cdul_parsed *parsed,
                               cdul_error *err) CDUL_MUST_CHECK;
/* True if the user gave the option (on the command line or in a config), rather than its
 * default. */
bool cdul_parsed_given(const cdul_parsed *parsed, const char *name);
/* The first option that has a bit of `idle` and is not as by default: what has no use in this kind
 * of run. NULL: none. */
const cdul_option *cdul_parsed_idle(const cdul_parsed *parsed, unsigned idle);
void cdul_parsed_free(cdul_parsed *parsed);

/* The effective options as JSON text {"label": {...}}, for --print-config and provenance. Caller
 * frees; NULL: out of memory. */
char *cdul_options_json(const cdul_program *program, const void *options);
