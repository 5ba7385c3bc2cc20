#include "train/trainer_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/processor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Of the ImageNet pictures, in torchvision's and every later recipe: for weights that say nothing
 * else. */
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
static const float imagenet_std[3] = {0.229f, 0.224f, 0.225f};

/* The stem and four stages halve an image five times: below this nothing is left of it. */
#define SIZE_MIN 32

/* --- Options that a table cannot check one by one --- */

cdul_status cdul_trainer_check(const cdul_train_options *o, cdul_error *err) {
    if (!o->labels || !o->output)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s is required: %s", o->labels ? "-o" : "--labels",
                         o->labels ? "the run folder" : "the label file that cdul-label wrote");
    if (o->size < SIZE_MIN)
        return cdul_fail(err, CDUL_ERR_USAGE, "size %lld: at least %d pixels", o->size, SIZE_MIN);
    if (o->freeze > 0 && !o->init)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "freeze %lld would keep random weights as they are: give --init weights.safetensors",
            o->freeze);
    if (o->lr_warmup >= (double)o->epochs)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "lr-warmup %g is not shorter than the run of %lld epochs", o->lr_warmup,
                         o->epochs);
    cdul_align_options align = {(cdul_align_target)o->target, o->sigma, o->eta};
    return cdul_align_check(&align, err);
}

/* --- Data --- */

static cdul_status open_truth(cdul_trainer *t, cdul_error *err) {
    const char *path = t->options->eval_labels;
    if (!path) return CDUL_OK;
    cdul_truth truth = {0};
    cdul_status status = cdul_truth_read(path, &truth, err);
    if (status == CDUL_OK)
        status = cdul_truth_match(&truth, &t->data.labels.images, &t->data.labels.classes,
                                  &t->truth, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "--eval-labels");
    t->truth_given = status == CDUL_OK;
    cdul_truth_free(&truth);
    return status;
}

static cdul_status open_data(cdul_trainer *t, cdul_error *err) {
    const cdul_train_options *o = t->options;
    cdul_dataset_options options = {
        .labels = o->labels,
        .arguments = (const char *const *)t->call->images->items,
        .argument_count = t->call->images->count,
        .list = {o->root, o->null},
        .holdout = o->holdout,
        .seed = (uint64_t)o->seed,
    };
    cdul_status status = cdul_dataset_open(&options, &t->data, err);
    if (status != CDUL_OK) return status;
    t->n = t->data.labels.images.count;
    t->c = t->data.labels.classes.count;
    size_t entries = t->n * t->c, batch = (size_t)o->batch;
    t->rows = malloc(t->n * sizeof *t->rows);
    t->latent = malloc(entries * sizeof *t->latent);
    t->labels = malloc(entries * sizeof *t->labels);
    t->logits = calloc(entries, sizeof *t->logits);
    t->scratch = malloc((batch > 1 ? batch : 1) * t->c * sizeof *t->scratch);
    if (!t->rows || !t->latent || !t->labels || !t->logits || !t->scratch)
        return cdul_fail(err, CDUL_ERR_MEMORY, "out of memory for %zu x %zu labels", t->n, t->c);
    cdul_align_to_latent(t->data.labels.values, entries, t->latent);
    memcpy(t->labels, t->data.labels.values, entries * sizeof *t->labels);
    return open_truth(t, err);
}

/* --- Network --- */

/* Metadata `name` = "[r, g, b]" of the weights; absent: `out` stays. */
static cdul_status read_triple(const cdul_safetensors *file, const char *name, float *out,
                               cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, name);
    if (!text) return CDUL_OK;
    cJSON *list = NULL;
    cdul_status status =
        cdul_json_parse(text, strlen(text), cdul_safetensors_path(file), &list, err);
    if (status == CDUL_OK)
        status = cdul_json_numbers(list, name, cdul_safetensors_path(file), 3, out, err);
    cJSON_Delete(list);
    return status;
}

static bool choose_bfloat16(int precision, cdul_device device) {
    if (precision != CDUL_PRECISION_AUTO) return precision == CDUL_PRECISION_BF16;
    return device.cuda || cdul_processor_has_bfloat16();
}

static cdul_status create_network(cdul_trainer *t, const cdul_safetensors *weights,
                                  cdul_error *err) {
    const cdul_train_options *o = t->options;
    const char *said = weights ? cdul_safetensors_metadata(weights, "arch") : NULL;
    const char *name = o->arch ? o->arch : said ? said : "resnet50";
    cdul_resnet_options options = cdul_resnet_defaults();
    cdul_status status = cdul_resnet_arch_find(name, &options.arch, err);
    if (status == CDUL_OK && said && strcmp(said, name) != 0)
        status =
            cdul_fail(err, CDUL_ERR_USAGE, "--arch %s, but %s holds a %s", name, o->init, said);
    if (status == CDUL_OK) status = cdul_device_parse(o->device, &options.device, err);
    if (status != CDUL_OK) return status;
    options.classes = t->c;
    options.seed = (uint64_t)o->seed;
    options.freeze = (size_t)o->freeze;
    options.freeze_bn = o->bn == CDUL_BN_FROZEN;
    bool new_head = !weights;
    options.channels_last = o->channels_last;
    options.bfloat16 = choose_bfloat16(o->precision, options.device);
    status = cdul_resnet_new(&options, weights, weights ? &new_head : NULL, &t->net, err);
    if (status != CDUL_OK || !new_head || !o->head_bias) return status;
    for (size_t k = 0; k < t->c; k++) {
        double sum = 0;
        for (size_t i = 0; i < t->n; i++) sum += (double)t->data.labels.values[i * t->c + k];
        t->scratch[k] = (float)(sum / (double)t->n);
    }
    return cdul_resnet_set_head_bias(t->net, t->scratch, err);
}

/* `weights` may be NULL. */
static cdul_status choose_views(cdul_trainer *t, const cdul_safetensors *weights, cdul_error *err) {
    const cdul_train_options *o = t->options;
    cdul_image_views *views = &t->plain;
    views->data = &t->data;
    views->plain = true;
    views->seed = (uint64_t)o->seed;
    views->augment =
        (cdul_augment_options){o->crop_scale_min, o->flip, o->jitter, o->jitter, o->jitter};
    cdul_preprocess *p = &views->preprocess;
    p->width = p->height = (size_t)o->size;
    p->mode = (cdul_resize_mode)o->resize;
    p->filter = CDUL_BILINEAR;
    p->scale = 1 / 255.0f;
    memcpy(p->mean, imagenet_mean, sizeof imagenet_mean);
    memcpy(p->std, imagenet_std, sizeof imagenet_std);
    views->decode = cdul_decode_defaults();
    views->decode.exif = o->exif;
    views->decode.max_pixels =
        o->max_pixels > 0 ? (size_t)o->max_pixels : cdul_decode_most_pixels();
    cdul_status status = cdul_decode_gate_new(&views->decode.gate, err);
    if (status == CDUL_OK) status = cdul_colour_parse(o->background, views->decode.background, err);
    if (status == CDUL_OK && weights) status = read_triple(weights, "mean", p->mean, err);
    if (status == CDUL_OK && weights) status = read_triple(weights, "std", p->std, err);
    t->augmented = *views;
    t->augmented.plain = false;
    return status;
}

static cdul_status open_network(cdul_trainer *t, cdul_error *err) {
    cdul_safetensors *weights = NULL;
    cdul_status status = CDUL_OK;
    if (t->options->init) status = cdul_safetensors_open(t->options->init, &weights, err);
    if (status == CDUL_OK) status = choose_views(t, weights, err);
    if (status == CDUL_OK) status = create_network(t, weights, err);
    cdul_safetensors_close(weights);
    return status;
}

/* --- Optimiser --- */

static bool in_group(const cdul_resnet_entry *entry, bool head, bool decays) {
    bool entry_decays = entry->kind == CDUL_CONV_WEIGHT || entry->kind == CDUL_HEAD_WEIGHT;
    return entry->trained && (entry->stage == CDUL_RESNET_HEAD) == head && entry_decays == decays;
}

static cdul_status open_optimizer(cdul_trainer *t, cdul_error *err) {
    const cdul_train_options *o = t->options;
    cdul_optimizer_options options = cdul_optimizer_defaults((cdul_optimizer_kind)o->optimizer);
    options.momentum = o->momentum;
    cdul_status status = cdul_optimizer_new(&options, &t->optimizer, err);
    if (status != CDUL_OK) return status;
    cdul_tensor **members = malloc(t->net->entry_count * sizeof(cdul_tensor *));
    if (!members) return cdul_fail_memory(err, "the optimiser's groups");
    cdul_scope s = {0};
    for (size_t group = 0; group < CDUL_TRAINER_GROUPS; group++) {
        bool head = group / 2, decays = group % 2 == 0;
        size_t count = 0;
        for (size_t i = 0; i < t->net->entry_count; i++)
            if (in_group(&t->net->entries[i], head, decays))
                members[count++] = t->net->entries[i].tensor;
        if (count == 0) continue;
        double lr = o->lr * (head ? o->head_lr_mult : 1);
        cdul_optimizer_add_group(&s, t->optimizer, members, count, lr,
                                 decays ? o->weight_decay : 0);
        t->base_lr[t->groups++] = lr;
    }
    free(members);
    return cdul_scope_close(&s, err);
}

/* A copy of every tensor that training changes. */
static cdul_status open_average(cdul_trainer *t, cdul_error *err) {
    if (!(t->options->ema > 0)) return CDUL_OK;
    t->average = calloc(t->net->entry_count, sizeof(cdul_tensor *));
    if (!t->average) return cdul_fail_memory(err, "the weights' average");
    cdul_scope s = {.no_grad = true};
    for (size_t i = 0; i < t->net->entry_count; i++) {
        const cdul_resnet_entry *entry = &t->net->entries[i];
        bool statistic = entry->kind == CDUL_BN_MEAN || entry->kind == CDUL_BN_VAR;
        bool changes = entry->trained || (statistic && t->options->bn == CDUL_BN_TRAIN &&
                                          entry->stage > (size_t)t->options->freeze);
        if (changes)
            t->average[i] = cdul_tensor_keep(&s, cdul_tensor_affine(&s, entry->tensor, 1, 0));
    }
    return cdul_scope_close(&s, err);
}

static void open_schedule(cdul_trainer *t) {
    const cdul_train_options *o = t->options;
    size_t batch = (size_t)o->batch,
           trained = cdul_dataset_rows(&t->data, CDUL_SUBSET_TRAIN, t->rows);
    size_t per_epoch = (trained + batch - 1) / batch;
    t->schedule = (cdul_schedule){(cdul_schedule_kind)o->schedule, per_epoch * (size_t)o->epochs,
                                  (size_t)llround(o->lr_warmup * (double)per_epoch)};
}

/* --- Frozen stages --- */

/* "activations" beside the run folder: the runs of one project share it. */
static char *default_cache(const char *output) {
    size_t length = strlen(output);
    while (length > 1 && output[length - 1] == '/') length--;
    while (length > 0 && output[length - 1] != '/') length--;
    char *folder = strndup(output, length);
    char *path = folder ? cdul_path_join(folder, "activations") : NULL;
    free(folder);
    return path;
}

static cdul_status open_cache(cdul_trainer *t, cdul_error *err) {
    const cdul_train_options *o = t->options;
    if (o->freeze == 0 || o->activation_copies == 0) return CDUL_OK;
    char *folder = o->activation_cache ? strdup(o->activation_cache) : default_cache(o->output);
    if (!folder) return cdul_fail_memory(err, "a path");
    cdul_activations_options options = {folder, (size_t)o->activation_copies, t->call->threads,
                                        (size_t)o->batch};
    cdul_status status = cdul_activations_open(&options, &t->data, t->net, &t->plain,
                                               t->call->callbacks, &t->cache, err);
    if (status == CDUL_OK)
        cdul_detail(t->call->callbacks, "activations of frozen stages: %s",
                    cdul_activations_path(t->cache));
    free(folder);
    return status;
}

/* --- Disk --- */

/* A run that cannot write its first checkpoint should not start. A checkpoint is replaced by a
 * whole new one beside it; then come the model, its ONNX graph and the labels. */
static cdul_status check_disk(const cdul_trainer *t, cdul_error *err) {
    double weights = 0, trained = 0;
    for (size_t i = 0; i < t->net->entry_count; i++) {
        double bytes = (double)cdul_tensor_elements(t->net->entries[i].tensor) * sizeof(float);
        weights += bytes;
        if (t->net->entries[i].trained) trained += bytes;
    }
    double labels = (double)t->n * (double)t->c * sizeof(float);
    double want = 2 * (weights + 3 * trained + labels) + 2 * weights + labels;
    struct statvfs disk;
    if (statvfs(t->options->output, &disk) != 0)
        return cdul_fail_errno(err, "%s", t->options->output);
    double have = (double)disk.f_bavail * (double)disk.f_frsize;
    if (want < have) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_IO, "%s: a run needs %.2f GB and the disk has %.2f GB",
                     t->options->output, want / 1e9, have / 1e9);
}

/* --- All of it --- */

cdul_status cdul_trainer_setup(cdul_trainer *t, cdul_error *err) {
    cdul_torch_set_threads(t->call->threads);
    t->best_held_loss = INFINITY;
    cdul_status status = open_data(t, err);
    if (status == CDUL_OK) status = open_network(t, err);
    if (status == CDUL_OK) status = open_optimizer(t, err);
    if (status == CDUL_OK) status = open_average(t, err);
    if (status == CDUL_OK) status = check_disk(t, err);
    if (status == CDUL_OK) status = open_cache(t, err);
    if (status == CDUL_OK) open_schedule(t);
    return status;
}

void cdul_trainer_free(cdul_trainer *t) {
    cdul_events_close(t->events);
    cdul_activations_close(t->cache);
    cdul_optimizer_free(t->optimizer);
    for (size_t i = 0; t->average && i < t->net->entry_count; i++) cdul_tensor_free(t->average[i]);
    free(t->average);
    cdul_decode_gate_free(t->plain.decode.gate);
    cdul_resnet_free(t->net);
    cdul_matched_free(&t->truth);
    cdul_dataset_free(&t->data);
    free(t->rows);
    free(t->latent);
    free(t->labels);
    free(t->logits);
    free(t->scratch);
    *t = (cdul_trainer){0};
}
