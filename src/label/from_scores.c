/* Labels from saved cosines: which columns of the file are classes, which are background words, and
 * a row of labels for each of its images. */
#include "base/progress.h"
#include "base/safetensors.h"
#include "label/pipeline.h"
#include "label/scores.h"

#include <math.h>
#include <stdlib.h>

/* Columns that are read of a file: C classes, then background words. */
typedef struct columns {
    cdul_strings names;
    size_t background;
    size_t *at; /* where the file keeps each */
} columns;

/* Background words: those asked for, else the file's. Classes: likewise, without any background
 * word. */
static cdul_status name_columns(const cdul_scores *scores, const cdul_classes *classes, columns *k,
                                cdul_error *err) {
    const size_t asked = classes ? classes->background : 0,
                 named = classes ? classes->names.count - asked : 0;
    cdul_strings words = scores->background, from = scores->classes; /* borrowed */
    if (asked) words = (cdul_strings){.items = classes->names.items + named, .count = asked};
    if (named) from = (cdul_strings){.items = classes->names.items, .count = named};
    cdul_index *own = NULL, *other = NULL;
    cdul_status status = cdul_index_new(&scores->background, &own, err);
    if (status == CDUL_OK) status = cdul_index_new(&words, &other, err);
    for (size_t i = 0; i < from.count && status == CDUL_OK; i++) {
        bool is_word = cdul_index_find(own, from.items[i]) != CDUL_NOT_FOUND ||
                       cdul_index_find(other, from.items[i]) != CDUL_NOT_FOUND;
        if (!is_word)
            status = cdul_strings_add(&k->names, from.items[i], err);
        else if (named)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: class \"%s\" is a background word there",
                               cdul_safetensors_path(scores->file), from.items[i]);
    }
    if (status == CDUL_OK && k->names.count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: nothing but background words in it",
                           cdul_safetensors_path(scores->file));
    k->background = words.count;
    for (size_t i = 0; i < words.count && status == CDUL_OK; i++)
        status = cdul_strings_add(&k->names, words.items[i], err);
    cdul_index_free(own);
    cdul_index_free(other);
    return status;
}

static cdul_status open_columns(const cdul_scores *scores, const cdul_classes *classes, columns *k,
                                cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = name_columns(scores, classes, k, err);
    if (status == CDUL_OK && !(k->at = malloc(k->names.count * sizeof *k->at)))
        status = cdul_fail_memory(err, "class columns");
    if (status == CDUL_OK) status = cdul_index_new(&scores->classes, &index, err);
    for (size_t j = 0; status == CDUL_OK && j < k->names.count; j++) {
        k->at[j] = cdul_index_find(index, k->names.items[j]);
        if (k->at[j] == CDUL_NOT_FOUND)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: has no class \"%s\"",
                               cdul_safetensors_path(scores->file), k->names.items[j]);
    }
    cdul_index_free(index);
    return status;
}

static cdul_status label_rows(const cdul_scores *scores, const columns *k,
                              const cdul_aggregate_options *options, cdul_reference *reference,
                              cdul_labels *labels, cdul_error *err) {
    size_t views = 1 + scores->s, c = k->names.count;
    float *all = malloc(views * (scores->c + 2 * c) * sizeof *all);
    if (!all) return cdul_fail_memory(err, "a row of scores");
    float *cosines = all + views * scores->c, *scratch = cosines + views * c, *y = labels->values;
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < scores->n; i++, y += labels->classes.count) {
        status = cdul_scores_read(scores, i, all, err);
        if (status != CDUL_OK) break;
        for (size_t v = 0; v < views; v++)
            for (size_t j = 0; j < c; j++) cosines[v * c + j] = all[v * scores->c + k->at[j]];
        cdul_reference_row(reference, i, cosines, scores->s, c, scratch);
        cdul_aggregate(options, cosines, scores->s, c, scratch, y);
    }
    free(all);
    return status;
}

static cdul_status label_file(const cdul_scores *scores, const columns *k,
                              cdul_label_params *settled, cdul_reference *reference,
                              cdul_label_result *out, cdul_error *err) {
    cdul_labels *labels = &out->labels;
    const cdul_strings classes = {.items = k->names.items,
                                  .count = k->names.count - k->background}; /* borrowed */
    /* what the file happens to carry is no mistake of the caller's, even where it is not used */
    settled->aggregate.background = settled->classes ? settled->classes->background : 0;
    cdul_status status = cdul_label_check(settled, classes.count, err);
    settled->aggregate.background = reference->options.background = k->background;
    if (status == CDUL_OK) status = cdul_strings_copy(&classes, &labels->classes, err);
    if (status == CDUL_OK) status = cdul_strings_copy(&scores->images, &labels->images, err);
    if (status == CDUL_OK) status = cdul_labels_allocate(labels, err);
    if (status == CDUL_OK) status = cdul_reference_open(reference, scores->n, classes.count, err);
    if (status == CDUL_OK)
        status = label_rows(scores, k, &settled->aggregate, reference, labels, err);
    return status == CDUL_OK ? cdul_label_finish(settled, reference, out, err) : status;
}

cdul_status cdul_label_scores(const char *path, const cdul_label_params *params,
                              cdul_label_result *out, cdul_error *err) {
    static const cdul_encoder_score unknown = {.temperature = NAN, .bias = NAN};
    const cdul_classes *classes = params->classes;
    const double start = cdul_seconds();
    cdul_label_params settled = *params;
    cdul_reference reference;
    cdul_scores scores = {0};
    columns k = {0};
    *out = (cdul_label_result){0};
    if (classes && classes->synonyms != CDUL_SYNONYMS_MEAN)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--scores has one cosine a class: --synonyms max must be given to the run "
                         "that makes them");
    if (params->aggregate.aggregator == CDUL_AGGREGATE_DISCRIMINANT)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--aggregate discriminant needs vectors, of which --scores has none: "
                         "label from images, with --cache");
    cdul_status status = cdul_label_settle(&settled, &unknown, path, &reference, err);
    if (status == CDUL_OK) status = cdul_scores_open(path, &scores, err);
    if (status == CDUL_OK) status = open_columns(&scores, classes, &k, err);
    if (status == CDUL_OK) status = label_file(&scores, &k, &settled, &reference, out, err);
    cdul_reference_free(&reference);
    cdul_strings_free(&k.names);
    free(k.at);
    cdul_scores_close(&scores);
    out->seconds = cdul_seconds() - start;
    if (status != CDUL_OK) cdul_label_result_free(out);
    return status;
}
