/* Opening an encoder folder, what is known of it, and the vectors of views. */
#include "base/file.h"
#include "encoder/encoder_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Views of 224 x 224 pixels, beyond which the CPU gains nothing and memory grows; of larger ones as
 * many as have as many pixels. Not by threads: eight-bit vectors may depend on their batch. */
enum { CPU_BATCH = 16, OTHER_BATCH = 32, LEAST_BATCH = 4 };

cdul_encoder_options cdul_encoder_defaults(void) {
    return (cdul_encoder_options){.provider = {.name = "cpu"}, .precision = CDUL_INFERENCE_FP32};
}

/* --- Opening --- */

/* The length of the text that fills the other tower, where nothing says it: what optimum traces its
 * graphs with. */
#define FILLER_CONTEXT 16

static cdul_status open_graph(cdul_encoder *e, bool to_run, cdul_error *err) {
    cdul_session_options options = e->session;
    options.unoptimised = !to_run;
    cdul_status status = cdul_tower_open_vision(&e->vision, e->layout.vision, e->layout.combined,
                                                &options, &e->config, err);
    e->ready = to_run && status == CDUL_OK;
    return status;
}

/* Labels from a cache need what the graph says of itself and no more. What takes nearly all of the
 * time and memory of opening it waits for the first picture: on the CPU, and unless the graph holds
 * both towers. */
static cdul_status open_to_ask(cdul_encoder *e, cdul_error *err) {
    bool can_wait = cdul_provider_is_cpu(&e->session.provider) && !e->layout.combined;
    cdul_status status = can_wait ? open_graph(e, false, err) : CDUL_ERR_INPUT;
    /* a graph may need optimising to be opened at all */
    return status == CDUL_ERR_INPUT ? open_graph(e, true, err) : status;
}

static cdul_status make_ready(cdul_encoder *e, cdul_error *err) {
    if (e->ready) return CDUL_OK;
    cdul_tower_close(&e->vision); /* first: its memory is the other's */
    return open_graph(e, true, err);
}

static cdul_status open_vision(cdul_encoder *e, cdul_error *err) {
    cdul_status status = open_to_ask(e, err);
    if (status != CDUL_OK) return status;
    const int64_t *dims = e->vision.input->dims;
    cdul_preprocess *p = &e->preprocess;
    const cdul_input_size known = {.height = dims[2] > 0 ? (size_t)dims[2] : 0,
                                   .width = dims[3] > 0 ? (size_t)dims[3] : 0,
                                   .model_height = e->config.image_height,
                                   .model_width = e->config.image_width};
    status = cdul_preprocess_read(e->folder, &known, p, &e->notes, err);
    if (status == CDUL_OK && e->vision.both)
        status = cdul_tower_fill_other(&e->vision, p->height, p->width,
                                       e->config.context ? e->config.context : FILLER_CONTEXT, err);
    if (status == CDUL_OK)
        status = cdul_tower_width(&e->vision, p->height, p->width, &e->width, err);
    return status;
}

/* A graph of both towers is its own text tower; another text tower beside it is not looked at. */
static cdul_status settle_text(cdul_encoder *e, cdul_error *err) {
    if (!e->vision.both)
        return e->layout.text_note ? cdul_strings_add(&e->notes, e->layout.text_note, err)
                                   : CDUL_OK;
    free(e->layout.text);
    e->layout.text = strdup(e->layout.vision);
    return e->layout.text ? CDUL_OK : cdul_fail_memory(err, "path");
}

/* The text tower opens later, when the caller's strings may be gone. */
static cdul_status keep_options(cdul_encoder *e, const char *folder,
                                const cdul_encoder_options *options, cdul_error *err) {
    const cdul_provider *from = &options->provider;
    e->session.threads = options->threads;
    e->session.callbacks = options->callbacks;
    e->folder = strdup(folder);
    e->provider = strdup(from->name ? from->name : "cpu");
    e->library = from->library ? strdup(from->library) : NULL;
    if (!e->folder || !e->provider || (from->library && !e->library))
        return cdul_fail_memory(err, "encoder");
    e->session.provider.name = e->provider;
    e->session.provider.library = e->library;
    e->session.provider.bfloat16 = options->precision == CDUL_INFERENCE_BF16;
    e->precision = options->precision;
    return cdul_strings_copy(&from->options, &e->session.provider.options, err);
}

/* The image tower in eight bits, in the place of the one in float32. */
static cdul_status take_int8(cdul_encoder *e, cdul_error *err) {
    char *path = NULL;
    cdul_status status = cdul_layout_int8(e->folder, &path, err);
    if (status == CDUL_OK && !path)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: the image tower has no variant int8 or quantized; make one with export_clip.py of "
            "cdul's sources (docs/encoders.md), or use --precision fp32",
            e->folder);
    if (status != CDUL_OK) return status;
    free(e->layout.vision);
    e->layout.vision = path;
    e->layout.combined = false;
    return CDUL_OK;
}

static size_t default_batch(const cdul_encoder *e) {
    const size_t most = cdul_provider_is_cpu(&e->session.provider) ? CPU_BATCH : OTHER_BATCH;
    size_t fit = most * 224 * 224 / (e->preprocess.height * e->preprocess.width);
    return fit > most ? most : fit < LEAST_BATCH ? LEAST_BATCH : fit;
}

cdul_status cdul_encoder_open(const char *folder, const cdul_encoder_options *options,
                              cdul_encoder **out, cdul_error *err) {
    *out = NULL;
    const cdul_encoder_options defaults = cdul_encoder_defaults();
    if (!options) options = &defaults;
    if (!cdul_path_exists(folder)) return cdul_fail(err, CDUL_ERR_IO, "%s: no such folder", folder);
    cdul_encoder *e = calloc(1, sizeof *e);
    if (!e) return cdul_fail_memory(err, "encoder");
    cdul_status status = keep_options(e, folder, options, err);
    if (status == CDUL_OK) status = cdul_encoder_config_read(folder, &e->config, err);
    if (status == CDUL_OK) status = cdul_layout_find(folder, options->variant, &e->layout, err);
    if (status == CDUL_OK && options->precision == CDUL_INFERENCE_INT8) status = take_int8(e, err);
    if (status == CDUL_OK) status = open_vision(e, err);
    if (status == CDUL_OK) status = settle_text(e, err);
    if (status == CDUL_OK) status = cdul_scale_from_graph(e, err);
    if (status != CDUL_OK) {
        cdul_encoder_close(e);
        return status;
    }
    e->batch = e->vision.batch  ? e->vision.batch
               : options->batch ? options->batch
                                : default_batch(e);
    *out = e;
    return CDUL_OK;
}

void cdul_encoder_close(cdul_encoder *e) {
    if (!e) return;
    cdul_tower_close(&e->vision);
    cdul_encoder_config_free(&e->config);
    cdul_strings_free(&e->notes);
    cdul_layout_free(&e->layout);
    free(e->folder);
    free(e->provider);
    free(e->library);
    cdul_strings_free(&e->session.provider.options);
    free(e);
}

/* --- Facts --- */

void cdul_preprocess_text(const cdul_preprocess *p, char *text, size_t size) {
    static const char *const modes[] = {"shortest", "squash", "longest"};
    static const char *const filters[] = {"nearest", "Lanczos", "bilinear",
                                          "bicubic", "box",     "Hamming"};
    char side[60] = "", crop[40] = "";
    if (p->mode == CDUL_RESIZE_SHORTEST && p->shortest)
        snprintf(side, sizeof side, " %zu", p->shortest);
    else if (p->mode == CDUL_RESIZE_SHORTEST)
        snprintf(side, sizeof side, " that covers it");
    else if (p->mode == CDUL_RESIZE_SQUASH && p->squash_width)
        snprintf(side, sizeof side, " to %zux%zu", p->squash_width, p->squash_height);
    if (side[0])
        snprintf(crop, sizeof crop, " then centre crop (%s)", p->crop_floor ? "floor" : "round");
    if (p->mode == CDUL_RESIZE_LONGEST)
        snprintf(side, sizeof side, ", padded with %u %u %u", p->fill[0], p->fill[1], p->fill[2]);
    snprintf(text, size, "%zux%zu, %s%s%s, %s, scale %.9g, mean %.9g %.9g %.9g, std %.9g %.9g %.9g",
             p->width, p->height, modes[p->mode], side, crop, filters[p->filter], (double)p->scale,
             (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0],
             (double)p->std[1], (double)p->std[2]);
}

size_t cdul_encoder_width(const cdul_encoder *encoder) { return encoder->width; }

size_t cdul_encoder_batch(const cdul_encoder *encoder) { return encoder->batch; }

const cdul_strings *cdul_encoder_notes(const cdul_encoder *encoder) { return &encoder->notes; }

const cdul_preprocess *cdul_encoder_preprocess(const cdul_encoder *encoder) {
    return &encoder->preprocess;
}

cdul_inference cdul_encoder_precision(const cdul_encoder *encoder) { return encoder->precision; }

const char *cdul_encoder_placement(const cdul_encoder *encoder) {
    return cdul_session_placement(encoder->vision.session);
}

cdul_encoder_score cdul_encoder_score_of(const cdul_encoder *e) {
    const cdul_encoder_config *config = &e->config;
    return (cdul_encoder_score){.sigmoid = config->sigmoid,
                                .assumed = config->scale_assumed,
                                .temperature = exp(-config->logit_scale),
                                .bias = config->logit_bias};
}

cdul_status cdul_encoder_describe(cdul_encoder *e, FILE *stream, cdul_error *err) {
    char port[160], settings[256];
    cdul_preprocess_text(&e->preprocess, settings, sizeof settings);
    fprintf(stream, "encoder:     %s%s%s\n", e->folder, e->config.model_type ? ", model_type " : "",
            e->config.model_type ? e->config.model_type : "");
    if (e->config.provenance) fprintf(stream, "provenance:  %s\n", e->config.provenance);
    fprintf(stream, "image tower: %s", cdul_session_path(e->vision.session));
    if (e->vision.both)
        fprintf(stream, " (both towers: every run embeds a text of %lld tokens as well)",
                (long long)e->vision.filler[0].dims[1]);
    fprintf(stream, "\n");
    fprintf(stream, "  input:     %s, %zu views a run%s\n",
            cdul_port_describe(e->vision.input, port, sizeof port), e->batch,
            e->vision.batch ? " (fixed by the graph)" : "");
    fprintf(stream, "  output:    %s (%s), D = %zu\n",
            cdul_port_describe(e->vision.output, port, sizeof port), e->vision.chosen, e->width);
    cdul_patches patches;
    cdul_error why;
    if (cdul_encoder_patches(e, &patches, &why) == CDUL_OK)
        fprintf(stream, "  patches:   %zu x %zu, for --local dense\n", patches.rows,
                patches.columns);
    else
        fprintf(stream, "  patches:   none: %s\n", why.message);
    fprintf(stream, "  pictures:  %s\n", settings);
    fprintf(stream, "  runs on:   %s\n", cdul_encoder_placement(e));
    cdul_status status = cdul_text_describe(e, stream, err);
    if (status != CDUL_OK) return status;
    cdul_encoder_score score = cdul_encoder_score_of(e);
    fprintf(stream, "scores:      %s\n",
            score.sigmoid ? "sigmoid(cos / T + bias)" : "softmax(cos / T)");
    if (!isnan(score.temperature))
        fprintf(stream, "temperature: %g, logit_scale %g (%s)\n", score.temperature,
                e->config.logit_scale, e->config.scale_source);
    else
        fprintf(stream, "temperature: not known: give --temperature\n");
    if (score.sigmoid && !isnan(score.bias))
        fprintf(stream, "bias:        %g (%s)\n", score.bias, e->config.bias_source);
    else if (score.sigmoid)
        fprintf(stream, "bias:        not known: give --bias\n");
    for (size_t i = 0; i < e->notes.count; i++)
        fprintf(stream, "note:        %s\n", e->notes.items[i]);
    return CDUL_OK;
}

/* --- Patch tokens: the grid that a graph with dense output says it has --- */

#define MAX_PATCHES 4096 /* as many as crops: a ViT-L/14 at 896 pixels */

/* Reads "RxC"; false if it is something else. */
static bool read_grid(const char *text, cdul_patches *out) {
    size_t sides[2];
    for (size_t i = 0; i < 2; i++) {
        char *end;
        if (*text < '1' || *text > '9') return false;
        sides[i] = strtoul(text, &end, 10);
        if (sides[i] > MAX_PATCHES || *end != (i == 0 ? 'x' : '\0')) return false;
        text = end + 1;
    }
    *out = (cdul_patches){.rows = sides[0], .columns = sides[1]};
    return sides[0] * sides[1] <= MAX_PATCHES;
}

cdul_status cdul_encoder_patches(const cdul_encoder *e, cdul_patches *out, cdul_error *err) {
    const cdul_session *session = e->vision.session;
    const size_t width = e->width;
    const char *path = cdul_session_path(session);
    const char *grid = cdul_session_metadata(session, "dense_grid");
    const cdul_port *port = cdul_session_output(session, CDUL_DENSE_OUTPUT);
    char text[120];
    *out = (cdul_patches){0};
    if (!port)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no output " CDUL_DENSE_OUTPUT
                         ", so no patch tokens; export the model with export_clip.py --dense of "
                         "cdul's sources: docs/encoders.md",
                         path);
    cdul_port_describe(port, text, sizeof text);
    if (port->element == CDUL_ELEMENT_OTHER || port->rank != 3 ||
        (port->dims[2] >= 0 && (size_t)port->dims[2] != width))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s: expected numbers [B, P, %zu], a patch token as wide as "
                         "the whole image's",
                         path, text, width);
    if (!grid || !read_grid(grid, out))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s: metadata dense_grid is %s%s%s where the grid of its "
                         "patches should be, such as 7x7 (rows x columns, at most %d patches)",
                         path, text, grid ? "\"" : "", grid ? grid : "missing", grid ? "\"" : "",
                         MAX_PATCHES);
    size_t patches = out->rows * out->columns, size = 0;
    if ((port->dims[1] >= 0 && (size_t)port->dims[1] != patches) ||
        __builtin_mul_overflow((1 + patches) * sizeof(float), width, &size))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s does not hold the %zu patches of dense_grid %s", path, text,
                         patches, grid);
    return CDUL_OK;
}

/* --- Views --- */

cdul_feed cdul_encoder_pixels(const cdul_encoder *e, const float *pixels, size_t rows) {
    const cdul_preprocess *p = &e->preprocess;
    return (cdul_feed){.name = e->vision.input->name,
                       .f32 = pixels,
                       .rank = 4,
                       .dims = {(int64_t)rows, 3, (int64_t)p->height, (int64_t)p->width}};
}

/* Runs n views, where the graph takes at least `least` with zeros for the others. */
static cdul_status run(cdul_encoder *e, const float *pixels, size_t n, size_t least, size_t patches,
                       float *out, cdul_error *err) {
    const size_t view = 3 * e->preprocess.height * e->preprocess.width,
                 row = (1 + patches) * e->width;
    cdul_feed input = cdul_encoder_pixels(e, pixels, n < least ? least : n);
    if (n >= least) return cdul_tower_run(&e->vision, &input, NULL, e->width, patches, out, err);
    float *padded = calloc(least * view, sizeof *padded),
          *vectors = calloc(least, row * sizeof *vectors);
    cdul_status status = padded && vectors ? CDUL_OK : cdul_fail_memory(err, "batch");
    if (status == CDUL_OK) {
        input.f32 = memcpy(padded, pixels, n * view * sizeof *padded);
        status = cdul_tower_run(&e->vision, &input, NULL, e->width, patches, vectors, err);
    }
    if (status == CDUL_OK) memcpy(out, vectors, n * row * sizeof *out);
    free(padded);
    free(vectors);
    return status;
}

cdul_status cdul_encoder_raw_views(cdul_encoder *e, const float *pixels, size_t n, size_t patches,
                                   float *out, cdul_error *err) {
    const size_t view = 3 * e->preprocess.height * e->preprocess.width,
                 row = (1 + patches) * e->width;
    cdul_status status = make_ready(e, err);
    /* A graph of fixed batch takes nothing less. A graph of any batch is never given a single view:
     * ONNX Runtime multiplies one row by another routine than many, and the last bits of a vector
     * would depend on how many images a run happens to have left. */
    const size_t least = e->vision.batch ? e->vision.batch : 2;
    for (size_t done = 0, now; status == CDUL_OK && done < n; done += now) {
        now = n - done < e->batch ? n - done : e->batch;
        status = run(e, pixels + done * view, now, least, patches, out + done * row, err);
    }
    return status;
}

cdul_status cdul_encoder_views(cdul_encoder *e, const float *pixels, size_t n, float *out,
                               cdul_error *err) {
    cdul_status status = cdul_encoder_raw_views(e, pixels, n, 0, out, err);
    for (size_t i = 0; status == CDUL_OK && i < n; i++)
        if (!cdul_unit(out + i * e->width, e->width))
            status =
                cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the vector of view %zu is zero or not finite",
                          cdul_session_path(e->vision.session), i);
    return status;
}
