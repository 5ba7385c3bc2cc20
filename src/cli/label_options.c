/* The option table of cdul-label. */
#include "programs.h"

#include <math.h>

#define IMAGES_ONLY CDUL_LABEL_WITHOUT_IMAGES
#define NOT_MERGED  CDUL_LABEL_MERGE
#define OPTIONS     cdul_label_cli

static const cdul_option table[] = {
    {.group = "Input",
     STRING("encoder", 'e', label.encoder, "DIR",
            "folder of a CLIP-like encoder: onnx/vision_model.onnx, preprocessor_config.json and, "
            "for the text side, onnx/text_model.onnx with its tokenizer, or text.safetensors; "
            "other layouts are found too, see --inspect; by default a small one that comes with "
            "cdul"),
     .idle = IMAGES_ONLY},
    {STRING("variant", 0, label.variant, "NAME",
            "use the encoder's vision_model_NAME.onnx and text_model_NAME.onnx: fp16, quantized, "
            "int8, uint8, q4, q4f16, bnb4 or another that is there; by default the float32 files"),
     .idle = IMAGES_ONLY},
    {STRING("classes", 'C', classes, "FILE",
            "class names, one a line; after a tab the words for the prompt, separated by commas"),
     .idle = NOT_MERGED},
    {STRING(
         "text", 0, label.text, "FILE",
         "class embeddings made elsewhere (text.safetensors) instead of the encoder's text side"),
     .idle = IMAGES_ONLY},
    {STRING("scores", 0, scores, "FILE",
            "cosines made elsewhere, or by --save-scores, instead of an encoder and images"),
     .idle = NOT_MERGED},
    {ROW_ROOT(label.list.root)},
    {ROW_NULL(label.list.nul_separated)},
    {STRING("shard", 0, shard, "I/N",
            "label only part I of N, for N machines; an image's part depends on its name alone"),
     .command_only = true, .idle = IMAGES_ONLY},
    {ROW_EXIF(label.decode.exif)},
    {ROW_REDUCE(label.reduce)},
    {ROW_BACKGROUND(label.decode.background)},
    {ROW_MAX_PIXELS(label.decode.max_pixels)},

    {.group = "Prompts",
     STRINGS("template", 't', template, "TEXT",
             "prompt with {} in place of the class, by default \"" CDUL_DEFAULT_TEMPLATE
             "\"; may be repeated, embeddings are averaged"),
     .idle = IMAGES_ONLY},
    {CHOICE("templates", 0, templates, "SET", ONE_OF("simple", "openai-80"),
            "a named set of prompts instead of --template"),
     .idle = IMAGES_ONLY},
    {CHOICE("synonyms", 0, synonyms, "HOW", ONE_OF("mean", "max"),
            "how several words of a class become one: the mean of their vectors, or in each view "
            "the word with the largest cosine")},
    {STRING("background-words", 0, background_words, "FILE",
            "words for what may be in pictures but is no class, like --classes: they compete with "
            "the classes in each view and get no label; not for sigmoid scores"),
     .idle = NOT_MERGED},

    {.group = "Labels",
     CHOICE("local", 0, label.local, "WHAT", ONE_OF("crops", "dense"),
            "what is looked at besides the whole image: crops, each embedded by itself, or the "
            "patch tokens (cells) that an encoder with dense output gives along with the whole "
            "image, in one pass"),
     .idle = IMAGES_ONLY},
    {STRING("grid", 'g', label.grid, "GRID",
            "crops of an image, by default " CDUL_DEFAULT_GRID
            ": RxC rows and columns of tiles, RxC:F overlapping windows of F times its width and "
            "height, A+B both; not with --local dense"),
     .idle = IMAGES_ONLY},
    {FLAG("mirror", 0, label.mirror,
          "embed each view and its mirror image, and take the mean: a little better for twice the "
          "work"),
     .idle = IMAGES_ONLY},
    {CHOICE("aggregate", 'a', label.aggregate.aggregator, "HOW",
            ONE_OF("cdul", "global", "mean", "max", "top2", "zscore", "discriminant"),
            "how the crops' scores become one; cdul is the paper's rule, global leaves crops out, "
            "zscore standardises the cosines of each view, discriminant adds what a Gaussian "
            "discriminant of the surest views says, and needs --cache")},
    {SIZE("discriminant-views", 0, label.discriminant_views, "N", 1, 1000000,
          "views of each class that the discriminant is fitted to, at most"),
     .idle = NOT_MERGED},
    {REAL("zeta", 0, label.aggregate.zeta, "X", 0, 1,
          "a class whose best crop scores below this takes its worst crop's score; for cdul")},
    {REAL("lambda", 0, label.aggregate.lambda, "X", -1, 1,
          "weight between whole image and crops: -1 takes the smaller score, 0 their mean, 1 the "
          "larger")},
    {CHOICE("score", 0, label.aggregate.score, "HOW", ONE_OF("softmax", "sigmoid"),
            "how cosines become scores: a softmax over the classes as CLIP is trained, or a "
            "sigmoid of each class by itself as SigLIP is; by default as the encoder is trained, "
            "softmax with --scores"),
     .idle = NOT_MERGED},
    {REAL("temperature", 'T', label.aggregate.temperature, "T", 1e-6, INFINITY,
          "divisor of the cosines before the softmax or sigmoid, by default the encoder's own, "
          "0.01 for CLIP"),
     .idle = NOT_MERGED},
    {REAL("bias", 0, label.aggregate.bias, "B", -1000, 1000,
          "what sigmoid scores add to the divided cosines, the model's logit_bias; by default the "
          "encoder's own"),
     .idle = NOT_MERGED},
    {REAL("calibrate-positives", 0, label.positives, "K", 1e-3, INFINITY,
          "shift all labels by one bias so that an image has K classes on average; by default as "
          "the encoder's probabilities have it"),
     .idle = NOT_MERGED},

    {.group = "Output",
     STRING("output", 'o', output, "FILE", "where the labels go, as safetensors"),
     .command_only = true},
    {STRING("csv", 0, csv, "FILE", "write the labels as CSV as well"), .command_only = true},
    {STRING("save-scores", 0, label.save_scores, "FILE",
            "write the cosines of whole images and crops, for --scores"),
     .command_only = true, .idle = IMAGES_ONLY},
    {STRING("cache", 0, label.cache, "DIR",
            "keep embeddings in this folder: other classes, prompts and label options then take "
            "seconds, and an interrupted run goes on"),
     .idle = IMAGES_ONLY},

    {.group = "Engine", ROW_PROVIDER(label.provider.name)},
    {ROW_PROVIDER_LIBRARY(label.provider.library)},
    {ROW_PROVIDER_OPTION(label.provider.options)},
    {CHOICE("precision", 0, label.precision, "NAME", ONE_OF("auto", "fp32", "bf16", "int8"),
            "numbers of the image tower: int8 is its variant int8 or quantized, bf16 is for "
            "OpenVINO; auto is the fastest whose vectors of the first images have a cosine of "
            "0.9995 to fp32's; fp32 with --shard, so that the parts agree")},
    {SIZE("batch", 'b', label.batch, "N", 1, 65536,
          "views in one run of the network, by default what suits the graph"),
     .idle = IMAGES_ONLY},

    {.group = "Other work",
     FLAG("merge", 0, merge, "put label files, such as those of --shard, together into one"),
     .command_only = true},
    {STRING("inspect", 0, inspect, "DIR", "say what is understood of an encoder folder and exit"),
     .command_only = true},
    {0},
};

static const char *const examples[] = {
    "Label a folder of photos with the encoder that comes with cdul, or with a CLIP",
    "cdul-label -C classes.txt photos/ -o labels.safetensors\n"
    "cdul-label -e clip-vit-b32/ -C classes.txt photos/ -o labels.safetensors",
    "The same with a cache: the next run with other classes or prompts takes seconds",
    "cdul-label -e clip-vit-b32/ -C classes.txt --cache cache/ \\\n"
    "      -t \"a photo of a {}\" -t \"a painting of a {}\" photos/ \\\n"
    "      -o labels.safetensors",
    "Standardised scores, two classes an image on average, and a table for a spreadsheet",
    "cdul-label -e clip-vit-b32/ -C classes.txt -a zscore \\\n"
    "      --calibrate-positives 2 --csv labels.csv photos/ \\\n"
    "      -o labels.safetensors",
    "The second of four machines",
    "cdul-label -e clip-vit-b32/ -C classes.txt --shard 2/4 photos/ \\\n"
    "      -o part-2.safetensors",
    "The four parts together",
    "cdul-label --merge part-*.safetensors -o labels.safetensors",
    NULL,
};

const cdul_program cdul_program_label = {
    .name = "cdul-label",
    .section = "label",
    .summary = "make multi-label pseudo-labels for unlabelled images with a CLIP-like encoder",
    .usage = LIST("cdul-label [-e DIR] -C FILE [OPTION]... IMAGES... -o FILE",
                  "cdul-label --scores FILE [OPTION]... -o FILE",
                  "cdul-label --merge LABELS... -o FILE", "cdul-label --inspect DIR"),
    .description =
        "Every image is compared with every class name, as a whole and in crops, and the scores "
        "become one label in 0 to 1 for each image and class: the initialisation of CDUL (ICCV "
        "2023).\n\nIMAGES are files, folders (searched recursively), lists written @list.txt with "
        "one path a line, or - for a list on standard input. Images that cannot be read are "
        "skipped and listed in FILE.skipped.csv.",
    .examples = examples,
    .options = table,
    .options_size = sizeof(cdul_label_cli),
};
