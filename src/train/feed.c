/* Images of the run, from the label file to batches on the device. */
#include "train/trainer.h"

#include "base/json.h"
#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

/* --- Opening --- */

cdul_status cdul_feed_open(cdul_feed *f, const cdul_train_params *p, cdul_error *err) {
    f->params = p;
    cdul_status status = cdul_dataset_open(p, &f->data, err);
    if (status != CDUL_OK) return status;
    f->rows = malloc(f->data.labels.images.count * sizeof *f->rows);
    return f->rows ? CDUL_OK : cdul_fail_memory(err, "the order of images");
}

/* Metadata `name` = "[r, g, b]" of the weights; absent: `out` stays. */
static cdul_status read_triple(const cdul_safetensors *file, const char *name, float *out,
                               cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, name), *path = cdul_safetensors_path(file);
    if (!text) return CDUL_OK;
    cJSON *list = NULL;
    cdul_status status = cdul_json_parse(text, strlen(text), path, &list, err);
    if (status == CDUL_OK) status = cdul_json_numbers(list, name, path, 3, out, err);
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
                       .scale = 1 / 255.0f,
                       /* Of the ImageNet pictures, in torchvision's and every later recipe: for
                        * weights that say nothing else. */
                       .mean = {0.485f, 0.456f, 0.406f},
                       .std = {0.229f, 0.224f, 0.225f}},
        .augment = {p->crop_scale_min, p->flip, p->jitter, p->jitter, p->jitter},
        .plain = true,
        .seed = p->seed,
    };
    float *mean = f->plain.preprocess.mean, *std = f->plain.preprocess.std;
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

cdul_status cdul_feed_open_cache(cdul_feed *f, const cdul_resnet *net, cdul_error *err) {
    const cdul_train_params *p = f->params;
    if (p->freeze == 0 || p->activation_copies == 0) return CDUL_OK;
    cdul_status status = cdul_activations_open(&f->cache, p, &f->data, net, &f->plain, err);
    if (status == CDUL_OK)
        cdul_detail(p->callbacks, "activations of frozen stages: %s", f->cache.folder.folder);
    return status;
}

void cdul_feed_free(cdul_feed *f) {
    cdul_activations_close(&f->cache);
    cdul_decode_gate_free(f->plain.decode.gate);
    cdul_dataset_free(&f->data);
    free(f->rows);
    *f = (cdul_feed){0};
}

/* --- Passes --- */

static cdul_status run(cdul_feed *f, const cdul_image_views *views, bool cached, size_t count,
                       cdul_use *use, void *user, cdul_error *err) {
    cdul_source source =
        cached ? cdul_activations_source(&f->cache, views) : cdul_image_views_source(views);
    return cdul_pass_run(&(cdul_pass){f->params, &f->data, source, f->rows, count, use, user}, err);
}

cdul_status cdul_feed_train(cdul_feed *f, size_t epoch, cdul_use *use, void *user,
                            cdul_error *err) {
    f->augmented.epoch = epoch;
    size_t count = cdul_dataset_shuffle(&f->data, f->params->seed, epoch, f->rows);
    return run(f, &f->augmented, f->cache.shards, count, use, user, err);
}

cdul_status cdul_feed_plain(cdul_feed *f, cdul_subset subset, cdul_use *use, void *user,
                            cdul_error *err) {
    size_t count = cdul_dataset_rows(&f->data, subset, f->rows);
    return run(f, &f->plain, f->cache.shards, count, use, user, err);
}

cdul_status cdul_feed_sample(cdul_feed *f, size_t most, cdul_use *use, void *user,
                             cdul_error *err) {
    const size_t all = cdul_dataset_rows(&f->data, CDUL_SUBSET_TRAIN, f->rows);
    const size_t count = all < most ? all : most;
    for (size_t i = 0; i < count; i++) f->rows[i] = f->rows[i * all / count];
    return run(f, &f->plain, false, count, use, user, err);
}

/* --- Batches --- */

cdul_tensor *cdul_feed_pixels(cdul_scope *s, const cdul_feed *f, const cdul_batch *batch) {
    const size_t shape[4] = {batch->count, 3, f->params->size, f->params->size};
    return cdul_tensor_from(s, batch->data, CDUL_F32, 4, shape);
}

cdul_tensor *cdul_feed_input(cdul_scope *s, const cdul_feed *f, const cdul_batch *batch) {
    if (!f->cache.shards) return cdul_feed_pixels(s, f, batch);
    const size_t *record = f->cache.shape;
    const size_t shape[4] = {batch->count, record[0], record[1], record[2]};
    cdul_tensor *x = cdul_tensor_from(s, batch->data, CDUL_F16, 4, shape);
    return cdul_tensor_permute(s, x, (size_t[]){0, 3, 1, 2});
}
