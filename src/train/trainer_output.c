#include "train/trainer_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "labels/thresholds.h"
#include "train/export.h"
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
    const bool good = cJSON_AddStringToObject(p, "program", "cdul-train " CDUL_VERSION) &&
                      cJSON_AddStringToObject(p, "libtorch", cdul_torch_version()) &&
                      cJSON_AddNumberToObject(p, "images", (double)t->n) &&
                      cJSON_AddNumberToObject(p, "skipped", (double)t->data.list.paths.count) &&
                      cJSON_AddNumberToObject(p, "epochs", (double)t->epoch) &&
                      add_json(p, "config", t->call->config) &&
                      add_json(p, "labels", t->data.labels.config);
    char *text = good ? cJSON_PrintUnformatted(p) : NULL;
    cJSON_Delete(p);
    return text;
}

/* Scores of the last predictions, against the labels as they are now. */
static cdul_status make_thresholds(const cdul_trainer *t, float *thresholds, cdul_error *err) {
    float *scores = malloc(t->n * t->c * sizeof *scores);
    if (!scores) return cdul_fail_memory(err, "scores");
    cdul_align_to_labels(t->logits, t->n * t->c, scores); /* sigmoid */
    cdul_status status = cdul_thresholds_from_labels(scores, t->labels, t->data.skipped, t->n, t->c,
                                                     thresholds, err);
    free(scores);
    return status;
}

/* model.onnx, and model_int8.onnx: the same in eight bits, for cdul-predict to choose. */
static cdul_status write_graphs(cdul_trainer *t, const cdul_card *card, cdul_error *err) {
    char *path = cdul_path_join(t->options->output, "model.onnx");
    char *int8 = cdul_path_join(t->options->output, "model_int8.onnx");
    cdul_ranges ranges;
    cdul_status status = path && int8 ? CDUL_OK : cdul_fail_memory(err, "the model");
    if (status == CDUL_OK) status = cdul_export_onnx(path, t->net, card, NULL, err);
    if (status == CDUL_OK) status = cdul_trainer_observe(t, &ranges, err);
    if (status == CDUL_OK && ranges.count > 0)
        status = cdul_export_onnx(int8, t->net, card, &ranges, err);
    free(path);
    free(int8);
    return status;
}

static cdul_status write_model(cdul_trainer *t, const char *provenance, cdul_error *err) {
    char *model = cdul_path_join(t->options->output, "model.safetensors");
    char *facts = cdul_path_join(t->options->output, "model.json");
    float *thresholds = malloc(t->c * sizeof *thresholds);
    cdul_status status = model && facts && thresholds ? make_thresholds(t, thresholds, err)
                                                      : cdul_fail_memory(err, "the model");
    const cdul_card card = {.version = "cdul " CDUL_VERSION,
                            .arch = t->net->options.arch->name,
                            .bn_eps = t->net->options.arch->bn_eps,
                            .classes = t->data.labels.classes, /* borrowed */
                            .thresholds = thresholds,
                            .preprocess = t->plain.preprocess,
                            .provenance = provenance};
    if (status == CDUL_OK) {
        cdul_trainer_swap_average(t);
        status = cdul_model_write(model, t->net, &card, err);
        if (status == CDUL_OK) status = write_graphs(t, &card, err);
        cdul_trainer_swap_average(t);
    }
    if (status == CDUL_OK) status = cdul_card_write(facts, &card, err);
    free(thresholds);
    free(facts);
    free(model);
    return status;
}

/* The labels as they are now, for all images. */
static cdul_status write_labels(cdul_trainer *t, char *provenance, cdul_error *err) {
    char *path = cdul_path_join(t->options->output, "labels.safetensors");
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(err, "the refined labels");
    cdul_labels refined = t->data.labels; /* borrowed */
    refined.values = t->labels;
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
