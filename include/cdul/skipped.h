/* Inputs that a run passed over: counted, and listed in `<output>.skipped.csv` (path, reason). */
#pragma once

#include "cdul/strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Start from {0}. */
typedef struct cdul_skipped {
    cdul_strings paths, reasons; /* of equal length */
} cdul_skipped;

/* A reason that begins with "path: ", as errors do, is kept without it. */
cdul_status cdul_skipped_add(cdul_skipped *skipped, const char *path, const char *reason,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Writes the list beside `output` and puts the list's path into *list (the caller's to free). With
 * nothing skipped, a list left by an earlier run is removed and *list is NULL. */
cdul_status cdul_skipped_write(const cdul_skipped *skipped, const char *output, char **list,
                               cdul_error *err) CDUL_MUST_CHECK;
/* CDUL_ERR_INPUT that gives the first reason: for a run of which every input was skipped. */
cdul_status cdul_skipped_fail(const cdul_skipped *skipped, cdul_error *err) CDUL_MUST_CHECK;
void cdul_skipped_free(cdul_skipped *skipped);

#ifdef __cplusplus
}
#endif
