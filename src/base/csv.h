/* CSV as RFC 4180: quotes, embedded commas and newlines, CRLF, LF or CR, optional UTF-8 byte-order
 * mark. A quote inside an unquoted field is a character like others. Files may be pipes; they are
 * read once, in a stream. */
#pragma once

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct cdul_csv cdul_csv;

/* `separator` is ',' or '\t'. */
cdul_status cdul_csv_open(const char *path, char separator, cdul_csv **out,
                          cdul_error *err) CDUL_MUST_CHECK;
/* Reads the next record, past empty lines. *fields hold until the next call. *end is set after the
 * last record. A quote that never closes, text behind a closing quote and a NUL byte are
 * CDUL_ERR_INPUT; do not read on after an error. */
cdul_status cdul_csv_next(cdul_csv *csv, const cdul_strings **fields, bool *end,
                          cdul_error *err) CDUL_MUST_CHECK;
/* Line of the record read last, from 1: for errors. */
size_t cdul_csv_line(const cdul_csv *csv);
void cdul_csv_close(cdul_csv *csv);

/* Writes one field without separator, quoted if it needs to be or is empty: a record is never an
 * empty line. Write errors surface at commit. */
void cdul_csv_write_field(FILE *stream, const char *text);
