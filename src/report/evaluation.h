/* Judging files against ground truth, and saying so: as a table for people and as JSON for
 * programs. */
#ifndef CDUL_REPORT_EVALUATION_H
#define CDUL_REPORT_EVALUATION_H

#include "cdul/eval.h"
#include "cdul/labels.h"

#include <stdio.h>

/* One file that was judged. Start from {0}. */
typedef struct cdul_evaluation {
    const char *path; /* borrowed */
    cdul_labels scores; /* as read: label file or predictions */
    size_t given; /* scores that the file states; N x C unless it holds picked classes only */
    cdul_matched matched; /* the truth beside them */
    cdul_metrics metrics;
} cdul_evaluation;

/* What all of them share. */
typedef struct cdul_evaluation_context {
    const char *truth_path;
    const cdul_truth *truth;
    cdul_metrics_options options;
    bool drop_empty; /* leave out images on which every class is absent */
} cdul_evaluation_context;

cdul_status cdul_evaluation_run(const cdul_evaluation_context *context, const char *path,
                                cdul_evaluation *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_evaluation_free(cdul_evaluation *evaluation);

/* Measures as rows, files as columns, at most 80 columns wide; below it what the reader must know
 * of each file. per_class adds a table of average precisions. */
void cdul_evaluation_print(FILE *stream, const cdul_evaluation_context *context,
                           const cdul_evaluation *evaluations, size_t count, bool per_class);
/* Measures that do not exist (no positive) are null. */
cdul_status cdul_evaluation_print_json(FILE *stream, const cdul_evaluation_context *context,
                                       const cdul_evaluation *evaluations, size_t count,
                                       cdul_error *err) CDUL_MUST_CHECK;

/* A short name for each file: its base name, or the whole path where base names are not
 * distinct. */
const char *cdul_evaluation_name(const cdul_evaluation *evaluations, size_t count, size_t i);

/* "ignore", "area": as on the command line. */
const char *cdul_difficult_name(cdul_difficult difficult);
const char *cdul_ap_name(cdul_ap ap);

#endif
