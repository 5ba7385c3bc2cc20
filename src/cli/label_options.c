#include "cli/label_options.h"

#include "cdul/encoder.h"
#include "cli/image_options.h"
#include "cli/programs.h"

#include <math.h>

#define FIELD(name) offsetof(cdul_label_options, name)

static const cdul_option options[] = {
    {.name = "encoder",
     .letter = 'e',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(encoder),
     .argument = "DIR",
     .group = "Input",
     .help = "folder of a CLIP-like encoder: onnx/vision_model.onnx, preprocessor_config.json and, "
             "for the "
             "text side, onnx/text_model.onnx with its tokenizer, or text.safetensors; other "
             "layouts are "
             "found too, see --inspect"},
    {.name = "variant",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(variant),
     .argument = "NAME",
     .help = "use the encoder's vision_model_NAME.onnx and text_model_NAME.onnx: fp16, quantized, "
             "int8, uint8, "
             "q4, q4f16, bnb4 or another that is there; by default the float32 files"},
    {.name = "classes",
     .letter = 'C',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(classes),
     .argument = "FILE",
     .help = "class names, one a line; after a tab the words for the prompt, separated by commas"},
    {.name = "text",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(text),
     .argument = "FILE",
     .help =
         "class embeddings made elsewhere (text.safetensors) instead of the encoder's text side"},
    {.name = "scores",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(scores),
     .argument = "FILE",
     .help = "cosines made elsewhere, or by --save-scores, instead of an encoder and images"},
    CDUL_OPTION_ROOT(FIELD(root), NULL),
    CDUL_OPTION_NULL(FIELD(null)),
    {.name = "shard",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(shard),
     .argument = "I/N",
     .command_only = true,
     .help = "label only part I of N, for N machines; an image's part depends on its name alone"},
    CDUL_OPTION_EXIF(FIELD(exif)),
    CDUL_OPTION_REDUCE(FIELD(reduce)),
    CDUL_OPTION_BACKGROUND(FIELD(background)),
    CDUL_OPTION_MAX_PIXELS(FIELD(max_pixels)),

    {.name = "template",
     .letter = 't',
     .type = CDUL_OPTION_STRINGS,
     .offset = FIELD(template),
     .argument = "TEXT",
     .group = "Prompts",
     .help = "prompt with {} in place of the class, by default \"" CDUL_DEFAULT_TEMPLATE
             "\"; may be repeated, embeddings are averaged"},
    {.name = "templates",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(templates),
     .argument = "SET",
     .choices = "simple|openai-80",
     .help = "a named set of prompts instead of --template"},
    {.name = "synonyms",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(synonyms),
     .fallback = "mean",
     .argument = "HOW",
     .choices = "mean|max",
     .help = "how several words of a class become one: the mean of their vectors, or in each view "
             "the word "
             "with the largest cosine"},
    {.name = "background-words",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(background_words),
     .argument = "FILE",
     .help =
         "words for what may be in pictures but is no class, like --classes: they compete with the "
         "classes in each view and get no label; not for sigmoid scores"},

    {.name = "local",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(local),
     .fallback = "crops",
     .argument = "WHAT",
     .choices = "crops|dense",
     .group = "Labels",
     .help = "what is looked at besides the whole image: crops, each embedded by itself, or the "
             "cells that "
             "an encoder with dense output gives along with the whole image, in one pass"},
    {.name = "grid",
     .letter = 'g',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(grid),
     .argument = "GRID",
     .help = "crops of an image, by default 3x3: RxC rows and columns of tiles, RxC:F overlapping "
             "windows "
             "of F times its width and height, A+B both; not with --local dense"},
    {.name = "mirror",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(mirror),
     .help = "embed each view and its mirror image, and take the mean: a little better for twice "
             "the work"},
    {.name = "aggregate",
     .letter = 'a',
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(aggregate),
     .fallback = "cdul",
     .argument = "HOW",
     .choices = "cdul|global|mean|max|top2|zscore",
     .help = "how the crops' scores become one; cdul is the paper's rule, global leaves crops out, "
             "zscore "
             "standardises the cosines of each view"},
    {.name = "zeta",
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(zeta),
     .fallback = "0",
     .argument = "X",
     .minimum = 0,
     .maximum = 1,
     .help = "a class whose best crop scores below this takes its worst crop's score; for cdul"},
    {.name = "lambda",
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(lambda),
     .fallback = "0",
     .argument = "X",
     .minimum = -1,
     .maximum = 1,
     .help = "weight between whole image and crops: -1 takes the smaller score, 0 their mean, 1 "
             "the larger"},
    {.name = "score",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(score),
     .argument = "HOW",
     .choices = "softmax|sigmoid",
     .help = "how cosines become scores: a softmax over the classes as CLIP is trained, or a "
             "sigmoid of each "
             "class by itself as SigLIP is; by default as the encoder is trained, softmax with "
             "--scores"},
    {.name = "temperature",
     .letter = 'T',
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(temperature),
     .argument = "T",
     .minimum = 1e-6,
     .maximum = INFINITY,
     .help = "divisor of the cosines before the softmax or sigmoid, by default the encoder's own, "
             "0.01 for "
             "CLIP"},
    {.name = "bias",
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(bias),
     .argument = "B",
     .minimum = -1000,
     .maximum = 1000,
     .help =
         "what sigmoid scores add to the divided cosines, the model's logit_bias; by default the "
         "encoder's own"},
    {.name = "calibrate-positives",
     .type = CDUL_OPTION_REAL,
     .offset = FIELD(calibrate_positives),
     .argument = "K",
     .minimum = 1e-3,
     .maximum = INFINITY,
     .help = "shift all labels by one bias so that an image has K classes on average; by default "
             "1.5 with "
             "zscore, and "
             "no shift otherwise"},

    {.name = "output",
     .letter = 'o',
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(output),
     .argument = "FILE",
     .group = "Output",
     .command_only = true,
     .help = "where the labels go, as safetensors"},
    {.name = "csv",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(csv),
     .argument = "FILE",
     .command_only = true,
     .help = "write the labels as CSV as well"},
    {.name = "save-scores",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(save_scores),
     .argument = "FILE",
     .command_only = true,
     .help = "write the cosines of whole images and crops, for --scores"},
    {.name = "cache",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(cache),
     .argument = "DIR",
     .help = "keep embeddings in this folder: other classes, prompts and label options then take "
             "seconds, and "
             "an interrupted run goes on"},

    CDUL_OPTIONS_PROVIDER(FIELD(provider)),
    {.name = "precision",
     .type = CDUL_OPTION_CHOICE,
     .offset = FIELD(precision),
     .fallback = "auto",
     .argument = "NAME",
     .choices = "auto|fp32|bf16|int8",
     .help = "numbers of the image tower: int8 is its variant int8 or quantized, bf16 is for "
             "OpenVINO; auto is "
             "the fastest whose vectors of the first images have a cosine of 0.9995 to fp32's; "
             "fp32 with "
             "--shard, so that the parts agree"},
    {.name = "batch",
     .letter = 'b',
     .type = CDUL_OPTION_INT,
     .offset = FIELD(batch),
     .argument = "N",
     .minimum = 1,
     .maximum = 65536,
     .help = "views in one run of the network, by default what suits the graph"},

    {.name = "merge",
     .type = CDUL_OPTION_FLAG,
     .offset = FIELD(merge),
     .group = "Other work",
     .command_only = true,
     .help = "put label files, such as those of --shard, together into one"},
    {.name = "inspect",
     .type = CDUL_OPTION_STRING,
     .offset = FIELD(inspect),
     .argument = "DIR",
     .command_only = true,
     .help = "say what is understood of an encoder folder and exit"},
    {0},
};

static const char *const usage[] = {
    "cdul-label -e DIR -C FILE [OPTION]... IMAGES... -o FILE",
    "cdul-label --scores FILE [OPTION]... -o FILE",
    "cdul-label --merge LABELS... -o FILE",
    "cdul-label --inspect DIR",
    NULL,
};

static const char *const examples[] = {
    "Label a folder of photos",
    "cdul-label -e clip-vit-b32/ -C classes.txt photos/ -o labels.safetensors",
    "The same with a cache: the next run with other classes or prompts takes seconds",
    "cdul-label -e clip-vit-b32/ -C classes.txt --cache cache/ -t \"a photo of a {}\" -t \"a "
    "painting of a "
    "{}\" "
    "photos/ -o labels.safetensors",
    "Standardised scores, two classes an image on average, and a table for a spreadsheet",
    "cdul-label -e clip-vit-b32/ -C classes.txt -a zscore --calibrate-positives 2 --csv labels.csv "
    "photos/ "
    "-o "
    "labels.safetensors",
    "The second of four machines",
    "cdul-label -e clip-vit-b32/ -C classes.txt --shard 2/4 photos/ -o part-2.safetensors",
    "The four parts together",
    "cdul-label --merge part-*.safetensors -o labels.safetensors",
    NULL,
};

const cdul_program cdul_program_label = {
    .name = "cdul-label",
    .section = "label",
    .summary = "make multi-label pseudo-labels for unlabelled images with a CLIP-like encoder",
    .usage = usage,
    .description =
        "Every image is compared with every class name, as a whole and in crops, and the scores "
        "become one "
        "label in 0 to 1 for each image and class: the initialisation of CDUL (ICCV 2023).\n\n"
        "IMAGES are files, folders (searched recursively), lists written @list.txt with one path a "
        "line, or "
        "- "
        "for a list on standard input. Images that cannot be read are skipped and listed in "
        "FILE.skipped.csv.",
    .examples = examples,
    .options = options,
    .options_size = sizeof(cdul_label_options),
};
