#include "label/pipeline.h"

#include "label/scores.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are read from the cache and aggregated in parallel before they are handed on in order:
 * so many, or so many bytes of views. */
enum { BLOCK = 512, BLOCK_BYTES = 64 << 20 };

/* Where the rows of one run go. */
typedef struct sink {
    const cdul_label_settings *options;
    cdul_aggregate_options aggregate; /* the options', with the text's background words */
    const cdul_class_vectors *vectors;
    const size_t *class_of; /* of a row of `vectors`; NULL = its own */
    cdul_label_result *out;
    cdul_strings const *paths, *names;
    cdul_skipped *skipped;
    cdul_encoder *encoder;
    const cdul_embed_options *embed;
    const cdul_callbacks *callbacks;
    cdul_cache *cache;
    cdul_scores_writer *scores; /* NULL unless cosines are saved */
    size_t s, d;
    size_t c; /* labels of a row */
    size_t columns; /* C + B: cosines of a view */
    size_t block; /* rows in a block */
    size_t rows; /* labels filled so far */
    /* floats in `work` for a row: its cosines [1 + S, R], then the aggregator's scratch */
    size_t work_size;
    float *work; /* [block, work_size] */
    bool *missing; /* [N]: could not be read */
    /* [N] with a cache: the row that holds the image, CDUL_NOT_FOUND until it is embedded: looking
     * twice would ask the file system twice */
    size_t *found;
    cdul_status noted; /* whether all of those could be listed */
} sink;

static void label_row(const sink *k, size_t slot, const float *views, float *y) {
    float *cosines = k->work + slot * k->work_size;
    cdul_similarity(k->vectors, views, 1 + k->s, cosines);
    if (k->class_of)
        cdul_similarity_of_words(cosines, 1 + k->s, k->vectors->c, k->class_of, k->columns);
    cdul_aggregate(&k->aggregate, cosines, k->s, k->columns, cosines + (1 + k->s) * k->vectors->c,
                   y);
}

/* Takes the row whose labels and cosines are in place: image i is now part of the output. */
static cdul_status accept_row(sink *k, size_t i, size_t slot, cdul_error *err) {
    k->rows++;
    cdul_status status = cdul_strings_add(&k->out->labels.images, k->names->items[i], err);
    if (!status && k->scores)
        status = cdul_scores_append(k->scores, k->work + slot * k->work_size, err);
    return status;
}

static void on_skipped(void *user, size_t i, const char *reason) {
    sink *k = user;
    k->missing[i] = true;
    if (!k->noted) k->noted = cdul_skipped_add(k->skipped, k->paths->items[i], reason, NULL);
}

static cdul_status on_embedded(void *user, size_t i, const float *views, cdul_error *err) {
    sink *k = user;
    k->out->embedded++;
    if (k->cache)
        return cdul_cache_append(k->cache, k->names->items[i], k->paths->items[i], views, err);
    label_row(k, 0, views, k->out->labels.values + k->rows * k->c);
    return accept_row(k, i, 0, err);
}

/* Embeds what the cache lacks of the images from `first` on. Whatever happens, finished rows are
 * written: they are what the next run goes on from. */
static cdul_status fill_cache(sink *k, size_t first, cdul_error *err) {
    size_t n = k->paths->count, lacking = 0;
    size_t *which = malloc((n - first) * sizeof *which);
    if (!which) return cdul_fail_memory(err, "list of images to embed");
    for (size_t i = first; i < n; i++) {
        if (k->missing[i]) continue;
        k->found[i] = cdul_cache_find(k->cache, k->names->items[i], k->paths->items[i]);
        if (k->found[i] == CDUL_NOT_FOUND) which[lacking++] = i;
    }
    cdul_status status = CDUL_OK;
    if (first == 0 && lacking < n)
        cdul_say(k->callbacks, "%zu of %zu images are in the cache", n - lacking, n);
    if (lacking == 0) goto done;
    if ((status = cdul_cache_begin(k->cache, err))) goto done;
    cdul_embed_sink to = {.embedded = on_embedded, .skipped = on_skipped, .user = k};
    status = cdul_encoder_embed(k->encoder, k->paths, which, lacking, k->embed, &to, err);
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

/* The next images from *i on that could be read, and where *i goes on. Returns how many. */
static size_t next_block(const sink *k, size_t *i, size_t block[BLOCK]) {
    size_t count = 0;
    for (; *i < k->paths->count && count < k->block; ++*i)
        if (!k->missing[*i]) block[count++] = *i;
    return count;
}

/* The rows of a block, to be read; *lost: some were in a shard that is damaged. */
static cdul_status find_rows(sink *k, const size_t *block, size_t count, bool *lost,
                             cdul_error *err) {
    *lost = false;
    for (size_t j = 0; j < count; j++) {
        const char *path = k->paths->items[block[j]];
        size_t *row = &k->found[block[j]];
        if (*row == CDUL_NOT_FOUND)
            *row = cdul_cache_find(k->cache, k->names->items[block[j]], path);
        if (*row == CDUL_NOT_FOUND)
            return cdul_fail(err, CDUL_ERR_IO,
                             "%s: changed or vanished while labelling; run the same command again",
                             path);
        if (!cdul_cache_check(k->cache, *row)) *lost = true;
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
        if (ahead != CDUL_NOT_FOUND) cdul_cache_check_ahead(k->cache, ahead);
#pragma omp for schedule(dynamic, 16)
        for (size_t j = 0; j < count; j++) {
            cdul_cache_read(k->cache, k->found[block[j]], views + j * size);
            label_row(k, j, views + j * size, k->out->labels.values + (base + j) * k->c);
        }
    }
    cdul_status status = CDUL_OK;
    for (size_t j = 0; j < count && !status; j++) {
        cdul_cache_advance(k->cache, k->found[block[j]]);
        status = accept_row(k, block[j], j, err);
    }
    return status;
}

static cdul_status label_from_cache(sink *k, cdul_error *err) {
    const size_t n = k->paths->count;
    size_t block[BLOCK], mended = n;
    cdul_status status = CDUL_OK;
    float *views = malloc(k->block * (1 + k->s) * k->d * sizeof *views);
    if (!views) return cdul_fail_memory(err, "views of a block of images");
    for (size_t i = 0; i < n && !status;) {
        bool lost;
        size_t next = i, count = next_block(k, &next, block);
        if (cdul_stopped(k->callbacks)) {
            status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        } else if ((status = find_rows(k, block, count, &lost, err))) {
            break;
        } else if (!lost) {
            status = label_block(k, block, count, next < n ? k->found[next] : CDUL_NOT_FOUND, views,
                                 err);
            i = next;
        } else if (mended == i) {
            status = cdul_fail(
                err, CDUL_ERR_IO,
                "%s: its vectors came back damaged as soon as they were written to the cache",
                k->paths->items[i]);
        } else {
            status = fill_cache(k, i, err);
            mended = i;
        }
    }
    free(views);
    return status;
}

static cdul_status open_sink(sink *k, cdul_error *err) {
    size_t n = k->paths->count;
    if (n > SIZE_MAX / sizeof(float) / k->c) return cdul_fail_memory(err, "label matrix");
    k->work_size = (1 + k->s) * (k->vectors->c + k->columns);
    k->block = BLOCK_BYTES / ((1 + k->s) * k->d * sizeof(float));
    if (k->block > BLOCK) k->block = BLOCK;
    if (k->block == 0) k->block = 1;
    k->work = malloc(k->block * k->work_size * sizeof *k->work);
    k->missing = calloc(n, sizeof *k->missing);
    k->out->labels.values = malloc(n * k->c * sizeof(float));
    if (k->cache) k->found = malloc(n * sizeof *k->found);
    if (!k->work || !k->missing || !k->out->labels.values || (k->cache && !k->found))
        return cdul_fail_memory(err, "label matrix");
    return k->options->save_scores
               ? cdul_scores_create(k->options->save_scores, k->s, k->columns, &k->scores, err)
               : CDUL_OK;
}

static void close_sink(sink *k) {
    cdul_scores_free(k->scores);
    free(k->work);
    free(k->missing);
    free(k->found);
}

/* The first `count` names: classes stand before background words. */
static cdul_status copy_first(const cdul_strings *from, size_t count, cdul_strings *to,
                              cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = cdul_strings_add(to, from->items[i], err);
    return status;
}

/* Before the work, which would be lost. */
static cdul_status check_positives(const cdul_label_settings *options, size_t c, cdul_error *err) {
    if (options->positives < (double)c) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%g positives an image are not possible with %zu class%s: give "
                     "--calibrate-positives, below that",
                     options->positives, c, c == 1 ? "" : "es");
}

static cdul_status finish(const cdul_label_settings *options, cdul_label_result *out,
                          cdul_error *err) {
    if (options->positives == 0) return CDUL_OK;
    return cdul_calibrate_positives(out->labels.values, out->labels.images.count,
                                    out->labels.classes.count, options->positives, NULL, err);
}

cdul_status cdul_label_images(cdul_encoder *encoder, const cdul_text *text,
                              const cdul_strings *paths, const cdul_strings *names,
                              const cdul_embed_options *embed, cdul_cache *cache,
                              const cdul_label_settings *options, cdul_skipped *skipped,
                              const cdul_callbacks *callbacks, cdul_label_result *out,
                              cdul_error *err) {
    *out = (cdul_label_result){0};
    cdul_class_vectors vectors = {0};
    sink k = {.options = options,
              .aggregate = options->aggregate,
              .vectors = &vectors,
              .class_of = text->class_of,
              .out = out,
              .paths = paths,
              .names = names,
              .skipped = skipped,
              .encoder = encoder,
              .embed = embed,
              .callbacks = callbacks,
              .cache = cache,
              .s = cdul_embed_locals(embed),
              .c = text->classes.count - text->background,
              .columns = text->classes.count,
              .d = text->width};
    k.aggregate.background = text->background;
    cdul_status status = cdul_aggregate_check(&k.aggregate, err);
    if (!status) status = check_positives(options, k.c, err);
    if (status || (status = cdul_class_vectors_pack(text->vectors, text->rows, k.d, &vectors, err)))
        goto done;
    if ((status = copy_first(&text->classes, k.c, &out->labels.classes, err))) goto done;
    if ((status = open_sink(&k, err))) goto done;
    if (cache) {
        if ((status = fill_cache(&k, 0, err))) goto done;
        status = label_from_cache(&k, err);
    } else {
        cdul_embed_sink to = {.embedded = on_embedded, .skipped = on_skipped, .user = &k};
        status = cdul_encoder_embed(encoder, paths, NULL, paths->count, embed, &to, err);
    }
    if (!status && k.noted) status = cdul_fail_memory(err, "list of skipped images");
    if (!status && k.rows == 0) status = cdul_skipped_fail(skipped, err);
    if (status || (status = finish(options, out, err))) goto done;
    if (k.scores)
        status = cdul_scores_commit(k.scores, &out->labels.images, &text->classes, text->background,
                                    err);
done:
    close_sink(&k);
    cdul_class_vectors_free(&vectors);
    if (status) cdul_labels_free(&out->labels);
    return status;
}

/* --- From cosines --- */

/* Columns that are read of a file: C classes, then background words. */
typedef struct columns {
    cdul_strings names;
    size_t background;
    size_t *at; /* where the file keeps each */
} columns;

static void close_columns(columns *k) {
    cdul_strings_free(&k->names);
    free(k->at);
}

/* Background words: those asked for, else the file's. Classes: likewise, without any background
 * word. */
static cdul_status name_columns(const cdul_scores *scores, const cdul_classes *classes, columns *k,
                                cdul_error *err) {
    size_t asked = classes ? classes->background : 0,
           named = classes ? classes->names.count - asked : 0;
    cdul_index *own = NULL, *other = NULL;
    cdul_strings words = {0};
    cdul_status status = cdul_index_new(&scores->background, &own, err);
    for (size_t i = 0; i < asked && !status; i++)
        status = cdul_strings_add(&words, classes->names.items[named + i], err);
    if (!status && !asked) status = cdul_strings_copy(&scores->background, &words, err);
    if (!status) status = cdul_index_new(&words, &other, err);
    const cdul_strings *from = named ? &classes->names : &scores->classes;
    for (size_t i = 0; i < (named ? named : from->count) && !status; i++) {
        bool is_word = cdul_index_find(own, from->items[i]) != CDUL_NOT_FOUND ||
                       cdul_index_find(other, from->items[i]) != CDUL_NOT_FOUND;
        if (is_word && named)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: class \"%s\" is a background word there",
                               cdul_safetensors_path(scores->file), from->items[i]);
        if (!is_word) status = cdul_strings_add(&k->names, from->items[i], err);
    }
    k->background = words.count;
    for (size_t i = 0; i < words.count && !status; i++)
        status = cdul_strings_add(&k->names, words.items[i], err);
    if (!status && k->names.count == words.count)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: nothing but background words in it",
                           cdul_safetensors_path(scores->file));
    cdul_index_free(own);
    cdul_index_free(other);
    cdul_strings_free(&words);
    return status;
}

static cdul_status open_columns(const cdul_scores *scores, const cdul_classes *classes, columns *k,
                                cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = name_columns(scores, classes, k, err);
    if (!status && !(k->at = malloc(k->names.count * sizeof *k->at)))
        status = cdul_fail_memory(err, "class columns");
    if (!status) status = cdul_index_new(&scores->classes, &index, err);
    for (size_t j = 0; !status && j < k->names.count; j++) {
        k->at[j] = cdul_index_find(index, k->names.items[j]);
        if (k->at[j] == CDUL_NOT_FOUND)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: has no class \"%s\"",
                               cdul_safetensors_path(scores->file), k->names.items[j]);
    }
    cdul_index_free(index);
    return status;
}

static cdul_status label_scores_rows(const cdul_scores *scores, const columns *k,
                                     const cdul_aggregate_options *options, cdul_labels *labels,
                                     cdul_error *err) {
    size_t views = 1 + scores->s, c = k->names.count;
    float *all = malloc(views * scores->c * sizeof *all);
    float *cosines = malloc(views * c * sizeof *cosines),
          *scratch = malloc(views * c * sizeof *scratch);
    cdul_status status =
        all && cosines && scratch ? CDUL_OK : cdul_fail_memory(err, "a row of scores");
    for (size_t i = 0; i < scores->n && !status; i++) {
        if ((status = cdul_scores_read(scores, i, all, err))) break;
        for (size_t v = 0; v < views; v++)
            for (size_t j = 0; j < c; j++) cosines[v * c + j] = all[v * scores->c + k->at[j]];
        cdul_aggregate(options, cosines, scores->s, c, scratch,
                       labels->values + i * labels->classes.count);
    }
    free(all);
    free(cosines);
    free(scratch);
    return status;
}

cdul_status cdul_label_scores(const char *path, const cdul_classes *classes,
                              const cdul_label_settings *options, cdul_label_result *out,
                              cdul_error *err) {
    *out = (cdul_label_result){0};
    cdul_scores scores = {0};
    columns k = {0};
    cdul_aggregate_options aggregate = options->aggregate;
    cdul_labels *labels = &out->labels;
    cdul_status status = cdul_scores_open(path, &scores, err);
    if (status || (status = open_columns(&scores, classes, &k, err))) goto done;
    /* what the file happens to carry is no mistake of the user's, even where it is not used */
    aggregate.background = classes ? classes->background : 0;
    if ((status = cdul_aggregate_check(&aggregate, err))) goto done;
    aggregate.background = k.background;
    if ((status = check_positives(options, k.names.count - k.background, err))) goto done;
    if ((status = copy_first(&k.names, k.names.count - k.background, &labels->classes, err)))
        goto done;
    if ((status = cdul_strings_copy(&scores.images, &labels->images, err))) goto done;
    if ((status = cdul_labels_allocate(labels, err))) goto done;
    if ((status = label_scores_rows(&scores, &k, &aggregate, labels, err))) goto done;
    status = finish(options, out, err);
done:
    close_columns(&k);
    cdul_scores_close(&scores);
    if (status) cdul_labels_free(labels);
    return status;
}
