/* What the table, the JSON and the curves of an evaluation are made of. */
#ifndef CDUL_REPORT_EVALUATION_H
#define CDUL_REPORT_EVALUATION_H

#include "cdul/report.h"

/* One file that was judged. */
typedef struct cdul_judged {
    char *path;
    cdul_labels scores; /* as read: label file or predictions */
    size_t given; /* scores that the file states; N x C unless it holds picked classes only */
    cdul_matched matched; /* the truth beside them */
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
/* Position of class `name` in a file, nearly always `guess`; CDUL_NOT_FOUND if it has none. */
size_t cdul_judged_class(const cdul_judged *file, const char *name, size_t guess);

#endif
