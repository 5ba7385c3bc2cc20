#include "label/pipeline.h"

#include "label/scores.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are read from the cache and aggregated in parallel before they are handed on in order. */
enum { BLOCK = 512 };

/* Where the rows of one run go. */
typedef struct sink {
    const cdul_label_settings *options;
    const cdul_class_vectors *vectors;
    cdul_label_result *out;
    cdul_strings const *paths, *names;
    cdul_skipped *skipped;
    cdul_cache *cache;
    cdul_scores_writer *scores; /* NULL unless cosines are saved */
    size_t s, c, d;
    size_t rows;   /* labels filled so far                                                                */
    float *work;   /* [BLOCK, 2, 1 + S, C]: cosines and the aggregator's scratch, a pair for each row      */
    bool *missing; /* [N]: could not be read                                                              */
} sink;

static void label_row(const sink *k, size_t slot, const float *views, float *y) {
    size_t size = (1 + k->s) * k->c;
    float *cosines = k->work + slot * 2 * size;
    cdul_similarity(k->vectors, views, 1 + k->s, cosines);
    cdul_aggregate(&k->options->aggregate, cosines, k->s, k->c, cosines + size, y);
}

/* Takes the row whose labels and cosines are in place: image i is now part of the output. */
static cdul_status accept_row(sink *k, size_t i, size_t slot, cdul_error *err) {
    k->rows++;
    cdul_status status = cdul_strings_add(&k->out->labels.images, k->names->items[i], err);
    if (!status && k->scores)
        status = cdul_scores_append(k->scores, k->work + slot * 2 * (1 + k->s) * k->c, err);
    return status;
}

static void on_skipped(void *user, size_t i, const char *reason) {
    sink *k = user;
    k->missing[i] = true;
    /* Without memory for the list the image is still counted as missing; the next allocation will report it.
     */
    if (cdul_skipped_add(k->skipped, k->paths->items[i], reason, NULL)) return;
}

static cdul_status on_embedded(void *user, size_t i, const float *views, cdul_error *err) {
    sink *k = user;
    k->out->embedded++;
    if (k->cache) return cdul_cache_append(k->cache, k->names->items[i], k->paths->items[i], views, err);
    label_row(k, 0, views, k->out->labels.values + k->rows * k->c);
    return accept_row(k, i, 0, err);
}

/* Embeds what the cache lacks. Whatever happens, finished rows are written: they are what the next run goes
 * on from. */
static cdul_status fill_cache(sink *k, cdul_encoder *encoder, const cdul_embed_options *embed,
                              cdul_reporter *reporter, cdul_error *err) {
    size_t n = k->paths->count, lacking = 0;
    size_t *which = malloc(n * sizeof *which);
    if (!which) return cdul_fail_memory(err, "list of images to embed");
    for (size_t i = 0; i < n; i++)
        if (cdul_cache_find(k->cache, k->names->items[i], k->paths->items[i]) == CDUL_NOT_FOUND)
            which[lacking++] = i;
    cdul_status status = CDUL_OK;
    if (lacking < n) cdul_say(reporter, "%zu of %zu images are in the cache", n - lacking, n);
    if (lacking == 0) goto done;
    if ((status = cdul_cache_begin(k->cache, err))) goto done;
    cdul_embed_sink to = {.embedded = on_embedded, .skipped = on_skipped, .user = k};
    status = cdul_encoder_embed(encoder, k->paths, which, lacking, embed, &to, reporter, err);
    cdul_error flush_error;
    cdul_status flushed = cdul_cache_flush(k->cache, &flush_error);
    if (flushed && !status) {
        status = flushed;
        if (err) *err = flush_error;
    }
done:
    free(which);
    return status;
}

/* Labels `count` images of the cache in parallel, then accepts them in order. */
static cdul_status label_block(sink *k, const size_t *block, size_t count, float *views, cdul_error *err) {
    size_t size = (1 + k->s) * k->d, base = k->rows;
    for (size_t j = 0; j < count; j++) {
        size_t row = cdul_cache_find(k->cache, k->names->items[block[j]], k->paths->items[block[j]]);
        if (row == CDUL_NOT_FOUND)
            return cdul_fail(err, CDUL_ERR_IO,
                             "%s: changed or vanished while labelling; run the same command again",
                             k->paths->items[block[j]]);
        cdul_cache_read(k->cache, row, views + j * size);
    }
#pragma omp parallel for schedule(static)
    for (size_t j = 0; j < count; j++)
        label_row(k, j, views + j * size, k->out->labels.values + (base + j) * k->c);
    cdul_status status = CDUL_OK;
    for (size_t j = 0; j < count && !status; j++) status = accept_row(k, block[j], j, err);
    return status;
}

static cdul_status label_from_cache(sink *k, cdul_error *err) {
    cdul_status status = CDUL_OK;
    float *views = malloc(BLOCK * (1 + k->s) * k->d * sizeof *views);
    if (!views) return cdul_fail_memory(err, "views of a block of images");
    size_t block[BLOCK], count = 0;
    for (size_t i = 0; i < k->paths->count && !status; i++) {
        if (!k->missing[i]) block[count++] = i;
        if (count == BLOCK || i + 1 == k->paths->count) {
            status = cdul_interrupted() ? cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted")
                                        : label_block(k, block, count, views, err);
            count = 0;
        }
    }
    free(views);
    return status;
}

static cdul_status open_sink(sink *k, cdul_error *err) {
    size_t row = 2 * (1 + k->s) * k->c, n = k->paths->count;
    if (n > SIZE_MAX / sizeof(float) / k->c) return cdul_fail_memory(err, "label matrix");
    k->work = malloc(BLOCK * row * sizeof *k->work);
    k->missing = calloc(n, sizeof *k->missing);
    k->out->labels.values = malloc(n * k->c * sizeof(float));
    if (!k->work || !k->missing || !k->out->labels.values) return cdul_fail_memory(err, "label matrix");
    return k->options->save_scores ? cdul_scores_create(k->options->save_scores, k->s, k->c, &k->scores, err)
                                   : CDUL_OK;
}

static void close_sink(sink *k) {
    cdul_scores_free(k->scores);
    free(k->work);
    free(k->missing);
}

static cdul_status finish(const cdul_label_settings *options, cdul_label_result *out, cdul_error *err) {
    if (options->positives == 0) return CDUL_OK;
    return cdul_calibrate_positives(out->labels.values, out->labels.images.count, out->labels.classes.count,
                                    options->positives, NULL, err);
}

cdul_status cdul_label_images(cdul_encoder *encoder, const cdul_text *text, const cdul_strings *paths,
                              const cdul_strings *names, const cdul_embed_options *embed, cdul_cache *cache,
                              const cdul_label_settings *options, cdul_skipped *skipped,
                              cdul_reporter *reporter, cdul_label_result *out, cdul_error *err) {
    *out = (cdul_label_result){0};
    cdul_class_vectors vectors = {0};
    sink k = {.options = options,
              .vectors = &vectors,
              .out = out,
              .paths = paths,
              .names = names,
              .skipped = skipped,
              .cache = cache,
              .s = embed->crops ? embed->crops->count : 0,
              .c = text->classes.count,
              .d = text->width};
    cdul_status status = cdul_aggregate_check(&options->aggregate, err);
    if (status || (status = cdul_class_vectors_pack(text->vectors, k.c, k.d, &vectors, err))) goto done;
    if ((status = cdul_strings_copy(&text->classes, &out->labels.classes, err))) goto done;
    if ((status = open_sink(&k, err))) goto done;
    if (cache) {
        if ((status = fill_cache(&k, encoder, embed, reporter, err))) goto done;
        status = label_from_cache(&k, err);
    } else {
        cdul_embed_sink to = {.embedded = on_embedded, .skipped = on_skipped, .user = &k};
        status = cdul_encoder_embed(encoder, paths, NULL, paths->count, embed, &to, reporter, err);
    }
    if (!status && k.rows == 0) status = cdul_skipped_fail(skipped, err);
    if (status || (status = finish(options, out, err))) goto done;
    if (k.scores) status = cdul_scores_commit(k.scores, &out->labels.images, &out->labels.classes, err);
done:
    close_sink(&k);
    cdul_class_vectors_free(&vectors);
    if (status) cdul_labels_free(&out->labels);
    return status;
}

/* --- From cosines --- */

/* column[j]: where the file keeps class j of the output. */
static cdul_status map_classes(const cdul_scores *scores, const cdul_strings *classes, size_t *column,
                               cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = cdul_index_new(&scores->classes, &index, err);
    for (size_t j = 0; j < classes->count && !status; j++) {
        column[j] = cdul_index_find(index, classes->items[j]);
        if (column[j] == CDUL_NOT_FOUND)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: has no class \"%s\"",
                               cdul_safetensors_path(scores->file), classes->items[j]);
    }
    cdul_index_free(index);
    return status;
}

static cdul_status label_scores_rows(const cdul_scores *scores, const size_t *column,
                                     const cdul_label_settings *options, cdul_labels *labels,
                                     cdul_error *err) {
    size_t views = 1 + scores->s, c = labels->classes.count;
    float *all = malloc(views * scores->c * sizeof *all);
    float *cosines = malloc(views * c * sizeof *cosines), *scratch = malloc(views * c * sizeof *scratch);
    cdul_status status = all && cosines && scratch ? CDUL_OK : cdul_fail_memory(err, "a row of scores");
    for (size_t i = 0; i < scores->n && !status; i++) {
        if ((status = cdul_scores_read(scores, i, all, err))) break;
        for (size_t v = 0; v < views; v++)
            for (size_t j = 0; j < c; j++) cosines[v * c + j] = all[v * scores->c + column[j]];
        cdul_aggregate(&options->aggregate, cosines, scores->s, c, scratch, labels->values + i * c);
    }
    free(all);
    free(cosines);
    free(scratch);
    return status;
}

cdul_status cdul_label_scores(const char *path, const cdul_strings *classes,
                              const cdul_label_settings *options, cdul_label_result *out, cdul_error *err) {
    *out = (cdul_label_result){0};
    cdul_scores scores = {0};
    size_t *column = NULL;
    cdul_labels *labels = &out->labels;
    cdul_status status = cdul_aggregate_check(&options->aggregate, err);
    if (status || (status = cdul_scores_open(path, &scores, err))) goto done;
    if ((status = cdul_strings_copy(classes ? classes : &scores.classes, &labels->classes, err))) goto done;
    if ((status = cdul_strings_copy(&scores.images, &labels->images, err))) goto done;
    if ((status = cdul_labels_allocate(labels, err))) goto done;
    if (!(column = malloc(labels->classes.count * sizeof *column))) {
        status = cdul_fail_memory(err, "class columns");
        goto done;
    }
    if ((status = map_classes(&scores, &labels->classes, column, err))) goto done;
    if ((status = label_scores_rows(&scores, column, options, labels, err))) goto done;
    status = finish(options, out, err);
done:
    free(column);
    cdul_scores_close(&scores);
    if (status) cdul_labels_free(labels);
    return status;
}
