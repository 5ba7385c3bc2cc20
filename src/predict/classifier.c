/* A classifier: opens a trained model, chooses its precision, and turns images into scores. */
#include "cdul/classifier.h"

#include "base/file.h"
#include "base/machine.h"
#include "base/maths.h"
#include "base/progress.h"
#include "image/trial.h"
#include "image/views.h"
#include "labels/card.h"
#include "onnx/session.h"
#include "predict/combine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Views in a run by default: more are no faster and take more memory. */
enum { BATCH_OF_THREAD = 2, SMALLEST_BATCH = 4 };
/* ONNX Runtime multiplies a batch of one by another routine. A lone view is padded to a batch of
 * two, so that the last bits of its scores do not depend on how many views were left. */
#define LEAST_BATCH 2
#define GRID        "3x3"

struct cdul_classifier {
    cdul_session *session;
    cdul_card card;
    size_t batch;
    const cdul_callbacks *callbacks;
};

cdul_classifier_options cdul_classifier_defaults(void) {
    return (cdul_classifier_options){.provider = {.name = "cpu"}, .precision = CDUL_INFERENCE_AUTO};
}

cdul_predict_params cdul_predict_defaults(void) {
    return (cdul_predict_params){.decode = cdul_decode_defaults(), .reduce = true};
}

/* --- Opening --- */

/* The graph of a run folder, or the graph itself. NULL: no memory. */
static char *graph_path(const char *path) {
    return cdul_path_is_folder(path) ? cdul_path_join(path, "model.onnx") : strdup(path);
}

/* "run/model.onnx" -> "run/model_int8.onnx". NULL: no memory. */
static char *int8_path(const char *path) {
    static const char ending[] = ".onnx";
    char *name = NULL, *graph = graph_path(path);
    if (!graph) return NULL;
    size_t length = strlen(graph), cut = sizeof ending - 1;
    if (length > cut && strcmp(graph + length - cut, ending) == 0) length -= cut;
    if (asprintf(&name, "%.*s_int8.onnx", (int)length, graph) < 0) name = NULL;
    free(graph);
    return name;
}

static cdul_status find_graph(const char *path, bool int8, char **out, cdul_error *err) {
    static const char when[] = "cdul-train writes it when a run is finished";
    *out = int8 ? int8_path(path) : graph_path(path);
    if (!*out) return cdul_fail_memory(err, "path");
    if (cdul_path_exists(*out)) return CDUL_OK;
    if (int8)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no such file, so this model has no int8: %s; or use --precision fp32",
                         *out, when);
    if (cdul_path_is_folder(path))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no model.onnx in this folder; %s", path, when);
    return cdul_fail_errno(err, "%s", path);
}

static const char *metadata(const void *session, const char *key) {
    return cdul_session_metadata(session, key);
}

static bool is_float(const cdul_port *port) {
    return port->element == CDUL_ELEMENT_F32 || port->element == CDUL_ELEMENT_F16;
}

/* A free dimension takes any size. */
static bool takes(int64_t dim, size_t size) { return dim < 0 || dim == (int64_t)size; }

static cdul_status refuse_port(const cdul_classifier *classifier, const cdul_port *port,
                               const char *wanted, cdul_error *err) {
    char text[160];
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: no classifier of cdul-train: %s, expected %s",
                     cdul_session_path(classifier->session),
                     port ? cdul_port_describe(port, text, sizeof text) : "a port is missing",
                     wanted);
}

static cdul_status check_ports(const cdul_classifier *classifier, cdul_error *err) {
    const cdul_preprocess *p = &classifier->card.preprocess;
    const cdul_port *in = cdul_session_input(classifier->session, "image");
    const cdul_port *out = cdul_session_output(classifier->session, "scores");
    size_t inputs = 0, c = classifier->card.classes.count;
    char wanted[160];
    (void)cdul_session_inputs(classifier->session, &inputs);
    snprintf(wanted, sizeof wanted, "one input image float32 [?, 3, %zu, %zu]", p->height,
             p->width);
    if (inputs != 1 || !in || !is_float(in) || in->rank != 4 || in->dims[0] >= 0 ||
        !takes(in->dims[1], 3) || !takes(in->dims[2], p->height) || !takes(in->dims[3], p->width))
        return refuse_port(classifier, in, wanted, err);
    snprintf(wanted, sizeof wanted, "an output scores float32 [?, %zu]", c);
    if (!out || !is_float(out) || out->rank != 2 || !takes(out->dims[1], c))
        return refuse_port(classifier, out, wanted, err);
    return CDUL_OK;
}

static cdul_status read_card(cdul_classifier *classifier, cdul_error *err) {
    const char *path = cdul_session_path(classifier->session);
    cdul_status status =
        cdul_card_read(metadata, classifier->session, path, &classifier->card, err);
    if (status != CDUL_OK) return status;
    cdul_preprocess *p = &classifier->card.preprocess;
    p->scale = 1.0F / 255; /* the graph wants 0 .. 1 and applies mean and deviation itself */
    for (size_t i = 0; i < 3; i++) {
        p->mean[i] = 0;
        p->std[i] = 1;
    }
    return check_ports(classifier, err);
}

cdul_status cdul_classifier_open(const char *path, const cdul_classifier_options *options,
                                 cdul_classifier **out, cdul_error *err) {
    cdul_classifier_options defaults = cdul_classifier_defaults();
    if (!options) options = &defaults;
    cdul_session_options session = {.threads = options->threads,
                                    .provider = options->provider,
                                    .callbacks = options->callbacks};
    session.provider.bfloat16 = options->precision == CDUL_INFERENCE_BF16;
    const bool int8 = options->precision == CDUL_INFERENCE_INT8;
    char *graph = NULL;
    cdul_classifier *classifier = calloc(1, sizeof *classifier);
    if (!classifier) return cdul_fail_memory(err, "classifier");
    classifier->callbacks = options->callbacks;
    classifier->batch =
        options->batch ? options->batch : BATCH_OF_THREAD * cdul_threads(options->threads);
    if (!options->batch && classifier->batch < SMALLEST_BATCH) classifier->batch = SMALLEST_BATCH;
    cdul_status status = find_graph(path, int8, &graph, err);
    if (status == CDUL_OK) status = cdul_session_open(graph, &session, &classifier->session, err);
    if (status == CDUL_OK) status = read_card(classifier, err);
    free(graph);
    if (status == CDUL_OK)
        *out = classifier;
    else
        cdul_classifier_close(classifier);
    return status;
}

void cdul_classifier_close(cdul_classifier *classifier) {
    if (!classifier) return;
    cdul_session_close(classifier->session);
    cdul_card_free(&classifier->card);
    free(classifier);
}

const cdul_strings *cdul_classifier_classes(const cdul_classifier *classifier) {
    return &classifier->card.classes;
}

const float *cdul_classifier_thresholds(const cdul_classifier *classifier) {
    return classifier->card.thresholds;
}

const char *cdul_classifier_provenance(const cdul_classifier *classifier) {
    return classifier->card.provenance;
}

const char *cdul_classifier_path(const cdul_classifier *classifier) {
    return cdul_session_path(classifier->session);
}

const char *cdul_classifier_placement(const cdul_classifier *classifier) {
    return cdul_session_placement(classifier->session);
}

const cdul_preprocess *cdul_classifier_preprocess(const cdul_classifier *classifier) {
    return &classifier->card.preprocess;
}

/* --- Views to scores --- */

/* Runs n views. A lone one is given black company. */
static cdul_status run(cdul_classifier *classifier, const float *pixels, size_t n, float *scores,
                       cdul_error *err) {
    const cdul_preprocess *p = &classifier->card.preprocess;
    const size_t c = classifier->card.classes.count, view = 3 * p->height * p->width;
    const size_t batch = n < LEAST_BATCH ? LEAST_BATCH : n;
    float *padded = batch > n ? calloc(batch * view, sizeof *padded) : NULL;
    if (batch > n && !padded) return cdul_fail_memory(err, "a view");
    if (padded) memcpy(padded, pixels, n * view * sizeof *padded);
    const cdul_feed feed = {.name = "image",
                            .f32 = padded ? padded : pixels,
                            .rank = 4,
                            .dims = {(int64_t)batch, 3, (int64_t)p->height, (int64_t)p->width}};
    cdul_fetch fetch = {.name = "scores"};
    cdul_status status = cdul_session_run(classifier->session, &feed, 1, &fetch, 1, err);
    free(padded);
    if (status != CDUL_OK) return status;
    if (fetch.rank == 2 && fetch.dims[0] == (int64_t)batch && fetch.dims[1] == (int64_t)c)
        memcpy(scores, fetch.values, n * c * sizeof *scores);
    else
        status = cdul_fail(err, CDUL_ERR_RUNTIME, "%s: %zu scores from %zu views of %zu classes",
                           cdul_classifier_path(classifier), fetch.count, batch, c);
    free(fetch.values);
    return status;
}

cdul_status cdul_classifier_views(cdul_classifier *classifier, const float *pixels, size_t n,
                                  float *scores, cdul_error *err) {
    const cdul_preprocess *p = &classifier->card.preprocess;
    const size_t view = 3 * p->height * p->width, c = classifier->card.classes.count;
    cdul_status status = CDUL_OK;
    for (size_t done = 0, now; status == CDUL_OK && done < n; done += now) {
        now = n - done < classifier->batch ? n - done : classifier->batch;
        status = run(classifier, pixels + done * view, now, scores + done * c, err);
    }
    return status;
}

/* --- Choosing the precision: the fastest whose scores agree with float32's --- */

typedef struct choice {
    const char *path;
    const cdul_classifier_options *options;
    cdul_inference reduced;
    cdul_classifier *classifier;
} choice;

static cdul_status open_in(void *user, cdul_inference precision, cdul_error *err) {
    choice *c = user;
    cdul_classifier_options options = *c->options;
    options.precision = precision;
    cdul_classifier_close(c->classifier);
    c->classifier = NULL;
    return cdul_classifier_open(c->path, &options, &c->classifier, err);
}

static cdul_trial_shape shape_of(void *user) {
    const choice *c = user;
    return (cdul_trial_shape){*cdul_classifier_preprocess(c->classifier),
                              c->classifier->card.classes.count};
}

static cdul_status score(void *user, const float *pixels, size_t n, float *rows, cdul_error *err) {
    const choice *c = user;
    return cdul_classifier_views(c->classifier, pixels, n, rows, err);
}

/* They do if no score differs by more than CDUL_SCORE_BOUND. */
static bool agrees(void *user, const float *rows, const float *exact, size_t n, size_t width) {
    const choice *c = user;
    double difference = n ? 0 : INFINITY;
    for (size_t i = 0; i < n * width; i++)
        difference = fmax(difference, fabs((double)rows[i] - (double)exact[i]));
    const bool taken = difference <= CDUL_SCORE_BOUND;
    cdul_say(c->options->callbacks,
             taken ? "precision: %s, scores of the first images within %.3f of float32's"
                   : "precision: fp32, as %s's scores of the first images are off by up to %.3f",
             c->reduced == CDUL_INFERENCE_INT8 ? "int8" : "bf16", difference);
    return taken;
}

/* The precision that may be faster with this provider; FP32 if there is none. */
static cdul_inference candidate(const char *path, const cdul_provider *provider) {
    const cdul_inference reduced = cdul_provider_reduced(provider);
    if (reduced != CDUL_INFERENCE_INT8) return reduced;
    char *int8 = int8_path(path);
    bool there = int8 && cdul_path_exists(int8);
    free(int8);
    return there ? reduced : CDUL_INFERENCE_FP32;
}

cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, cdul_error *err) {
    *out = NULL;
    if (options->precision != CDUL_INFERENCE_AUTO)
        return cdul_classifier_open(path, options, out, err);
    choice c = {path, options, candidate(path, &options->provider), NULL};
    const cdul_trial trial = {c.reduced, open_in, shape_of, score, agrees, &c};
    cdul_status status = open_in(&c, CDUL_INFERENCE_FP32, err);
    const bool worth_it = c.reduced != CDUL_INFERENCE_FP32 && paths->count >= CDUL_TRIAL_LEAST;
    if (status == CDUL_OK && worth_it) status = cdul_trial_run(&trial, paths, decode, err);
    if (status == CDUL_OK && !worth_it) cdul_detail(options->callbacks, "precision: fp32");
    if (status == CDUL_OK)
        *out = c.classifier;
    else
        cdul_classifier_close(c.classifier);
    return status;
}

/* --- Images to scores --- */

/* Scores that saturate at 0 or 1 have infinite logits: logits are clamped to +-16. */
#define EPSILON 1e-7

void cdul_combine_views(cdul_test_views views, const float *rows, size_t v, size_t c,
                        float *scores) {
    memcpy(scores, rows, c * sizeof *scores);
    if (views == CDUL_TEST_VIEWS_NONE) return;
    for (size_t i = 0; i < c; i++) {
        float largest = rows[c + i]; /* of the views after the first; FLIP has one such */
        for (size_t j = 2; j < v; j++) largest = fmaxf(largest, rows[j * c + i]);
        scores[i] = 0.5F * (scores[i] + largest);
    }
}

void cdul_standardise_scores(float *scores, size_t c) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < c; i++) sum += cdul_logit(scores[i], EPSILON);
    double mean = sum / (double)c;
    for (size_t i = 0; i < c; i++) {
        double difference = cdul_logit(scores[i], EPSILON) - mean;
        squares += difference * difference;
    }
    double deviation = sqrt(squares / (double)c);
    for (size_t i = 0; i < c; i++) {
        double z = cdul_z_score(cdul_logit(scores[i], EPSILON), mean, deviation);
        scores[i] = (float)cdul_sigmoid(z);
    }
}

typedef struct predictor {
    cdul_classifier *classifier;
    const cdul_predict_params *params;
    size_t views, classes; /* V, C */
    float *scores; /* [C] */
} predictor;

static cdul_status score_views(void *user, const float *pixels, size_t n, float *rows,
                               cdul_error *err) {
    predictor *p = user;
    return cdul_classifier_views(p->classifier, pixels, n, rows, err);
}

static const char *check_scores(void *user, float *rows) {
    predictor *p = user;
    for (size_t i = 0; i < p->views * p->classes; i++)
        if (!(rows[i] >= 0 && rows[i] <= 1)) return "the model's scores are not in 0 .. 1";
    return NULL;
}

static cdul_status hand_over(void *user, size_t i, const float *rows, void *kept, cdul_error *err) {
    predictor *p = user;
    cdul_combine_views(p->params->views, rows, p->views, p->classes, p->scores);
    if (p->params->standardise) cdul_standardise_scores(p->scores, p->classes);
    return p->params->predicted(p->params->user, i, p->scores, kept, err);
}

static void skip(void *user, size_t i, const char *reason) {
    predictor *p = user;
    if (p->params->skipped) p->params->skipped(p->params->user, i, reason);
}

static cdul_status keep(void *user, size_t i, const cdul_image *image, void **kept,
                        cdul_error *err) {
    predictor *p = user;
    return p->params->keep(p->params->user, i, image, kept, err);
}

cdul_status cdul_classifier_predict(cdul_classifier *classifier, const cdul_strings *paths,
                                    const cdul_predict_params *params, cdul_error *err) {
    cdul_crops crops = {0};
    cdul_view_options views = {.preprocess = &classifier->card.preprocess,
                               .mirror = params->views == CDUL_TEST_VIEWS_FLIP,
                               .decode = params->decode,
                               .reduce = params->reduce,
                               .threads = cdul_threads(params->threads),
                               .batch = classifier->batch,
                               .width = classifier->card.classes.count,
                               .verb = "predict",
                               .callbacks = classifier->callbacks};
    predictor p = {.classifier = classifier, .params = params, .classes = views.width};
    const cdul_view_calls calls = {.network = score_views,
                                   .check = check_scores,
                                   .done = hand_over,
                                   .skipped = skip,
                                   .keep = params->keep ? keep : NULL,
                                   .drop = params->drop,
                                   .user = &p};
    cdul_status status = CDUL_OK;
    if (params->views == CDUL_TEST_VIEWS_GRID) {
        status = cdul_crops_parse(GRID, &crops, err);
        views.crops = &crops;
    }
    p.views = cdul_views_count(&views);
    p.scores = calloc(p.classes, sizeof *p.scores);
    if (status == CDUL_OK && !p.scores) status = cdul_fail_memory(err, "scores");
    if (status == CDUL_OK) status = cdul_views_run(paths, NULL, paths->count, &views, &calls, err);
    free(p.scores);
    cdul_crops_free(&crops);
    return status;
}
