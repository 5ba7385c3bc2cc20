/* The options of a program while they are filled: from config files, from --set and, by parse.c,
 * from the command line. A config has a section for each program and is checked as a whole. */
#pragma once

#include "cdul/strings.h"
#include "table.h"

typedef struct cdul_values {
    const cdul_program *program; /* NULL ends an array */
    void *options, *defaults; /* the program's struct: as filled, and as it was at first */
    cdul_strings texts; /* what STRING fields point to */
    struct cdul_value_mark {
        bool given; /* by the user, rather than a default */
        bool listed; /* a STRINGS list was begun on the command line: the next use adds to it */
    } * marks; /* one per option */
} cdul_values;

/* Fills `options` and `defaults` with the program's defaults and sets no mark. */
cdul_status cdul_values_new(const cdul_program *program, cdul_values *out,
                            cdul_error *err) CDUL_MUST_CHECK;
void cdul_values_free(cdul_values *values);
/* One use of an option on the command line. `where` names it in errors. */
cdul_status cdul_values_give(cdul_values *values, const cdul_option *option, const char *text,
                             const char *where, cdul_error *err) CDUL_MUST_CHECK;

/* Keys of a JSON file into `all`, the values of every program. Unknown sections and keys are
 * CDUL_ERR_USAGE with the nearest one suggested. `section` is an example for messages. */
cdul_status cdul_config_read(cdul_values *all, const char *section, const char *path,
                             cdul_error *err) CDUL_MUST_CHECK;
/* `text` is the argument of --set: "label.grid=2x2". */
cdul_status cdul_config_set(cdul_values *all, const char *section, const char *text,
                            cdul_error *err) CDUL_MUST_CHECK;
