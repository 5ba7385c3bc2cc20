#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "encoder/encoder_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT_BATCH 32 /* prompts in one run of a text tower that takes any number */

/* --- The file --- */

/* Gives `text` zeroed vectors. */
static cdul_status allocate(cdul_text *text, size_t rows, size_t width, cdul_error *err) {
    text->rows = rows;
    text->width = width;
    text->vectors = calloc(rows ? rows : 1, width * sizeof *text->vectors);
    return text->vectors ? CDUL_OK : cdul_fail_memory(err, "class vectors");
}

/* A number in the file's metadata; NAN if it has none. */
static cdul_status read_number(const cdul_safetensors *file, const char *key, const char *path, double *out,
                               cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, key);
    *out = NAN;
    if (!text) return CDUL_OK;
    cJSON *number = cJSON_ParseWithOpts(text, NULL, true);
    if (cJSON_IsNumber(number) && isfinite(number->valuedouble)) *out = number->valuedouble;
    cJSON_Delete(number);
    if (isfinite(*out)) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata '%s' is '%s', expected a number", path, key, text);
}

cdul_status cdul_text_read(const char *path, cdul_text *out, cdul_error *err) {
    *out = (cdul_text){0};
    cdul_safetensors *file = NULL;
    cdul_tensor_view view;
    cdul_index *index = NULL;
    size_t shape[2] = {0, 0};
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status != CDUL_OK) return status;
    const char *classes = cdul_safetensors_metadata(file, "classes");
    if (!classes)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata 'classes' (a JSON list of names)", path);
    if (status == CDUL_OK) status = cdul_json_to_strings(classes, strlen(classes), path, &out->classes, err);
    if (status == CDUL_OK && (status = cdul_index_new(&out->classes, &index, err)) != CDUL_OK)
        cdul_error_prefix(err, "%s: classes", path);
    shape[0] = out->classes.count;
    if (status == CDUL_OK && shape[0] == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no classes in it", path);
    if (status == CDUL_OK) status = cdul_safetensors_expect(file, "text_embeds", 2, shape, &view, err);
    if (status == CDUL_OK) status = read_number(file, "logit_scale", path, &out->logit_scale, err);
    if (status == CDUL_OK && !isnan(out->logit_scale))
        status = cdul_logit_scale_check(out->logit_scale, path, err);
    if (status == CDUL_OK) status = read_number(file, "logit_bias", path, &out->logit_bias, err);
    if (status == CDUL_OK) status = allocate(out, shape[0], shape[1], err);
    if (status == CDUL_OK) cdul_tensor_to_f32(&view, 0, view.elements, out->vectors);
    for (size_t c = 0; status == CDUL_OK && c < shape[0]; c++)
        if (!cdul_unit(out->vectors + c * out->width, out->width))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: the vector of class '%s' is zero or not finite",
                               path, out->classes.items[c]);
    cdul_index_free(index);
    cdul_safetensors_close(file);
    if (status != CDUL_OK) cdul_text_free(out);
    return status;
}

cdul_status cdul_text_write(const char *path, const cdul_text *text, cdul_error *err) {
    if (text->class_of)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: the file holds one vector a class, and this text has one a word", path);
    char *classes = NULL;
    cdul_safetensors_writer *writer = NULL;
    cdul_status status = cdul_json_from_strings(&text->classes, &classes, err);
    if (status != CDUL_OK) return status;
    const cdul_metadata metadata = {"classes", classes};
    const cdul_tensor_decl tensor = {"text_embeds", CDUL_F32, 2, {text->classes.count, text->width}};
    status = cdul_safetensors_create(path, &metadata, 1, &tensor, 1, &writer, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_append(writer, text->vectors,
                                         text->classes.count * text->width * sizeof *text->vectors, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_commit(&writer, err);
    else
        cdul_safetensors_discard(&writer);
    free(classes);
    return status;
}

void cdul_text_free(cdul_text *text) {
    cdul_strings_free(&text->classes);
    free(text->class_of);
    free(text->vectors);
    *text = (cdul_text){0};
}

static cdul_status fail_missing(const cdul_text *all, const char *name, const char *path, cdul_error *err) {
    const char *nearest =
        cdul_strings_nearest(name, (const char *const *)all->classes.items, all->classes.count);
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: no vector for class '%s'%s%s%s", path, name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* The names that a text is to have: those of `classes`, or if it has background words alone, first what else
 * is in the file. */
static cdul_status choose_names(const cdul_classes *classes, const cdul_strings *all, cdul_strings *out,
                                cdul_error *err) {
    cdul_index *background = NULL;
    if (classes->names.count > classes->background) return cdul_strings_copy(&classes->names, out, err);
    cdul_status status = cdul_index_new(&classes->names, &background, err);
    for (size_t i = 0; status == CDUL_OK && i < all->count; i++)
        if (cdul_index_find(background, all->items[i]) == CDUL_NOT_FOUND)
            status = cdul_strings_add(out, all->items[i], err);
    for (size_t i = 0; status == CDUL_OK && i < classes->names.count; i++)
        status = cdul_strings_add(out, classes->names.items[i], err);
    cdul_index_free(background);
    return status;
}

/* Rows of a file for `classes`; all of them if that is NULL. */
static cdul_status text_from_file(const char *path, const cdul_classes *classes, size_t width, cdul_text *out,
                                  cdul_error *err) {
    cdul_text all;
    cdul_index *index = NULL;
    if (classes && classes->synonyms == CDUL_SYNONYMS_MAX)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: has one vector a class, so there is no largest over a class's words "
                         "(--synonyms max)",
                         path);
    cdul_status status = cdul_text_read(path, &all, err);
    if (status == CDUL_OK && all.width != width)
        status =
            cdul_fail(err, CDUL_ERR_INPUT,
                      "%s: class vectors are %zu wide, the encoder's image vectors %zu: they are not of one "
                      "model, or one side lacks its projection",
                      path, all.width, width);
    if (status == CDUL_OK && !classes) {
        *out = all;
        return CDUL_OK;
    }
    if (status == CDUL_OK) status = cdul_index_new(&all.classes, &index, err);
    if (status == CDUL_OK) status = choose_names(classes, &all.classes, &out->classes, err);
    if (status == CDUL_OK) status = allocate(out, out->classes.count, width, err);
    if (status == CDUL_OK) out->background = classes->background;
    out->logit_scale = all.logit_scale;
    out->logit_bias = all.logit_bias;
    if (status == CDUL_OK && out->background == out->classes.count)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: nothing but background words in it", path);
    for (size_t c = 0; status == CDUL_OK && c < out->classes.count; c++) {
        size_t row = cdul_index_find(index, out->classes.items[c]);
        if (row == CDUL_NOT_FOUND)
            status = fail_missing(&all, out->classes.items[c], path, err);
        else
            memcpy(out->vectors + c * width, all.vectors + row * width, width * sizeof *out->vectors);
    }
    cdul_index_free(index);
    cdul_text_free(&all);
    return status;
}

/* --- The text tower --- */

cdul_status cdul_text_tower_open(const cdul_encoder *e, cdul_text_tower *out, cdul_error *err) {
    *out = (cdul_text_tower){0};
    cdul_status status = cdul_encoder_text_graph(e, &out->tower, err);
    if (status == CDUL_OK) status = cdul_tokenizer_open(e->layout.tokenizer, &out->tokenizer, err);
    if (status == CDUL_OK) {
        int64_t length = out->tower.input->dims[1], width = out->tower.output->dims[1];
        out->context = length > 0 ? (size_t)length : e->config.context;
        out->batch = out->tower.batch ? out->tower.batch : PROMPT_BATCH;
        if (out->context < 3)
            status =
                cdul_fail(err, CDUL_ERR_INPUT,
                          "%s: the length of the token sequence is not known: it is free in the graph, and "
                          "config.json has no text_config.max_position_embeddings",
                          e->folder);
        else if (width > 0 && (size_t)width != e->width)
            status = cdul_fail(err, CDUL_ERR_INPUT,
                               "%s: %s is %zu wide, the text tower's %s %zu: an export lacks the projection",
                               cdul_session_path(e->vision.session), e->vision.output->name, e->width,
                               out->tower.output->name, (size_t)width);
    }
    if (status != CDUL_OK) cdul_text_tower_close(out);
    return status;
}

void cdul_text_tower_close(cdul_text_tower *text) {
    cdul_tower_close(&text->tower);
    cdul_tokenizer_close(text->tokenizer);
    *text = (cdul_text_tower){0};
}

/* Prompts that wait for a run: row of the text that each belongs to, ids and mask [batch, L]. */
typedef struct prompts {
    cdul_text_tower text;
    size_t waiting;
    size_t *row_of;
    int64_t *ids, *mask;
    float *rows; /* [batch, D] */
} prompts;

static cdul_status prompts_open(const cdul_encoder *e, prompts *p, cdul_error *err) {
    *p = (prompts){0};
    cdul_status status = cdul_text_tower_open(e, &p->text, err);
    if (status != CDUL_OK) return status;
    size_t batch = p->text.batch, tokens = batch * p->text.context;
    p->row_of = calloc(batch, sizeof *p->row_of);
    p->ids = calloc(tokens, sizeof *p->ids);
    p->mask = calloc(tokens, sizeof *p->mask);
    p->rows = calloc(batch, e->width * sizeof *p->rows);
    return p->row_of && p->ids && p->mask && p->rows ? CDUL_OK : cdul_fail_memory(err, "prompts");
}

static void prompts_close(prompts *p) {
    cdul_text_tower_close(&p->text);
    free(p->row_of);
    free(p->ids);
    free(p->mask);
    free(p->rows);
}

static const char *class_of_row(const cdul_text *text, size_t row) {
    return text->classes.items[text->class_of ? text->class_of[row] : row];
}

/* Embeds what waits and adds each unit vector to the sum of its row. */
static cdul_status prompts_run(prompts *p, cdul_text *out, cdul_error *err) {
    if (p->waiting == 0) return CDUL_OK;
    /* what a fixed batch leaves over runs with the ids of earlier prompts and is not looked at */
    size_t rows = p->text.tower.batch ? p->text.batch : p->waiting;
    const int64_t dims[2] = {(int64_t)rows, (int64_t)p->text.context};
    cdul_status status =
        cdul_tower_run(&p->text.tower, NULL, p->ids, p->mask, dims, 2, out->width, 0, p->rows, err);
    for (size_t i = 0; status == CDUL_OK && i < p->waiting; i++) {
        float *row = p->rows + i * out->width, *sum = out->vectors + p->row_of[i] * out->width;
        if (!cdul_unit(row, out->width))
            return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the vector of class '%s' is zero or not finite",
                             cdul_session_path(p->text.tower.session), class_of_row(out, p->row_of[i]));
        for (size_t d = 0; d < out->width; d++) sum[d] += row[d];
    }
    p->waiting = 0;
    return status;
}

static cdul_status prompts_add(prompts *p, size_t row, const char *pattern, const char *word, cdul_text *out,
                               cdul_error *err) {
    char *prompt = NULL;
    size_t context = p->text.context, used = 0;
    int64_t *ids = p->ids + p->waiting * context, *mask = p->mask + p->waiting * context;
    bool cut = false;
    cdul_status status = cdul_template_fill(pattern, word, &prompt, err);
    if (status == CDUL_OK)
        status =
            cdul_tokenizer_encode(p->text.tokenizer, prompt, strlen(prompt), context, ids, &used, &cut, err);
    free(prompt);
    if (status != CDUL_OK) {
        cdul_error_prefix(err, "class '%s'", class_of_row(out, row));
        return status;
    }
    for (size_t i = 0; i < context; i++) mask[i] = i < used;
    out->prompts++;
    out->cut_prompts += cut;
    p->row_of[p->waiting++] = row;
    return p->waiting == p->text.batch ? prompts_run(p, out, err) : CDUL_OK;
}

/* Rows for `classes`: one a class, or one a word. */
static cdul_status allocate_rows(const cdul_classes *classes, size_t width, cdul_text *out, cdul_error *err) {
    size_t rows = 0, count = classes->names.count;
    cdul_status status = cdul_strings_copy(&classes->names, &out->classes, err);
    out->background = classes->background;
    if (status != CDUL_OK || classes->synonyms == CDUL_SYNONYMS_MEAN)
        return status != CDUL_OK ? status : allocate(out, count, width, err);
    for (size_t c = 0; c < count; c++) rows += classes->words[c].count;
    if (!(out->class_of = calloc(rows, sizeof *out->class_of))) return cdul_fail_memory(err, "class vectors");
    for (size_t c = 0, row = 0; c < count; c++)
        for (size_t w = 0; w < classes->words[c].count; w++) out->class_of[row++] = c;
    return allocate(out, rows, width, err);
}

/* w_c = normalise(mean over templates and words of normalise(E_text(prompt))); or the same for each word */
static cdul_status text_from_tower(const cdul_encoder *e, const cdul_classes *classes,
                                   const cdul_strings *templates, cdul_text *out, cdul_error *err) {
    char *standard[] = {CDUL_DEFAULT_TEMPLATE};
    const cdul_strings fallback = {standard, 1, 1};
    if (!templates || templates->count == 0) templates = &fallback;
    prompts p;
    cdul_status status = prompts_open(e, &p, err);
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
                               e->layout.text, class_of_row(out, r));
    prompts_close(&p);
    return status;
}

/* --- Choosing --- */

cdul_status cdul_encoder_text(cdul_encoder *e, const cdul_classes *classes, const cdul_strings *templates,
                              const char *text_path, cdul_text *out, cdul_error *err) {
    *out = (cdul_text){.logit_scale = NAN, .logit_bias = NAN};
    char *inside = cdul_path_join(e->folder, "text.safetensors");
    cdul_status status;
    if (!inside)
        status = cdul_fail_memory(err, "path");
    else if (text_path)
        status = text_from_file(text_path, classes, e->width, out, err);
    else if (e->layout.text && classes && classes->names.count > classes->background)
        status = text_from_tower(e, classes, templates, out, err);
    else if (cdul_path_exists(inside))
        status = text_from_file(inside, classes, e->width, out, err);
    else if (e->layout.text)
        status = cdul_fail(err, CDUL_ERR_USAGE, "no classes: give --classes, a file with one name a line");
    else
        status =
            cdul_fail(err, CDUL_ERR_USAGE,
                      "%s: no text tower (text_model.onnx) and no text.safetensors in it: give class vectors "
                      "with --text",
                      e->folder);
    free(inside);
    if (status != CDUL_OK) cdul_text_free(out);
    return status;
}
