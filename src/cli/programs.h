/* The four programs: the structs that their command lines are parsed into, and their option tables.
 * Every program knows all four, because one config file serves them all and is checked as a
 * whole. */
#ifndef CDUL_CLI_PROGRAMS_H
#define CDUL_CLI_PROGRAMS_H

#include "cdul/labels.h"
#include "cdul/provider.h"
#include "cdul/strings.h"
#include "options/table.h"

#include <stdint.h>

#define CDUL_CHOICE_NONE (-1) /* of a CHOICE without a default */

extern const cdul_program cdul_program_label;
extern const cdul_program cdul_program_train;
extern const cdul_program cdul_program_predict;
extern const cdul_program cdul_program_eval;

extern const cdul_program *const cdul_programs[]; /* all of them; NULL ends the list */

/* --- cdul-label --- */

/* Kinds of run in which an option has no use: where no image is embedded, whose embeddings or
 * labels are there already; and where labels stay as the runs of their parts made them. */
enum { CDUL_LABEL_WITHOUT_IMAGES = 1, CDUL_LABEL_MERGE = 2 };

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
    uint8_t background[3]; /* RGB */
    size_t max_pixels; /* of an image; 0 = cdul_decode_most_pixels */

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
    size_t batch; /* views in one run; 0 = what suits the graph */

    /* Other work */
    bool merge; /* positional arguments are label files to be put together */
    const char *inspect; /* encoder folder to describe, or NULL */
} cdul_label_options;

/* --- cdul-predict --- */

enum { CDUL_FORMAT_JSONL, CDUL_FORMAT_CSV };
enum { CDUL_VIEWS_NONE, CDUL_VIEWS_FLIP, CDUL_VIEWS_GRID };

typedef struct cdul_predict_options {
    /* Input */
    const char *root; /* folder that lists are relative to; NULL = the current one */
    bool null; /* lists are separated by NUL */
    bool exif;
    bool reduce; /* JPEGs while they are decoded */
    uint8_t background[3]; /* RGB */
    size_t max_pixels; /* of an image; 0 = cdul_decode_most_pixels */

    /* Prediction */
    const char *threshold; /* "auto", "relative" or a number: cdul_threshold_parse */
    size_t top_k; /* 0 = all above the threshold */
    int views; /* CDUL_VIEWS_... */
    bool standardise; /* logits of an image to mean 0, deviation 1 */

    /* Output */
    const char *output; /* "-" = standard output */
    int format; /* CDUL_FORMAT_... */
    const char *html; /* report, or NULL */

    /* Engine */
    cdul_provider provider;
    int precision; /* cdul_inference */
    size_t batch; /* views in one run; 0 = what suits the graph */
} cdul_predict_options;

/* "auto", "relative" or a number in 0 .. 1: sets kind and value. Anything else is
 * CDUL_ERR_USAGE. */
cdul_status cdul_threshold_parse(const char *text, cdul_threshold *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* --- cdul-eval --- */

typedef struct cdul_eval_options {
    /* Input */
    const char *truth; /* CSV, folder of VOC XML, or COCO instances JSON */
    int difficult; /* cdul_difficult */
    bool drop_empty; /* leave out images on which every class is absent */

    /* Measures */
    int ap; /* cdul_ap */
    double threshold; /* of CF1 and OF1, 0 .. 1 */
    size_t top_k; /* of CF1 and OF1 at the best k classes */

    /* Output */
    bool per_class; /* the table of classes as well */
    bool json;
    const char *plots; /* folder of curves, or NULL */
} cdul_eval_options;

#endif
