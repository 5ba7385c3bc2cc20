/* Small files read whole, such as configs; and whether an output can be written. */
#pragma once

#include "cdul/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads all of `path` ("-": standard input). *data is the caller's to free and ends in an extra NUL
 * byte. */
cdul_status cdul_file_read_all(const char *path, char **data, size_t *size,
                               cdul_error *err) CDUL_MUST_CHECK;

/* What writing `path` would fail with, before hours of work. Nothing stays of it, and a file that
 * is there remains. */
cdul_status cdul_file_check(const char *path, cdul_error *err) CDUL_MUST_CHECK;

/* Parses a whole text of JSON, stricter than cJSON: infinite numbers, keys that occur twice, NUL
 * characters, text after the value and more than 2^24 values (gigabytes) are refused. `where` (a
 * file name) goes into errors with the line of the mistake. Free *out with cJSON_Delete. */
struct cJSON;
cdul_status cdul_json_parse(const char *text, size_t size, const char *where, struct cJSON **out,
                            cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
