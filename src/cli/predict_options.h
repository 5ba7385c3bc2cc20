/* Options of cdul-predict. */
#ifndef CDUL_CLI_PREDICT_OPTIONS_H
#define CDUL_CLI_PREDICT_OPTIONS_H

#include "cdul/provider.h"

#include <stdbool.h>

enum { CDUL_FORMAT_JSONL, CDUL_FORMAT_CSV };
enum { CDUL_VIEWS_NONE, CDUL_VIEWS_FLIP, CDUL_VIEWS_GRID };

typedef struct cdul_predict_options {
    /* Input */
    const char *root; /* folder that lists are relative to; NULL = the current one */
    bool null; /* lists are separated by NUL */
    bool exif;
    bool reduce; /* JPEGs while they are decoded */
    const char *background; /* "RRGGBB" */
    long long max_pixels; /* of an image; CDUL_INT_NONE = cdul_decode_most_pixels */

    /* Prediction */
    const char *threshold; /* "auto", "relative" or a number: predict/thresholds.h */
    long long top_k; /* 0 = all above the threshold */
    int views; /* CDUL_VIEWS_... */
    bool standardise; /* logits of an image to mean 0, deviation 1 */

    /* Output */
    const char *output; /* "-" = standard output */
    int format; /* CDUL_FORMAT_... */
    const char *html; /* report, or NULL */

    /* Engine */
    cdul_provider provider;
    int precision; /* cdul_inference */
    long long batch; /* views in one run, or CDUL_INT_NONE */
} cdul_predict_options;

#endif
