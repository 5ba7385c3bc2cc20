/* The key of the encoder's cache: all that a view's vector depends on, as JSON. */
#include "encoder/cache.h"

#include "base/file.h"
#include "base/json.h"
#include "encoder/encoder_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CACHE_VERSION 1 /* of the layout of the folder */

/* field 1, 8 bytes; then field 2: length, text */
static const char location_key[] = "\x0a\x08location\x12";
#define LOCATION_KEY (sizeof location_key - 1)

/* --- Making a key --- */

enum { PIECE = 8 << 20, LONGEST_NAME = 127 };

/* The files beside a graph that hold weights of it: onnx.proto's TensorProto.external_data, entries
 * whose key is "location", found by their bytes. That spares a parser and gigabytes; what weights
 * look like it by chance names no file. */
static cdul_status external_files(const unsigned char *data, size_t count, const char *path,
                                  cdul_strings *out, cdul_error *err) {
    const size_t folder = (size_t)(cdul_path_base(path) - path);
    const unsigned char *at = data, *end = data + count;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && (at = memmem(at, (size_t)(end - at), location_key, LOCATION_KEY))) {
        at += LOCATION_KEY;
        size_t size = at < end ? *at : 0; /* longer names are not written */
        if (size == 0 || size > LONGEST_NAME || size >= (size_t)(end - at)) continue;
        char name[4096];
        int wrote = snprintf(name, sizeof name, "%.*s%.*s", (int)folder, path, (int)size,
                             (const char *)at + 1);
        if (wrote < 0 || (size_t)wrote >= sizeof name) continue;
        bool known = false; /* nearly always: hundreds of tensors lie in one file */
        for (size_t i = 0; i < out->count && !known; i++) known = strcmp(out->items[i], name) == 0;
        if (!known && cdul_path_exists(name)) status = cdul_strings_add(out, name, err);
    }
    return status;
}

/* *hash goes on from what it was. With `files`, those that the file names. A piece of it is in
 * memory at a time. */
static cdul_status hash_file(const char *path, uint64_t *hash, cdul_strings *files,
                             cdul_error *err) {
    const size_t overlap = LOCATION_KEY + 1 + LONGEST_NAME;
    cdul_mapping map = {0};
    XXH3_state_t *state = XXH3_createState();
    if (!state) return cdul_fail_memory(err, path);
    XXH3_64bits_reset_withSeed(state, *hash);
    cdul_status status = cdul_mapping_open(path, &map, err);
    for (size_t at = 0; status == CDUL_OK && at < map.size; at += PIECE) {
        size_t count = map.size - at < PIECE ? map.size - at : PIECE,
               back = at < overlap ? at : overlap;
        XXH3_64bits_update(state, map.data + at, count);
        if (files) status = external_files(map.data + at - back, back + count, path, files, err);
        cdul_mapping_release(&map);
    }
    *hash = XXH3_64bits_digest(state);
    cdul_mapping_close(&map);
    XXH3_freeState(state);
    return status;
}

/* The graph and, where its weights lie beside it, those too. */
static cdul_status hash_graph(const char *path, uint64_t *hash, cdul_error *err) {
    cdul_strings files = {0};
    *hash = 0;
    cdul_status status = hash_file(path, hash, &files, err);
    for (size_t i = 0; status == CDUL_OK && i < files.count; i++)
        status = hash_file(files.items[i], hash, NULL, err);
    cdul_strings_free(&files);
    return status;
}

#define HASH_TEXT 20

/* Vectors in bfloat16 are another tower's. The file is read once, though it is asked for twice. */
static cdul_status hash_tower(cdul_encoder *encoder, char text[HASH_TEXT], cdul_error *err) {
    static const char bfloat16[] = "bfloat16";
    cdul_status status = CDUL_OK;
    if (!encoder->hashed)
        status = hash_graph(cdul_session_path(encoder->vision.session), &encoder->hash, err);
    encoder->hashed = status == CDUL_OK;
    uint64_t hash = encoder->hash;
    if (encoder->session.provider.bfloat16)
        hash = XXH3_64bits_withSeed(bfloat16, sizeof bfloat16, hash);
    snprintf(text, HASH_TEXT, "%016" PRIx64, hash);
    return status;
}

/* --- As JSON --- */

/* The list of crops, or a text that says which patch tokens. NULL: no memory. */
static cJSON *locals_json(const cdul_embed_options *options) {
    char text[64];
    snprintf(text, sizeof text, "dense %zux%zu", options->patches.rows, options->patches.columns);
    if (options->patches.rows) return cJSON_CreateString(text);
    const cdul_crops *crops = options->crops;
    cJSON *list = cJSON_CreateArray();
    for (size_t s = 0; list && crops && s < crops->count; s++) {
        cJSON *box = cJSON_CreateDoubleArray(crops->boxes + 4 * s, 4);
        if (box && cJSON_AddItemToArray(list, box)) continue;
        cJSON_Delete(box);
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

cdul_status cdul_cache_key(cdul_encoder *encoder, const cdul_embed_options *options, cJSON **out,
                           cdul_error *err) {
    const unsigned char *background = options->decode.background;
    char tower[HASH_TEXT], preprocess[256], decode[96];
    cdul_status status = hash_tower(encoder, tower, err);
    if (status != CDUL_OK) return status;
    cdul_preprocess_text(&encoder->preprocess, preprocess, sizeof preprocess);
    snprintf(decode, sizeof decode, "EXIF orientation %s, background %u %u %u%s",
             options->decode.exif ? "applied" : "ignored", background[0], background[1],
             background[2], options->reduce ? ", large JPEGs reduced" : "");
    cJSON *key = cJSON_CreateObject(), *locals = locals_json(options);
    if (key && locals && cJSON_AddNumberToObject(key, "version", CACHE_VERSION) &&
        cJSON_AddStringToObject(key, "encoder", tower) &&
        cJSON_AddNumberToObject(key, "width", (double)encoder->width) &&
        cJSON_AddStringToObject(key, "preprocess", preprocess) &&
        cJSON_AddStringToObject(key, "decode", decode) &&
        cJSON_AddBoolToObject(key, "mirror", options->mirror) &&
        cJSON_AddItemToObject(key, "crops", locals)) {
        *out = key;
        return CDUL_OK;
    }
    cJSON_Delete(key);
    cJSON_Delete(locals);
    return cdul_fail_memory(err, "cache key");
}

cdul_status cdul_cache_open(const char *folder, cdul_encoder *encoder,
                            const cdul_embed_options *options, const cdul_callbacks *callbacks,
                            cdul_cache **out, cdul_error *err) {
    cJSON *key = NULL;
    cdul_status status = cdul_cache_key(encoder, options, &key, err);
    if (status == CDUL_OK)
        status = cdul_cache_open_key(folder, key, encoder->width, cdul_embed_locals(options),
                                     callbacks, out, err);
    cJSON_Delete(key);
    return status;
}

cdul_status cdul_cache_key_encoder(const char *folder, cdul_encoder *encoder, bool *holds,
                                   bool *same, cdul_error *err) {
    char *path = cdul_path_join(folder, "cache.json"), text[HASH_TEXT];
    cJSON *json = NULL;
    *holds = *same = false;
    if (!path) return cdul_fail_memory(err, "path");
    *holds = cdul_path_exists(path);
    cdul_status status = *holds ? cdul_json_read(path, &json, err) : CDUL_OK;
    if (*holds && status == CDUL_OK) status = hash_tower(encoder, text, err);
    const char *made = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "encoder"));
    *same = status == CDUL_OK && made && strcmp(made, text) == 0;
    cJSON_Delete(json);
    free(path);
    return status;
}
