/* The option table of cdul-predict. */
#include "programs.h"

#include <stdlib.h>
#include <string.h>

#define OPTIONS cdul_predict_cli

static const cdul_option table[] = {
    {.group = "Input", ROW_ROOT(list.root)},
    {ROW_NULL(list.nul_separated)},
    {ROW_EXIF(predict.decode.exif)},
    {ROW_REDUCE(predict.reduce)},
    {ROW_BACKGROUND(predict.decode.background)},
    {ROW_MAX_PIXELS(predict.decode.max_pixels)},

    {.group = "Prediction",
     STRING("threshold", 't', threshold, "X",
            "score from which a class is reported: 0 to 1 (0 reports all); auto = the model's own, "
            "one a class; relative = halfway between an image's smallest and largest")},
    {SIZE("top-k", 'k', top_k, "N", 0, 1e6,
          "report the N best classes of an image, of those that reach the threshold if one is "
          "given; 0 = all")},
    {CHOICE("views", 0, predict.views, "WHICH", ONE_OF("none", "flip", "grid"),
            "further views of an image: flip = the mean with its mirror image; grid = the mean "
            "with the best of 3x3 tiles; 2 and 10 times the work")},
    {FLAG(
        "standardise", 0, predict.standardise,
        "standardise the logits of each image over the classes; threshold auto is then relative")},

    {.group = "Output",
     STRING("output", 'o', output, "FILE", "where predictions go; - is standard output"),
     .command_only = true},
    {CHOICE("format", 'f', format, "NAME", ONE_OF("jsonl", "csv"),
            "one JSON object an image with the classes reported, or a table of all scores, "
            "whatever the threshold")},
    {STRING("html", 0, html, "FILE", "write a report with thumbnails, one self-contained page"),
     .command_only = true},

    {.group = "Engine", ROW_PROVIDER(network.provider.name)},
    {ROW_PROVIDER_LIBRARY(network.provider.library)},
    {ROW_PROVIDER_OPTION(network.provider.options)},
    {CHOICE("precision", 0, network.precision, "NAME", ONE_OF("auto", "fp32", "bf16", "int8"),
            "numbers of the network: int8 is the model's model_int8.onnx, bf16 is for OpenVINO; "
            "auto is the fastest whose scores of the first images are within 0.1 of fp32's")},
    {SIZE("batch", 'b', network.batch, "N", 1, 65536,
          "views in one run of the network, by default two for each thread, 4 at least")},
    {0},
};

static const char *const examples[] = {
    "What is in these photos?",
    "cdul-predict run/ photos/ -o predictions.jsonl",
    "The three best classes of one image",
    "cdul-predict run/ -k 3 photo.jpg",
    "All scores as a table, and a page to look at",
    "cdul-predict model.onnx --format csv --html report.html photos/ \\\n"
    "      -o scores.csv",
    "Paths from another program",
    "find photos -name \"*.jpg\" -print0 | cdul-predict run/ -0 -",
    NULL,
};

const cdul_program cdul_program_predict = {
    .name = "cdul-predict",
    .section = "predict",
    .summary = "say which classes are in an image, with a model from cdul-train",
    .usage = LIST("cdul-predict MODEL [OPTION]... IMAGES... [-o FILE]"),
    .description = "MODEL is a run folder of cdul-train or a model.onnx. IMAGES are files, folders "
                   "(searched recursively), lists written @list.txt with one path a line, or - for "
                   "a list on standard input. Images that cannot be read are skipped and reported.",
    .examples = examples,
    .options = table,
    .options_size = sizeof(cdul_predict_cli),
};

cdul_status cdul_threshold_parse(const char *text, cdul_threshold *out, cdul_error *err) {
    char *end;
    double value = strtod(text, &end);
    out->value = 0;
    if (strcmp(text, "auto") == 0) {
        out->kind = CDUL_THRESHOLD_AUTO;
    } else if (strcmp(text, "relative") == 0) {
        out->kind = CDUL_THRESHOLD_RELATIVE;
    } else if (end != text && *end == '\0' && value >= 0 && value <= 1) {
        out->kind = CDUL_THRESHOLD_FIXED;
        out->value = (float)value;
    } else {
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "threshold \"%s\": expected auto, relative or a number in 0 .. 1", text);
    }
    return CDUL_OK;
}
