/* Any bytes as each of the files that are safetensors: labels, class vectors, cosines, a shard of
 * the cache. */
#include "input.h"

#include "cdul/encoder.h"
#include "cdul/labels.h"
#include "encoder/cache_shard.h"
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

static void read_shard(const char *path, size_t width, size_t crops) {
    cdul_shard shard = {0};
    cdul_strings names = {0};
    cdul_identity *identities = NULL;
    cdul_error err;
    if (cdul_shard_open(path, width, crops, &shard, &names, &identities, &err) == CDUL_OK) {
        CLAIM(names.count == shard.rows);
        (void)cdul_shard_intact(&shard);
    }
    cdul_shard_close(&shard);
    cdul_strings_free(&names);
    free(identities);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    input_file("file.safetensors", data, size);
    input_path("file.safetensors", path, sizeof path);
    read_labels(path);
    read_text(path);
    read_scores(path);
    read_shard(path, 2, 0);
    read_shard(path, 2, 1);
    return 0;
}
