/* Class vectors: from prompts through the text tower, or from a file. */
#include "base/file.h"
#include "base/progress.h"
#include "encoder/encoder_internal.h"
#include "encoder/tokenizer/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT_BATCH 32 /* prompts in one run of a text tower that takes any number */

/* What helps where the tokenizer is of a kind that is not read here. */
#define ADVICE                                                                                     \
    "make text.safetensors in the folder with embed_text.py of cdul's sources: docs/encoders.md"

/* --- The text tower --- */

/* With its tokenizer and its sizes, open. */
typedef struct text_tower {
    cdul_tower tower;
    cdul_tokenizer *tokenizer;
    size_t context; /* L */
    size_t batch; /* prompts in one run */
    /* Each prompt runs by itself and at its own length, where the graph takes any: an eight-bit
     * graph scales its numbers by all tokens of a run, masked ones too. */
    bool alone;
    bool foreign; /* after a failure: for its tokenizer, which is of a kind that is not read here */
} text_tower;

static void close_tower(text_tower *text) {
    cdul_tower_close(&text->tower);
    cdul_tokenizer_close(text->tokenizer);
}

/* `e` must have a text graph. Close after a failure as well. */
static cdul_status open_tower(const cdul_encoder *e, text_tower *out, cdul_error *err) {
    *out = (text_tower){0};
    cdul_status status =
        cdul_tokenizer_open_or_tell(e->layout.tokenizer, &out->tokenizer, &out->foreign, err);
    if (status == CDUL_OK)
        status = cdul_tower_open_text(&out->tower, &e->vision, e->layout.text, &e->session,
                                      &e->config, err);
    if (status == CDUL_OK && out->tower.both)
        status =
            cdul_tower_fill_other(&out->tower, e->preprocess.height, e->preprocess.width, 0, err);
    if (status != CDUL_OK) return status;
    int64_t length = out->tower.input->dims[1], width = out->tower.output->dims[1];
    out->context = length > 0 ? (size_t)length : e->config.context;
    out->batch = out->tower.batch ? out->tower.batch : PROMPT_BATCH;
    out->alone = out->tokenizer->is_wordpiece && out->tower.mask && length <= 0 &&
                 !out->tower.batch && !out->tower.both;
    if (out->alone) out->batch = 1;
    if (out->context < 3)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: the length of the token sequence is not known: it is free in the "
                         "graph, and config.json has no text_config.max_position_embeddings",
                         e->folder);
    if (width > 0 && (size_t)width != e->width)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: %s is %zu wide, the text tower's %s %zu: an export lacks the projection",
            cdul_session_path(e->vision.session), e->vision.output->name, e->width,
            out->tower.output->name, (size_t)width);
    return CDUL_OK;
}

/* Class vectors that lie in the folder; `none` is said if there are not any. */
static cdul_status describe_text_file(const cdul_encoder *e, const char *none, FILE *stream,
                                      cdul_error *err) {
    char *path = cdul_path_join(e->folder, "text.safetensors");
    if (!path) return cdul_fail_memory(err, "path");
    fprintf(stream, "text:        %s\n", cdul_path_exists(path) ? "text.safetensors" : none);
    free(path);
    return CDUL_OK;
}

cdul_status cdul_text_describe(const cdul_encoder *e, FILE *stream, cdul_error *err) {
    text_tower text;
    cdul_error why;
    char port[160];
    if (!e->layout.text)
        return describe_text_file(e, "none: give class vectors with --text", stream, err);
    fprintf(stream, "text tower:  %s%s\n", e->layout.text,
            e->vision.both ? " (the same graph)" : "");
    /* class vectors made elsewhere do without it */
    if (open_tower(e, &text, &why) != CDUL_OK) {
        fprintf(stream, "  cannot be used: %s\n", why.message);
        close_tower(&text);
        return text.foreign ? describe_text_file(e, ADVICE, stream, err) : CDUL_OK;
    }
    fprintf(stream, "  input:     %s%s%s%s\n",
            cdul_port_describe(text.tower.input, port, sizeof port),
            text.tower.mask ? " and attention_mask" : "",
            text.tower.token_types ? " and token_type_ids" : "",
            text.tower.positions ? " and position_ids" : "");
    fprintf(stream, "  output:    %s (%s)\n",
            cdul_port_describe(text.tower.output, port, sizeof port), text.tower.chosen);
    fprintf(stream, "  runs on:   %s\n", cdul_session_placement(text.tower.session));
    fprintf(stream, "  tokenizer: %s, %zu tokens, context %zu\n",
            text.tokenizer->is_wordpiece ? "BERT WordPiece" : "CLIP BPE",
            cdul_tokenizer_size(text.tokenizer), text.context);
    close_tower(&text);
    return CDUL_OK;
}

/* Prompts that wait for a run: row of the text that each belongs to, ids and mask [batch, L]. */
typedef struct prompts {
    text_tower text;
    const cdul_callbacks *callbacks;
    size_t waiting, length; /* the last one's tokens */
    size_t *row_of;
    int64_t *ids, *mask;
    float *rows; /* [batch, D] */
} prompts;

static cdul_status prompts_open(const cdul_encoder *e, prompts *p, cdul_error *err) {
    *p = (prompts){.callbacks = e->session.callbacks};
    cdul_status status = open_tower(e, &p->text, err);
    if (status != CDUL_OK) return status;
    size_t batch = p->text.batch, tokens = batch * p->text.context;
    p->row_of = calloc(batch, sizeof *p->row_of);
    p->ids = calloc(tokens, sizeof *p->ids);
    p->mask = calloc(tokens, sizeof *p->mask);
    p->rows = calloc(batch, e->width * sizeof *p->rows);
    return p->row_of && p->ids && p->mask && p->rows ? CDUL_OK : cdul_fail_memory(err, "prompts");
}

static void prompts_close(prompts *p) {
    close_tower(&p->text);
    free(p->row_of);
    free(p->ids);
    free(p->mask);
    free(p->rows);
}

/* Embeds what waits and adds each unit vector to the sum of its row. */
static cdul_status prompts_run(prompts *p, cdul_text *out, cdul_error *err) {
    if (p->waiting == 0) return CDUL_OK;
    if (cdul_stopped(p->callbacks)) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    /* what a fixed batch leaves over runs with the ids of earlier prompts and is not looked at */
    size_t rows = p->text.tower.batch ? p->text.batch : p->waiting;
    const size_t length = p->text.alone ? p->length : p->text.context;
    const cdul_feed ids = {.name = p->text.tower.input->name,
                           .i64 = p->ids,
                           .rank = 2,
                           .dims = {(int64_t)rows, (int64_t)length}};
    cdul_status status = cdul_tower_run(&p->text.tower, &ids, p->mask, out->width, 0, p->rows, err);
    for (size_t i = 0; status == CDUL_OK && i < p->waiting; i++) {
        float *row = p->rows + i * out->width, *sum = out->vectors + p->row_of[i] * out->width;
        if (!cdul_unit(row, out->width))
            return cdul_fail(
                err, CDUL_ERR_RUNTIME, "%s: the vector of class '%s' is zero or not finite",
                cdul_session_path(p->text.tower.session), cdul_text_class(out, p->row_of[i]));
        for (size_t d = 0; d < out->width; d++) sum[d] += row[d];
    }
    p->waiting = 0;
    return status;
}

static cdul_status prompts_add(prompts *p, size_t row, const char *pattern, const char *word,
                               cdul_text *out, cdul_error *err) {
    char *prompt = NULL;
    size_t context = p->text.context, used = 0;
    int64_t *ids = p->ids + p->waiting * context, *mask = p->mask + p->waiting * context;
    bool cut = false;
    cdul_status status = cdul_template_fill(pattern, word, &prompt, err);
    if (status == CDUL_OK)
        status = cdul_tokenizer_encode(p->text.tokenizer, prompt, context, ids, &used, &cut, err);
    free(prompt);
    if (status != CDUL_OK) {
        cdul_error_prefix(err, "class '%s'", cdul_text_class(out, row));
        return status;
    }
    for (size_t i = 0; i < context; i++) mask[i] = i < used;
    p->length = used;
    out->prompts++;
    out->cut_prompts += cut;
    p->row_of[p->waiting++] = row;
    return p->waiting == p->text.batch ? prompts_run(p, out, err) : CDUL_OK;
}

/* Rows for `classes`: one a class, or one a word. */
static cdul_status allocate_rows(const cdul_classes *classes, size_t width, cdul_text *out,
                                 cdul_error *err) {
    const bool by_word = classes->synonyms == CDUL_SYNONYMS_MAX;
    size_t rows = 0, row = 0, count = classes->names.count;
    for (size_t c = 0; c < count; c++) rows += by_word ? classes->words[c].count : 1;
    out->background = classes->background;
    cdul_status status = cdul_strings_copy(&classes->names, &out->classes, err);
    if (status == CDUL_OK) status = cdul_text_allocate(out, rows, width, by_word, err);
    for (size_t c = 0; out->class_of && c < count; c++)
        for (size_t w = 0; w < classes->words[c].count; w++) out->class_of[row++] = c;
    return status;
}

/* w_c = normalise(mean over templates and words of normalise(E_text(prompt))); or the same for each
 * word. *foreign: the tokenizer is not read here, and `out` is empty. */
static cdul_status text_from_tower(const cdul_encoder *e, const cdul_classes *classes,
                                   const cdul_strings *templates, cdul_text *out, bool *foreign,
                                   cdul_error *err) {
    char *standard[] = {CDUL_DEFAULT_TEMPLATE};
    const cdul_strings fallback = {standard, 1, 1};
    if (!templates || templates->count == 0)
        templates = e->config.templates.count ? &e->config.templates : &fallback;
    prompts p;
    cdul_status status = prompts_open(e, &p, err);
    *foreign = p.text.foreign;
    if (status == CDUL_OK) status = allocate_rows(classes, e->width, out, err);
    for (size_t c = 0, word = 0; status == CDUL_OK && c < classes->names.count; c++)
        for (size_t w = 0; status == CDUL_OK && w < classes->words[c].count; w++, word++)
            for (size_t t = 0; status == CDUL_OK && t < templates->count; t++)
                status = prompts_add(&p, out->class_of ? word : c, templates->items[t],
                                     classes->words[c].items[w], out, err);
    if (status == CDUL_OK) status = prompts_run(&p, out, err);
    for (size_t r = 0; status == CDUL_OK && r < out->rows; r++)
        if (!cdul_unit(out->vectors + r * out->width, out->width))
            status = cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the prompts of class '%s' cancel out",
                               e->layout.text, cdul_text_class(out, r));
    prompts_close(&p);
    return status;
}

/* --- Choosing --- */

/* By the text tower, or else from text.safetensors. */
static cdul_status text_from_folder(const cdul_encoder *e, const cdul_classes *classes,
                                    const cdul_strings *templates, cdul_text *out,
                                    cdul_error *err) {
    bool foreign = false;
    cdul_status status = CDUL_OK;
    if (e->layout.text && classes && classes->names.count > classes->background) {
        status = text_from_tower(e, classes, templates, out, &foreign, err);
        if (!foreign) return status;
    }
    char *inside = cdul_path_join(e->folder, "text.safetensors");
    if (!inside) return cdul_fail_memory(err, "path");
    const bool there = cdul_path_exists(inside);
    if (there) status = cdul_text_choose(inside, classes, e->width, out, err);
    free(inside);
    if (there) return status;
    if (foreign) {
        const cdul_error why = err ? *err : (cdul_error){{0}};
        return cdul_fail(err, status, "%s; " ADVICE, why.message);
    }
    if (e->layout.text)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no classes: give --classes, a file with one name a line");
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%s: no text tower (text_model.onnx) and no text.safetensors in it: give "
                     "class vectors with --text",
                     e->folder);
}

cdul_status cdul_encoder_text(cdul_encoder *e, const cdul_classes *classes,
                              const cdul_strings *templates, const char *text_path, cdul_text *out,
                              cdul_error *err) {
    *out = (cdul_text){.logit_scale = NAN, .logit_bias = NAN};
    cdul_status status = text_path ? cdul_text_choose(text_path, classes, e->width, out, err)
                                   : text_from_folder(e, classes, templates, out, err);
    if (status != CDUL_OK) cdul_text_free(out);
    return status;
}
