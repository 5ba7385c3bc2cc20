/* The option table of cdul-eval. */
#include "programs.h"

#define OPTIONS cdul_eval_cli

static const cdul_option table[] = {
    {.group = "Input",
     STRING("truth", 't', truth, "PATH",
            "ground truth: CSV, a folder of PASCAL VOC annotations, or a COCO instances JSON")},
    {CHOICE("difficult", 0, how.metrics.difficult, "HOW", ONE_OF("ignore", "positive", "negative"),
            "what an entry marked difficult counts as; the VOC protocol ignores it")},
    {FLAG("drop-empty", 0, how.drop_empty,
          "leave out images without any class, as the papers do on COCO")},

    {.group = "Measures",
     CHOICE("ap", 0, how.metrics.ap, "NAME", ONE_OF("area", "voc2010", "11point"),
            "average precision: not interpolated, as the papers report it, or the VOC devkit's "
            "from 2010 on or before")},
    {REAL("threshold", 0, how.metrics.threshold, "X", 0, 1,
          "score from which a class counts as predicted, for CF1 and OF1")},
    {SIZE("top-k", 'k', how.metrics.top, "N", 1, 1e6,
          "CF1 and OF1 also for the N best classes of each image")},

    {.group = "Output",
     FLAG("per-class", 0, per_class,
          "print the average precision of each class as well (-v does the same)")},
    {FLAG("json", 0, json, "print JSON instead of a table")},
    {STRING("plots", 0, plots, "DIR",
            "draw precision-recall and reliability curves into this folder, as SVG"),
     .command_only = true},
    {0},
};

static const char *const examples[] = {
    "How good are the pseudo-labels, and how good is the classifier?",
    "cdul-eval -t truth.csv labels.safetensors scores.csv",
    "Against PASCAL VOC annotations, class by class, with curves",
    "cdul-eval -t VOC2007/Annotations --per-class --plots curves/ \\\n"
    "      labels.safetensors",
    "One number for a script",
    "cdul-eval -t truth.csv --json labels.safetensors | jq \".inputs[0].map\"",
    NULL,
};

const cdul_program cdul_program_eval = {
    .name = "cdul-eval",
    .section = "eval",
    .summary = "measure labels or predictions against ground truth",
    .usage = LIST("cdul-eval -t TRUTH [OPTION]... FILE..."),
    .description = "FILE is a label file (safetensors or CSV) or predictions of cdul-predict; "
                   "several are compared side by side. Reported are mean average precision, CF1 "
                   "and OF1, cross-entropy, Brier score, calibration error and label mass: mean "
                   "average precision alone is blind to the scale of scores.",
    .examples = examples,
    .options = table,
    .options_size = sizeof(cdul_eval_cli),
    .no_progress = true,
};
