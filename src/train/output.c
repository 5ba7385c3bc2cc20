/* What a run leaves: the model in three forms, with its card, and the refined labels. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"
#include "train/model.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS, MODEL, GRAPH, GRAPH_INT8, FACTS, FILES };

/* In the run folder. The graph in eight bits is there for cdul-predict to choose. */
static const char *const names[FILES] = {"labels.safetensors", "model.safetensors", "model.onnx",
                                         "model_int8.onnx", "model.json"};

/* Parsed if it can be, so that it is an object and not a text inside one. False: no memory. */
static bool add_json(cJSON *object, const char *name, const char *text) {
    cJSON *value = NULL;
    if (!text) return true;
    cdul_status status = cdul_json_parse(text, strlen(text), name, &value, NULL);
    if (status == CDUL_ERR_INPUT) value = cJSON_CreateString(text);
    return cJSON_AddItemToObject(object, name, value);
}

/* How the model, and the labels that it refined, came about: a JSON object. NULL: no memory. */
static char *make_provenance(const cdul_trainer *t) {
    cJSON *p = cJSON_CreateObject();
    const bool good =
        cJSON_AddStringToObject(p, "program", "cdul-train " CDUL_VERSION) &&
        cJSON_AddStringToObject(p, "libtorch", cdul_torch_version()) &&
        cJSON_AddNumberToObject(p, "images", (double)t->targets.n) &&
        cJSON_AddNumberToObject(p, "skipped", (double)t->feed.data.list.paths.count) &&
        cJSON_AddNumberToObject(p, "epochs", (double)t->epoch) &&
        add_json(p, "config", t->params->config) &&
        add_json(p, "labels", t->feed.data.labels.config);
    char *text = good ? cJSON_PrintUnformatted(p) : NULL;
    cJSON_Delete(p);
    return text;
}

/* Scores of the last predictions, against the labels as they are now. */
static cdul_status make_thresholds(const cdul_trainer *t, float *thresholds, cdul_error *err) {
    float *scores = cdul_targets_scores(&t->targets);
    if (!scores) return cdul_fail_memory(err, "scores");
    cdul_status status =
        cdul_thresholds_from_labels(scores, t->targets.labels, t->feed.data.skipped, t->targets.n,
                                    t->targets.c, thresholds, err);
    free(scores);
    return status;
}

/* The images that ranges are taken from. With four times as many, those of a ResNet-50 widen by a
 * few per cent. */
#define OBSERVED 64

typedef struct observer {
    const cdul_trainer *trainer;
    cdul_ranges ranges;
} observer;

static cdul_status observe(void *user, const cdul_batch *batch, cdul_error *err) {
    observer *o = user;
    if (batch->count == 0) return CDUL_OK;
    cdul_scope s = {.no_grad = true};
    cdul_tensor *x = cdul_feed_pixels(&s, &o->trainer->feed, batch);
    cdul_resnet_observe(&s, o->trainer->learner.net, x, &o->ranges);
    return cdul_scope_close(&s, err);
}

/* `thresholds` [C] are filled on the way. */
static cdul_status write_all(cdul_trainer *t, char *const *paths, char *provenance,
                             float *thresholds, cdul_error *err) {
    const cdul_resnet *net = t->learner.net;
    const cdul_card card = {.version = "cdul " CDUL_VERSION,
                            .arch = net->options.arch->name,
                            .bn_eps = net->options.arch->bn_eps,
                            .classes = t->feed.data.labels.classes, /* borrowed */
                            .thresholds = thresholds,
                            .preprocess = t->feed.plain.preprocess,
                            .provenance = provenance};
    cdul_labels refined = t->feed.data.labels; /* borrowed */
    refined.values = t->targets.labels;
    refined.config = provenance;
    observer seen = {.trainer = t};
    cdul_status status = cdul_labels_write(paths[LABELS], &refined, err);
    if (status == CDUL_OK) status = make_thresholds(t, thresholds, err);
    cdul_learner_swap_average(&t->learner);
    if (status == CDUL_OK) status = cdul_model_write(paths[MODEL], net, &card, err);
    if (status == CDUL_OK) status = cdul_export_onnx(paths[GRAPH], net, &card, NULL, err);
    if (status == CDUL_OK) status = cdul_feed_sample(&t->feed, OBSERVED, observe, &seen, err);
    if (status == CDUL_OK && seen.ranges.count > 0)
        status = cdul_export_onnx(paths[GRAPH_INT8], net, &card, &seen.ranges, err);
    cdul_learner_swap_average(&t->learner);
    if (status == CDUL_OK) status = cdul_card_write(paths[FACTS], &card, err);
    return status;
}

cdul_status cdul_trainer_write(cdul_trainer *t, cdul_error *err) {
    char *paths[FILES] = {0}, *provenance = make_provenance(t);
    float *thresholds = malloc(t->targets.c * sizeof *thresholds);
    bool good = provenance && thresholds;
    for (size_t i = 0; i < FILES && good; i++) {
        paths[i] = cdul_path_join(t->params->output, names[i]);
        good = paths[i] != NULL;
    }
    cdul_status status = good ? write_all(t, paths, provenance, thresholds, err)
                              : cdul_fail_memory(err, "the model");
    for (size_t i = 0; i < FILES; i++) free(paths[i]);
    free(thresholds);
    cJSON_free(provenance);
    return status;
}
