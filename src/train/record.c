/* What an epoch is worth: held-out images, labels, ground truth; and where it is written. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The alarm: held-out loss this much above its lowest, this many epochs in a row. Epochs differ by
 * about one per cent from chance alone. */
#define WORSE_BY     1.03
#define WORSE_EPOCHS 2

/* --- Opening --- */

cdul_status cdul_record_open(cdul_record *record, const cdul_train_params *params,
                             const cdul_labels *labels, cdul_error *err) {
    record->params = params;
    record->best_held_loss = INFINITY;
    if (!params->eval_labels) return CDUL_OK;
    cdul_truth truth = {0};
    cdul_status status = cdul_truth_read(params->eval_labels, &truth, err);
    if (status == CDUL_OK)
        status = cdul_truth_match(&truth, &labels->images, &labels->classes, &record->truth, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "--eval-labels");
    record->truth_given = status == CDUL_OK;
    cdul_truth_free(&truth);
    return status;
}

void cdul_record_free(cdul_record *record) {
    cdul_events_close(record->events);
    cdul_matched_free(&record->truth);
    *record = (cdul_record){0};
}

/* --- Held-out images, against their initial labels --- */

static size_t top_class(const float *values, size_t c) {
    size_t best = 0;
    for (size_t k = 1; k < c; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

/* Cross-entropy of predictions with the soft labels, and the share whose first class is the same.
 */
static void measure_held(const cdul_dataset *data, const cdul_targets *t,
                         cdul_epoch_record *epoch) {
    size_t count = 0, agreed = 0;
    double loss = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!data->held[i] || data->skipped[i]) continue;
        const float *initial = t->initial->values + i * t->c, *logits = t->logits + i * t->c;
        for (size_t k = 0; k < t->c; k++) {
            double x = (double)logits[k];
            loss += fmax(x, 0) - x * (double)initial[k] + log1p(exp(-fabs(x)));
        }
        agreed += top_class(initial, t->c) == top_class(logits, t->c);
        count++;
    }
    if (count == 0) return;
    epoch->held_loss = loss / ((double)count * (double)t->c);
    epoch->held_agreement = (double)agreed / (double)count;
}

static void watch_held(cdul_record *record, double loss) {
    if (isnan(loss)) return;
    record->worse_epochs = loss > record->best_held_loss * WORSE_BY ? record->worse_epochs + 1 : 0;
    record->best_held_loss = fmin(record->best_held_loss, loss);
    if (record->worse_epochs == WORSE_EPOCHS)
        cdul_warn(record->params->callbacks,
                  "cross-entropy of held-out images with their initial labels has risen from %.4f "
                  "to %.4f: the classifier moves away from them; fewer epochs, a smaller lr or a "
                  "smaller eta may be better",
                  record->best_held_loss, loss);
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

static cdul_status judge(const cdul_record *record, const float *scores, cdul_judgement *out,
                         cdul_error *err) {
    cdul_metrics_options options = cdul_metrics_defaults();
    options.threads = record->params->threads;
    cdul_metrics metrics = {0};
    cdul_status status = cdul_metrics_compute(scores, &record->truth, &options, &metrics, err);
    *out = (cdul_judgement){metrics.map, metrics.bce, metrics.mass};
    cdul_metrics_free(&metrics);
    return status;
}

static cdul_status measure_truth(cdul_record *record, const bool *skipped, const cdul_targets *t,
                                 cdul_epoch_record *e, cdul_error *err) {
    if (!record->truth_given) return CDUL_OK;
    drop_skipped(&record->truth, skipped);
    if (record->truth.images == 0) return CDUL_OK;
    float *scores = cdul_targets_scores(t);
    if (!scores) return cdul_fail_memory(err, "scores");
    cdul_status status = judge(record, scores, &e->predictions, err);
    if (status == CDUL_OK) status = judge(record, t->labels, &e->targets, err);
    free(scores);
    return status;
}

const cdul_epoch_record cdul_nothing_measured = {.held_loss = NAN,
                                                 .held_agreement = NAN,
                                                 .move = {NAN, NAN, NAN},
                                                 .predictions = {NAN, NAN, NAN},
                                                 .targets = {NAN, NAN, NAN}};

cdul_status cdul_record_measure(cdul_record *record, const cdul_dataset *data,
                                const cdul_targets *targets, cdul_epoch_record *epoch,
                                cdul_error *err) {
    measure_held(data, targets, epoch);
    epoch->labels =
        cdul_align_describe(targets->labels, targets->initial->values, targets->n, targets->c);
    cdul_status status = measure_truth(record, data->skipped, targets, epoch, err);
    if (status == CDUL_OK) watch_held(record, epoch->held_loss);
    return status;
}

/* --- log.jsonl --- */

/* False: no memory. */
static bool add(cJSON *line, const char *name, double value) {
    return isnan(value) || cJSON_AddNumberToObject(line, name, value);
}

/* The labels' mass is that of all images, not of those of the truth alone. NULL: no memory. */
static cJSON *log_line(const cdul_epoch_record *r, bool truth_given) {
    cJSON *line = cJSON_CreateObject();
    if (add(line, "epoch", (double)r->epoch) && add(line, "train_step", (double)r->step) &&
        add(line, "train_loss", r->loss) && add(line, "train_lr", r->lr) &&
        add(line, "train_seconds", r->seconds) &&
        add(line, "train_images_per_second", r->images_per_second) &&
        add(line, "train_bad_batches", r->left_out > 0 ? (double)r->left_out : NAN) &&
        add(line, "held_loss", r->held_loss) && add(line, "held_agreement", r->held_agreement) &&
        cJSON_AddBoolToObject(line, "aligned", r->aligned) &&
        add(line, "labels_loss", r->move.loss) && add(line, "labels_moved", r->move.moved) &&
        add(line, "labels_reached", r->move.reached) &&
        add(line, "labels_drift", r->labels.drift) && add(line, "labels_mass", r->labels.mass) &&
        add(line, "labels_entropy", r->labels.entropy) &&
        add(line, "train_skipped", (double)r->skipped) &&
        (!truth_given || cJSON_AddBoolToObject(line, "eval_uses_ground_truth", true)) &&
        add(line, "eval_predictions_map", r->predictions.map) &&
        add(line, "eval_predictions_bce", r->predictions.bce) &&
        add(line, "eval_predictions_mass", r->predictions.mass) &&
        add(line, "eval_labels_map", r->targets.map) &&
        add(line, "eval_labels_bce", r->targets.bce))
        return line;
    cJSON_Delete(line);
    return NULL;
}

static void say_epoch(const cdul_train_params *p, const cdul_epoch_record *r) {
    char text[512];
    size_t used = 0, room = sizeof text;
#define APPEND(...)                                                                                \
    used += used < room ? (size_t)snprintf(text + used, room - used, __VA_ARGS__) : 0
    APPEND("epoch %zu/%zu  loss %.4f", r->epoch, p->epochs, r->loss);
    if (!isnan(r->held_loss))
        APPEND("  held-out %.4f, agreement %.1f %%", r->held_loss, 100 * r->held_agreement);
    if (r->aligned)
        APPEND("  labels moved %.4f, reached %.0f %%, mass %.2f", r->move.moved,
               100 * r->move.reached, r->labels.mass);
    if (!isnan(r->predictions.map))
        APPEND("  | ground truth: predictions mAP %.1f BCE %.3f, labels mAP %.1f BCE %.3f",
               100 * r->predictions.map, r->predictions.bce, 100 * r->targets.map, r->targets.bce);
#undef APPEND
    cdul_say(p->callbacks, "%s", text);
}

static cdul_status append_line(const cdul_train_params *p, const char *text, cdul_error *err) {
    char *path = cdul_path_join(p->output, "log.jsonl");
    if (!path) return cdul_fail_memory(err, "a path");
    FILE *log = fopen(path, "a");
    bool good = log && fprintf(log, "%s\n", text) > 0;
    if (log && fclose(log) != 0) good = false;
    cdul_status status = good ? CDUL_OK : cdul_fail_errno(err, "cannot write %s", path);
    free(path);
    return status;
}

/* Every number of the line as a point of a curve: "train_loss" is train/loss. */
static cdul_status add_events(cdul_events *events, size_t epoch, const cJSON *line,
                              cdul_error *err) {
    cdul_status status = CDUL_OK;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, line) {
        if (!cJSON_IsNumber(item) || !strcmp(item->string, "epoch") || status != CDUL_OK) continue;
        char tag[64];
        snprintf(tag, sizeof tag, "%s", item->string);
        char *first = strchr(tag, '_');
        if (first) *first = '/';
        status = cdul_events_scalar(events, (int64_t)epoch, tag, item->valuedouble, err);
    }
    return status;
}

cdul_status cdul_record_log(cdul_record *record, const cdul_epoch_record *epoch, cdul_error *err) {
    say_epoch(record->params, epoch);
    cJSON *line = log_line(epoch, record->truth_given);
    char *text = line ? cJSON_PrintUnformatted(line) : NULL;
    cdul_status status =
        text ? append_line(record->params, text, err) : cdul_fail_memory(err, "a line of the log");
    if (status == CDUL_OK) status = add_events(record->events, epoch->epoch, line, err);
    cJSON_free(text);
    cJSON_Delete(line);
    return status;
}

cdul_status cdul_record_begin(cdul_record *record, size_t epoch, cdul_error *err) {
    static const char head[] = "{\"epoch\":";
    const cdul_train_params *p = record->params;
    char *path = cdul_path_join(p->output, "log.jsonl"), *text = NULL;
    if (!path) return cdul_fail_memory(err, "a path");
    size_t size = 0, kept = 0;
    cdul_status status = CDUL_OK;
    if (cdul_path_exists(path)) status = cdul_file_read_all(path, &text, &size, err);
    for (const char *line = text, *end; status == CDUL_OK && line && *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end) break;
        size_t number = strncmp(line, head, sizeof head - 1) == 0
                            ? strtoull(line + sizeof head - 1, NULL, 10)
                            : 0;
        /* Of whole lines of this log only. */
        if (number < 1 || number > epoch || end[-1] != '}') continue;
        memmove(text + kept, line, (size_t)(end - line) + 1);
        kept += (size_t)(end - line) + 1;
    }
    if (status == CDUL_OK && (kept > 0 || size > 0))
        status = cdul_file_write_all(path, text, kept, err);
    if (status == CDUL_OK && epoch < p->epochs)
        status = cdul_events_open(p->output, &record->events, err);
    free(text);
    free(path);
    return status;
}
