/* The loop of cdul-label: views to labels, straight from the encoder or from the cache. */
#include "label/pipeline.h"

#include "base/progress.h"
#include "label/discriminant.h"
#include "label/scores.h"

#include <stdlib.h>
#include <string.h>

/* Rows that are read from the cache and aggregated in parallel before they are handed on in order:
 * so many, or so many bytes of views. */
enum { BLOCK = 512, BLOCK_BYTES = 64 << 20 };

/* Where the rows of one run go. */
typedef struct sink {
    const cdul_label_job *job;
    cdul_class_vectors vectors;
    /* Once fitted: weights and offsets [C + B] of the discriminant. While it is fitted, what looks
     * at the views. */
    cdul_class_vectors weights;
    float *offsets;
    cdul_discriminant *fitting;
    cdul_reference reference; /* the job's, with its rows */
    cdul_label_result *out;
    cdul_scores_writer scores; /* open if cosines are saved */
    size_t s, d;
    size_t c; /* labels of a row */
    size_t columns; /* C + B: cosines of a view */
    size_t block; /* rows in a block */
    size_t rows; /* labels filled so far */
    /* floats in `work` for a row: its cosines [1 + S, R], then the aggregator's scratch, then,
     * with a discriminant, the scores that take the place of cosines */
    size_t work_size;
    float *work; /* [block, work_size] */
    bool *missing; /* [N]: could not be read */
    /* [N] with a cache: the row that holds the image, CDUL_NOT_FOUND until it is embedded: looking
     * twice would ask the file system twice */
    size_t *found;
    cdul_status noted; /* whether all of those could be listed */
} sink;

/* Writes, in place of the cosines of a row, the sum of their z-scores and the discriminant's. */
static const float *discriminate(const sink *k, const float *views, const float *cosines,
                                 float *scratch) {
    float *sums = scratch + (1 + k->s) * k->columns;
    cdul_similarity(&k->weights, views, 1 + k->s, sums);
    for (size_t v = 0; v <= k->s; v++) {
        float *sum = sums + v * k->columns, *z = scratch;
        for (size_t i = 0; i < k->columns; i++) sum[i] += k->offsets[i];
        cdul_standardise(sum, k->columns);
        memcpy(z, cosines + v * k->columns, k->columns * sizeof *z);
        cdul_standardise(z, k->columns);
        for (size_t i = 0; i < k->columns; i++) sum[i] += z[i];
    }
    return sums;
}

static void label_row(const sink *k, size_t slot, const float *views, float *y) {
    float *cosines = k->work + slot * k->work_size, *scratch = cosines + (1 + k->s) * k->vectors.c;
    const float *scores = cosines;
    cdul_similarity(&k->vectors, views, 1 + k->s, cosines);
    if (k->job->text.class_of)
        cdul_similarity_of_words(cosines, 1 + k->s, k->vectors.c, k->job->text.class_of,
                                 k->columns);
    if (k->fitting) return; /* the views and their cosines are all that is wanted */
    cdul_reference_row(&k->reference, (size_t)(y - k->out->labels.values) / k->c, cosines, k->s,
                       k->columns, scratch);
    if (k->offsets) scores = discriminate(k, views, cosines, scratch);
    cdul_aggregate(&k->job->params.aggregate, scores, k->s, k->columns, scratch, y);
}

/* Shows the views of a row to the discriminant. */
static cdul_status look(sink *k, size_t slot, const float *views, cdul_error *err) {
    const float *cosines = k->work + slot * k->work_size;
    cdul_status status = CDUL_OK;
    for (size_t v = 0; v <= k->s && status == CDUL_OK; v++)
        status =
            cdul_discriminant_look(k->fitting, views + v * k->d, cosines + v * k->columns, err);
    return status;
}

/* Takes the row whose labels and cosines are in place: image i is now part of the output. */
static cdul_status accept_row(sink *k, size_t i, size_t slot, cdul_error *err) {
    k->rows++;
    cdul_status status = cdul_strings_add(&k->out->labels.images, k->job->names.items[i], err);
    if (status == CDUL_OK && k->scores.rows)
        status = cdul_scores_append(&k->scores, k->work + slot * k->work_size, err);
    return status;
}

static void on_skipped(void *user, size_t i, const char *reason) {
    sink *k = user;
    k->missing[i] = true;
    if (!k->noted)
        k->noted = cdul_skipped_add(&k->out->skipped, k->job->paths.items[i], reason, NULL);
}

static cdul_status on_embedded(void *user, size_t i, const float *views, cdul_error *err) {
    sink *k = user;
    const cdul_label_job *job = k->job;
    k->out->embedded++;
    if (job->cache)
        return cdul_cache_append(job->cache, job->names.items[i], job->paths.items[i], views, err);
    label_row(k, 0, views, k->out->labels.values + k->rows * k->c);
    return accept_row(k, i, 0, err);
}

/* Embeds the images `which` (NULL: all). */
static cdul_status embed(sink *k, const size_t *which, size_t count, cdul_error *err) {
    const cdul_label_job *job = k->job;
    const cdul_embed_sink to = {.embedded = on_embedded, .skipped = on_skipped, .user = k};
    return cdul_encoder_embed(job->encoder, &job->paths, which, count, &job->embed, &to, err);
}

/* Whatever happens, finished rows are written: they are what the next run goes on from. */
static cdul_status embed_into_cache(sink *k, const size_t *which, size_t count, cdul_error *err) {
    cdul_status status = cdul_cache_begin(k->job->cache, err);
    if (status != CDUL_OK) return status;
    status = embed(k, which, count, err);
    cdul_status flushed = cdul_cache_flush(k->job->cache, status == CDUL_OK ? err : NULL);
    return status == CDUL_OK ? flushed : status;
}

/* Embeds what the cache lacks of the images from `first` on. */
static cdul_status fill_cache(sink *k, size_t first, cdul_error *err) {
    const cdul_label_job *job = k->job;
    size_t n = job->paths.count, lacking = 0;
    size_t *which = malloc((n - first) * sizeof *which);
    if (!which) return cdul_fail_memory(err, "list of images to embed");
    for (size_t i = first; i < n; i++) {
        if (k->missing[i]) continue;
        k->found[i] = cdul_cache_find(job->cache, job->names.items[i], job->paths.items[i]);
        if (k->found[i] == CDUL_NOT_FOUND) which[lacking++] = i;
    }
    if (first == 0 && lacking < n)
        cdul_say(job->params.callbacks, "%zu of %zu images are in the cache", n - lacking, n);
    cdul_status status = lacking ? embed_into_cache(k, which, lacking, err) : CDUL_OK;
    free(which);
    return status;
}

/* The rows of a block, to be read; *lost: some were in a shard that is damaged. */
static cdul_status find_rows(sink *k, const size_t *block, size_t count, bool *lost,
                             cdul_error *err) {
    *lost = false;
    for (size_t j = 0; j < count; j++) {
        const char *path = k->job->paths.items[block[j]];
        size_t *row = &k->found[block[j]];
        if (*row == CDUL_NOT_FOUND)
            *row = cdul_cache_find(k->job->cache, k->job->names.items[block[j]], path);
        if (*row == CDUL_NOT_FOUND)
            return cdul_fail(err, CDUL_ERR_IO,
                             "%s: changed or vanished while labelling; run the same command again",
                             path);
        if (!cdul_cache_check(k->job->cache, *row)) *lost = true;
    }
    return CDUL_OK;
}

/* Labels `count` images of the cache in parallel, then accepts them in order. Meanwhile one thread
 * looks into the shard that row `ahead`, if there is one, will need. */
static cdul_status label_block(sink *k, const size_t *block, size_t count, size_t ahead,
                               float *views, cdul_error *err) {
    size_t size = (1 + k->s) * k->d, base = k->rows;
#pragma omp parallel
    {
#pragma omp single nowait
        if (ahead != CDUL_NOT_FOUND) cdul_cache_check_ahead(k->job->cache, ahead);
#pragma omp for schedule(dynamic, 16)
        for (size_t j = 0; j < count; j++) {
            cdul_cache_read(k->job->cache, k->found[block[j]], views + j * size);
            label_row(k, j, views + j * size, k->out->labels.values + (base + j) * k->c);
        }
    }
    cdul_status status = CDUL_OK;
    for (size_t j = 0; j < count && status == CDUL_OK; j++) {
        cdul_cache_advance(k->job->cache, k->found[block[j]]);
        status = k->fitting ? look(k, j, views + j * size, err) : accept_row(k, block[j], j, err);
    }
    return status;
}

/* The block from *i on, and *i goes on; or, if some of it was lost in a damaged shard, what is lost
 * is embedded again and *i stays. `mended`: the last *i where that happened. */
static cdul_status label_next(sink *k, size_t *i, size_t *mended, float *views, cdul_error *err) {
    const size_t n = k->job->paths.count;
    size_t block[BLOCK], next = *i, count = 0;
    bool lost = false;
    if (cdul_stopped(k->job->params.callbacks))
        return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    for (; next < n && count < k->block; next++)
        if (!k->missing[next]) block[count++] = next;
    cdul_status status = find_rows(k, block, count, &lost, err);
    if (status == CDUL_OK && !lost) {
        *i = next;
        return label_block(k, block, count, next < n ? k->found[next] : CDUL_NOT_FOUND, views, err);
    }
    if (status == CDUL_OK && *mended == *i)
        return cdul_fail(
            err, CDUL_ERR_IO,
            "%s: its vectors came back damaged as soon as they were written to the cache",
            k->job->paths.items[*i]);
    *mended = *i;
    return status == CDUL_OK ? fill_cache(k, *i, err) : status;
}

static cdul_status label_from_cache(sink *k, cdul_error *err) {
    const size_t n = k->job->paths.count;
    size_t mended = n;
    cdul_status status = CDUL_OK;
    float *views = malloc(k->block * (1 + k->s) * k->d * sizeof *views);
    if (!views) return cdul_fail_memory(err, "views of a block of images");
    for (size_t i = 0; i < n && status == CDUL_OK;) status = label_next(k, &i, &mended, views, err);
    free(views);
    return status;
}

/* One pass over the cache that fits the discriminant. */
static cdul_status fit_discriminant(sink *k, cdul_error *err) {
    float *w = malloc(k->columns * k->d * sizeof *w);
    k->offsets = malloc(k->columns * sizeof *k->offsets);
    cdul_status status = w && k->offsets ? CDUL_OK : cdul_fail_memory(err, "discriminant");
    if (status == CDUL_OK)
        status = cdul_discriminant_new(k->columns, k->d, k->job->params.discriminant_views,
                                       &k->fitting, err);
    if (status == CDUL_OK) status = label_from_cache(k, err);
    if (status == CDUL_OK) status = cdul_discriminant_fit(k->fitting, w, k->offsets, err);
    if (status == CDUL_OK) status = cdul_class_vectors_pack(w, k->columns, k->d, &k->weights, err);
    cdul_discriminant_free(k->fitting);
    k->fitting = NULL;
    free(w);
    return status;
}

static cdul_status open_sink(sink *k, cdul_error *err) {
    const cdul_label_job *job = k->job;
    size_t n = job->paths.count;
    const bool discriminant = job->params.aggregate.aggregator == CDUL_AGGREGATE_DISCRIMINANT;
    k->work_size = (1 + k->s) * (k->vectors.c + (discriminant ? 2 : 1) * k->columns);
    k->block = BLOCK_BYTES / ((1 + k->s) * k->d * sizeof(float));
    if (k->block > BLOCK) k->block = BLOCK;
    if (k->block == 0) k->block = 1;
    k->work = malloc(k->block * k->work_size * sizeof *k->work);
    k->missing = calloc(n, sizeof *k->missing);
    k->out->labels.values = calloc(n, k->c * sizeof(float));
    if (job->cache) k->found = malloc(n * sizeof *k->found);
    if (!k->work || !k->missing || !k->out->labels.values || (job->cache && !k->found))
        return cdul_fail_memory(err, "label matrix");
    if (!job->params.save_scores) return CDUL_OK;
    return cdul_scores_create(job->params.save_scores, k->s, k->columns, &k->scores, err);
}

cdul_status cdul_label_rows(const cdul_label_job *job, cdul_label_result *out, cdul_error *err) {
    const cdul_text *text = &job->text;
    sink k = {.job = job,
              .reference = job->reference,
              .out = out,
              .s = cdul_embed_locals(&job->embed),
              .c = text->classes.count - text->background,
              .columns = text->classes.count,
              .d = text->width};
    const cdul_strings classes = {.items = text->classes.items, .count = k.c}; /* borrowed */
    cdul_status status = cdul_label_check(&job->params, k.c, err);
    if (status == CDUL_OK)
        status = cdul_class_vectors_pack(text->vectors, text->rows, k.d, &k.vectors, err);
    if (status == CDUL_OK) status = cdul_strings_copy(&classes, &out->labels.classes, err);
    if (status == CDUL_OK) status = open_sink(&k, err);
    if (status == CDUL_OK) status = cdul_reference_open(&k.reference, job->paths.count, k.c, err);
    if (status == CDUL_OK && !job->cache) status = embed(&k, NULL, job->paths.count, err);
    if (status == CDUL_OK && job->cache) status = fill_cache(&k, 0, err);
    if (status == CDUL_OK && job->params.aggregate.aggregator == CDUL_AGGREGATE_DISCRIMINANT)
        status = fit_discriminant(&k, err);
    if (status == CDUL_OK && job->cache) status = label_from_cache(&k, err);
    if (status == CDUL_OK && k.noted != CDUL_OK)
        status = cdul_fail_memory(err, "list of skipped images");
    if (status == CDUL_OK && k.rows == 0) status = cdul_skipped_fail(&out->skipped, err);
    if (status == CDUL_OK) status = cdul_label_finish(&job->params, &k.reference, out, err);
    if (status == CDUL_OK && k.scores.rows)
        status = cdul_scores_commit(&k.scores, &out->labels.images, &text->classes,
                                    text->background, err);
    cdul_class_vectors_free(&k.vectors);
    cdul_class_vectors_free(&k.weights);
    cdul_reference_free(&k.reference);
    free(k.offsets);
    cdul_scores_discard(&k.scores);
    free(k.work);
    free(k.missing);
    free(k.found);
    return status;
}
