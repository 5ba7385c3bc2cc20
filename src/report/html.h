/* The HTML report: one self-contained page with pictures, labels, filters and histograms. It loads
 * nothing from anywhere and works from a file. Written in a stream: memory does not grow with the
 * number of images. */
#ifndef CDUL_REPORT_HTML_H
#define CDUL_REPORT_HTML_H

#include "cdul/strings.h"
#include "report/thumbnail.h"

#include <stdbool.h>

typedef struct cdul_html_options {
    const char *title; /* heading and window title */
    const char *subtitle; /* one line below it: model, threshold; NULL = none */
    /* [C] from which a class was picked, for the histograms; NULL = unknown */
    const float *thresholds;
    size_t images; /* how many will be added, N */
    size_t most_shown; /* pictures in the page; default 2000. More images are sampled evenly */
    size_t side; /* longer side of the pictures, pixels; default 224 */
    int quality; /* of their JPEG, 1 .. 100; default 78 */
} cdul_html_options;

cdul_html_options cdul_html_defaults(void);

typedef struct cdul_html cdul_html;

/* `classes` [C] and what `options` points to are borrowed until the end. */
cdul_status cdul_html_create(const char *path, const cdul_html_options *options,
                             const cdul_strings *classes, cdul_html **out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Whether image i of N will be shown: only then need its pixels be kept. May be asked from any
 * thread. */
bool cdul_html_shows(const cdul_html *html, size_t i);
/* Image i of N: every i at most once, in rising order; those that could not be read are left out.
 * Its scores [C] in [0, 1] and picked [C] count in the histograms; if it is shown, `thumbnail` is
 * put into the page (NULL = a box with the name). */
void cdul_html_add(cdul_html *html, size_t i, const char *image, const cdul_thumbnail *thumbnail,
                   const float *scores, const bool *picked);
/* Atomic. Frees and clears either way. */
cdul_status cdul_html_commit(cdul_html **html, cdul_error *err) CDUL_MUST_CHECK;
void cdul_html_discard(cdul_html **html);

#endif
