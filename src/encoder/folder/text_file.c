/* text.safetensors: class vectors that were made elsewhere. */
#include "base/json.h"
#include "base/safetensors.h"
#include "encoder/folder/folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool cdul_unit(float *vector, size_t width) {
    double sum = 0;
    for (size_t i = 0; i < width; i++) sum += (double)vector[i] * (double)vector[i];
    if (!isfinite(sum) || sum <= 0) return false;
    double scale = 1.0 / sqrt(sum);
    for (size_t i = 0; i < width; i++) vector[i] = (float)((double)vector[i] * scale);
    return true;
}

cdul_status cdul_text_allocate(cdul_text *text, size_t rows, size_t width, bool by_word,
                               cdul_error *err) {
    text->rows = rows;
    text->width = width;
    text->vectors = calloc(rows ? rows : 1, width * sizeof *text->vectors);
    if (by_word) text->class_of = calloc(rows ? rows : 1, sizeof *text->class_of);
    return text->vectors && (text->class_of || !by_word) ? CDUL_OK
                                                         : cdul_fail_memory(err, "class vectors");
}

/* A number in the file's metadata; NAN if it has none. */
static cdul_status read_number(const cdul_safetensors *file, const char *key, const char *path,
                               double *out, cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, key);
    *out = NAN;
    if (!text) return CDUL_OK;
    cJSON *number = NULL;
    cdul_status status = cdul_json_parse(text, strlen(text), path, &number, err);
    if (status == CDUL_ERR_MEMORY) return status;
    if (cJSON_IsNumber(number) && isfinite(number->valuedouble)) *out = number->valuedouble;
    cJSON_Delete(number);
    if (isfinite(*out)) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata '%s' is '%s', expected a number", path, key,
                     text);
}

/* Whose word each row is, where the file has several rows a class. */
static cdul_status read_class_of(const cdul_safetensors *file, const char *path, cdul_text *out,
                                 cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, "class_of");
    cJSON *list = NULL;
    size_t row = 0, next = 0; /* next: the class that has no row yet */
    out->rows = out->classes.count;
    if (!text) return CDUL_OK;
    cdul_status status = cdul_json_parse(text, strlen(text), path, &list, err);
    if (status != CDUL_OK) return status;
    out->rows = (size_t)cJSON_GetArraySize(list);
    out->class_of = calloc(out->rows + 1, sizeof *out->class_of);
    if (!out->class_of) status = cdul_fail_memory(err, "class vectors");
    for (const cJSON *item = list->child; status == CDUL_OK && item; item = item->next, row++) {
        double c = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (next < out->classes.count && c == (double)next)
            next++;
        else if (next == 0 || c != (double)(next - 1))
            break;
        out->class_of[row] = next - 1;
    }
    if (status == CDUL_OK && (!cJSON_IsArray(list) || row < out->rows || next < out->classes.count))
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: metadata 'class_of': entry %zu: expected a list that counts up "
                           "through the positions of the %zu classes, one for each row",
                           path, row + 1, out->classes.count);
    cJSON_Delete(list);
    return status;
}

static cdul_status read_scores(const cdul_safetensors *file, const char *path, cdul_text *out,
                               cdul_error *err) {
    cdul_status status = read_number(file, "logit_scale", path, &out->logit_scale, err);
    if (status == CDUL_OK && !isnan(out->logit_scale))
        status = cdul_logit_scale_check(out->logit_scale, path, err);
    return status == CDUL_OK ? read_number(file, "logit_bias", path, &out->logit_bias, err)
                             : status;
}

const char *cdul_text_class(const cdul_text *text, size_t row) {
    return text->classes.items[text->class_of ? text->class_of[row] : row];
}

static cdul_status read_vectors(const cdul_safetensors *file, const char *path, cdul_text *out,
                                cdul_error *err) {
    cdul_tensor_view view;
    size_t shape[2] = {out->rows, 0};
    cdul_status status = cdul_safetensors_expect(file, "text_embeds", 2, shape, &view, err);
    if (status == CDUL_OK) status = cdul_text_allocate(out, shape[0], shape[1], false, err);
    if (status == CDUL_OK) cdul_tensor_to_f32(&view, 0, view.elements, out->vectors);
    for (size_t r = 0; status == CDUL_OK && r < out->rows; r++)
        if (!cdul_unit(out->vectors + r * out->width, out->width))
            status =
                cdul_fail(err, CDUL_ERR_INPUT, "%s: the vector of class '%s' is zero or not finite",
                          path, cdul_text_class(out, r));
    return status;
}

cdul_status cdul_text_read(const char *path, cdul_text *out, cdul_error *err) {
    *out = (cdul_text){0};
    cdul_safetensors *file = NULL;
    cdul_index *index = NULL;
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status != CDUL_OK) return status;
    const char *classes = cdul_safetensors_metadata(file, "classes");
    if (!classes)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata 'classes' (a JSON list of names)",
                           path);
    if (status == CDUL_OK)
        status = cdul_json_to_strings(classes, strlen(classes), path, &out->classes, err);
    if (status == CDUL_OK && (status = cdul_index_new(&out->classes, &index, err)) != CDUL_OK)
        cdul_error_prefix(err, "%s: classes", path);
    if (status == CDUL_OK && out->classes.count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no classes in it", path);
    if (status == CDUL_OK) status = read_class_of(file, path, out, err);
    if (status == CDUL_OK) status = read_scores(file, path, out, err);
    if (status == CDUL_OK) status = read_vectors(file, path, out, err);
    cdul_index_free(index);
    cdul_safetensors_close(file);
    if (status != CDUL_OK) cdul_text_free(out);
    return status;
}

void cdul_text_free(cdul_text *text) {
    cdul_strings_free(&text->classes);
    free(text->class_of);
    free(text->vectors);
    *text = (cdul_text){0};
}

static cdul_status fail_missing(const cdul_text *all, const char *name, const char *path,
                                cdul_error *err) {
    const char *nearest =
        cdul_strings_nearest(name, (const char *const *)all->classes.items, all->classes.count);
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: no vector for class '%s'%s%s%s", path, name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

/* The names that a text is to have: those of `classes`, or if it has background words alone, first
 * what else is in the file. */
static cdul_status choose_names(const cdul_classes *classes, const cdul_strings *all,
                                cdul_strings *out, cdul_error *err) {
    cdul_index *background = NULL;
    if (classes->names.count > classes->background)
        return cdul_strings_copy(&classes->names, out, err);
    cdul_status status = cdul_index_new(&classes->names, &background, err);
    for (size_t i = 0; status == CDUL_OK && i < all->count; i++)
        if (cdul_index_find(background, all->items[i]) == CDUL_NOT_FOUND)
            status = cdul_strings_add(out, all->items[i], err);
    for (size_t i = 0; status == CDUL_OK && i < classes->names.count; i++)
        status = cdul_strings_add(out, classes->names.items[i], err);
    cdul_index_free(background);
    return status;
}

/* starts [C + 1]: the rows of class c are starts[c] .. starts[c + 1]. NULL: no memory. */
static size_t *starts_of(const cdul_text *text) {
    size_t count = text->classes.count, *starts = calloc(count + 1, sizeof *starts);
    for (size_t r = 0; starts && r < text->rows; r++)
        starts[text->class_of ? text->class_of[r] + 1 : r + 1]++;
    for (size_t c = 0; starts && c < count; c++) starts[c + 1] += starts[c];
    return starts;
}

/* Gives out's names their rows of `all`. */
static cdul_status copy_rows(const cdul_text *all, const char *path, cdul_text *out,
                             cdul_error *err) {
    const cdul_strings *names = &out->classes;
    cdul_index *index = NULL;
    size_t rows = 0, row = 0, width = all->width, *starts = starts_of(all);
    cdul_status status = starts ? cdul_index_new(&all->classes, &index, err)
                                : cdul_fail_memory(err, "class vectors");
    for (size_t c = 0; status == CDUL_OK && c < names->count; c++) {
        size_t at = cdul_index_find(index, names->items[c]);
        if (at == CDUL_NOT_FOUND)
            status = fail_missing(all, names->items[c], path, err);
        else
            rows += starts[at + 1] - starts[at];
    }
    if (status == CDUL_OK) status = cdul_text_allocate(out, rows, width, all->class_of, err);
    for (size_t c = 0; status == CDUL_OK && c < names->count; c++) {
        size_t at = cdul_index_find(index, names->items[c]);
        for (size_t r = starts[at]; r < starts[at + 1]; r++, row++) {
            memcpy(out->vectors + row * width, all->vectors + r * width,
                   width * sizeof *out->vectors);
            if (out->class_of) out->class_of[row] = c;
        }
    }
    cdul_index_free(index);
    free(starts);
    return status;
}

/* What is in the file can be neither averaged nor taken apart here. */
static cdul_status check_kind(const cdul_text *all, const cdul_classes *classes, size_t width,
                              const char *path, cdul_error *err) {
    if (all->width != width)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: class vectors are %zu wide, the encoder's image vectors %zu: they "
                         "are not of one model, or one side lacks its projection",
                         path, all->width, width);
    if (classes && classes->synonyms == CDUL_SYNONYMS_MAX && !all->class_of)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: has one vector a class, and --synonyms max needs one a word: write "
                         "it again with embed_text.py --synonyms max",
                         path);
    if (classes && classes->synonyms == CDUL_SYNONYMS_MEAN && all->class_of)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: has a vector for each word, which only --synonyms max reads; without "
                         "it, write the file again without embed_text.py --synonyms max",
                         path);
    return CDUL_OK;
}

cdul_status cdul_text_choose(const char *path, const cdul_classes *classes, size_t width,
                             cdul_text *out, cdul_error *err) {
    cdul_text all;
    cdul_status status = cdul_text_read(path, &all, err);
    if (status != CDUL_OK) return status;
    status = check_kind(&all, classes, width, path, err);
    if (status == CDUL_OK && !classes) {
        *out = all;
        return CDUL_OK;
    }
    out->logit_scale = all.logit_scale;
    out->logit_bias = all.logit_bias;
    if (status == CDUL_OK) status = choose_names(classes, &all.classes, &out->classes, err);
    if (status == CDUL_OK) out->background = classes->background;
    if (status == CDUL_OK && out->background == out->classes.count)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: nothing but background words in it", path);
    if (status == CDUL_OK) status = copy_rows(&all, path, out, err);
    cdul_text_free(&all);
    return status;
}
