#include "cli/predict_options.h"

#include "cli/image_options.h"
#include "cli/programs.h"

#define FIELD(name) offsetof(cdul_predict_options, name)

static const cdul_option options[] = {
    CDUL_OPTION_ROOT(FIELD(root), "Input"),
    CDUL_OPTION_NULL(FIELD(null)),
    CDUL_OPTION_EXIF(FIELD(exif)),
    CDUL_OPTION_REDUCE(FIELD(reduce)),
    CDUL_OPTION_BACKGROUND(FIELD(background)),
    CDUL_OPTION_MAX_PIXELS(FIELD(max_pixels)),

    {.name = "threshold",
     .letter = 't',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(threshold),
     .fallback = "auto",
     .argument = "X",
     .group = "Prediction",
     .help = "score from which a class is reported: 0 to 1 (0 reports all); auto = the model's "
             "own, one a class; "
             "relative = halfway between an image's smallest and largest"},
    {.name = "top-k",
     .letter = 'k',
     .type = CDUL_OPTION_INT,
     .offset = FIELD(top_k),
     .fallback = "0",
     .argument = "N",
     .minimum = 0,
     .maximum = 1e6,
     .help = "report the N best classes of an image, of those that reach the threshold if one is "
             "given; 0 = all"},
    {.name = "views",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(views),
     .fallback = "none",
     .argument = "WHICH",
     .choices = "none|flip|grid",
     .help = "further views of an image: flip = the mean with its mirror image; grid = the mean "
             "with the best of "
             "3x3 tiles; 2 and 10 times the work"},
    {.name = "standardise",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(standardise),
     .fallback = "false",
     .help =
         "standardise the logits of each image over the classes; threshold auto is then relative"},

    {.name = "output",
     .letter = 'o',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(output),
     .fallback = "-",
     .argument = "FILE",
     .group = "Output",
     .command_only = true,
     .help = "where predictions go; - is standard output"},
    {.name = "format",
     .letter = 'f',
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(format),
     .fallback = "jsonl",
     .argument = "NAME",
     .choices = "jsonl|csv",
     .help = "one JSON object an image with the classes reported, or a table of all scores, "
             "whatever the "
             "threshold"},
    {.name = "html",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(html),
     .argument = "FILE",
     .command_only = true,
     .help = "write a report with thumbnails, one self-contained page"},

    CDUL_OPTIONS_PROVIDER(FIELD(provider)),
    {.name = "precision",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(precision),
     .fallback = "auto",
     .argument = "NAME",
     .choices = "auto|fp32|bf16|int8",
     .help = "numbers of the network: int8 is the model's model_int8.onnx, bf16 is for OpenVINO; "
             "auto is the "
             "fastest whose scores of the first images are within 0.1 of fp32's"},
    {.name = "batch",
     .letter = 'b',
     .type = CDUL_OPTION_INT,
     .offset = FIELD(batch),
     .argument = "N",
     .minimum = 1,
     .maximum = 65536,
     .help = "views in one run of the network, by default two for each thread, 4 at least"},
    {0},
};

static const char *const usage[] = {"cdul-predict MODEL [OPTION]... IMAGES... [-o FILE]", NULL};

static const char *const examples[] = {
    "What is in these photos?",
    "cdul-predict run/ photos/ -o predictions.jsonl",
    "The three best classes of one image",
    "cdul-predict run/ -k 3 photo.jpg",
    "All scores as a table, and a page to look at",
    "cdul-predict model.onnx --format csv --html report.html photos/ -o scores.csv",
    "Paths from another program",
    "find photos -name \"*.jpg\" -print0 | cdul-predict run/ -0 -",
    NULL,
};

const cdul_program cdul_program_predict = {
    .name = "cdul-predict",
    .section = "predict",
    .summary = "say which classes are in an image, with a model from cdul-train",
    .usage = usage,
    .description =
        "MODEL is a run folder of cdul-train or a model.onnx. IMAGES are files, folders (searched "
        "recursively), lists written @list.txt with one path a line, or - for a list on standard "
        "input. "
        "Images that cannot be read are skipped and reported.",
    .examples = examples,
    .options = options,
    .options_size = sizeof(cdul_predict_options),
};
