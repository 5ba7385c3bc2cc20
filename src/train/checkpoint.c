/* A run on disk: checkpoint.safetensors holds what the next epoch depends on, and nothing that can
 * be had from the options again. Random numbers are counted (base/random.h), so epoch and step are
 * their whole state.
 *
 *   - model.<name>: weights and batch-norm statistics
 *   - average.<name>: their moving average
 *   - optimizer.<name>.<state>: moments and step of each trained parameter
 *   - latent: u [N, C] of the labels
 *   - checksum: of all of it
 *   - as metadata: epoch, step, steps, config, label_hash, skipped, held-out losses */
#include "train/trainer.h"

#include "base/json.h"
#include "train/model.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 96

/* --- Tensors --- */

/* One tensor of a checkpoint and where it lives. */
typedef struct entry {
    char name[NAME_SIZE]; /* <kind>.<name>, or <kind>.<name>.<state> */
    cdul_tensor *tensor; /* of the network or its average; of an optimiser's state: whose */
    const char *state; /* which, else NULL */
} entry;

typedef struct entries {
    entry *items; /* [count] */
    cdul_tensor_decl *decls; /* [count + 2]: after those of the items the latents and the seal */
    size_t count;
} entries;

/* `s` owns a state. */
static cdul_tensor *tensor_of(cdul_scope *s, const cdul_trainer *t, const entry *item) {
    if (!item->state) return item->tensor;
    return cdul_optimizer_state(s, t->learner.optimizer, item->tensor, item->state);
}

static cdul_status list_entries(const cdul_trainer *t, entries *out, cdul_error *err) {
    const cdul_learner *l = &t->learner;
    const char *const *states = cdul_optimizer_state_names(l->optimizer);
    size_t most = 2; /* of a parameter: itself, its average, its states */
    while (states[most - 2]) most++;
    most *= l->net->entry_count;
    out->items = calloc(most, sizeof *out->items);
    out->decls = calloc(most + 2, sizeof *out->decls);
    if (!out->items || !out->decls)
        return cdul_fail_memory(err, "the checkpoint's list of tensors");
    for (size_t i = 0; i < l->net->entry_count; i++) {
        const cdul_resnet_entry *e = &l->net->entries[i];
        entry *item = &out->items[out->count++];
        *item = (entry){.tensor = e->tensor};
        snprintf(item->name, NAME_SIZE, "model.%s", e->name);
        if (l->average && l->average[i]) {
            item = &out->items[out->count++];
            *item = (entry){.tensor = l->average[i]};
            snprintf(item->name, NAME_SIZE, "average.%s", e->name);
        }
        for (size_t k = 0; e->trained && states[k]; k++) {
            item = &out->items[out->count++];
            *item = (entry){.tensor = e->tensor, .state = states[k]};
            snprintf(item->name, NAME_SIZE, "optimizer.%s.%s", e->name, states[k]);
        }
    }
    cdul_scope s = {.no_grad = true};
    for (size_t i = 0; i < out->count; i++)
        out->decls[i] = cdul_tensor_declare(tensor_of(&s, t, &out->items[i]), out->items[i].name);
    out->decls[out->count] =
        (cdul_tensor_decl){"latent", CDUL_F32, 2, {t->targets.n, t->targets.c}};
    out->decls[out->count + 1] = CDUL_SEAL;
    return cdul_scope_close(&s, err);
}

static void free_entries(entries *list) {
    free(list->items);
    free(list->decls);
}

/* --- Metadata --- */

/* What the labels were when the run began: names and values. */
static unsigned long long hash_labels(const cdul_trainer *t) {
    const cdul_labels *labels = &t->feed.data.labels;
    unsigned long long hash =
        cdul_hash(CDUL_HASH_START, labels->values, t->targets.n * t->targets.c * sizeof(float));
    for (size_t i = 0; i < t->targets.n; i++)
        hash = cdul_hash(hash, labels->images.items[i], strlen(labels->images.items[i]) + 1);
    for (size_t k = 0; k < t->targets.c; k++)
        hash = cdul_hash(hash, labels->classes.items[k], strlen(labels->classes.items[k]) + 1);
    return hash;
}

/* Names and reasons in turn: which images later epochs do without. */
static cdul_status skipped_text(const cdul_trainer *t, char **out, cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < t->feed.data.list.paths.count && status == CDUL_OK; i++) {
        status = cdul_strings_add(&list, t->feed.data.list.paths.items[i], err);
        if (status == CDUL_OK)
            status = cdul_strings_add(&list, t->feed.data.list.reasons.items[i], err);
    }
    if (status == CDUL_OK) status = cdul_json_from_strings(&list, out, err);
    cdul_strings_free(&list);
    return status;
}

/* --- Saving --- */

static cdul_status write_tensors(const cdul_trainer *t, const entries *list,
                                 cdul_safetensors_writer *writer, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < list->count && status == CDUL_OK; i++) {
        cdul_scope s = {.no_grad = true};
        status = cdul_model_append(&s, tensor_of(&s, t, &list->items[i]), writer, err);
    }
    if (status == CDUL_OK)
        status = cdul_safetensors_append(writer, t->targets.latent,
                                         t->targets.n * t->targets.c * sizeof(float), err);
    if (status == CDUL_OK) status = cdul_safetensors_seal(writer, err);
    return status;
}

cdul_status cdul_checkpoint_save(const cdul_trainer *t, const char *path, cdul_error *err) {
    entries list = {0};
    cdul_safetensors_writer *writer = NULL;
    char *skipped = NULL, epoch[24], step[24], steps[24], hash[24], best[32], worse[24];
    snprintf(epoch, sizeof epoch, "%zu", t->epoch);
    snprintf(step, sizeof step, "%zu", t->learner.step);
    snprintf(steps, sizeof steps, "%zu", t->learner.schedule.steps);
    snprintf(hash, sizeof hash, "%016llx", hash_labels(t));
    snprintf(best, sizeof best, "%.17g", t->record.best_held_loss);
    snprintf(worse, sizeof worse, "%zu", t->record.worse_epochs);
    cdul_status status = skipped_text(t, &skipped, err);
    if (status == CDUL_OK) status = list_entries(t, &list, err);
    if (status != CDUL_OK) goto done;
    const cdul_metadata metadata[] = {{"epoch", epoch},
                                      {"step", step},
                                      {"steps", steps},
                                      {"label_hash", hash},
                                      {"best_held_loss", best},
                                      {"worse_epochs", worse},
                                      {"config", t->params->config ? t->params->config : "{}"},
                                      {"skipped", skipped}};
    status = cdul_safetensors_create(path, metadata, sizeof metadata / sizeof *metadata, list.decls,
                                     list.count + 2, &writer, err);
    if (status == CDUL_OK) status = write_tensors(t, &list, writer, err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
done:
    cdul_safetensors_discard(&writer);
    free_entries(&list);
    free(skipped);
    return status;
}

/* --- Loading --- */

/* Options that may differ between a run and its continuation: where things lie. */
static const char *const free_keys[] = {"root", "activation_cache", "eval_labels", "labels",
                                        "device"};

static bool is_free(const char *key) {
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (!strcmp(key, free_keys[i])) return true;
    return false;
}

static cdul_status refuse_difference(const char *path, const cJSON *was, const cJSON *is,
                                     cdul_error *err) {
    char *before = cJSON_PrintUnformatted(was), *now = cJSON_PrintUnformatted(is);
    cdul_status status =
        cdul_fail(err, CDUL_ERR_USAGE,
                  "%s: the run was started with train.%s = %s, now it is %s; give the same options "
                  "to --resume, or choose another -o",
                  path, is->string, before ? before : "(not given)", now ? now : "?");
    cJSON_free(before);
    cJSON_free(now);
    return status;
}

static cdul_status compare_config(const cdul_trainer *t, const cdul_safetensors *file,
                                  cdul_error *err) {
    const char *path = cdul_safetensors_path(file),
               *text = cdul_safetensors_metadata(file, "config");
    if (!t->params->config) return CDUL_OK;
    if (!text) return cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata \"config\"", path);
    cJSON *was = NULL, *is = NULL;
    cdul_status status = cdul_json_parse(text, strlen(text), path, &was, err);
    if (status == CDUL_OK)
        status = cdul_json_parse(t->params->config, strlen(t->params->config), "options", &is, err);
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(was, "train"), *option = NULL;
    cJSON_ArrayForEach(option, cJSON_GetObjectItemCaseSensitive(is, "train")) {
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, option->string);
        if (is_free(option->string) || cJSON_Compare(old, option, true)) continue;
        status = refuse_difference(path, old, option, err);
        break;
    }
    cJSON_Delete(was);
    cJSON_Delete(is);
    return status;
}

static cdul_status metadata_number(const cdul_safetensors *file, const char *name, int base,
                                   unsigned long long *out, cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, name);
    char *end = NULL;
    if (text) *out = strtoull(text, &end, base);
    if (text && end != text && !*end) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\" is not a number",
                     cdul_safetensors_path(file), name);
}

static cdul_status load_metadata(cdul_trainer *t, const cdul_safetensors *file, cdul_error *err) {
    unsigned long long epoch = 0, step = 0, steps = 0, hash = 0, worse = 0;
    cdul_status status = metadata_number(file, "epoch", 10, &epoch, err);
    if (status == CDUL_OK) status = metadata_number(file, "step", 10, &step, err);
    if (status == CDUL_OK) status = metadata_number(file, "steps", 10, &steps, err);
    if (status == CDUL_OK) status = metadata_number(file, "label_hash", 16, &hash, err);
    if (status == CDUL_OK) status = metadata_number(file, "worse_epochs", 10, &worse, err);
    if (status != CDUL_OK) return status;
    if (hash != hash_labels(t))
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: the run was started on other labels than %s",
                         cdul_safetensors_path(file), t->params->labels);
    const size_t epochs = t->params->epochs;
    if (epoch > epochs || step > steps || steps > t->targets.n * epochs)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: epoch %llu, step %llu of %llu: not those of a run of %zu epochs on %zu images",
            cdul_safetensors_path(file), epoch, step, steps, epochs, t->targets.n);
    const char *best = cdul_safetensors_metadata(file, "best_held_loss");
    if (best) t->record.best_held_loss = strtod(best, NULL);
    if (isnan(t->record.best_held_loss))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"best_held_loss\" is not a number",
                         cdul_safetensors_path(file));
    t->epoch = (size_t)epoch;
    t->learner.step = (size_t)step;
    t->learner.schedule.steps = (size_t)steps;
    t->record.worse_epochs = (size_t)worse;
    return CDUL_OK;
}

static cdul_status load_skipped(cdul_trainer *t, const cdul_safetensors *file, cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, "skipped");
    cdul_strings list = {0};
    cdul_index *index = NULL;
    cdul_status status = cdul_index_new(&t->feed.data.labels.images, &index, err);
    if (status == CDUL_OK && text)
        status = cdul_json_to_strings(text, strlen(text), cdul_safetensors_path(file), &list, err);
    for (size_t i = 0; status == CDUL_OK && i + 1 < list.count; i += 2) {
        size_t row = cdul_index_find(index, list.items[i]);
        if (row != CDUL_NOT_FOUND)
            status = cdul_dataset_skip(&t->feed.data, row, list.items[i + 1], err);
    }
    cdul_index_free(index);
    cdul_strings_free(&list);
    return status;
}

/* The file's tensor that is declared so. */
static cdul_status find(const cdul_safetensors *file, const cdul_tensor_decl *like,
                        cdul_tensor_view *out, cdul_error *err) {
    const cdul_tensor_view *view = cdul_safetensors_find(file, like->name);
    bool good = view && view->dtype == like->dtype && view->rank == like->rank &&
                memcmp(view->shape, like->shape, like->rank * sizeof *like->shape) == 0;
    if (!good)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor \"%s\" %s", cdul_safetensors_path(file),
                         like->name,
                         view ? "has another shape or type than in this run" : "is missing");
    *out = *view;
    return CDUL_OK;
}

/* Weights, moments and labels must be finite, and steps those of this run. */
static cdul_status check_numbers(const cdul_trainer *t, const cdul_safetensors *file,
                                 const cdul_tensor_view *view, cdul_error *err) {
    const char *path = cdul_safetensors_path(file);
    size_t bad = cdul_tensor_first_bad(view);
    if (bad < view->elements)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: tensor \"%s\": element %zu is not a finite number", path, view->name,
                         bad);
    int64_t step = 0;
    if (view->dtype != CDUL_I64 || view->elements != 1) return CDUL_OK;
    memcpy(&step, view->data, sizeof step);
    if (step >= 0 && (uint64_t)step <= t->learner.schedule.steps) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor \"%s\": step %lld of a run of %zu", path,
                     view->name, (long long)step, t->learner.schedule.steps);
}

static cdul_status load_entry(cdul_trainer *t, const cdul_safetensors *file, const entry *item,
                              const cdul_tensor_decl *like, cdul_error *err) {
    cdul_tensor_view view;
    cdul_status status = find(file, like, &view, err);
    if (status == CDUL_OK) status = check_numbers(t, file, &view, err);
    if (status != CDUL_OK) return status;
    cdul_scope s = {.no_grad = true};
    cdul_tensor *value = cdul_tensor_from(&s, view.data, view.dtype, view.rank, view.shape);
    if (item->state)
        cdul_optimizer_set_state(&s, t->learner.optimizer, item->tensor, item->state, value);
    else
        cdul_tensor_copy_(&s, item->tensor, value);
    return cdul_scope_close(&s, err);
}

static cdul_status load_latent(cdul_trainer *t, const cdul_safetensors *file,
                               const cdul_tensor_decl *like, cdul_error *err) {
    cdul_tensor_view view;
    cdul_status status = find(file, like, &view, err);
    if (status != CDUL_OK) return status;
    size_t bad = cdul_tensor_first_bad(&view);
    if (bad < view.elements)
        return cdul_fail(
            err, CDUL_ERR_INPUT, "%s: tensor \"latent\": image %s, class %s: not a finite number",
            cdul_safetensors_path(file), t->feed.data.labels.images.items[bad / t->targets.c],
            t->feed.data.labels.classes.items[bad % t->targets.c]);
    cdul_targets_restore(&t->targets, view.data, cdul_targets_moved(t->params, t->epoch));
    return CDUL_OK;
}

static cdul_status open_whole(const char *path, cdul_safetensors **file, cdul_error *err) {
    cdul_error why;
    cdul_status status = cdul_safetensors_open(path, file, &why);
    if (status == CDUL_OK) status = cdul_safetensors_check(*file, &why);
    if (status == CDUL_OK) return status;
    return cdul_fail(err, status,
                     status == CDUL_ERR_INPUT ? "%s; no run can go on from it: choose another -o"
                                              : "%s",
                     why.message);
}

cdul_status cdul_checkpoint_load(cdul_trainer *t, const char *path, cdul_error *err) {
    cdul_safetensors *file = NULL;
    entries list = {0};
    cdul_status status = open_whole(path, &file, err);
    if (status == CDUL_OK) status = compare_config(t, file, err);
    if (status == CDUL_OK) status = load_metadata(t, file, err);
    if (status == CDUL_OK) status = load_skipped(t, file, err);
    if (status == CDUL_OK) status = list_entries(t, &list, err);
    for (size_t i = 0; i < list.count && status == CDUL_OK; i++)
        status = load_entry(t, file, &list.items[i], &list.decls[i], err);
    if (status == CDUL_OK) status = load_latent(t, file, &list.decls[list.count], err);
    free_entries(&list);
    cdul_safetensors_close(file);
    return status;
}
