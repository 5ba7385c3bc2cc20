/* scores.safetensors: saved cosines, to make labels without an encoder. Tensors `cosine_global`
 * float32 [N, C] and `cosine_crops` float32 [N, S, C] (absent if S = 0); metadata `images` and
 * `classes` (JSON lists; labels/names.h) and, if there are background words, `background` (a JSON
 * list, some of `classes`). Written by cdul-label --save-scores or any other tool. */
#pragma once

#include "base/safetensors.h"
#include "cdul/strings.h"

#include <stdio.h>

/* --- Reading --- */

typedef struct cdul_scores {
    cdul_safetensors *file;
    cdul_tensor_view global, crops;
    size_t n, s, c;
    cdul_strings images, classes; /* [N], [C] */
    cdul_strings background; /* some of `classes` */
} cdul_scores;

/* Checks shapes and names; the cosines themselves are checked when they are read. */
cdul_status cdul_scores_open(const char *path, cdul_scores *out, cdul_error *err) CDUL_MUST_CHECK;
/* Cosines [1 + S, C] of image i, whole image first. */
cdul_status cdul_scores_read(const cdul_scores *scores, size_t i, float *cosines,
                             cdul_error *err) CDUL_MUST_CHECK;
void cdul_scores_close(cdul_scores *scores);

/* --- Writing: rows arrive one image at a time --- */

/* The header of the file states N, and the two tensors follow one another: until the end the rows
 * wait in a temporary file without a name. Start from {0}. */
typedef struct cdul_scores_writer {
    const char *path; /* borrowed */
    FILE *rows; /* [n, 1 + S, C]; NULL = not open */
    size_t n, s, c;
} cdul_scores_writer;

cdul_status cdul_scores_create(const char *path, size_t s, size_t c, cdul_scores_writer *out,
                               cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_scores_append(cdul_scores_writer *writer, const float *cosines,
                               cdul_error *err) CDUL_MUST_CHECK;
/* `images` has as many names as rows were appended; the last `background` of the C `classes` are
 * background words. Atomic. */
cdul_status cdul_scores_commit(cdul_scores_writer *writer, const cdul_strings *images,
                               const cdul_strings *classes, size_t background,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_scores_discard(cdul_scores_writer *writer);
