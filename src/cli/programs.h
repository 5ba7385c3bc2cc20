/* The four programs: the structs that their command lines are parsed into, and their option tables.
 * Every program knows all four, because one config file serves them all and is checked as a whole;
 * each gives its own defaults and versions to cdul_cli_main. */
#pragma once

#include "cdul/classifier.h"
#include "cdul/label.h"
#include "cdul/report.h"
#include "cdul/train.h"
#include "options/table.h"

extern const cdul_program cdul_program_label;
extern const cdul_program cdul_program_train;
extern const cdul_program cdul_program_predict;
extern const cdul_program cdul_program_eval;

extern const cdul_program *const cdul_programs[]; /* all of them; NULL ends the list */

/* --- cdul-label --- */

/* Kinds of run in which an option has no use: where no image is embedded, whose embeddings or
 * labels are there already; and where labels stay as the runs of their parts made them. */
enum { CDUL_LABEL_WITHOUT_IMAGES = 1, CDUL_LABEL_MERGE = 2 };

typedef enum cdul_templates {
    CDUL_TEMPLATES_SIMPLE,
    CDUL_TEMPLATES_OPENAI_80,
    CDUL_TEMPLATES_GIVEN, /* those of --template */
} cdul_templates;

typedef struct cdul_label_cli {
    cdul_label_params label; /* but what the members below make of it */
    const char *classes, *background_words; /* files; NULL: all classes of `text` or of `scores` */
    cdul_synonyms synonyms;
    cdul_strings template; /* patterns with {} in place of the class */
    cdul_templates templates;
    const char *scores; /* cosines made elsewhere instead of images, or NULL */
    const char *shard; /* "i/N", 1 <= i <= N, or NULL */
    const char *output; /* labels.safetensors */
    const char *csv; /* or NULL */
    bool merge; /* positional arguments are label files to be put together */
    const char *inspect; /* encoder folder to describe, or NULL */
} cdul_label_cli;

/* --- cdul-train --- */

typedef struct cdul_train_cli {
    cdul_train_params train; /* `output` is the ONNX file with `export` */
    const char *export; /* run folder to write as ONNX, or NULL */
} cdul_train_cli;

/* --- cdul-predict --- */

typedef struct cdul_predict_cli {
    cdul_classifier_options network;
    cdul_predict_params predict;
    cdul_list_options list;
    const char *threshold; /* "auto", "relative" or a number: cdul_threshold_parse */
    size_t top_k; /* 0 = all above the threshold */
    const char *output; /* "-" = standard output */
    cdul_predictions_format format;
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

/* --- Rows that several tables share, so that one option reads the same everywhere. `member` is
 * that of OPTIONS, the program's own struct --- */

#define ROW_ROOT(member)                                                                           \
    STRING("root", 0, member, "DIR",                                                               \
           "folder that the paths in image lists are relative to, by default the current one")

#define ROW_NULL(member)                                                                           \
    FLAG("null", '0', member,                                                                      \
         "paths in image lists end in a NUL byte instead of a newline, as find -print0 writes "    \
         "them"),                                                                                  \
        .command_only = true

#define ROW_EXIF(member) FLAG("exif", 0, member, "turn images as their EXIF orientation says")

#define ROW_REDUCE(member)                                                                         \
    FLAG("reduce", 0, member,                                                                      \
         "decode a large JPEG at 1/2, 1/4 or 1/8 of its size, several times as fast, where every " \
         "view still has twice the pixels that it needs")

#define ROW_BACKGROUND(member)                                                                     \
    COLOUR("background", 0, member, "RRGGBB", "colour under transparent pixels, in hexadecimal")

#define ROW_MAX_PIXELS(member)                                                                     \
    SIZE("max-pixels", 0, member, "N", 1, 1e11,                                                    \
         "larger images are skipped before they are decoded; by default what half of the memory "  \
         "holds, from 25 to 179 million")

#define ROW_PROVIDER(member)                                                                       \
    STRING("provider", 0, member, "NAME",                                                          \
           "execution provider of ONNX Runtime: cpu, cuda, cuda:1, ... of those that --version "   \
           "lists")

#define ROW_PROVIDER_LIBRARY(member)                                                               \
    STRING("provider-library", 0, member, "FILE", "plug-in that brings the provider")

#define ROW_PROVIDER_OPTION(member)                                                                \
    STRINGS("provider-option", 0, member, "KEY=VALUE",                                             \
            "setting of the provider's own; may be repeated")
