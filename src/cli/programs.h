/* The four programs: the structs that their command lines are parsed into, and their option tables.
 * Every program knows all four, because one config file serves them all and is checked as a whole;
 * each gives its own defaults and versions to cdul_cli_main. */
#ifndef CDUL_CLI_PROGRAMS_H
#define CDUL_CLI_PROGRAMS_H

#include "cdul/classifier.h"
#include "cdul/label.h"
#include "cdul/report.h"
#include "cdul/train.h"
#include "options/table.h"

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
    int local; /* cdul_local */
    const char *grid; /* "3x3", "3x3:0.5", "1x1+2x2"; NULL = 3x3 with crops */
    bool mirror;
    int aggregate; /* cdul_aggregator */
    double zeta; /* 0 .. 1 */
    double lambda; /* -1 .. 1 */
    int score; /* cdul_score; CDUL_CHOICE_NONE is CDUL_SCORE_AUTO */
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

/* --- cdul-train --- */

typedef struct cdul_train_cli {
    cdul_train_params train; /* `output` is the ONNX file with `export` */
    const char *export; /* run folder to write as ONNX, or NULL */
} cdul_train_cli;

/* --- cdul-predict --- */

typedef enum cdul_format { CDUL_FORMAT_JSONL, CDUL_FORMAT_CSV } cdul_format;

typedef struct cdul_predict_cli {
    cdul_classifier_options network;
    cdul_predict_params predict;
    cdul_list_options list;
    const char *threshold; /* "auto", "relative" or a number: cdul_threshold_parse */
    size_t top_k; /* 0 = all above the threshold */
    const char *output; /* "-" = standard output */
    cdul_format format;
    const char *html; /* report, or NULL */
} cdul_predict_cli;

/* "auto", "relative" or a number in 0 .. 1: sets kind and value. Anything else is
 * CDUL_ERR_USAGE. */
cdul_status cdul_threshold_parse(const char *text, cdul_threshold *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* --- cdul-eval --- */

typedef struct cdul_eval_cli {
    const char *truth; /* CSV, folder of VOC XML, or COCO instances JSON */
    cdul_evaluation_options how;
    bool per_class; /* the table of classes as well */
    bool json;
    const char *plots; /* folder of curves, or NULL */
} cdul_eval_cli;

#endif
