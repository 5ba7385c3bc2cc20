/* Any bytes as each of the files that are safetensors: labels, class vectors, cosines, a shard of
 * the cache. */
#include "input.h"

#include "base/shards.h"
#include "cdul/encoder.h"
#include "cdul/labels.h"
#include "encoder/cache.h"
#include "label/scores.h"

#include <math.h>

static void read_labels(const char *path) {
    cdul_labels labels = {0};
    cdul_error err;
    if (cdul_labels_read(path, &labels, &err) != CDUL_OK) return;
    for (size_t i = 0; i < labels.images.count * labels.classes.count; i++)
        CLAIM(labels.values[i] >= 0 && labels.values[i] <= 1);
    cdul_labels_free(&labels);
}

static void read_text(const char *path) {
    cdul_text text = {0};
    cdul_error err;
    if (cdul_text_read(path, &text, &err) != CDUL_OK) return;
    for (size_t r = 0; r < text.rows; r++) {
        double length = 0;
        for (size_t d = 0; d < text.width; d++)
            length +=
                (double)text.vectors[r * text.width + d] * (double)text.vectors[r * text.width + d];
        CLAIM(fabs(length - 1) < 1e-4);
        if (text.class_of) CLAIM(text.class_of[r] < text.classes.count);
    }
    cdul_text_free(&text);
}

static void read_scores(const char *path) {
    cdul_scores scores = {0};
    cdul_error err;
    if (cdul_scores_open(path, &scores, &err) != CDUL_OK) return;
    float *row = malloc((1 + scores.s) * scores.c * sizeof *row);
    CLAIM(row);
    for (size_t i = 0; i < scores.n; i++)
        if (cdul_scores_read(&scores, i, row, &err) != CDUL_OK) break;
    free(row);
    cdul_scores_close(&scores);
}

/* As the only shard of a cache of vectors [1 + S, 2]; afterwards the file is there or set aside. */
static void read_cache(const uint8_t *data, size_t size, size_t s) {
    cdul_shards folder = {
        .form = {.tensor_count = s ? 2 : 1,
                 .tensors = {{"global", CDUL_F16, 2, {0, 2}}, {"crops", CDUL_F16, 3, {0, s, 2}}}}};
    cdul_shard shard = {0};
    cdul_cache *cache = NULL;
    cJSON *was = NULL, *key = cJSON_CreateObject();
    const cJSON *part = NULL;
    cdul_error err;
    CLAIM(cdul_shards_open(&folder, input_folder(), "cache.json", key, &was, &part, &err) ==
          CDUL_OK);
    input_file("000000.safetensors", data, size);
    if (cdul_shard_open(&folder, "000000.safetensors", &shard, &err) == CDUL_OK) {
        CLAIM(shard.rows > 0);
        for (size_t i = 0; i < folder.form.tensor_count; i++)
            look_at(shard.tensors[i].data, shard.tensors[i].elements * sizeof(uint16_t));
        cdul_status intact = cdul_shard_check(&shard, &err);
        CLAIM(intact == CDUL_OK || intact == CDUL_ERR_INPUT);
    }
    cdul_shard_close(&shard);
    CLAIM(cdul_cache_open_key(folder.folder, key, 2, s, NULL, &cache, &err) == CDUL_OK);
    cdul_cache_close(cache);
    cdul_shards_close(&folder);
    cJSON_Delete(was);
    cJSON_Delete(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    input_file("file.safetensors", data, size);
    input_path("file.safetensors", path, sizeof path);
    read_labels(path);
    read_text(path);
    read_scores(path);
    read_cache(data, size, 0);
    read_cache(data, size, 1);
    return 0;
}
