/* Measures files against ground truth, and prints the results as JSON. */
#include "report/evaluation.h"

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

cdul_evaluation_options cdul_evaluation_defaults(void) {
    return (cdul_evaluation_options){.metrics = cdul_metrics_defaults()};
}

cdul_status cdul_evaluation_open(const char *truth, const cdul_evaluation_options *options,
                                 cdul_evaluation **out, cdul_error *err) {
    cdul_evaluation *e = calloc(1, sizeof *e);
    if (!e) return cdul_fail_memory(err, "evaluation");
    e->options = *options;
    e->truth_path = strdup(truth);
    cdul_status status = e->truth_path ? cdul_truth_read(truth, &e->truth, err)
                                       : cdul_fail_memory(err, "evaluation");
    if (status == CDUL_OK)
        *out = e;
    else
        cdul_evaluation_close(e);
    return status;
}

static void free_file(cdul_judged *file) {
    free(file->path);
    cdul_labels_free(&file->scores);
    cdul_matched_free(&file->matched);
    cdul_metrics_free(&file->metrics);
}

void cdul_evaluation_close(cdul_evaluation *e) {
    if (!e) return;
    for (size_t i = 0; i < e->count; i++) free_file(&e->files[i]);
    free(e->files);
    cdul_truth_free(&e->truth);
    free(e->truth_path);
    free(e);
}

static cdul_status judge(const cdul_evaluation *e, cdul_judged *file, cdul_error *err) {
    const cdul_labels *scores = &file->scores;
    cdul_status status =
        cdul_truth_match(&e->truth, &scores->images, &scores->classes, &file->matched, err);
    if (status == CDUL_OK && e->options.drop_empty) cdul_matched_drop_empty(&file->matched);
    if (status == CDUL_OK)
        status = cdul_metrics_compute(scores->values, &file->matched, &e->options.metrics,
                                      &file->metrics, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s", file->path);
    return status;
}

cdul_status cdul_evaluation_add(cdul_evaluation *e, const char *path, cdul_error *err) {
    cdul_judged file = {.path = strdup(path)};
    cdul_status status = file.path ? CDUL_OK : cdul_fail_memory(err, path);
    if (status == CDUL_OK)
        status = cdul_predictions_read(path, &e->truth.classes, &file.scores, &file.given, err);
    if (status == CDUL_OK) status = judge(e, &file, err);
    if (status == CDUL_OK)
        status = cdul_grow(&e->files, e->count + 1, &e->capacity, sizeof file, path, err);
    if (status == CDUL_OK)
        e->files[e->count++] = file;
    else
        free_file(&file);
    return status;
}

const cdul_metrics *cdul_evaluation_metrics(const cdul_evaluation *e, size_t i) {
    return &e->files[i].metrics;
}

const char *cdul_evaluation_name(const cdul_evaluation *e, size_t i) {
    const char *base = cdul_path_base(e->files[i].path);
    for (size_t k = 0; k < e->count; k++)
        if (k != i && strcmp(cdul_path_base(e->files[k].path), base) == 0) return e->files[i].path;
    return base;
}

size_t cdul_judged_class(const cdul_judged *file, const char *name, size_t guess) {
    const cdul_strings *classes = &file->scores.classes;
    if (guess < classes->count && strcmp(classes->items[guess], name) == 0) return guess;
    for (size_t c = 0; c < classes->count; c++)
        if (strcmp(classes->items[c], name) == 0) return c;
    return CDUL_NOT_FOUND;
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

static void add_classes(cJSON *object, const cdul_judged *file) {
    cJSON *list = cJSON_AddArrayToObject(object, "per_class");
    for (size_t c = 0; c < file->metrics.classes; c++) {
        const cdul_class_metrics *m = &file->metrics.per_class[c];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "name", file->scores.classes.items[c]);
        cJSON_AddNumberToObject(one, "ap", m->ap);
        cJSON_AddNumberToObject(one, "positives", (double)m->positives);
        cJSON_AddNumberToObject(one, "bce", m->bce);
        cJSON_AddNumberToObject(one, "brier", m->brier);
        cJSON_AddNumberToObject(one, "mass", m->mass);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *describe_input(const cdul_judged *file) {
    const cdul_metrics *m = &file->metrics;
    const cdul_matched *matched = &file->matched;
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "path", file->path);
    cJSON_AddNumberToObject(out, "images", (double)m->images);
    cJSON_AddNumberToObject(out, "classes", (double)m->classes);
    cJSON_AddNumberToObject(out, "classes_with_positives", (double)m->classes_with_positives);
    cJSON_AddNumberToObject(out, "ignored_entries", (double)m->ignored);
    cJSON_AddNumberToObject(out, "images_without_truth", (double)matched->without_truth);
    cJSON_AddNumberToObject(out, "images_without_scores", (double)matched->without_scores);
    cJSON_AddNumberToObject(out, "images_ambiguous", (double)matched->ambiguous);
    cJSON_AddNumberToObject(out, "scores_given", (double)file->given);
    cJSON_AddNumberToObject(out, "map", m->map);
    add_f1(out, "at_threshold", &m->at_threshold);
    add_f1(out, "at_top", &m->at_top);
    cJSON_AddNumberToObject(out, "bce", m->bce);
    cJSON_AddNumberToObject(out, "brier", m->brier);
    cJSON_AddNumberToObject(out, "ece", m->ece);
    cJSON_AddNumberToObject(out, "mass", m->mass);
    cJSON_AddNumberToObject(out, "truth_mass", m->truth_mass);
    add_bins(out, m->bins);
    add_classes(out, file);
    return out;
}

cdul_status cdul_evaluation_print_json(const cdul_evaluation *e, FILE *stream, cdul_error *err) {
    static const char *const difficult[] = {"ignore", "positive", "negative"};
    static const char *const ap[] = {"area", "voc2010", "11point"};
    const cdul_metrics_options *metrics = &e->options.metrics;
    cJSON *json = cJSON_CreateObject(), *truth = cJSON_AddObjectToObject(json, "truth");
    cJSON_AddStringToObject(truth, "path", e->truth_path);
    cJSON_AddStringToObject(truth, "format", cdul_truth_describe(e->truth.kind));
    cJSON_AddNumberToObject(truth, "images", (double)e->truth.images.count);
    cJSON_AddNumberToObject(truth, "classes", (double)e->truth.classes.count);
    cJSON *options = cJSON_AddObjectToObject(json, "options");
    cJSON_AddStringToObject(options, "difficult", difficult[metrics->difficult]);
    cJSON_AddStringToObject(options, "ap", ap[metrics->ap]);
    cJSON_AddNumberToObject(options, "threshold", metrics->threshold);
    cJSON_AddNumberToObject(options, "top", (double)metrics->top);
    cJSON_AddBoolToObject(options, "drop_empty", e->options.drop_empty);
    cJSON *inputs = cJSON_AddArrayToObject(json, "inputs");
    for (size_t i = 0; i < e->count; i++)
        cJSON_AddItemToArray(inputs, describe_input(&e->files[i]));
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text) return cdul_fail_memory(err, "evaluation as JSON");
    fprintf(stream, "%s\n", text);
    cJSON_free(text);
    return CDUL_OK;
}
