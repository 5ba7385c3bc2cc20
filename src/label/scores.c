/* Reads and writes scores.safetensors: the cosines of images and classes, saved to make other
 * labels from them later. */
#include "label/scores.h"

#include "base/file.h"
#include "base/json.h"
#include "labels/label_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A list of names, none of which may occur twice. */
static cdul_status read_names(const cdul_safetensors *file, const char *key, size_t count,
                              cdul_strings *out, cdul_error *err) {
    cdul_status status = cdul_names_read(file, key, "cosine_global", count, out, err);
    if (status == CDUL_OK) status = cdul_names_distinct(out, cdul_safetensors_path(file), key, err);
    return status;
}

/* Metadata `background`: names of some of the classes, not of all. */
static cdul_status read_background(cdul_scores *scores, cdul_error *err) {
    const char *path = cdul_safetensors_path(scores->file);
    const char *text = cdul_safetensors_metadata(scores->file, "background");
    if (!text) return CDUL_OK;
    cdul_index *classes = NULL;
    cdul_status status =
        cdul_json_to_strings(text, strlen(text), "background", &scores->background, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s: background", path);
    if (status == CDUL_OK)
        status = cdul_names_distinct(&scores->background, path, "background", err);
    if (status == CDUL_OK) status = cdul_index_new(&scores->classes, &classes, err);
    for (size_t i = 0; i < scores->background.count && status == CDUL_OK; i++)
        if (cdul_index_find(classes, scores->background.items[i]) == CDUL_NOT_FOUND)
            status = cdul_fail(err, CDUL_ERR_INPUT,
                               "%s: background word \"%s\" is not one of the classes", path,
                               scores->background.items[i]);
    if (status == CDUL_OK && scores->background.count == scores->c)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: nothing but background words in it", path);
    cdul_index_free(classes);
    return status;
}

cdul_status cdul_scores_open(const char *path, cdul_scores *out, cdul_error *err) {
    *out = (cdul_scores){0};
    size_t global[2] = {0, 0};
    cdul_status status = cdul_safetensors_open(path, &out->file, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_expect(out->file, "cosine_global", 2, global, &out->global, err);
    out->n = global[0];
    out->c = global[1];
    if (status == CDUL_OK && (out->n == 0 || out->c == 0))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: cosine_global is empty: [%zu, %zu]", path,
                           out->n, out->c);
    if (status == CDUL_OK && cdul_safetensors_find(out->file, "cosine_crops")) {
        size_t crops[3] = {out->n, 0, out->c};
        status = cdul_safetensors_expect(out->file, "cosine_crops", 3, crops, &out->crops, err);
        out->s = crops[1];
    }
    if (status == CDUL_OK) status = read_names(out->file, "images", out->n, &out->images, err);
    if (status == CDUL_OK) status = read_names(out->file, "classes", out->c, &out->classes, err);
    if (status == CDUL_OK) status = read_background(out, err);
    if (status != CDUL_OK) cdul_scores_close(out);
    return status;
}

/* Rounding can push a cosine slightly past 1. Anything beyond this limit is no cosine. */
static const float COSINE_LIMIT = 1.01F;

cdul_status cdul_scores_read(const cdul_scores *scores, size_t i, float *cosines, cdul_error *err) {
    size_t c = scores->c, row = scores->s * c;
    cdul_tensor_to_f32(&scores->global, i * c, c, cosines);
    if (row) cdul_tensor_to_f32(&scores->crops, i * row, row, cosines + c);
    for (size_t k = 0; k < c + row; k++)
        if (!(fabsf(cosines[k]) <= COSINE_LIMIT))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: image %s, class %s: %g is not a cosine (-1 .. 1)",
                             cdul_safetensors_path(scores->file), scores->images.items[i],
                             scores->classes.items[k % c], (double)cosines[k]);
    return CDUL_OK;
}

void cdul_scores_close(cdul_scores *scores) {
    cdul_safetensors_close(scores->file);
    cdul_strings_free(&scores->images);
    cdul_strings_free(&scores->classes);
    cdul_strings_free(&scores->background);
    *scores = (cdul_scores){0};
}

cdul_status cdul_scores_create(const char *path, size_t s, size_t c, cdul_scores_writer *out,
                               cdul_error *err) {
    *out = (cdul_scores_writer){.path = path, .s = s, .c = c};
    return cdul_file_unnamed(path, &out->rows, err);
}

cdul_status cdul_scores_append(cdul_scores_writer *writer, const float *cosines, cdul_error *err) {
    size_t count = (1 + writer->s) * writer->c;
    if (fwrite(cosines, sizeof *cosines, count, writer->rows) != count)
        return cdul_fail_errno(err, "%s: cannot write", writer->path);
    writer->n++;
    return CDUL_OK;
}

/* Copies `count` floats at `offset` of every row into the safetensors file. */
static cdul_status copy_columns(cdul_scores_writer *writer, size_t offset, size_t count,
                                cdul_safetensors_writer *file, cdul_error *err) {
    size_t row = (1 + writer->s) * writer->c;
    float *buffer = malloc(row * sizeof *buffer);
    if (!buffer) return cdul_fail_memory(err, "a row of scores");
    cdul_status status = CDUL_OK;
    rewind(writer->rows);
    for (size_t i = 0; i < writer->n && status == CDUL_OK; i++) {
        if (fread(buffer, sizeof *buffer, row, writer->rows) != row)
            status = cdul_fail_errno(err, "%s: cannot read back", writer->path);
        else
            status = cdul_safetensors_append(file, buffer + offset, count * sizeof *buffer, err);
    }
    free(buffer);
    return status;
}

cdul_status cdul_scores_commit(cdul_scores_writer *writer, const cdul_strings *images,
                               const cdul_strings *classes, size_t background, cdul_error *err) {
    char *image_list = NULL, *class_list = NULL, *background_list = NULL;
    /* The last names of `classes`, borrowed. */
    const cdul_strings words = {.items = classes->items + (classes->count - background),
                                .count = background};
    cdul_safetensors_writer *file = NULL;
    cdul_status status = cdul_json_from_strings(images, &image_list, err);
    if (status == CDUL_OK) status = cdul_json_from_strings(classes, &class_list, err);
    if (status == CDUL_OK && background)
        status = cdul_json_from_strings(&words, &background_list, err);
    if (status != CDUL_OK) goto done;
    cdul_metadata metadata[3] = {{"classes", class_list}};
    size_t used = 1, parts = 1;
    if (background) metadata[used++] = (cdul_metadata){"background", background_list};
    metadata[used++] = (cdul_metadata){"images", image_list};
    /* Image names that do not fit into the header become a tensor. */
    const bool fit = cdul_names_fit(metadata, used);
    cdul_tensor_decl tensors[3] = {{"cosine_global", CDUL_F32, 2, {writer->n, writer->c}}};
    if (writer->s)
        tensors[parts++] =
            (cdul_tensor_decl){"cosine_crops", CDUL_F32, 3, {writer->n, writer->s, writer->c}};
    if (!fit) tensors[parts++] = (cdul_tensor_decl){"images", CDUL_U8, 1, {strlen(image_list)}};
    status = cdul_safetensors_create(writer->path, metadata, fit ? used : used - 1, tensors, parts,
                                     &file, err);
    if (status == CDUL_OK) status = copy_columns(writer, 0, writer->c, file, err);
    if (status == CDUL_OK && writer->s)
        status = copy_columns(writer, writer->c, writer->s * writer->c, file, err);
    if (status == CDUL_OK && !fit)
        status = cdul_safetensors_append(file, image_list, strlen(image_list), err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&file, err);
done:
    cdul_safetensors_discard(&file);
    free(image_list);
    free(class_list);
    free(background_list);
    return status;
}

void cdul_scores_discard(cdul_scores_writer *writer) {
    if (writer->rows) fclose(writer->rows);
}
