/* Images of the run, from the label file to batches on the device. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

/* Of the ImageNet pictures, in torchvision's and every later recipe: for weights that say nothing
 * else. */
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
static const float imagenet_std[3] = {0.229f, 0.224f, 0.225f};

/* --- Opening --- */

cdul_status cdul_feed_open(cdul_feed *f, const cdul_train_params *p, cdul_error *err) {
    f->params = p;
    const cdul_dataset_options options = {
        .labels = p->labels,
        .arguments = p->images ? (const char *const *)p->images->items : NULL,
        .argument_count = p->images ? p->images->count : 0,
        .list = {p->root, p->nul_separated},
        .holdout = p->holdout,
        .seed = p->seed,
    };
    cdul_status status = cdul_dataset_open(&options, &f->data, err);
    if (status != CDUL_OK) return status;
    f->rows = malloc(f->data.labels.images.count * sizeof *f->rows);
    return f->rows ? CDUL_OK : cdul_fail_memory(err, "the order of images");
}

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

cdul_status cdul_feed_open_views(cdul_feed *f, const cdul_safetensors *weights, cdul_error *err) {
    const cdul_train_params *p = f->params;
    f->plain = (cdul_image_views){
        .data = &f->data,
        .decode = cdul_decode_defaults(),
        .preprocess = {.width = p->size,
                       .height = p->size,
                       .mode = p->resize,
                       .filter = CDUL_BILINEAR,
                       .scale = 1 / 255.0f},
        .augment = {p->crop_scale_min, p->flip, p->jitter, p->jitter, p->jitter},
        .plain = true,
        .seed = p->seed,
    };
    float *mean = f->plain.preprocess.mean, *std = f->plain.preprocess.std;
    memcpy(mean, imagenet_mean, sizeof imagenet_mean);
    memcpy(std, imagenet_std, sizeof imagenet_std);
    cdul_decode_options *decode = &f->plain.decode;
    decode->exif = p->exif;
    memcpy(decode->background, p->background, sizeof decode->background);
    decode->max_pixels = p->max_pixels > 0 ? p->max_pixels : cdul_decode_most_pixels();
    cdul_status status = cdul_decode_gate_new(0, &decode->gate, err);
    if (status == CDUL_OK && weights) status = read_triple(weights, "mean", mean, err);
    if (status == CDUL_OK && weights) status = read_triple(weights, "std", std, err);
    f->augmented = f->plain;
    f->augmented.plain = false;
    return status;
}

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

cdul_status cdul_feed_open_cache(cdul_feed *f, cdul_resnet *net, cdul_error *err) {
    const cdul_train_params *p = f->params;
    if (p->freeze == 0 || p->activation_copies == 0) return CDUL_OK;
    char *folder = p->activation_cache ? strdup(p->activation_cache) : default_cache(p->output);
    if (!folder) return cdul_fail_memory(err, "a path");
    const cdul_activations_options options = {folder, p->activation_copies, p->threads, p->batch};
    cdul_status status =
        cdul_activations_open(&options, &f->data, net, &f->plain, p->callbacks, &f->cache, err);
    if (status == CDUL_OK)
        cdul_detail(p->callbacks, "activations of frozen stages: %s",
                    cdul_activations_path(f->cache));
    free(folder);
    return status;
}

void cdul_feed_free(cdul_feed *f) {
    cdul_activations_close(f->cache);
    cdul_decode_gate_free(f->plain.decode.gate);
    cdul_dataset_free(&f->data);
    free(f->rows);
    *f = (cdul_feed){0};
}

/* --- Passes --- */

typedef struct feeding {
    cdul_feed *feed;
    cdul_use *use;
    void *user;
} feeding;

static cdul_status skip_row(void *user, size_t row, const char *reason, cdul_error *err) {
    feeding *f = user;
    return cdul_dataset_skip(&f->feed->data, row, reason, err);
}

static cdul_status use_batch(void *user, const cdul_batch *batch, cdul_error *err) {
    feeding *f = user;
    return f->use(f->user, batch, err);
}

static cdul_status run(cdul_feed *feed, cdul_source source, size_t count, cdul_use *use, void *user,
                       cdul_error *err) {
    feeding f = {feed, use, user};
    const cdul_pass pass = {.source = source,
                            .rows = feed->rows,
                            .count = count,
                            .batch = feed->params->batch,
                            .threads = feed->params->threads,
                            .skip = skip_row,
                            .use = use_batch,
                            .user = &f,
                            .callbacks = feed->params->callbacks};
    return cdul_pass_run(&pass, err);
}

cdul_status cdul_feed_train(cdul_feed *f, size_t epoch, cdul_use *use, void *user,
                            cdul_error *err) {
    f->augmented.epoch = epoch;
    cdul_source source = f->cache ? cdul_activations_augmented(f->cache, epoch)
                                  : cdul_image_views_source(&f->augmented);
    size_t count =
        cdul_dataset_shuffle(&f->data, CDUL_SUBSET_TRAIN, f->params->seed, epoch, f->rows);
    return run(f, source, count, use, user, err);
}

cdul_status cdul_feed_plain(cdul_feed *f, cdul_subset subset, cdul_use *use, void *user,
                            cdul_error *err) {
    cdul_source source =
        f->cache ? cdul_activations_plain(f->cache) : cdul_image_views_source(&f->plain);
    return run(f, source, cdul_dataset_rows(&f->data, subset, f->rows), use, user, err);
}

cdul_status cdul_feed_sample(cdul_feed *f, size_t most, cdul_use *use, void *user,
                             cdul_error *err) {
    const size_t all = cdul_dataset_rows(&f->data, CDUL_SUBSET_TRAIN, f->rows);
    const size_t count = all < most ? all : most;
    for (size_t i = 0; i < count; i++) f->rows[i] = f->rows[i * all / count];
    return run(f, cdul_image_views_source(&f->plain), count, use, user, err);
}

/* --- Batches --- */

cdul_tensor *cdul_feed_pixels(cdul_scope *s, const cdul_feed *f, const cdul_batch *batch,
                              cdul_device device) {
    const size_t shape[4] = {batch->count, 3, f->params->size, f->params->size};
    return cdul_tensor_to(s, cdul_tensor_from(s, batch->data, CDUL_F32, 4, shape), device);
}

cdul_tensor *cdul_feed_input(cdul_scope *s, const cdul_feed *f, const cdul_batch *batch,
                             cdul_device device) {
    if (!f->cache) return cdul_feed_pixels(s, f, batch, device);
    const size_t *record = cdul_activations_shape(f->cache);
    const size_t shape[4] = {batch->count, record[0], record[1], record[2]};
    cdul_tensor *x = cdul_tensor_from(s, batch->data, CDUL_F16, 4, shape);
    return cdul_tensor_to(s, cdul_tensor_permute(s, x, (size_t[]){0, 3, 1, 2}), device);
}
