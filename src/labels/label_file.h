/* Parts of the label file that other files share with it: the lists of names in a safetensors file,
 * and the CSV table. */
#pragma once

#include "base/safetensors.h"
#include "cdul/labels.h"

#include <stdio.h>

/* --- Names in a safetensors file --- */

/* They are a JSON list in the metadata. A header takes 100 MB, some four million image names; where
 * they do not fit, the same text is a uint8 tensor. */

/* Reads the names under `key`. There must be `count`, one for each row or column of `tensor`. */
cdul_status cdul_names_read(const cdul_safetensors *file, const char *key, const char *tensor,
                            size_t count, cdul_strings *out, cdul_error *err) CDUL_MUST_CHECK;
/* Whether all these values fit into one header. */
bool cdul_names_fit(const cdul_metadata *metadata, size_t count);
/* CDUL_ERR_INPUT, "PATH: WHAT: ...", if a name occurs twice. */
cdul_status cdul_names_distinct(const cdul_strings *names, const char *path, const char *what,
                                cdul_error *err) CDUL_MUST_CHECK;

/* --- CSV --- */

/* cdul_labels_read for a CSV file. With `blanks`, empty fields are read as 0 and counted there; if
 * it is NULL they are errors. */
cdul_status cdul_labels_read_csv(const char *path, size_t *blanks, cdul_labels *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Writes six digits, or nine where six do not read back as the same float: 0.1, not 0.100000001. */
void cdul_labels_write_value(FILE *stream, float value);
/* The lines of a table. Of the row [C], fields that are not picked [C] stay empty; NULL: all are.
 */
void cdul_labels_write_header(FILE *stream, const cdul_strings *classes);
void cdul_labels_write_row(FILE *stream, const char *image, const float *row, const bool *picked,
                           size_t c);
