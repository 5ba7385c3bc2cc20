/* Turns the cosines of one image's views into its labels: softmax, aggregation over crops, fusion
 * with the whole image. Numbers such as (5) are the paper's equations. */
#include "cdul/label.h"

#include "base/maths.h"
#include "label/pipeline.h"

#include <math.h>
#include <string.h>

cdul_aggregate_options cdul_aggregate_defaults(void) {
    return (cdul_aggregate_options){.aggregator = CDUL_AGGREGATE_CDUL, .temperature = 0.01};
}

static bool is_sigmoid(const cdul_aggregate_options *o) {
    return o->score == CDUL_SCORE_SIGMOID && o->aggregator < CDUL_AGGREGATE_ZSCORE;
}

cdul_status cdul_aggregate_check(const cdul_aggregate_options *o, cdul_error *err) {
    if (!(o->temperature > 0) || !isfinite(o->temperature))
        return cdul_fail(err, CDUL_ERR_USAGE, "temperature %g: must be above 0 (CLIP's is 0.01)",
                         o->temperature);
    if (!(o->zeta >= 0 && o->zeta <= 1))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "zeta %g: must lie in 0 .. 1 (the paper uses 0 .. 0.4)", o->zeta);
    if (!(o->lambda >= -1 && o->lambda <= 1))
        return cdul_fail(err, CDUL_ERR_USAGE, "lambda %g: must lie in -1 .. 1", o->lambda);
    if (!isfinite(o->bias))
        return cdul_fail(err, CDUL_ERR_USAGE, "bias %g: must be a number", o->bias);
    if (o->background && is_sigmoid(o))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "background words do nothing to sigmoid scores, where no class competes "
                         "with another: leave them out, or take the softmax or zscore");
    return CDUL_OK;
}

/* s = softmax_c(cos / T), in place: (2), (4). */
static void softmax(float *x, size_t c, double temperature) {
    float top = x[0];
    for (size_t i = 1; i < c; i++) top = x[i] > top ? x[i] : top;
    double sum = 0;
    for (size_t i = 0; i < c; i++) {
        x[i] = (float)exp((x[i] - top) / temperature);
        sum += x[i];
    }
    for (size_t i = 0; i < c; i++) x[i] = (float)(x[i] / sum);
}

/* s = sigmoid(cos / T + bias), in place: Zhai et al. 2023 (SigLIP), algorithm 1. */
static void sigmoid(float *x, size_t c, double temperature, double bias) {
    for (size_t i = 0; i < c; i++) x[i] = (float)cdul_sigmoid(x[i] / temperature + bias);
}

void cdul_standardise(float *x, size_t c) {
    double mean, deviation;
    cdul_mean_deviation(x, c, &mean, &deviation);
    for (size_t i = 0; i < c; i++) x[i] = (float)cdul_z_score(x[i], mean, deviation);
}

/* Aggregates the scores of class i over the crops [S, C]. */
static float aggregate_class(const cdul_aggregate_options *o, const float *crops, size_t s,
                             size_t c, size_t i) {
    /* The largest, the second largest and the smallest score. */
    float alpha = -INFINITY, second = -INFINITY, beta = INFINITY;
    double sum = 0;
    for (size_t j = 0; j < s; j++) {
        float x = crops[j * c + i];
        second = x > alpha ? alpha : x > second ? x : second;
        alpha = x > alpha ? x : alpha;
        beta = x < beta ? x : beta;
        sum += x;
    }
    switch (o->aggregator) {
    case CDUL_AGGREGATE_CDUL:
        return alpha >= o->zeta ? alpha : beta; /* (5), (6) */
    case CDUL_AGGREGATE_MEAN:
        return (float)(sum / (double)s);
    case CDUL_AGGREGATE_TOP2:
        return s > 1 ? (alpha + second) / 2 : alpha;
    case CDUL_AGGREGATE_MAX:
    case CDUL_AGGREGATE_ZSCORE:
    case CDUL_AGGREGATE_DISCRIMINANT:
    case CDUL_AGGREGATE_GLOBAL:
        break;
    }
    return alpha;
}

void cdul_aggregate(const cdul_aggregate_options *o, const float *cosines, size_t s, size_t c,
                    float *scratch, float *y) {
    bool zscore = o->aggregator >= CDUL_AGGREGATE_ZSCORE;
    if (o->aggregator == CDUL_AGGREGATE_GLOBAL) s = 0;
    memcpy(scratch, cosines, (1 + s) * c * sizeof *scratch);
    for (size_t view = 0; view <= s; view++) {
        if (zscore)
            cdul_standardise(scratch + view * c, c);
        else if (is_sigmoid(o))
            sigmoid(scratch + view * c, c, o->temperature, o->bias);
        else
            softmax(scratch + view * c, c, o->temperature);
    }
    const float *s_glob = scratch, *crops = scratch + c;
    for (size_t i = 0; i < c - o->background; i++) {
        float s_agg = s ? aggregate_class(o, crops, s, c, i) : s_glob[i];
        double fused = 0.5 * (s_glob[i] + s_agg + o->lambda * fabs((double)s_glob[i] - s_agg));
        y[i] = (float)(zscore ? cdul_sigmoid(fused) : fused);
    }
}
