/* The labels that are trained on, and how they move: equations (7) and (8). */
#include "train/trainer.h"

#include "base/maths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/* y = sigmoid(x) with -log y and -log(1 - y): one exponential and one logarithm for all. */
typedef struct logistic {
    double y, minus_log_y, minus_log_rest;
} logistic;

static logistic logistic_of(double x) {
    double e = exp(-fabs(x)), log_sum = log1p(e);
    return (logistic){x >= 0 ? 1 / (1 + e) : e / (1 + e), fmax(-x, 0) + log_sum,
                      fmax(x, 0) + log_sum};
}

/* Cross-entropy -y log p - (1 - y) log(1 - p), in nats. */
static double cross_entropy(double y, logistic p) {
    return y * p.minus_log_y + (1 - y) * p.minus_log_rest;
}

cdul_align_entry cdul_align_evaluate(cdul_align_target target, double u, double logit) {
    logistic label = logistic_of(u);
    double y = label.y;
    if (target == CDUL_ALIGN_BCE) {
        double p = cdul_sigmoid(logit);
        return (cdul_align_entry){y, cross_entropy(p, label), y - p};
    }
    double loss = cross_entropy(y, logistic_of(logit)) - cross_entropy(y, label);
    return (cdul_align_entry){y, loss, y * (1 - y) * (u - logit)};
}

void cdul_align_to_latent(const float *labels, size_t count, float *latent) {
    for (size_t i = 0; i < count; i++)
        latent[i] = (float)cdul_logit((double)labels[i], CDUL_ALIGN_CLAMP);
}

void cdul_align_to_labels(const float *latent, size_t count, float *labels) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) labels[i] = (float)cdul_sigmoid((double)latent[i]);
}

double cdul_align_psi(double y, double sigma) {
    double z = (y - 0.5) / sigma;
    return exp(-z * z / 2) / (sigma * sqrt(2 * PI));
}

/* Sums over the matrix are of as many parts whatever the number of threads, so that they round
 * alike. */
enum { PARTS = 64 };

static size_t part_begin(size_t n, int part) {
    return n / PARTS * (size_t)part + n % PARTS * (size_t)part / PARTS;
}

static cdul_align_step update_row(const cdul_align_options *o, double half_peak,
                                  const float *logits, size_t c, float *latent) {
    cdul_align_step sum = {0};
    for (size_t k = 0; k < c; k++) {
        double u = (double)latent[k];
        cdul_align_entry e = cdul_align_evaluate(o->target, u, (double)logits[k]);
        double psi = cdul_align_psi(e.y, o->sigma);
        latent[k] = (float)(u - o->eta * psi * e.gradient); /* (8) */
        sum.loss += e.loss;
        sum.moved += fabs(cdul_sigmoid((double)latent[k]) - e.y);
        sum.reached += psi >= half_peak;
    }
    return sum;
}

void cdul_align_update(const cdul_align_options *options, const float *logits, const bool *skip,
                       size_t n, size_t c, float *latent, cdul_align_step *step) {
    cdul_align_step parts[PARTS] = {0}, sum = {0};
    const double half_peak = cdul_align_psi(0.5, options->sigma) / 2;
    size_t rows = 0;
#pragma omp parallel for schedule(static) reduction(+ : rows)
    for (int p = 0; p < PARTS; p++) {
        for (size_t i = part_begin(n, p); i < part_begin(n, p + 1); i++) {
            if (skip && skip[i]) continue;
            rows++;
            cdul_align_step row = update_row(options, half_peak, logits + i * c, c, latent + i * c);
            parts[p].loss += row.loss;
            parts[p].moved += row.moved;
            parts[p].reached += row.reached;
        }
    }
    if (!step) return;
    for (int p = 0; p < PARTS; p++) {
        sum.loss += parts[p].loss;
        sum.moved += parts[p].moved;
        sum.reached += parts[p].reached;
    }
    double entries = rows > 0 ? (double)rows * (double)c : 1;
    *step = (cdul_align_step){sum.loss / entries, sum.moved / entries, sum.reached / entries};
}

cdul_align_state cdul_align_describe(const float *labels, const float *initial, size_t n,
                                     size_t c) {
    cdul_align_state parts[PARTS] = {0}, sum = {0};
#pragma omp parallel for schedule(static)
    for (int p = 0; p < PARTS; p++) {
        for (size_t k = part_begin(n * c, p); k < part_begin(n * c, p + 1); k++) {
            double y = (double)labels[k];
            parts[p].drift += fabs(y - (double)initial[k]);
            parts[p].mass += y;
            parts[p].entropy += cdul_entropy(y);
        }
    }
    for (int p = 0; p < PARTS; p++) {
        sum.drift += parts[p].drift;
        sum.mass += parts[p].mass;
        sum.entropy += parts[p].entropy;
    }
    double entries = n > 0 ? (double)n * (double)c : 1;
    return (cdul_align_state){sum.drift / entries, sum.mass * (double)c / entries,
                              sum.entropy / entries};
}

/* --- The labels of a run --- */

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

float *cdul_targets_scores(const cdul_targets *t) {
    float *scores = malloc(t->n * t->c * sizeof *scores);
    if (scores) cdul_align_to_labels(t->logits, t->n * t->c, scores);
    return scores;
}
