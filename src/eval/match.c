/* Matches ground truth to scores: images by name, else by base name; classes by name. */
#include "base/file.h"
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

/* The base name without an image's extension: "images/000005.jpg" gives "000005". */
typedef struct stem {
    const char *text; /* `length` bytes of the image's name */
    size_t length, row;
} stem;

static stem stem_of(const char *name, size_t row) {
    const char *base = cdul_path_base(name), *extension = cdul_path_extension(base);
    size_t length = strlen(base);
    for (size_t i = 0; i < sizeof image_extensions / sizeof image_extensions[0]; i++)
        if (strcasecmp(extension, image_extensions[i]) == 0) length = (size_t)(extension - base);
    return (stem){base, length, row};
}

static int by_text(const void *a, const void *b) {
    const stem *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* The stems of `names`, sorted; the caller frees them. NULL without memory. */
static stem *sort_stems(const cdul_strings *names) {
    stem *stems = calloc(names->count ? names->count : 1, sizeof *stems);
    for (size_t i = 0; stems && i < names->count; i++) stems[i] = stem_of(names->items[i], i);
    if (stems) qsort(stems, names->count, sizeof *stems, by_text);
    return stems;
}

/* How many stems from `first` on are equal. */
static size_t run_length(const stem *stems, size_t count, size_t first) {
    size_t end = first + 1;
    while (end < count && by_text(&stems[end], &stems[first]) == 0) end++;
    return end - first;
}

/* Joins the stems that are unique in both sorted lists. Images that were found by their full name
 * keep their row in `row_of` [scored]. */
static void join_stems(const stem *scored, size_t n_scored, const stem *truth, size_t n_truth,
                       size_t *row_of, size_t *ambiguous) {
    for (size_t i = 0, j = 0; i < n_scored && j < n_truth;) {
        int order = by_text(&scored[i], &truth[j]);
        if (order < 0) i++;
        if (order > 0) j++;
        if (order != 0) continue;
        size_t run = run_length(scored, n_scored, i), truth_run = run_length(truth, n_truth, j);
        for (size_t k = i; k < i + run; k++) {
            if (row_of[scored[k].row] != CDUL_NOT_FOUND) continue;
            if (run == 1 && truth_run == 1)
                row_of[scored[k].row] = truth[j].row;
            else
                ++*ambiguous;
        }
        i += run;
        j += truth_run;
    }
}

/* Fills row_of [scored] with the truth's row of each scored image, or CDUL_NOT_FOUND. */
static cdul_status match_images(const cdul_strings *scored, const cdul_strings *truth,
                                size_t *row_of, size_t *ambiguous, cdul_error *err) {
    cdul_index *index = NULL;
    bool all = true;
    cdul_status status = cdul_index_new(truth, &index, err);
    if (status != CDUL_OK) return status;
    for (size_t i = 0; i < scored->count; i++) {
        row_of[i] = cdul_index_find(index, scored->items[i]);
        all = all && row_of[i] != CDUL_NOT_FOUND;
    }
    if (!all) {
        stem *scored_stems = sort_stems(scored), *truth_stems = sort_stems(truth);
        if (scored_stems && truth_stems)
            join_stems(scored_stems, scored->count, truth_stems, truth->count, row_of, ambiguous);
        else
            status = cdul_fail_memory(err, "base names of images");
        free(scored_stems);
        free(truth_stems);
    }
    cdul_index_free(index);
    return status;
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
    if (classes != 0 && out->images > SIZE_MAX / classes)
        return cdul_fail_memory(err, "matched ground truth");
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
