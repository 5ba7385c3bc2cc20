/* The encoder: images and class names to unit vectors in one space.
 *
 *   classes and templates  what the user calls things           cdul_classes, cdul_templates_*
 *   tokenizer              prompts to token ids (CLIP's BPE)    cdul_tokenizer
 *   encoder                a folder with a CLIP-like network    cdul_encoder
 *   text                   one vector a class [C, D]            cdul_text
 *   embedding              images to views [N, 1 + S, D]        cdul_encoder_embed
 *                          S crops, or S patch tokens           cdul_encoder_patches
 *
 * Letters: N images, C classes, S crops or patch tokens, V = 1 + S views (view 0 is the whole
 * image), D embedding width, B views in a batch, H, W pixels, L tokens. Every vector handed out has
 * length 1 (L2). */
#pragma once

#include "cdul/image.h"
#include "cdul/progress.h"
#include "cdul/provider.h"
#include "cdul/strings.h"

#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Classes and prompt templates --- */

/* How the prompts of a class that has several words become one class. */
typedef enum cdul_synonyms {
    CDUL_SYNONYMS_MEAN, /* one vector: the mean direction of all prompts with all words */
    CDUL_SYNONYMS_MAX, /* a vector for each word, of its prompts; the largest cosine counts */
} cdul_synonyms;

/* What to look for. Start from {0}. */
typedef struct cdul_classes {
    /* The names of C classes, then of B background words, all distinct. The first C head the
     * columns of every output. */
    cdul_strings names;
    /* [C + B] The words that stand in the prompts of each: those given, else its name. */
    cdul_strings *words;
    size_t background; /* B */
    cdul_synonyms synonyms;
} cdul_classes;

/* Reads classes.txt, UTF-8, a class a line: `name`, or `name<TAB>word, word, ...`. Empty lines are
 * skipped, spaces around names and words are dropped. CDUL_ERR_INPUT, with line and byte (both from
 * 1): a name that is there twice, an empty name or word, a NUL, invalid UTF-8. So are two classes
 * whose names and words differ in case and spacing alone, which CLIP's tokenizer does not see. */
cdul_status cdul_classes_read(const char *path, cdul_classes *out, cdul_error *err) CDUL_MUST_CHECK;
/* The same from memory; `where` stands for the path in errors. */
cdul_status cdul_classes_parse(const char *text, size_t size, const char *where, cdul_classes *out,
                               cdul_error *err) CDUL_MUST_CHECK;
/* Adds the lines of such a file as background words: they compete with the classes for probability
 * and get no label, so that a view which shows no class need not look like one. A name or word that
 * a class has already (in any case of ASCII letters) is CDUL_ERR_INPUT with the line. */
cdul_status cdul_classes_read_background(const char *path, cdul_classes *classes,
                                         cdul_error *err) CDUL_MUST_CHECK;
void cdul_classes_free(cdul_classes *classes);

#define CDUL_DEFAULT_TEMPLATE "a photo of a {}" /* the paper's, section 3.1 */

/* Adds a named set to `out`: "simple" (7) or "openai-80" (80), the ImageNet prompts of CLIP's
 * authors (Radford et al. 2021, section 3.1.4). Another name is CDUL_ERR_USAGE. */
cdul_status cdul_templates_named(const char *name, cdul_strings *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Puts `word` in the place of `{}` or `{c}`, of which `pattern` must have one: else CDUL_ERR_USAGE.
 * The caller frees *out. */
cdul_status cdul_template_fill(const char *pattern, const char *word, char **out,
                               cdul_error *err) CDUL_MUST_CHECK;

/* --- Tokenizer: CLIP's byte-level BPE, ids as Hugging Face's CLIPTokenizer gives them --- */

typedef struct cdul_tokenizer cdul_tokenizer;

/* Reads tokenizer.json, or vocab.json with merges.txt, from an encoder folder. The padding token is
 * that of tokenizer_config.json or special_tokens_map.json, else the end token. A tokenizer.json of
 * another kind is CDUL_ERR_INPUT, and the message names what it is. */
cdul_status cdul_tokenizer_open(const char *folder, cdul_tokenizer **out,
                                cdul_error *err) CDUL_MUST_CHECK;
void cdul_tokenizer_close(cdul_tokenizer *tokenizer);

/* Writes the token ids of UTF-8 text into ids [context]: start, text, end, padding. Text that does
 * not fit is cut, and the end token kept; *cut (may be NULL) says so. *used (may be NULL) is the
 * length without padding. Invalid UTF-8 is CDUL_ERR_INPUT with the byte. Thread-safe. */
cdul_status cdul_tokenizer_encode(const cdul_tokenizer *tokenizer, const char *text, size_t context,
                                  int64_t *ids, size_t *used, bool *cut,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* All ids are smaller than this. */
size_t cdul_tokenizer_size(const cdul_tokenizer *tokenizer);

/* --- Encoder --- */

typedef struct cdul_encoder_options {
    size_t threads; /* of the network, within an operator; 0, the default, = one per processor */
    /* B, views in one run. 0, the default, = what the graph fixes; else 16 views of 224 x 224
     * pixels on the CPU, 32 on other providers; of larger views fewer, but 4 at least. */
    size_t batch;
    cdul_provider provider; /* copied; default the CPU */
    /* Such as "fp16" or "quantized": vision_model_<variant>.onnx. NULL, the default, = float32. */
    const char *variant;
    /* Of the image tower; the text tower stays as it is. Default FP32; not AUTO, which
     * cdul_encoder_choose settles. INT8 is the variant int8 or quantized: CDUL_ERR_INPUT if the
     * folder has neither. */
    cdul_inference precision;
    const cdul_callbacks *callbacks; /* of all that it does; borrowed until it is closed */
} cdul_encoder_options;

cdul_encoder_options cdul_encoder_defaults(void);

typedef struct cdul_encoder cdul_encoder;

/* Opens a folder as users of transformers.js, optimum, open_clip or immich have it:
 *   vision_model.onnx and     in onnx/ or at top level; the second is optional. Else
 *   text_model.onnx           visual/model.onnx and textual/model.onnx, *visual*.onnx and
 *                             *textual*.onnx, or model.onnx, which may hold both towers
 *   preprocessor_config.json  how a picture becomes [3, H, W]; or open_clip_config.json, or
 *                             preprocess_cfg.json
 *   config.json               optional: model_type, widths, sizes
 *   tokenizer.json            with the text tower; or vocab.json and merges.txt
 *   cdul.json                 optional: {"logit_scale": exponent, "logit_bias": number,
 *                             "templates": [prompt], "provenance": text}; a graph may tell
 *                             the first two itself
 *   text.safetensors          optional: class vectors instead of a text tower
 * Everything is checked here: what is not understood is CDUL_ERR_INPUT, never a guess. On the CPU a
 * tower is made ready to run when it is first used, on other providers the image tower now.
 * `options` NULL = defaults. */
cdul_status cdul_encoder_open(const char *folder, const cdul_encoder_options *options,
                              cdul_encoder **out, cdul_error *err) CDUL_MUST_CHECK;
#define CDUL_COSINE_BOUND 0.9995
/* Opens the folder in the fastest precision that keeps the vectors: int8 on the CPU if the folder
 * has it, bfloat16 on OpenVINO, if the vectors of the first images have a cosine of at least
 * CDUL_COSINE_BOUND to float32's. Else, and for too few images to be worth the trial, float32. If
 * the folder `cache` (or NULL) holds a cache, the precision in which it was made is taken instead.
 * What a trial found is a note to options->callbacks. options->precision is not read;
 * options->variant settles it. */
cdul_status cdul_encoder_choose(const char *folder, const cdul_encoder_options *options,
                                const cdul_strings *paths, const cdul_decode_options *decode,
                                const char *cache, cdul_encoder **out,
                                cdul_error *err) CDUL_MUST_CHECK;
void cdul_encoder_close(cdul_encoder *encoder);

size_t cdul_encoder_width(const cdul_encoder *encoder); /* D */
size_t cdul_encoder_batch(const cdul_encoder *encoder); /* B, after asking the graph */
const cdul_preprocess *cdul_encoder_preprocess(const cdul_encoder *encoder);
/* What was assumed, or is not as asked for: a line each, for the user to read. */
const cdul_strings *cdul_encoder_notes(const cdul_encoder *encoder);
/* Of the image tower; never AUTO. */
cdul_inference cdul_encoder_precision(const cdul_encoder *encoder);
/* Who runs the image tower: "CPU", or such as "CUDA: 98 of 103 nodes, 5 on the CPU provider". */
const char *cdul_encoder_placement(const cdul_encoder *encoder);

/* How the model was trained to read a cosine. */
typedef struct cdul_encoder_score {
    /* sigmoid(cos / T + bias), each class by itself: where model_type is siglip or siglip2, or a
     * bias is known. Else softmax over classes of cos / T. */
    bool sigmoid;
    /* T = 1 / exp(logit_scale), of cdul.json or the graph; else 0.01 for CLIP; else NAN. */
    double temperature;
    /* T is CLIP's 0.01 only because training ends there, where the scale is clipped at 100
     * (config.json's logit_scale_init_value is where it begins). */
    bool assumed;
    double bias; /* logit_bias; NAN = not known */
} cdul_encoder_score;

cdul_encoder_score cdul_encoder_score_of(const cdul_encoder *encoder);

/* The grid of patch tokens that some encoders give along with the whole image's vector, in one
 * pass. */
typedef struct cdul_patches {
    size_t rows, columns; /* P = rows x columns; 0 x 0 = none */
} cdul_patches;

/* The grid of a graph with dense output: besides the embedding it has an output `dense_embeds`
 * [B, P, D], a vector in the same space for each patch of the network's input, row by row, and
 * metadata `dense_grid`, such as "7x7" (rows x columns). Without that, CDUL_ERR_INPUT. */
cdul_status cdul_encoder_patches(const cdul_encoder *encoder, cdul_patches *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Writes what was understood of the folder, for `cdul-label --inspect`. */
cdul_status cdul_encoder_describe(cdul_encoder *encoder, FILE *stream,
                                  cdul_error *err) CDUL_MUST_CHECK;

/* Unit vectors [n, D] of n preprocessed views, pixels [n, 3, H, W]. Call it from one thread at a
 * time: the first call makes the tower ready to run. */
cdul_status cdul_encoder_views(cdul_encoder *encoder, const float *pixels, size_t n, float *out,
                               cdul_error *err) CDUL_MUST_CHECK;

/* --- Text: one unit vector a class, or one a word --- */

/* Start from {0}. R rows: C + B, one for each name, or with CDUL_SYNONYMS_MAX one for each word. */
typedef struct cdul_text {
    cdul_strings classes; /* C names, then B background words */
    size_t background; /* B */
    size_t rows; /* R */
    size_t *class_of; /* [R] whose word a row is, never falling; NULL: row c is that of name c */
    size_t width; /* D */
    float *vectors; /* [R, D] */
    size_t prompts; /* embedded; 0: the vectors are a file's */
    size_t cut_prompts; /* prompts longer than the text tower's context, which lost their end */
    /* The model's own, if the vectors are a file's that has them; else NAN. */
    double logit_scale, logit_bias;
} cdul_text;

/* Reads text.safetensors: `text_embeds` [R, D], which are normalised, and metadata `classes`;
 * optional are `logit_scale`, `logit_bias` and, where a name has several rows, `class_of`.
 * Background words are names like others in it. */
cdul_status cdul_text_read(const char *path, cdul_text *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_text_free(cdul_text *text);

/* The vectors of `classes`, in their order, from the first of these that there is:
 *   text_path         rows of that file, by name
 *   the text tower    every template filled with every word of the class, embedded, normalised,
 *                     averaged, normalised (Radford et al. 2021, section 3.1.4). `templates` NULL
 *                     or empty = cdul.json's, else CDUL_DEFAULT_TEMPLATE. A tokenizer that is not
 *                     read here passes on to:
 *   text.safetensors  in the encoder's folder, as text_path
 * `classes` NULL, or without a class: all names of the file that are no background words. A name
 * that the file lacks is CDUL_ERR_INPUT; so is a file whose width is not the encoder's. A file must
 * have a vector for each word for CDUL_SYNONYMS_MAX and one for each name for CDUL_SYNONYMS_MEAN,
 * else CDUL_ERR_USAGE. */
cdul_status cdul_encoder_text(cdul_encoder *encoder, const cdul_classes *classes,
                              const cdul_strings *templates, const char *text_path, cdul_text *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* --- Embedding: from files to views --- */

typedef struct cdul_embed_options {
    const cdul_crops *crops; /* S, besides the whole image; NULL = none */
    cdul_patches patches; /* S = P patch tokens instead, one pass an image; {0} = none */
    /* A view's vector is the mean direction of the view and its mirror image: twice the work. */
    bool mirror;
    cdul_decode_options decode;
    /* Decode large JPEGs at a part of their size, where every view keeps twice its pixels. */
    bool reduce;
    size_t threads; /* that decode and resize; 0 = in the caller's thread */
} cdul_embed_options;

/* S: crops, or patch tokens, of an image. */
size_t cdul_embed_locals(const cdul_embed_options *options);

/* What becomes of each image, in order. */
typedef struct cdul_embed_sink {
    /* Image i: views [V, D], valid during the call. A failure stops the run and is returned. */
    cdul_status (*embedded)(void *user, size_t i, const float *views, cdul_error *err);
    /* Image i could not be read; the run goes on. */
    void (*skipped)(void *user, size_t i, const char *reason);
    void *user;
} cdul_embed_sink;

/* Embeds the images paths[which[0..n-1]] (`which` NULL: paths[0..n-1]); `i` above indexes `paths`.
 * Crops of different images share batches; memory does not grow with n. With `mirror` a patch is
 * paired with the one that shows the same part. CDUL_ERR_CANCELLED if the encoder's should_stop
 * says so, when everything finished has been handed over. CDUL_ERR_USAGE: crops and patches. */
cdul_status cdul_encoder_embed(cdul_encoder *encoder, const cdul_strings *paths,
                               const size_t *which, size_t n, const cdul_embed_options *options,
                               const cdul_embed_sink *sink, cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
