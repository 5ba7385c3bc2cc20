/* The encoder's cache: the vectors of all views on disk, so that T, zeta, lambda, prompts, classes
 * and aggregator can change in seconds.
 *
 * It is a folder of shards (base/shards.h): cache.json and NNNNNN.safetensors, each with up to
 * 1,024 images or 128 MiB: `global` float16 [n, D], `crops` float16 [n, S, D] (or the patch
 * tokens), metadata `images`, `identities` (sizes and times of their files) and `checksum`. Of an
 * image in two shards the later counts. */
#pragma once

#include "cdul/encoder.h"

#include <cjson/cJSON.h>

#define CDUL_CACHE_ROWS 1024 /* of a shard */

typedef struct cdul_cache cdul_cache;

/* --- Key: everything that changes a view's vector --- */

/* *out is the caller's to delete. Reads the image tower's file once to hash it (about 10 GB/s). */
cdul_status cdul_cache_key(cdul_encoder *encoder, const cdul_embed_options *options, cJSON **out,
                           cdul_error *err) CDUL_MUST_CHECK;
/* *holds: the folder has a cache.json; *same: and that names this encoder's image tower, in its
 * precision. */
cdul_status cdul_cache_key_encoder(const char *folder, cdul_encoder *encoder, bool *holds,
                                   bool *same, cdul_error *err) CDUL_MUST_CHECK;

/* --- Opening --- */

/* Opens or creates the folder for D = `width` and S = `locals`. A cache made with another key is
 * CDUL_ERR_USAGE: the message says which part differs. A damaged shard is named in a warning and
 * set aside (renamed NNNNNN.safetensors.damaged); its images count as missing. `callbacks` is
 * borrowed until the cache is closed. */
cdul_status cdul_cache_open_key(const char *folder, const cJSON *key, size_t width, size_t locals,
                                const cdul_callbacks *callbacks, cdul_cache **out,
                                cdul_error *err) CDUL_MUST_CHECK;
/* The same with the key of what the encoder makes with these options. */
cdul_status cdul_cache_open(const char *folder, cdul_encoder *encoder,
                            const cdul_embed_options *options, const cdul_callbacks *callbacks,
                            cdul_cache **out, cdul_error *err) CDUL_MUST_CHECK;
/* Rows appended since the last shard was written are lost unless cdul_cache_flush was called. */
void cdul_cache_close(cdul_cache *cache);

/* --- Reading --- */

/* Row of the image `name` if it is there and its file at `path` still has the size and modification
 * time that it had; else CDUL_NOT_FOUND, and the file as it is now is what a later append of `name`
 * stands for (so a file that changes while it is embedded is computed again the next time). Looks
 * at no vector. */
size_t cdul_cache_find(cdul_cache *cache, const char *name, const char *path);
/* Must precede reading. The first time, all of the row's shard is read to check its checksum.
 * False: the shard is damaged and set aside as above, and cdul_cache_find finds none of its images
 * from now on. */
bool cdul_cache_check(cdul_cache *cache, size_t row);
/* Does the work of a check to come; cdul_cache_read may run meanwhile in other threads. */
void cdul_cache_check_ahead(cdul_cache *cache, size_t row);
/* Copies a row into views [V, D]. Thread-safe as long as nobody appends. */
void cdul_cache_read(const cdul_cache *cache, size_t row, float *views);
/* After rows were read, called with each in turn: what was read of shards other than the last one's
 * no longer takes memory. */
void cdul_cache_advance(cdul_cache *cache, size_t row);

/* --- Writing --- */

/* Takes the right to write: one process at a time, or CDUL_ERR_IO that says so; rows that another
 * process wrote since opening are seen afterwards. Reading needs no right. */
cdul_status cdul_cache_begin(cdul_cache *cache, cdul_error *err) CDUL_MUST_CHECK;
/* Adds views [V, D] of an image. A shard is written when it is full or the oldest has waited five
 * minutes: that is what a crash can cost. */
cdul_status cdul_cache_append(cdul_cache *cache, const char *name, const char *path,
                              const float *views, cdul_error *err) CDUL_MUST_CHECK;
/* Writes the rows that wait. */
cdul_status cdul_cache_flush(cdul_cache *cache, cdul_error *err) CDUL_MUST_CHECK;
