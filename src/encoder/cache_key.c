#include "encoder/cache_key.h"

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
    while (!status && (at = memmem(at, (size_t)(end - at), location_key, LOCATION_KEY))) {
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
    for (size_t at = 0; !status && at < map.size; at += PIECE) {
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
    for (size_t i = 0; !status && i < files.count; i++)
        status = hash_file(files.items[i], hash, NULL, err);
    cdul_strings_free(&files);
    return status;
}

/* Vectors in bfloat16 are another tower's. The file is read once, though it is asked for twice. */
static cdul_status hash_tower(cdul_encoder *encoder, uint64_t *hash, cdul_error *err) {
    static const char bfloat16[] = "bfloat16";
    cdul_status status = CDUL_OK;
    if (!encoder->hashed)
        status = hash_graph(cdul_session_path(encoder->vision.session), &encoder->hash, err);
    encoder->hashed = status == CDUL_OK;
    *hash = encoder->hash;
    if (encoder->session.provider.bfloat16)
        *hash = XXH3_64bits_withSeed(bfloat16, sizeof bfloat16, *hash);
    return status;
}

cdul_status cdul_cache_key_of(cdul_encoder *encoder, const cdul_embed_options *options,
                              cdul_cache_key *out, cdul_error *err) {
    const cdul_decode_options *decode = &options->decode;
    *out = (cdul_cache_key){.width = encoder->width,
                            .crops = options->crops,
                            .patches = options->patches,
                            .mirror = options->mirror};
    cdul_preprocess_text(&encoder->preprocess, out->preprocess, sizeof out->preprocess);
    snprintf(out->decode, sizeof out->decode, "EXIF orientation %s, background %u %u %u%s",
             decode->exif ? "applied" : "ignored", decode->background[0], decode->background[1],
             decode->background[2], options->reduce ? ", large JPEGs reduced" : "");
    return hash_tower(encoder, &out->encoder, err);
}

/* --- As JSON --- */

#define HASH_TEXT 20

static void hash_text(uint64_t hash, char text[HASH_TEXT]) {
    snprintf(text, HASH_TEXT, "%016" PRIx64, hash);
}

static cJSON *boxes_json(const cdul_crops *crops) {
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

/* The list of crops, or a text that says which cells. */
static cJSON *locals_json(const cdul_cache_key *key) {
    char text[64];
    if (!key->patches.rows) return boxes_json(key->crops);
    snprintf(text, sizeof text, "dense %zux%zu", key->patches.rows, key->patches.columns);
    return cJSON_CreateString(text);
}

/* NULL: no memory. */
static cJSON *key_json(const cdul_cache_key *key) {
    char encoder[HASH_TEXT];
    hash_text(key->encoder, encoder);
    cJSON *json = cJSON_CreateObject(), *locals = locals_json(key);
    if (json && locals && cJSON_AddNumberToObject(json, "version", CACHE_VERSION) &&
        cJSON_AddStringToObject(json, "encoder", encoder) &&
        cJSON_AddNumberToObject(json, "width", (double)key->width) &&
        cJSON_AddStringToObject(json, "preprocess", key->preprocess) &&
        cJSON_AddStringToObject(json, "decode", key->decode) &&
        cJSON_AddBoolToObject(json, "mirror", key->mirror) &&
        cJSON_AddItemToObject(json, "crops", locals))
        return json;
    cJSON_Delete(json);
    cJSON_Delete(locals);
    return NULL;
}

static cdul_status compare(const char *path, const char *folder, const cJSON *theirs,
                           const cJSON *ours, cdul_error *err) {
    static const struct {
        const char *key, *what;
    } parts[] = {
        {"version", "version of the cache's layout"},
        {"encoder", "encoder (the image tower's file)"},
        {"width", "embedding width"},
        {"preprocess", "preprocessing"},
        {"decode", "decoding of pictures"},
        {"crops", "choice of --local or --grid"},
        {"mirror", "choice of --mirror"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const cJSON *a = cJSON_GetObjectItemCaseSensitive(theirs, parts[i].key);
        const cJSON *b = cJSON_GetObjectItemCaseSensitive(ours, parts[i].key);
        if (!a)
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: no key '%s': not a cache's", path,
                             parts[i].key);
        if (cJSON_Compare(a, b, true)) continue;
        const char *was = cJSON_GetStringValue(a), *is = cJSON_GetStringValue(b);
        if (!is) was = NULL; /* crops against cells */
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: this cache was made with another %s%s%s%s%s%s; use another --cache "
                         "folder, or delete this "
                         "one",
                         folder, parts[i].what, was ? ": '" : "", was ? was : "",
                         was ? "', now '" : "", was ? is : "", was ? "'" : "");
    }
    return CDUL_OK;
}

cdul_status cdul_cache_key_settle(const char *folder, const cdul_cache_key *key, bool used,
                                  cdul_error *err) {
    char *path = cdul_path_join(folder, "cache.json");
    cJSON *ours = key_json(key), *theirs = NULL;
    cdul_status status = path && ours ? CDUL_OK : cdul_fail_memory(err, "cache key");
    if (status == CDUL_OK && cdul_path_exists(path)) {
        status = cdul_json_read(path, &theirs, err);
        if (status == CDUL_OK) status = compare(path, folder, theirs, ours, err);
    } else if (status == CDUL_OK && used) {
        status = cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: shards but no cache.json, so what they were made with is not known; use another "
            "--cache folder, or delete this one",
            folder);
    } else if (status == CDUL_OK) {
        status = cdul_json_write(path, ours, err);
    }
    cJSON_Delete(ours);
    cJSON_Delete(theirs);
    free(path);
    return status;
}

cdul_status cdul_cache_key_encoder(const char *folder, cdul_encoder *encoder, bool *holds,
                                   bool *same, cdul_error *err) {
    char *path = cdul_path_join(folder, "cache.json"), text[HASH_TEXT];
    cJSON *json = NULL;
    uint64_t hash = 0;
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(err, "path");
    *same = false;
    *holds = status == CDUL_OK && cdul_path_exists(path);
    if (*holds) status = cdul_json_read(path, &json, err);
    if (*holds && status == CDUL_OK) status = hash_tower(encoder, &hash, err);
    if (*holds && status == CDUL_OK) {
        const char *made = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "encoder"));
        hash_text(hash, text);
        *same = made && strcmp(made, text) == 0;
    }
    cJSON_Delete(json);
    free(path);
    return status;
}
