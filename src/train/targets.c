/* The labels that are trained on, and how they move. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

cdul_status cdul_targets_open(cdul_targets *t, const cdul_labels *initial, cdul_error *err) {
    t->initial = initial;
    t->n = initial->images.count;
    t->c = initial->classes.count;
    const size_t entries = t->n * t->c;
    t->latent = malloc(entries * sizeof *t->latent);
    t->labels = malloc(entries * sizeof *t->labels);
    t->logits = calloc(entries, sizeof *t->logits);
    if (!t->latent || !t->labels || !t->logits)
        return cdul_fail(err, CDUL_ERR_MEMORY, "out of memory for %zu x %zu labels", t->n, t->c);
    cdul_align_to_latent(initial->values, entries, t->latent);
    memcpy(t->labels, initial->values, entries * sizeof *t->labels);
    return CDUL_OK;
}

void cdul_targets_free(cdul_targets *t) {
    free(t->latent);
    free(t->labels);
    free(t->logits);
    *t = (cdul_targets){0};
}

/* --- When labels move --- */

/* After which epoch they first do: `warmup`, but not before there is anything to move towards. */
static size_t first_alignment(const cdul_train_params *p) { return p->warmup > 1 ? p->warmup : 1; }

bool cdul_targets_moved(const cdul_train_params *p, size_t epoch) {
    return p->align && p->alignment.eta > 0 && epoch >= first_alignment(p);
}

bool cdul_targets_due(const cdul_train_params *p, size_t epoch) {
    return cdul_targets_moved(p, epoch) && (epoch - first_alignment(p)) % p->period == 0;
}

/* --- Moving --- */

cdul_status cdul_targets_align(cdul_targets *t, const cdul_align_options *options,
                               const bool *skipped, cdul_align_step *step, cdul_error *err) {
    cdul_align_update(options, t->logits, skipped, t->n, t->c, t->latent, step);
    for (size_t i = 0; i < t->n * t->c; i++)
        if (!isfinite(t->latent[i]))
            return cdul_fail(err, CDUL_ERR_RUNTIME,
                             "alignment: the label of image %s, class %s is not finite: lower "
                             "--eta, or raise --sigma",
                             t->initial->images.items[i / t->c],
                             t->initial->classes.items[i % t->c]);
    cdul_align_to_labels(t->latent, t->n * t->c, t->labels);
    return CDUL_OK;
}

void cdul_targets_restore(cdul_targets *t, const float *latent, bool moved) {
    memcpy(t->latent, latent, t->n * t->c * sizeof *t->latent);
    if (moved) cdul_align_to_labels(t->latent, t->n * t->c, t->labels);
}

/* --- Rows of a batch --- */

size_t cdul_targets_predicted(cdul_targets *t, const cdul_batch *batch, const float *logits) {
    for (size_t i = 0; i < batch->count; i++) {
        const size_t at = batch->rows[i] * t->c;
        memcpy(t->logits + at, logits + i * t->c, t->c * sizeof *logits);
        for (size_t k = 0; k < t->c; k++)
            if (!isfinite(t->logits[at + k])) return at + k;
    }
    return t->n * t->c;
}

void cdul_targets_of_batch(const cdul_targets *t, const cdul_batch *batch, float *out) {
    for (size_t i = 0; i < batch->count; i++)
        memcpy(out + i * t->c, t->labels + batch->rows[i] * t->c, t->c * sizeof *out);
}

float *cdul_targets_scores(const cdul_targets *t) {
    float *scores = malloc(t->n * t->c * sizeof *scores);
    if (scores) cdul_align_to_labels(t->logits, t->n * t->c, scores);
    return scores;
}
