/* What a run leaves: the model in three forms, with its card, and the refined labels. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"
#include "train/model.h"

#include <stdlib.h>
#include <string.h>

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

/* model.onnx, and model_int8.onnx: the same in eight bits, for cdul-predict to choose. */
static cdul_status write_graphs(cdul_trainer *t, const cdul_card *card, cdul_error *err) {
    char *path = cdul_path_join(t->params->output, "model.onnx");
    char *int8 = cdul_path_join(t->params->output, "model_int8.onnx");
    observer seen = {.trainer = t};
    cdul_status status = path && int8 ? CDUL_OK : cdul_fail_memory(err, "the model");
    if (status == CDUL_OK) status = cdul_export_onnx(path, t->learner.net, card, NULL, err);
    if (status == CDUL_OK) status = cdul_feed_sample(&t->feed, OBSERVED, observe, &seen, err);
    if (status == CDUL_OK && seen.ranges.count > 0)
        status = cdul_export_onnx(int8, t->learner.net, card, &seen.ranges, err);
    free(path);
    free(int8);
    return status;
}

static cdul_status write_model(cdul_trainer *t, const char *provenance, cdul_error *err) {
    char *model = cdul_path_join(t->params->output, "model.safetensors");
    char *facts = cdul_path_join(t->params->output, "model.json");
    float *thresholds = malloc(t->targets.c * sizeof *thresholds);
    cdul_status status = model && facts && thresholds ? make_thresholds(t, thresholds, err)
                                                      : cdul_fail_memory(err, "the model");
    const cdul_card card = {.version = "cdul " CDUL_VERSION,
                            .arch = t->learner.net->options.arch->name,
                            .bn_eps = t->learner.net->options.arch->bn_eps,
                            .classes = t->feed.data.labels.classes, /* borrowed */
                            .thresholds = thresholds,
                            .preprocess = t->feed.plain.preprocess,
                            .provenance = provenance};
    if (status == CDUL_OK) {
        cdul_learner_swap_average(&t->learner);
        status = cdul_model_write(model, t->learner.net, &card, err);
        if (status == CDUL_OK) status = write_graphs(t, &card, err);
        cdul_learner_swap_average(&t->learner);
    }
    if (status == CDUL_OK) status = cdul_card_write(facts, &card, err);
    free(thresholds);
    free(facts);
    free(model);
    return status;
}

/* The labels as they are now, for all images. */
static cdul_status write_labels(cdul_trainer *t, char *provenance, cdul_error *err) {
    char *path = cdul_path_join(t->params->output, "labels.safetensors");
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(err, "the refined labels");
    cdul_labels refined = t->feed.data.labels; /* borrowed */
    refined.values = t->targets.labels;
    refined.config = provenance;
    if (status == CDUL_OK) status = cdul_labels_write(path, &refined, err);
    free(path);
    return status;
}

cdul_status cdul_trainer_write(cdul_trainer *t, cdul_error *err) {
    char *provenance = make_provenance(t);
    if (!provenance) return cdul_fail_memory(err, "the model's provenance");
    cdul_status status = write_labels(t, provenance, err);
    if (status == CDUL_OK) status = write_model(t, provenance, err);
    cJSON_free(provenance);
    return status;
}
