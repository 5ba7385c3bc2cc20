/* Access to JSON with errors that name the file and the key; cdul_json_parse (cdul/file.h) parses
 * texts. Strings are bytes: a file name that is no valid UTF-8 is read and written unchanged,
 * though strict readers refuse such a file. */
#pragma once

#include "cdul/error.h"
#include "cdul/file.h"
#include "cdul/strings.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* Parses a regular file, as cdul_file_read_regular takes it. */
cdul_status cdul_json_read(const char *path, cJSON **out, cdul_error *err) CDUL_MUST_CHECK;
/* Writes atomically, indented. NaN and infinity, which JSON lacks, are CDUL_ERR_INPUT. */
cdul_status cdul_json_write(const char *path, const cJSON *json, cdul_error *err) CDUL_MUST_CHECK;

/* Writes `text` as a JSON string with its quotes. Write errors surface at commit. `in_script`:
 * bytes that are not UTF-8 become U+FFFD, and neither "</script>" nor "<!--" can occur. */
void cdul_json_write_string(FILE *stream, const char *text, bool in_script);

/* Typed members of an object. A wrong type is CDUL_ERR_INPUT ("config.json: logit_scale: expected a
 * number"). A missing member leaves *out as it is and sets *found (may be NULL, then a missing
 * member is an error). */
cdul_status cdul_json_number(const cJSON *object, const char *key, const char *where, double *out,
                             bool *found, cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_json_bool(const cJSON *object, const char *key, const char *where, bool *out,
                           bool *found, cdul_error *err) CDUL_MUST_CHECK;
/* *out points into `object`. */
cdul_status cdul_json_string(const cJSON *object, const char *key, const char *where,
                             const char **out, bool *found, cdul_error *err) CDUL_MUST_CHECK;

/* A list of exactly `count` numbers, finite as floats. `name` names the list in errors. */
cdul_status cdul_json_numbers(const cJSON *list, const char *name, const char *where, size_t count,
                              float *out, cdul_error *err) CDUL_MUST_CHECK;

/* A JSON array of strings, as text (safetensors metadata), to and from a list. *out is replaced. */
cdul_status cdul_json_to_strings(const char *text, size_t size, const char *where,
                                 cdul_strings *out, cdul_error *err) CDUL_MUST_CHECK;
/* *out is the caller's to free. Takes linear time: lists of 10^6 names are normal. */
cdul_status cdul_json_from_strings(const cdul_strings *list, char **out,
                                   cdul_error *err) CDUL_MUST_CHECK;
