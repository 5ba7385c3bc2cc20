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

/* True if the field holds nothing chosen: false, an empty list, and what cdul_option_type says. */
bool cdul_value_is_none(const cdul_option *option, const void *field);
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
