/* Reports: files of predictions, the page that shows them, and the evaluation of files.
 *
 *   predictions   what a classifier said of each image         cdul_predictions_open, _read
 *   page          the same with pictures, as one HTML file      cdul_html_open
 *   evaluation    files against ground truth, side by side      cdul_evaluation_open
 *
 * Letters: N images, C classes. Files that are written appear whole at commit, or not at all. */
#pragma once

#include "cdul/eval.h"
#include "cdul/image.h"
#include "cdul/labels.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Predictions --- */

/* Two formats with the same content, for people, jq and pandas. */
typedef enum cdul_predictions_format {
    /* A line an image, best class first:
     * {"image":"a.jpg","labels":[{"name":"cat","score":0.91},{"name":"dog","score":0.4}]} */
    CDUL_PREDICTIONS_JSONL,
    CDUL_PREDICTIONS_CSV, /* image,<class>...: scores of the picked classes, others empty */
} cdul_predictions_format;

typedef struct cdul_predictions cdul_predictions;

/* Begins a file; "-" is standard output. `classes` [C] is borrowed until the end. */
cdul_status cdul_predictions_open(const char *path, cdul_predictions_format format,
                                  const cdul_strings *classes, cdul_predictions **out,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* One image: scores [C] in [0, 1]; picked [C] says which to write, NULL = all. Write errors surface
 * at commit. */
void cdul_predictions_add(cdul_predictions *predictions, const char *image, const float *scores,
                          const bool *picked);
/* Frees and clears either way. */
cdul_status cdul_predictions_commit(cdul_predictions **predictions,
                                    cdul_error *err) CDUL_MUST_CHECK;
void cdul_predictions_discard(cdul_predictions **predictions);

/* Reads what there is to judge: predictions (JSON lines if the text starts with '{', CSV by its
 * name), or a label file. JSON lines have no list of classes: `classes` [C] gives it, and a name
 * outside is CDUL_ERR_INPUT with the nearest one suggested. A class that is not mentioned has score
 * 0; *given counts those that are, N x C if all. */
cdul_status cdul_predictions_read(const char *path, const cdul_strings *classes, cdul_labels *out,
                                  size_t *given, cdul_error *err) CDUL_MUST_CHECK;

/* --- The page --- */

typedef struct cdul_html_options {
    const char *title; /* heading and window title */
    const char *subtitle; /* one line below it, such as model and threshold; NULL = none */
    const float *thresholds; /* [C] from which a class is picked; NULL = unknown */
    size_t images; /* N: how many will be added */
    size_t most_shown; /* pictures in the page, an even sample of all; default 2000 */
    size_t side; /* longer side of the pictures in pixels; default 224 */
    int quality; /* of their JPEG, 1 .. 100; default 78 */
} cdul_html_options;

cdul_html_options cdul_html_defaults(void);

/* One self-contained page with pictures, labels, filters and histograms. It loads nothing from
 * anywhere and works from a file. It is written in a stream: memory does not grow with N. */
typedef struct cdul_html cdul_html;

/* A small picture of one image. */
typedef struct cdul_thumbnail cdul_thumbnail;

/* `classes` [C] and what `options` points to are borrowed until the end. */
cdul_status cdul_html_open(const char *path, const cdul_html_options *options,
                           const cdul_strings *classes, cdul_html **out,
                           cdul_error *err) CDUL_MUST_CHECK;
/* Makes the picture of image i of N for cdul_html_add; *out is NULL if the page will not show it.
 * May be called from any thread. The caller frees. */
cdul_status cdul_html_thumbnail(const cdul_html *html, size_t i, const cdul_image *image,
                                cdul_thumbnail **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_thumbnail_free(cdul_thumbnail *thumbnail);
/* Image i of N: every i at most once, in rising order; those that could not be read are left out.
 * Its scores [C] in [0, 1] and picked [C] count in the histograms. If the page shows it, it is with
 * `thumbnail`, or with a box that has its name (NULL). */
void cdul_html_add(cdul_html *html, size_t i, const char *image, const cdul_thumbnail *thumbnail,
                   const float *scores, const bool *picked);
/* Frees and clears either way. */
cdul_status cdul_html_commit(cdul_html **html, cdul_error *err) CDUL_MUST_CHECK;
void cdul_html_discard(cdul_html **html);

/* --- Evaluation of files --- */

typedef struct cdul_evaluation_options {
    cdul_metrics_options metrics;
    bool drop_empty; /* leave out images in which every class is absent */
} cdul_evaluation_options;

cdul_evaluation_options cdul_evaluation_defaults(void);

/* Files judged against one ground truth. */
typedef struct cdul_evaluation cdul_evaluation;

/* Reads the ground truth, of any kind that cdul_truth_read knows. */
cdul_status cdul_evaluation_open(const char *truth, const cdul_evaluation_options *options,
                                 cdul_evaluation **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_evaluation_close(cdul_evaluation *evaluation);
/* Judges one more file: a label file or predictions. */
cdul_status cdul_evaluation_add(cdul_evaluation *evaluation, const char *path,
                                cdul_error *err) CDUL_MUST_CHECK;
/* Of file i, in the order of adding. Valid until the next add. */
const cdul_metrics *cdul_evaluation_metrics(const cdul_evaluation *evaluation, size_t i);

/* For people, with at least one file: measures as rows, files as columns, at most 80 columns wide;
 * below it what the reader must know of each file. per_class adds a table of average precisions. */
void cdul_evaluation_print(const cdul_evaluation *evaluation, bool per_class, FILE *stream);
/* For programs: JSON. Measures that do not exist (no positive) are null. */
cdul_status cdul_evaluation_print_json(const cdul_evaluation *evaluation, FILE *stream,
                                       cdul_error *err) CDUL_MUST_CHECK;
/* Draws SVG files into `folder`, which is made if missing:
 *   precision-recall.svg          mean over classes of interpolated precision, a line for each file
 *   precision-recall-classes.svg  a small panel for each class of the first file
 *   reliability.svg               mean score against share of positives in bins, and counts */
cdul_status cdul_evaluation_draw(const cdul_evaluation *evaluation, const char *folder,
                                 cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
