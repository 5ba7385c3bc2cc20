/* The value of one option: parsed strictly from text and from JSON into its field, and written
 * back. `where` names the option in errors: "--epochs", "voc.json: train.epochs". */
#pragma once

#include "cdul/strings.h"
#include "table.h"

struct cJSON;

/* FLAG: "true" or "false". STRING: a copy, which `texts` owns. STRINGS: adds `text` to the list. */
cdul_status cdul_value_set_text(const cdul_option *option, void *field, const char *text,
                                cdul_strings *texts, const char *where,
                                cdul_error *err) CDUL_MUST_CHECK;
/* The same from JSON. STRINGS: replaces the list. */
cdul_status cdul_value_set_json(const cdul_option *option, void *field, const struct cJSON *json,
                                cdul_strings *texts, const char *where,
                                cdul_error *err) CDUL_MUST_CHECK;

/* True if both fields would be typed alike. */
bool cdul_value_equal(const cdul_option *option, const void *a, const void *b);
/* As it would be typed, perhaps in `room`; NULL where nothing is chosen, and for lists. */
#define CDUL_VALUE_ROOM 48
const char *cdul_value_text(const cdul_option *option, const void *field,
                            char room[CDUL_VALUE_ROOM]);
/* As JSON; false if out of memory. */
bool cdul_value_write_json(const cdul_option *option, const void *field, FILE *out);

/* What SIZE and REAL take: "0 to 1", "at least 1", "" if unlimited. */
void cdul_value_range(const cdul_option *option, char *out, size_t size);

/* --- All options of a program while they are filled: from config files, from --set and, by
 * parse.c, from the command line. A config has a section for each program and is checked as a whole
 * --- */

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
