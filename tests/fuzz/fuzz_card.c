/* Any bytes as the metadata of a classifier. */
#include "input.h"

#include "labels/card.h"

static const char *const keys[] = {"classes", "thresholds", "input_size", "mean",   "std", "resize",
                                   "filter",  "provenance", "version",    "bn_eps", "arch"};

#define KEYS (sizeof keys / sizeof *keys)

static const char *look_up(const void *source, const char *key) {
    char *const *values = source;
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(key, keys[i]) == 0) return values[i];
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *values[KEYS] = {0};
    const uint8_t *end = data + size;
    cdul_card card = {0};
    cdul_error err = {{0}};
    for (size_t i = 0; i < KEYS && data; i++) {
        size_t part = 0;
        const uint8_t *next = next_part(data, end, &part);
        CLAIM((values[i] = strndup((const char *)data, part)));
        data = next;
    }
    cdul_status status = cdul_card_read(look_up, values, "model.onnx", &card, &err);
    CLAIM(status == CDUL_OK ? card.classes.count > 0 && card.thresholds && card.preprocess.width > 0
                            : status == CDUL_ERR_INPUT && err.message[0]);
    cdul_card_free(&card);
    for (size_t i = 0; i < KEYS; i++) free(values[i]);
    return 0;
}
