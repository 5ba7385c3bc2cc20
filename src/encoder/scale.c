/* The logit scale and bias that a graph of both towers shows when it is run: the solution of
 * logit = factor * cosine + bias. */
#include "encoder/encoder_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS  4 /* of a picture and a text: for two unknowns, and to see whether the form holds */
#define MISFIT 0.01 /* share of the largest logit */

typedef struct pair {
    double cosine, logit;
} pair;

static double cosine_of(const float *a, const float *b, size_t width) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < width; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return dot / sqrt(aa * bb);
}

/* The cosine and the logit of the first picture and text. */
static cdul_status run_pair(const cdul_encoder *e, const cdul_feed *picture, const int64_t *tokens,
                            pair *out, cdul_error *err) {
    const cdul_tower *tower = &e->vision;
    cdul_feed feeds[1 + sizeof tower->filler / sizeof *tower->filler];
    cdul_fetch fetches[3] = {
        {.name = "logits_per_image"}, {.name = tower->output->name}, {.name = "text_embeds"}};
    feeds[0] = *picture;
    memcpy(feeds + 1, tower->filler, tower->n_filler * sizeof *feeds);
    feeds[1].i64 = tokens;
    cdul_status status =
        cdul_session_run(tower->session, feeds, 1 + tower->n_filler, fetches, 3, err);
    if (status != CDUL_OK) return status;
    bool same =
        fetches[1].rank == 2 && fetches[2].rank == 2 && fetches[1].dims[1] == fetches[2].dims[1];
    *out = (pair){NAN, NAN}; /* which fits nothing */
    if (same && fetches[0].count > 0)
        *out = (pair){cosine_of(fetches[1].values, fetches[2].values, (size_t)fetches[1].dims[1]),
                      (double)fetches[0].values[0]};
    for (size_t i = 0; i < 3; i++) free(fetches[i].values);
    return CDUL_OK;
}

/* Each picture is striped in a way of its own; each text is of one token again and again, as long
 * as the text that fills the other tower. */
static cdul_status run_pairs(const cdul_encoder *e, pair *out, cdul_error *err) {
    const int64_t *text = e->vision.filler[0].dims;
    const size_t rows = e->vision.batch ? e->vision.batch : 1,
                 n_tokens = (size_t)(text[0] * text[1]),
                 n_pixels =
                     rows * 3 * e->preprocess.height * e->preprocess.width; /* has been run */
    float *pixels = malloc(n_pixels * sizeof *pixels);
    int64_t *tokens = malloc(n_tokens * sizeof *tokens);
    cdul_status status = pixels && tokens ? CDUL_OK : cdul_fail_memory(err, "network input");
    for (size_t number = 0; status == CDUL_OK && number < PAIRS; number++) {
        for (size_t i = 0; i < n_pixels; i++) pixels[i] = (float)(i / (number + 2) % 5) / 2 - 1;
        for (size_t i = 0; i < n_tokens; i++) tokens[i] = (int64_t)number + 1;
        const cdul_feed picture = cdul_encoder_pixels(e, pixels, rows);
        status = run_pair(e, &picture, tokens, &out[number], err);
    }
    free(pixels);
    free(tokens);
    return status;
}

/* Least squares; with `through_zero` the bias is 0. Returns the largest misfit as a share of the
 * largest logit; NAN if the pairs do not tell. */
static double fit(const pair *pairs, bool through_zero, double *factor, double *bias) {
    double x = 0, y = 0, xx = 0, xy = 0, worst = 0, largest = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        x += pairs[i].cosine / PAIRS;
        y += pairs[i].logit / PAIRS;
    }
    if (through_zero) x = y = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        xx += (pairs[i].cosine - x) * (pairs[i].cosine - x);
        xy += (pairs[i].cosine - x) * (pairs[i].logit - y);
    }
    *factor = xy / xx;
    *bias = y - *factor * x;
    for (size_t i = 0; i < PAIRS; i++) {
        worst = fmax(worst, fabs(*factor * pairs[i].cosine + *bias - pairs[i].logit));
        largest = fmax(largest, fabs(pairs[i].logit));
    }
    return isfinite(*factor) ? worst / largest : NAN;
}

/* The parameters are float32, and the cosines know them to about that. */
static double to_four_digits(double x) { return round(x * 1e4) / 1e4; }

/* A logit that is no multiple of the cosine, or of one that does not grow with it, tells
 * nothing. */
static cdul_status solve(cdul_encoder *e, cdul_error *err) {
    pair pairs[PAIRS];
    double factor = 0, bias = 0;
    cdul_status status = run_pairs(e, pairs, err);
    if (status != CDUL_OK) return status;
    const bool no_bias = fit(pairs, true, &factor, &bias) <= MISFIT && factor > 0;
    if (no_bias || (fit(pairs, false, &factor, &bias) <= MISFIT && factor > 0))
        cdul_encoder_config_score(&e->config, to_four_digits(log(factor)),
                                  no_bias ? NAN : to_four_digits(bias),
                                  "solved from the graph's logits_per_image");
    return CDUL_OK;
}

/* NAN: the graph's metadata do not say it. */
static cdul_status read_property(const cdul_session *session, const char *key, double *out,
                                 cdul_error *err) {
    const char *text = cdul_session_metadata(session, key);
    char *end = NULL;
    *out = NAN;
    if (!text) return CDUL_OK;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata %s is '%s', expected a number",
                         cdul_session_path(session), key, text);
    return CDUL_OK;
}

cdul_status cdul_scale_from_graph(cdul_encoder *e, cdul_error *err) {
    const cdul_session *session = e->vision.session;
    double scale = NAN, bias = NAN;
    if (!isnan(e->config.logit_scale) && !e->config.scale_assumed) return CDUL_OK;
    cdul_status status = read_property(session, "logit_scale", &scale, err);
    if (status == CDUL_OK) status = read_property(session, "logit_bias", &bias, err);
    if (status == CDUL_OK && !isnan(scale))
        status = cdul_logit_scale_check(scale, cdul_session_path(session), err);
    if (status != CDUL_OK) return status;
    cdul_encoder_config_score(&e->config, scale, bias, "the graph's metadata");
    if (!isnan(scale) || !e->vision.both) return CDUL_OK;
    const cdul_port *logits = cdul_session_output(session, "logits_per_image");
    bool usable = logits && logits->rank == 2 && cdul_session_output(session, "text_embeds");
    return usable ? solve(e, err) : CDUL_OK;
}
