#include "report/evaluation.h"

#include "base/file.h"
#include "base/json.h"
#include "report/predictions.h"

#include <string.h>

cdul_status cdul_evaluation_run(const cdul_evaluation_context *context, const char *path,
                                cdul_evaluation *out, cdul_error *err) {
    cdul_evaluation evaluation = {.path = path};
    cdul_status status = cdul_predictions_read(path, &context->truth->classes, &evaluation.scores,
                                               &evaluation.given, err);
    if (status != CDUL_OK) return status;
    status = cdul_truth_match(context->truth, &evaluation.scores.images, &evaluation.scores.classes,
                              &evaluation.matched, err);
    if (status == CDUL_OK && context->drop_empty) cdul_matched_drop_empty(&evaluation.matched);
    if (status == CDUL_OK)
        status = cdul_metrics_compute(evaluation.scores.values, &evaluation.matched,
                                      &context->options, &evaluation.metrics, err);
    if (status != CDUL_OK) {
        cdul_error_prefix(err, "%s", path);
        cdul_evaluation_free(&evaluation);
        return status;
    }
    *out = evaluation;
    return CDUL_OK;
}

void cdul_evaluation_free(cdul_evaluation *evaluation) {
    if (!evaluation) return;
    cdul_labels_free(&evaluation->scores);
    cdul_matched_free(&evaluation->matched);
    cdul_metrics_free(&evaluation->metrics);
    *evaluation = (cdul_evaluation){0};
}

const char *cdul_evaluation_name(const cdul_evaluation *evaluations, size_t count, size_t i) {
    const char *base = cdul_path_base(evaluations[i].path);
    for (size_t k = 0; k < count; k++)
        if (k != i && strcmp(cdul_path_base(evaluations[k].path), base) == 0)
            return evaluations[i].path;
    return base;
}

const char *cdul_difficult_name(cdul_difficult difficult) {
    static const char *const names[] = {"ignore", "positive", "negative"};
    return names[difficult];
}

const char *cdul_ap_name(cdul_ap ap) {
    static const char *const names[] = {"area", "voc2010", "11point"};
    return names[ap];
}

/* --- JSON --- */

static void add_f1(cJSON *object, const char *name, const cdul_f1 *f1) {
    cJSON *out = cJSON_AddObjectToObject(object, name);
    cJSON_AddNumberToObject(out, "cp", f1->cp);
    cJSON_AddNumberToObject(out, "cr", f1->cr);
    cJSON_AddNumberToObject(out, "cf1", f1->cf1);
    cJSON_AddNumberToObject(out, "op", f1->op);
    cJSON_AddNumberToObject(out, "or", f1->or_);
    cJSON_AddNumberToObject(out, "of1", f1->of1);
}

static void add_bins(cJSON *object, const cdul_bin *bins) {
    cJSON *list = cJSON_AddArrayToObject(object, "calibration");
    for (size_t b = 0; b < CDUL_ECE_BINS; b++) {
        cJSON *bin = cJSON_CreateObject();
        cJSON_AddNumberToObject(bin, "count", (double)bins[b].count);
        cJSON_AddNumberToObject(bin, "score", bins[b].score_sum / (double)bins[b].count);
        cJSON_AddNumberToObject(bin, "positives",
                                (double)bins[b].positives / (double)bins[b].count);
        cJSON_AddItemToArray(list, bin);
    }
}

static void add_classes(cJSON *object, const cdul_evaluation *evaluation) {
    cJSON *list = cJSON_AddArrayToObject(object, "per_class");
    for (size_t c = 0; c < evaluation->metrics.classes; c++) {
        const cdul_class_metrics *m = &evaluation->metrics.per_class[c];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", evaluation->scores.classes.items[c]);
        cJSON_AddNumberToObject(one, "ap", m->ap);
        cJSON_AddNumberToObject(one, "positives", (double)m->positives);
        cJSON_AddNumberToObject(one, "bce", m->bce);
        cJSON_AddNumberToObject(one, "brier", m->brier);
        cJSON_AddNumberToObject(one, "mass", m->mass);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *describe_input(const cdul_evaluation *evaluation) {
    const cdul_metrics *m = &evaluation->metrics;
    const cdul_matched *matched = &evaluation->matched;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "path", evaluation->path);
    cJSON_AddNumberToObject(out, "images", (double)m->images);
    cJSON_AddNumberToObject(out, "classes", (double)m->classes);
    cJSON_AddNumberToObject(out, "classes_with_positives", (double)m->classes_with_positives);
    cJSON_AddNumberToObject(out, "ignored_entries", (double)m->ignored);
    cJSON_AddNumberToObject(out, "images_without_truth", (double)matched->without_truth);
    cJSON_AddNumberToObject(out, "images_without_scores", (double)matched->without_scores);
    cJSON_AddNumberToObject(out, "images_ambiguous", (double)matched->ambiguous);
    cJSON_AddNumberToObject(out, "scores_given", (double)evaluation->given);
    cJSON_AddNumberToObject(out, "map", m->map);
    add_f1(out, "at_threshold", &m->at_threshold);
    add_f1(out, "at_top", &m->at_top);
    cJSON_AddNumberToObject(out, "bce", m->bce);
    cJSON_AddNumberToObject(out, "brier", m->brier);
    cJSON_AddNumberToObject(out, "ece", m->ece);
    cJSON_AddNumberToObject(out, "mass", m->mass);
    cJSON_AddNumberToObject(out, "truth_mass", m->truth_mass);
    add_bins(out, m->bins);
    add_classes(out, evaluation);
    return out;
}

cdul_status cdul_evaluation_print_json(FILE *stream, const cdul_evaluation_context *context,
                                       const cdul_evaluation *evaluations, size_t count,
                                       cdul_error *err) {
    cJSON *json = cJSON_CreateObject(), *truth = cJSON_AddObjectToObject(json, "truth");
    cJSON_AddStringToObject(truth, "path", context->truth_path);
    cJSON_AddStringToObject(truth, "format", cdul_truth_describe(context->truth->kind));
    cJSON_AddNumberToObject(truth, "images", (double)context->truth->images.count);
    cJSON_AddNumberToObject(truth, "classes", (double)context->truth->classes.count);
    cJSON *options = cJSON_AddObjectToObject(json, "options");
    cJSON_AddStringToObject(options, "difficult", cdul_difficult_name(context->options.difficult));
    cJSON_AddStringToObject(options, "ap", cdul_ap_name(context->options.ap));
    cJSON_AddNumberToObject(options, "threshold", context->options.threshold);
    cJSON_AddNumberToObject(options, "top", (double)context->options.top);
    cJSON_AddBoolToObject(options, "drop_empty", context->drop_empty);
    cJSON *inputs = cJSON_AddArrayToObject(json, "inputs");
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(inputs, describe_input(&evaluations[i]));
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text) return cdul_fail_memory(err, "evaluation as JSON");
    fprintf(stream, "%s\n", text);
    cJSON_free(text);
    return CDUL_OK;
}
