/* The CSV side of the label file, for readers of files that look like it. */
#ifndef CDUL_LABELS_LABELS_CSV_H
#define CDUL_LABELS_LABELS_CSV_H

#include "cdul/labels.h"

#include <stdio.h>

/* As cdul_labels_read of a CSV file. `blanks` NULL: an empty field is an error; otherwise it is 0
 * and counted. */
cdul_status cdul_labels_read_csv(const char *path, size_t *blanks, cdul_labels *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* The shortest of six or nine digits that reads back as the same float: 0.1 rather than
 * 0.100000001. */
void cdul_labels_write_value(FILE *stream, float value);

#endif
