/* The evaluation behind the table, the JSON and the curves. */
#pragma once

#include "cdul/report.h"

/* One file with its measures. */
typedef struct cdul_judged {
    char *path;
    cdul_labels scores; /* as read: label file or predictions */
    size_t given; /* scores in the file; below N x C if it holds picked classes only */
    cdul_matched matched; /* the truth of these scores */
    cdul_metrics metrics;
} cdul_judged;

struct cdul_evaluation {
    char *truth_path;
    cdul_truth truth;
    cdul_evaluation_options options;
    cdul_judged *files;
    size_t count, capacity;
};

/* A short name for file i: its base name, or the whole path where base names are not distinct. */
const char *cdul_evaluation_name(const cdul_evaluation *evaluation, size_t i);
/* Position of class `name` in a file, or CDUL_NOT_FOUND. `guess` is tried first. */
size_t cdul_judged_class(const cdul_judged *file, const char *name, size_t guess);
