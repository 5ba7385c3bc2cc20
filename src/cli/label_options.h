/* Options of cdul-label. */
#ifndef CDUL_CLI_LABEL_OPTIONS_H
#define CDUL_CLI_LABEL_OPTIONS_H

#include "cdul/provider.h"
#include "cdul/strings.h"

#include <stdbool.h>

/* Positions in the choices of --local. */
enum { CDUL_LOCAL_CROPS, CDUL_LOCAL_DENSE };

typedef struct cdul_label_options {
    /* Input */
    const char *encoder; /* folder of the encoder; NULL with --scores, --merge, --inspect */
    const char *variant; /* "fp16", ... of the encoder's graphs; NULL = float32 */
    const char *classes; /* classes.txt; NULL: all classes of `text` or of `scores` */
    const char *text; /* text.safetensors instead of the text tower, or NULL */
    const char *scores; /* cosines made elsewhere instead of images, or NULL */
    const char *root; /* folder that lists are relative to; NULL = the current one */
    bool null; /* lists are separated by NUL */
    const char *shard; /* "i/N", 1 <= i <= N, or NULL */
    bool exif;
    bool reduce; /* JPEGs while they are decoded */
    const char *background; /* "RRGGBB" */
    long long max_pixels; /* of an image; CDUL_INT_NONE = cdul_decode_most_pixels */

    /* Prompts */
    cdul_strings template; /* patterns with {} in place of the class */
    int templates; /* position in "simple|openai-80", or CDUL_CHOICE_NONE */
    int synonyms; /* cdul_synonyms */
    const char *background_words; /* file like classes.txt, or NULL */

    /* Labels: symbols as in the paper, equations (2), (5), (6) */
    int local; /* position in "crops|dense" */
    const char *grid; /* "3x3", "3x3:0.5", "1x1+2x2"; NULL = 3x3 with crops */
    bool mirror;
    int aggregate; /* cdul_aggregator */
    double zeta; /* 0 .. 1 */
    double lambda; /* -1 .. 1 */
    int score; /* cdul_score, or CDUL_CHOICE_NONE = the encoder's, softmax with --scores */
    double temperature; /* T > 0; NAN = the encoder's */
    double bias; /* of sigmoid scores; NAN = the encoder's */
    double calibrate_positives; /* classes an image on average; NAN = leave labels as they are */

    /* Output */
    const char *output; /* labels.safetensors */
    const char *csv; /* or NULL */
    const char *save_scores; /* or NULL */
    const char *cache; /* folder of embeddings, or NULL */

    /* Engine */
    cdul_provider provider;
    int precision; /* cdul_inference */
    long long batch; /* views in one run; CDUL_INT_NONE = what suits the graph */

    /* Other work */
    bool merge; /* positional arguments are label files to be put together */
    const char *inspect; /* encoder folder to describe, or NULL */
} cdul_label_options;

#endif
