#include "cli/eval_options.h"

#include "cli/programs.h"

#define FIELD(name) offsetof(cdul_eval_options, name)

static const cdul_option options[] = {
    {.name = "truth",
     .letter = 't',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(truth),
     .argument = "PATH",
     .group = "Input",
     .help = "ground truth: CSV, a folder of PASCAL VOC annotations, or a COCO instances JSON"},
    {.name = "difficult",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(difficult),
     .fallback = "ignore",
     .argument = "HOW",
     .choices = "ignore|positive|negative",
     .help = "what an entry marked difficult counts as; the VOC protocol ignores it"},
    {.name = "drop-empty",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(drop_empty),
     .fallback = "false",
     .help = "leave out images without any class, as the papers do on COCO"},

    {.name = "ap",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(ap),
     .fallback = "area",
     .argument = "NAME",
     .choices = "area|voc2010|11point",
     .group = "Measures",
     .help = "average precision: not interpolated, as the papers report it, or the VOC devkit's "
             "from 2010 on "
             "or before"},
    {.name = "threshold",
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(threshold),
     .fallback = "0.5",
     .argument = "X",
     .minimum = 0,
     .maximum = 1,
     .help = "score from which a class counts as predicted, for CF1 and OF1"},
    {.name = "top-k",
     .letter = 'k',
     .type = CDUL_OPTION_INT,
     .offset = FIELD(top_k),
     .fallback = "3",
     .argument = "N",
     .minimum = 1,
     .maximum = 1e6,
     .help = "CF1 and OF1 also for the N best classes of each image"},

    {.name = "per-class",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(per_class),
     .fallback = "false",
     .group = "Output",
     .help = "print the average precision of each class as well (-v does the same)"},
    {.name = "json",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(json),
     .fallback = "false",
     .help = "print JSON instead of a table"},
    {.name = "plots",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(plots),
     .argument = "DIR",
     .command_only = true,
     .help = "draw precision-recall and reliability curves into this folder, as SVG"},
    {0},
};

static const char *const usage[] = {"cdul-eval -t TRUTH [OPTION]... FILE...", NULL};

static const char *const examples[] = {
    "How good are the pseudo-labels, and how good is the classifier?",
    "cdul-eval -t truth.csv labels.safetensors scores.csv",
    "Against PASCAL VOC annotations, class by class, with curves",
    "cdul-eval -t VOC2007/Annotations --per-class --plots curves/ labels.safetensors",
    "One number for a script",
    "cdul-eval -t truth.csv --json labels.safetensors | jq \".inputs[0].map\"",
    NULL,
};

const cdul_program cdul_program_eval = {
    .name = "cdul-eval",
    .section = "eval",
    .summary = "measure labels or predictions against ground truth",
    .usage = usage,
    .description =
        "FILE is a label file (safetensors or CSV) or predictions of cdul-predict; several are "
        "compared side "
        "by side. Reported are mean average precision, CF1 and OF1, cross-entropy, Brier score, "
        "calibration "
        "error and label mass: mean average precision alone is blind to the scale of scores.",
    .examples = examples,
    .options = options,
    .options_size = sizeof(cdul_eval_options),
};
