/* What the files of src/encoder share. */
#ifndef CDUL_ENCODER_INTERNAL_H
#define CDUL_ENCODER_INTERNAL_H

#include "cdul/encoder.h"
#include "encoder/folder/layout.h"
#include "encoder/tower.h"

/* What config.json and cdul.json say. */
typedef struct cdul_encoder_config {
    char *model_type; /* NULL if not said */
    size_t projection; /* projection_dim, 0 if not said */
    size_t image_height, image_width; /* image_size of vision_config, 0 if not said */
    size_t context; /* text_config.max_position_embeddings; CLIP's 77; 0 if not known */
    bool has_scale; /* logit_scale is known */
    bool scale_assumed; /* only because CLIPs end there: whoever knows it replaces it */
    double logit_scale; /* exponent: cosines are multiplied by exp(logit_scale) */
    const char *scale_source;
    bool sigmoid; /* trained with a sigmoid and a bias, known or not: SigLIP */
    bool has_bias; /* logit_bias is known */
    double logit_bias;
    const char *bias_source;
    char *provenance; /* cdul.json's, or NULL */
} cdul_encoder_config;

cdul_status cdul_encoder_config_read(const char *folder, cdul_encoder_config *out,
                                     cdul_error *err) CDUL_MUST_CHECK;
/* A factor, such as 100, written where its logarithm belongs would make every label 0 or 1:
 * CDUL_ERR_INPUT. */
cdul_status cdul_logit_scale_check(double scale, const char *where,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* Both with where the number is from, a literal. A bias makes scores a sigmoid's. */
void cdul_encoder_config_scale(cdul_encoder_config *config, double scale, const char *source);
void cdul_encoder_config_bias(cdul_encoder_config *config, double bias, const char *source);
void cdul_encoder_config_free(cdul_encoder_config *config);

struct cdul_encoder {
    char *folder;
    char *variant; /* as asked for, or NULL */
    char *provider, *library; /* copies that `session` points to */
    cdul_session_options session; /* for both towers; owns .provider.options */
    cdul_encoder_config config;
    cdul_layout layout; /* .text: path of the text tower's graph, or NULL */
    cdul_tower vision;
    bool ready; /* to run: until then `vision` is open to be asked */
    cdul_preprocess preprocess;
    cdul_strings notes; /* assumptions, for --inspect */
    cdul_inference precision; /* of the image tower */
    size_t width; /* D */
    size_t batch; /* B */
    bool hashed;
    uint64_t hash; /* of the image tower's files, once `hashed` */
};

/* As cdul_encoder_views, but rows are left as the graph gives them, and each is followed by those
 * of its P = `cells` cells: [n, 1 + P, D]. */
cdul_status cdul_encoder_raw_views(cdul_encoder *encoder, const float *pixels, size_t n,
                                   size_t cells, float *out, cdul_error *err) CDUL_MUST_CHECK;

/* The text tower's graph, open; of a graph of both towers, in the image tower's session. `encoder`
 * must have layout.text. */
cdul_status cdul_encoder_text_graph(const cdul_encoder *encoder, cdul_tower *out,
                                    cdul_error *err) CDUL_MUST_CHECK;

/* Scales `vector` [D] to length 1; false if it is zero or not finite. */
bool cdul_unit(float *vector, size_t width);

/* The text tower, its tokenizer and its sizes, open. */
typedef struct cdul_text_tower {
    cdul_tower tower;
    cdul_tokenizer *tokenizer;
    size_t context; /* L */
    size_t batch; /* prompts in one run */
    bool foreign; /* after a failure: for its tokenizer, which is of a kind that is not read here */
} cdul_text_tower;

/* `encoder` must have a text graph. On failure all but `foreign` is empty. */
cdul_status cdul_text_tower_open(const cdul_encoder *encoder, cdul_text_tower *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_text_tower_close(cdul_text_tower *text);

/* Adds to the error of a foreign tokenizer the command that writes class vectors. `classes` and
 * `templates` are those asked for, or NULL. */
void cdul_text_advise(const cdul_encoder *encoder, const cdul_classes *classes,
                      const cdul_strings *templates, cdul_error *err);

/* The name that a row belongs to. */
const char *cdul_text_class(const cdul_text *text, size_t row);
/* `text` gets `rows` zeroed vectors. */
cdul_status cdul_text_allocate(cdul_text *text, size_t rows, size_t width,
                               cdul_error *err) CDUL_MUST_CHECK;

/* The vectors of `classes` from text.safetensors; all of the file's if that is NULL. */
cdul_status cdul_text_choose(const char *path, const cdul_classes *classes, size_t width,
                             cdul_text *out, cdul_error *err) CDUL_MUST_CHECK;

#endif
