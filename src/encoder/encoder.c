#include "base/file.h"
#include "encoder/encoder_internal.h"
#include "encoder/preprocess_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BATCH 32 /* views: three images of ten, and where CPU throughput has levelled off */

cdul_encoder_options cdul_encoder_defaults(void) {
    return (cdul_encoder_options){.threads = 0, .batch = 0, .provider = {.name = "cpu"}};
}

bool cdul_unit(float *vector, size_t width) {
    double sum = 0;
    for (size_t i = 0; i < width; i++) sum += (double)vector[i] * (double)vector[i];
    if (!isfinite(sum) || sum <= 0) return false;
    double scale = 1.0 / sqrt(sum);
    for (size_t i = 0; i < width; i++) vector[i] = (float)((double)vector[i] * scale);
    return true;
}

/* --- Opening --- */

static cdul_status no_vision_graph(const char *folder, cdul_error *err) {
    char *combined = NULL;
    cdul_status status = cdul_tower_find(folder, "model.onnx", &combined, err);
    if (status != CDUL_OK) return status;
    status =
        combined
            ? cdul_fail(err, CDUL_ERR_INPUT,
                        "%s: one graph for both towers is not supported; export vision_model.onnx and "
                        "text_model.onnx (scripts/export_clip.py)",
                        combined)
            : cdul_fail(err, CDUL_ERR_INPUT,
                        "%s: not an encoder folder: neither onnx/vision_model.onnx nor vision_model.onnx",
                        folder);
    free(combined);
    return status;
}

/* Widths are read from the graph; a graph that leaves its width free is run once on an empty picture. */
static cdul_status find_width(cdul_encoder *e, cdul_error *err) {
    int64_t declared = e->vision.output->dims[1];
    if (declared > 0) {
        e->width = (size_t)declared;
        return CDUL_OK;
    }
    size_t rows = e->vision.batch ? e->vision.batch : 1;
    cdul_feed feed = {.name = e->vision.input->name, .rank = 4};
    feed.dims[0] = (int64_t)rows;
    feed.dims[1] = 3;
    feed.dims[2] = (int64_t)e->preprocess.height;
    feed.dims[3] = (int64_t)e->preprocess.width;
    cdul_fetch fetch = {.name = e->vision.output->name};
    float *blank = calloc(rows * 3 * e->preprocess.height * e->preprocess.width, sizeof *blank);
    if (!blank) return cdul_fail_memory(err, "network input");
    feed.f32 = blank;
    cdul_status status = cdul_session_run(e->vision.session, &feed, 1, &fetch, 1, err);
    free(blank);
    if (status != CDUL_OK) return status;
    free(fetch.values);
    if (fetch.rank != 2 || fetch.dims[1] <= 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: output %s is not a matrix [B, D]",
                         cdul_session_path(e->vision.session), fetch.name);
    e->width = (size_t)fetch.dims[1];
    return CDUL_OK;
}

static cdul_status open_vision(cdul_encoder *e, cdul_error *err) {
    char *path = NULL;
    cdul_status status = cdul_tower_find(e->folder, "vision_model.onnx", &path, err);
    if (status == CDUL_OK && !path) return no_vision_graph(e->folder, err);
    if (status == CDUL_OK)
        status = cdul_tower_open_vision(&e->vision, path, &e->session, e->config.model_type, err);
    free(path);
    if (status != CDUL_OK) return status;
    const int64_t *dims = e->vision.input->dims;
    status = cdul_preprocess_read(e->folder, dims[2] > 0 ? (size_t)dims[2] : 0,
                                  dims[3] > 0 ? (size_t)dims[3] : 0, &e->preprocess, &e->notes, err);
    if (status == CDUL_OK) status = find_width(e, err);
    if (status != CDUL_OK) return status;
    /* the trap of exports of CLIPVisionModel: the pooled state is in another space than the text */
    if (strcmp(e->vision.output->name, "pooler_output") == 0 && e->config.projection &&
        e->config.projection != e->width)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: pooler_output is %zu wide and config.json's projection_dim is %zu: this export lacks "
            "the projection; export the model with image_embeds",
            cdul_session_path(e->vision.session), e->width, e->config.projection);
    return CDUL_OK;
}

/* The text tower opens later, when the caller's strings may be gone. */
static cdul_status keep_options(cdul_encoder *e, const cdul_encoder_options *options, cdul_error *err) {
    const cdul_provider *from = &options->provider;
    e->session = cdul_session_defaults();
    e->session.threads = options->threads;
    e->provider = strdup(from->name ? from->name : "cpu");
    e->library = from->library ? strdup(from->library) : NULL;
    if (!e->provider || (from->library && !e->library)) return cdul_fail_memory(err, "encoder");
    e->session.provider.name = e->provider;
    e->session.provider.library = e->library;
    return cdul_strings_copy(&from->options, &e->session.provider.options, err);
}

cdul_status cdul_encoder_open(const char *folder, const cdul_encoder_options *options, cdul_encoder **out,
                              cdul_error *err) {
    *out = NULL;
    const cdul_encoder_options defaults = cdul_encoder_defaults();
    if (!options) options = &defaults;
    if (!cdul_path_exists(folder)) return cdul_fail(err, CDUL_ERR_IO, "%s: no such folder", folder);
    cdul_encoder *e = calloc(1, sizeof *e);
    if (!e) return cdul_fail_memory(err, "encoder");
    e->folder = strdup(folder);
    cdul_status status = e->folder ? keep_options(e, options, err) : cdul_fail_memory(err, "encoder");
    if (status == CDUL_OK) status = cdul_encoder_config_read(folder, &e->config, err);
    if (status == CDUL_OK) status = open_vision(e, err);
    if (status == CDUL_OK) status = cdul_tower_find(folder, "text_model.onnx", &e->text_graph, err);
    if (status != CDUL_OK) {
        cdul_encoder_close(e);
        return status;
    }
    e->batch = e->vision.batch ? e->vision.batch : options->batch ? options->batch : DEFAULT_BATCH;
    *out = e;
    return CDUL_OK;
}

void cdul_encoder_close(cdul_encoder *e) {
    if (!e) return;
    cdul_tower_close(&e->vision);
    cdul_encoder_config_free(&e->config);
    cdul_strings_free(&e->notes);
    free(e->text_graph);
    free(e->folder);
    free(e->provider);
    free(e->library);
    cdul_strings_free(&e->session.provider.options);
    free(e);
}

/* --- Facts --- */

size_t cdul_encoder_width(const cdul_encoder *encoder) {
    return encoder->width;
}

size_t cdul_encoder_batch(const cdul_encoder *encoder) {
    return encoder->batch;
}

const cdul_preprocess *cdul_encoder_preprocess(const cdul_encoder *encoder) {
    return &encoder->preprocess;
}

const char *cdul_encoder_placement(const cdul_encoder *encoder) {
    return cdul_session_placement(encoder->vision.session);
}

cdul_encoder_score cdul_encoder_score_of(const cdul_encoder *e) {
    const cdul_encoder_config *config = &e->config;
    return (cdul_encoder_score){.sigmoid = config->sigmoid,
                                .temperature = config->has_scale ? exp(-config->logit_scale) : NAN,
                                .bias = config->has_bias ? config->logit_bias : NAN};
}

static cdul_status describe_text(const cdul_encoder *e, FILE *stream, cdul_error *err) {
    cdul_text_tower text;
    char port[160];
    if (!e->text_graph) {
        char *path = cdul_path_join(e->folder, "text.safetensors");
        if (!path) return cdul_fail_memory(err, "path");
        fprintf(stream, "text:        %s\n",
                cdul_path_exists(path) ? "text.safetensors" : "none: give class vectors with --text");
        free(path);
        return CDUL_OK;
    }
    cdul_status status = cdul_text_tower_open(e, &text, err);
    if (status != CDUL_OK) return status;
    fprintf(stream, "text tower:  %s\n", e->text_graph);
    fprintf(stream, "  input:     %s%s\n", cdul_port_describe(text.tower.input, port, sizeof port),
            text.tower.mask ? " and attention_mask" : "");
    fprintf(stream, "  output:    %s (%s)\n", cdul_port_describe(text.tower.output, port, sizeof port),
            text.tower.chosen);
    fprintf(stream, "  runs on:   %s\n", cdul_session_placement(text.tower.session));
    fprintf(stream, "  tokenizer: CLIP BPE, %zu tokens, context %zu\n", cdul_tokenizer_size(text.tokenizer),
            text.context);
    cdul_text_tower_close(&text);
    return CDUL_OK;
}

cdul_status cdul_encoder_describe(cdul_encoder *e, FILE *stream, cdul_error *err) {
    char port[160], settings[256];
    cdul_preprocess_text(&e->preprocess, settings, sizeof settings);
    fprintf(stream, "encoder:     %s%s%s\n", e->folder, e->config.model_type ? ", model_type " : "",
            e->config.model_type ? e->config.model_type : "");
    if (e->config.provenance) fprintf(stream, "provenance:  %s\n", e->config.provenance);
    fprintf(stream, "image tower: %s\n", cdul_session_path(e->vision.session));
    fprintf(stream, "  input:     %s, %zu views a run%s\n",
            cdul_port_describe(e->vision.input, port, sizeof port), e->batch,
            e->vision.batch ? " (fixed by the graph)" : "");
    fprintf(stream, "  output:    %s (%s), D = %zu\n",
            cdul_port_describe(e->vision.output, port, sizeof port), e->vision.chosen, e->width);
    fprintf(stream, "  pictures:  %s\n", settings);
    fprintf(stream, "  runs on:   %s\n", cdul_encoder_placement(e));
    cdul_status status = describe_text(e, stream, err);
    if (status != CDUL_OK) return status;
    cdul_encoder_score score = cdul_encoder_score_of(e);
    fprintf(stream, "scores:      %s\n", score.sigmoid ? "sigmoid(cos / T + bias)" : "softmax(cos / T)");
    if (e->config.has_scale)
        fprintf(stream, "temperature: %g, logit_scale %g (%s)\n", exp(-e->config.logit_scale),
                e->config.logit_scale, e->config.scale_source);
    else
        fprintf(stream, "temperature: not known: give --temperature\n");
    if (score.sigmoid && e->config.has_bias)
        fprintf(stream, "bias:        %g (cdul.json)\n", score.bias);
    else if (score.sigmoid)
        fprintf(stream, "bias:        not known: give --bias\n");
    for (size_t i = 0; i < e->notes.count; i++) fprintf(stream, "note:        %s\n", e->notes.items[i]);
    return CDUL_OK;
}

/* --- Views --- */

/* Runs n views as a batch of `rows`, the rest of it zeros. */
static cdul_status run_padded(cdul_encoder *e, const float *pixels, size_t n, size_t rows, int64_t *dims,
                              float *out, cdul_error *err) {
    const size_t view = 3 * e->preprocess.height * e->preprocess.width;
    float *padded = calloc(rows * view, sizeof *padded), *vectors = calloc(rows * e->width, sizeof *vectors);
    cdul_status status = padded && vectors ? CDUL_OK : cdul_fail_memory(err, "batch");
    dims[0] = (int64_t)rows;
    if (status == CDUL_OK) {
        memcpy(padded, pixels, n * view * sizeof *padded);
        status = cdul_tower_run(&e->vision, padded, NULL, NULL, dims, 4, e->width, vectors, err);
    }
    if (status == CDUL_OK) memcpy(out, vectors, n * e->width * sizeof *out);
    free(padded);
    free(vectors);
    return status;
}

/* A graph of fixed batch takes nothing less. A graph of any batch is never given a single view: ONNX Runtime
 * multiplies one row by another routine than many, and the last bits of a vector would depend on how many
 * images a run happens to have left. */
cdul_status cdul_encoder_raw_views(cdul_encoder *e, const float *pixels, size_t n, float *out,
                                   cdul_error *err) {
    const size_t view = 3 * e->preprocess.height * e->preprocess.width;
    int64_t dims[4] = {0, 3, (int64_t)e->preprocess.height, (int64_t)e->preprocess.width};
    cdul_status status = CDUL_OK;
    for (size_t done = 0; status == CDUL_OK && done < n;) {
        size_t now = n - done < e->batch ? n - done : e->batch;
        size_t least = e->vision.batch ? e->vision.batch : 2;
        const float *from = pixels + done * view;
        float *to = out + done * e->width;
        dims[0] = (int64_t)now;
        status = now < least ? run_padded(e, from, now, least, dims, to, err)
                             : cdul_tower_run(&e->vision, from, NULL, NULL, dims, 4, e->width, to, err);
        done += now;
    }
    return status;
}

cdul_status cdul_encoder_views(cdul_encoder *e, const float *pixels, size_t n, float *out, cdul_error *err) {
    cdul_status status = cdul_encoder_raw_views(e, pixels, n, out, err);
    for (size_t i = 0; status == CDUL_OK && i < n; i++)
        if (!cdul_unit(out + i * e->width, e->width))
            status = cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the vector of view %zu is zero or not finite",
                               cdul_session_path(e->vision.session), i);
    return status;
}
