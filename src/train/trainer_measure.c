#include "train/trainer_internal.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The alarm: held-out loss this much above its lowest, this many epochs in a row. Epochs differ by
 * about one per cent from chance alone. */
#define WORSE_BY     1.03
#define WORSE_EPOCHS 2

/* --- Held-out images, against their initial labels --- */

static size_t top_class(const float *values, size_t c) {
    size_t best = 0;
    for (size_t k = 1; k < c; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

/* Cross-entropy of predictions with the soft labels, and the share of images whose first class is
 * the same. */
static void measure_held(cdul_trainer *t, cdul_epoch_record *record) {
    size_t count = cdul_dataset_rows(&t->data, CDUL_SUBSET_HELD, t->rows), agreed = 0;
    double loss = 0;
    for (size_t i = 0; i < count; i++) {
        const float *initial = t->data.labels.values + t->rows[i] * t->c,
                    *logits = t->logits + t->rows[i] * t->c;
        for (size_t k = 0; k < t->c; k++) {
            double x = (double)logits[k];
            loss += fmax(x, 0) - x * (double)initial[k] + log1p(exp(-fabs(x)));
        }
        agreed += top_class(initial, t->c) == top_class(logits, t->c);
    }
    record->held_loss = count ? loss / ((double)count * (double)t->c) : NAN;
    record->held_agreement = count ? (double)agreed / (double)count : NAN;
}

static void watch_held(cdul_trainer *t, const cdul_epoch_record *record) {
    if (isnan(record->held_loss)) return;
    t->worse_epochs = record->held_loss > t->best_held_loss * WORSE_BY ? t->worse_epochs + 1 : 0;
    t->best_held_loss = fmin(t->best_held_loss, record->held_loss);
    if (t->worse_epochs == WORSE_EPOCHS)
        cdul_warn(t->call->callbacks,
                  "cross-entropy of held-out images with their initial labels has risen from %.4f "
                  "to %.4f: the "
                  "classifier moves away from them; fewer epochs, a smaller lr or a smaller eta "
                  "may be better",
                  t->best_held_loss, record->held_loss);
}

/* --- Ground truth, for evaluation only --- */

/* Leaves out the images that have no predictions. */
static void drop_skipped(cdul_matched *truth, const bool *skipped) {
    size_t kept = 0;
    for (size_t i = 0; i < truth->images; i++) {
        if (skipped[truth->rows[i]]) continue;
        truth->rows[kept] = truth->rows[i];
        memmove(truth->values + kept * truth->classes, truth->values + i * truth->classes,
                truth->classes);
        kept++;
    }
    truth->images = kept;
}

static cdul_status judge(const cdul_trainer *t, const float *scores, double *map, double *bce,
                         double *mass, cdul_error *err) {
    cdul_metrics_options options = cdul_metrics_defaults();
    options.threads = t->call->threads;
    cdul_metrics metrics = {0};
    cdul_status status = cdul_metrics_compute(scores, &t->truth, &options, &metrics, err);
    *map = metrics.map;
    *bce = metrics.bce;
    if (mass) *mass = metrics.mass;
    cdul_metrics_free(&metrics);
    return status;
}

static cdul_status measure_truth(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    if (!t->truth_given) return CDUL_OK;
    drop_skipped(&t->truth, t->data.skipped);
    if (t->truth.images == 0) return CDUL_OK;
    float *scores = malloc(t->n * t->c * sizeof *scores);
    if (!scores) return cdul_fail_memory(err, "scores");
    cdul_align_to_labels(t->logits, t->n * t->c, scores); /* sigmoid */
    cdul_status status = judge(t, scores, &record->eval_predictions_map,
                               &record->eval_predictions_bce, &record->eval_predictions_mass, err);
    if (status == CDUL_OK)
        status = judge(t, t->labels, &record->eval_labels_map, &record->eval_labels_bce, NULL, err);
    free(scores);
    return status;
}

/* --- The end of an epoch --- */

/* After which epoch the labels first move: `warmup`, but not before there is anything to move
 * towards. */
static size_t first_alignment(const cdul_trainer *t) {
    return t->options->warmup > 1 ? (size_t)t->options->warmup : 1;
}

bool cdul_trainer_has_aligned(const cdul_trainer *t) {
    return t->options->align && t->options->eta > 0 && t->epoch >= first_alignment(t);
}

static bool time_to_align(const cdul_trainer *t) {
    return cdul_trainer_has_aligned(t) &&
           (t->epoch - first_alignment(t)) % (size_t)t->options->period == 0;
}

static cdul_status check_labels(const cdul_trainer *t, cdul_error *err) {
    for (size_t i = 0; i < t->n * t->c; i++)
        if (!isfinite(t->latent[i]))
            return cdul_fail(err, CDUL_ERR_RUNTIME,
                             "alignment: the label of image %s, class %s is not finite: lower "
                             "--eta, or raise --sigma",
                             t->data.labels.images.items[i / t->c],
                             t->data.labels.classes.items[i % t->c]);
    return CDUL_OK;
}

cdul_status cdul_trainer_measure(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    record->aligned = time_to_align(t);
    bool last = t->epoch == (size_t)t->options->epochs;
    /* The last predictions become the model's thresholds. */
    bool all = record->aligned || last || t->truth_given;
    cdul_status status = cdul_trainer_predict(t, all ? CDUL_SUBSET_ALL : CDUL_SUBSET_HELD, err);
    if (status != CDUL_OK) return status;
    measure_held(t, record);
    if (record->aligned) {
        cdul_align_options align = {(cdul_align_target)t->options->target, t->options->sigma,
                                    t->options->eta};
        cdul_align_update(&align, t->logits, t->data.skipped, t->n, t->c, t->latent, &record->step);
        status = check_labels(t, err);
        if (status != CDUL_OK) return status;
        cdul_align_to_labels(t->latent, t->n * t->c, t->labels);
    }
    record->labels = cdul_align_describe(t->labels, t->data.labels.values, t->n, t->c);
    status = measure_truth(t, record, err);
    if (status == CDUL_OK) watch_held(t, record);
    return status;
}

/* --- log.jsonl --- */

/* False, here and below: no memory. */
static bool add(cJSON *line, const char *name, double value) {
    return isnan(value) || cJSON_AddNumberToObject(line, name, value);
}

static bool add_labels(cJSON *line, const cdul_epoch_record *r) {
    bool moved = !r->aligned || (add(line, "labels_loss", r->step.loss) &&
                                 add(line, "labels_moved", r->step.moved) &&
                                 add(line, "labels_reached", r->step.reached));
    return moved && add(line, "labels_drift", r->labels.drift) &&
           add(line, "labels_mass", r->labels.mass) &&
           add(line, "labels_entropy", r->labels.entropy);
}

static bool add_truth(cJSON *line, const cdul_epoch_record *r) {
    return cJSON_AddBoolToObject(line, "eval_uses_ground_truth", true) &&
           add(line, "eval_predictions_map", r->eval_predictions_map) &&
           add(line, "eval_predictions_bce", r->eval_predictions_bce) &&
           add(line, "eval_predictions_mass", r->eval_predictions_mass) &&
           add(line, "eval_labels_map", r->eval_labels_map) &&
           add(line, "eval_labels_bce", r->eval_labels_bce);
}

static cJSON *log_line(const cdul_trainer *t, const cdul_epoch_record *r) {
    cJSON *line = cJSON_CreateObject();
    if (add(line, "epoch", (double)t->epoch) && add(line, "train_step", (double)t->step) &&
        add(line, "train_loss", r->loss) && add(line, "train_lr", r->lr) &&
        add(line, "train_seconds", r->seconds) &&
        add(line, "train_images_per_second", r->images_per_second) &&
        (!r->left_out || add(line, "train_bad_batches", (double)r->left_out)) &&
        add(line, "held_loss", r->held_loss) && add(line, "held_agreement", r->held_agreement) &&
        cJSON_AddBoolToObject(line, "aligned", r->aligned) && add_labels(line, r) &&
        add(line, "train_skipped", (double)t->data.list.paths.count) &&
        (!t->truth_given || add_truth(line, r)))
        return line;
    cJSON_Delete(line);
    return NULL;
}

static void say_epoch(const cdul_trainer *t, const cdul_epoch_record *r) {
    char text[512];
    size_t used = 0, room = sizeof text;
#define APPEND(...)                                                                                \
    used += used < room ? (size_t)snprintf(text + used, room - used, __VA_ARGS__) : 0
    APPEND("epoch %zu/%lld  loss %.4f", t->epoch, t->options->epochs, r->loss);
    if (!isnan(r->held_loss))
        APPEND("  held-out %.4f, agreement %.1f %%", r->held_loss, 100 * r->held_agreement);
    if (r->aligned)
        APPEND("  labels moved %.4f, reached %.0f %%, mass %.2f", r->step.moved,
               100 * r->step.reached, r->labels.mass);
    if (!isnan(r->eval_predictions_map))
        APPEND("  | ground truth: predictions mAP %.1f BCE %.3f, labels mAP %.1f BCE %.3f",
               100 * r->eval_predictions_map, r->eval_predictions_bce, 100 * r->eval_labels_map,
               r->eval_labels_bce);
#undef APPEND
    cdul_say(t->call->callbacks, "%s", text);
}

static cdul_status append_line(const cdul_trainer *t, const char *text, cdul_error *err) {
    char *path = cdul_path_join(t->options->output, "log.jsonl");
    if (!path) return cdul_fail_memory(err, "a path");
    FILE *log = fopen(path, "a");
    bool good = log && fprintf(log, "%s\n", text) > 0;
    if (log && fclose(log) != 0) good = false;
    cdul_status status = good ? CDUL_OK : cdul_fail_errno(err, "cannot write %s", path);
    free(path);
    return status;
}

/* Every number of the line as a point of a curve: "train_loss" is train/loss. */
static cdul_status add_events(const cdul_trainer *t, const cJSON *line, cdul_error *err) {
    cdul_status status = CDUL_OK;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, line) {
        if (!cJSON_IsNumber(item) || !strcmp(item->string, "epoch") || status != CDUL_OK) continue;
        char tag[64];
        snprintf(tag, sizeof tag, "%s", item->string);
        char *first = strchr(tag, '_');
        if (first) *first = '/';
        status = cdul_events_scalar(t->events, (int64_t)t->epoch, tag, item->valuedouble, err);
    }
    return status;
}

cdul_status cdul_trainer_log(cdul_trainer *t, const cdul_epoch_record *record, cdul_error *err) {
    say_epoch(t, record);
    cJSON *line = log_line(t, record);
    char *text = line ? cJSON_PrintUnformatted(line) : NULL;
    cdul_status status =
        text ? append_line(t, text, err) : cdul_fail_memory(err, "a line of the log");
    if (status == CDUL_OK) status = add_events(t, line, err);
    cJSON_free(text);
    cJSON_Delete(line);
    return status;
}

/* The number after "epoch":, or 0 if this is not a whole line of this log. Without memory nothing
 * can be told of it. */
static cdul_status line_epoch(const char *line, size_t length, double *epoch, cdul_error *err) {
    cJSON *json = NULL;
    bool found = false;
    *epoch = 0;
    cdul_status status = cdul_json_parse(line, length, "log.jsonl", &json, err);
    if (status == CDUL_OK)
        status = cdul_json_number(json, "epoch", "log.jsonl", epoch, &found, err);
    cJSON_Delete(json);
    return status == CDUL_ERR_INPUT ? CDUL_OK : status;
}

cdul_status cdul_trainer_trim_log(const cdul_trainer *t, cdul_error *err) {
    char *path = cdul_path_join(t->options->output, "log.jsonl"), *text = NULL;
    if (!path) return cdul_fail_memory(err, "a path");
    size_t size = 0, kept = 0;
    cdul_status status = CDUL_OK;
    if (cdul_path_exists(path)) status = cdul_file_read_all(path, &text, &size, err);
    for (const char *line = text, *end; status == CDUL_OK && line && *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) break;
        double epoch = 0;
        status = line_epoch(line, (size_t)(end - line), &epoch, err);
        if (status != CDUL_OK || epoch < 1 || epoch > (double)t->epoch) continue;
        memmove(text + kept, line, (size_t)(end - line) + 1);
        kept += (size_t)(end - line) + 1;
    }
    if (status == CDUL_OK && (kept > 0 || size > 0))
        status = cdul_file_write_all(path, text, kept, err);
    free(text);
    free(path);
    return status;
}
