/* Matches ground truth to scores: images by name, else by base name; classes by name. */
#include "base/file.h"
#include "base/map.h"
#include "cdul/eval.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void cdul_matched_free(cdul_matched *matched) {
    if (!matched) return;
    free(matched->rows);
    free(matched->values);
    *matched = (cdul_matched){0};
}

/* --- Base names --- */

static const char *const image_extensions[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp",
                                               ".gif", ".tga",  ".pnm", ".ppm",  ".pgm",
                                               ".pbm", ".psd",  ".tif", ".tiff"};

/* The base names of a list of images, without an image's extension: "images/000005.jpg" gives
 * "000005". */
typedef struct stems {
    cdul_names names;
    size_t *row; /* [names]: of the image that has it; CDUL_NOT_FOUND if several have */
} stems;

static cdul_status get_stem(stems *s, const char *image, size_t *position, cdul_error *err) {
    const char *base = cdul_path_base(image), *extension = cdul_path_extension(base);
    size_t length = strlen(base);
    for (size_t i = 0; i < sizeof image_extensions / sizeof image_extensions[0]; i++)
        if (strcasecmp(extension, image_extensions[i]) == 0) length = (size_t)(extension - base);
    char *stem = strndup(base, length);
    cdul_status status = stem ? cdul_names_get(&s->names, stem, position, err)
                              : cdul_fail_memory(err, "base names of images");
    free(stem);
    return status;
}

static cdul_status collect_stems(const cdul_strings *images, stems *out, cdul_error *err) {
    out->row = calloc(images->count ? images->count : 1, sizeof *out->row);
    if (!out->row) return cdul_fail_memory(err, "base names of images");
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < images->count && status == CDUL_OK; i++) {
        size_t known = out->names.list.count, position;
        status = get_stem(out, images->items[i], &position, err);
        if (status == CDUL_OK) out->row[position] = position == known ? i : CDUL_NOT_FOUND;
    }
    return status;
}

/* Finds the images that have no row yet by stems that are unique in both lists. */
static cdul_status match_stems(const cdul_strings *scored, const cdul_strings *truth,
                               size_t *row_of, size_t *ambiguous, cdul_error *err) {
    stems ours = {0}, theirs = {0};
    cdul_status status = collect_stems(scored, &ours, err);
    if (status == CDUL_OK) status = collect_stems(truth, &theirs, err);
    for (size_t i = 0; i < scored->count && status == CDUL_OK; i++) {
        size_t own, other = CDUL_NOT_FOUND;
        if (row_of[i] != CDUL_NOT_FOUND) continue;
        status = get_stem(&ours, scored->items[i], &own, err);
        if (status == CDUL_OK) other = cdul_index_find(&theirs.names, ours.names.list.items[own]);
        if (other == CDUL_NOT_FOUND) continue;
        if (ours.row[own] != CDUL_NOT_FOUND) row_of[i] = theirs.row[other];
        *ambiguous += row_of[i] == CDUL_NOT_FOUND;
    }
    cdul_names_free(&ours.names);
    cdul_names_free(&theirs.names);
    free(ours.row);
    free(theirs.row);
    return status;
}

/* Fills row_of [scored] with the truth's row of each scored image, or CDUL_NOT_FOUND. */
static cdul_status match_images(const cdul_strings *scored, const cdul_strings *truth,
                                size_t *row_of, size_t *ambiguous, cdul_error *err) {
    cdul_index *index = NULL;
    bool all = true;
    cdul_status status = cdul_index_new(truth, &index, err);
    for (size_t i = 0; i < scored->count && status == CDUL_OK; i++) {
        row_of[i] = cdul_index_find(index, scored->items[i]);
        all = all && row_of[i] != CDUL_NOT_FOUND;
    }
    cdul_index_free(index);
    return all ? status : match_stems(scored, truth, row_of, ambiguous, err);
}

/* --- Classes --- */

static cdul_status match_classes(const cdul_strings *scored, const cdul_strings *truth,
                                 size_t *column_of, cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = cdul_index_new(truth, &index, err);
    for (size_t c = 0; c < scored->count && status == CDUL_OK; c++) {
        column_of[c] = cdul_index_find(index, scored->items[c]);
        if (column_of[c] != CDUL_NOT_FOUND) continue;
        const char *near =
            cdul_strings_nearest(scored->items[c], (const char *const *)truth->items, truth->count);
        status = cdul_fail(err, CDUL_ERR_INPUT, "class \"%s\" is not in the ground truth%s%s%s",
                           scored->items[c], near ? "; did you mean \"" : "", near ? near : "",
                           near ? "\"?" : "");
    }
    cdul_index_free(index);
    return status;
}

/* --- Both --- */

static cdul_status lay_out(const cdul_truth *truth, const size_t *row_of, size_t n_scored,
                           const size_t *column_of, cdul_matched *out, cdul_error *err) {
    size_t classes = out->classes;
    for (size_t i = 0; i < n_scored; i++) out->images += row_of[i] != CDUL_NOT_FOUND;
    if (out->images == 0)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "none of the %zu scored images is among the %zu of the ground truth (there: \"%s\")",
            n_scored, truth->images.count, truth->images.count ? truth->images.items[0] : "");
    out->rows = calloc(out->images, sizeof *out->rows);
    out->values = calloc(out->images, classes ? classes : 1);
    if (!out->rows || !out->values) return cdul_fail_memory(err, "matched ground truth");
    size_t n = 0;
    for (size_t i = 0; i < n_scored; i++) {
        if (row_of[i] == CDUL_NOT_FOUND) continue;
        const uint8_t *from = truth->values + row_of[i] * truth->classes.count;
        for (size_t c = 0; c < classes; c++) out->values[n * classes + c] = from[column_of[c]];
        out->rows[n++] = i;
    }
    out->without_truth = n_scored - n - out->ambiguous;
    out->without_scores = truth->images.count - n;
    out->unused_classes = truth->classes.count - classes;
    return CDUL_OK;
}

cdul_status cdul_truth_match(const cdul_truth *truth, const cdul_strings *images,
                             const cdul_strings *classes, cdul_matched *out, cdul_error *err) {
    *out = (cdul_matched){.classes = classes->count};
    size_t *row_of = calloc(images->count ? images->count : 1, sizeof *row_of);
    size_t *column_of = calloc(classes->count ? classes->count : 1, sizeof *column_of);
    cdul_status status =
        row_of && column_of ? CDUL_OK : cdul_fail_memory(err, "matched ground truth");
    if (status == CDUL_OK) status = match_classes(classes, &truth->classes, column_of, err);
    if (status == CDUL_OK)
        status = match_images(images, &truth->images, row_of, &out->ambiguous, err);
    if (status == CDUL_OK) status = lay_out(truth, row_of, images->count, column_of, out, err);
    free(row_of);
    free(column_of);
    if (status != CDUL_OK) cdul_matched_free(out);
    return status;
}

void cdul_matched_drop_empty(cdul_matched *matched) {
    size_t classes = matched->classes, kept = 0;
    for (size_t i = 0; i < matched->images; i++) {
        const uint8_t *row = matched->values + i * classes;
        bool empty = true;
        for (size_t c = 0; c < classes && empty; c++) empty = row[c] == CDUL_ABSENT;
        if (empty) continue;
        memmove(matched->values + kept * classes, row, classes);
        matched->rows[kept++] = matched->rows[i];
    }
    matched->images = kept;
}
