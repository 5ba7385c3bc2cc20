/* cache.json: what a cache was made with. */
#ifndef CDUL_ENCODER_CACHE_KEY_H
#define CDUL_ENCODER_CACHE_KEY_H

#include "cdul/encoder.h"

/* Compares the key with folder/cache.json, or writes that file if there is none. `used`: the folder
 * holds shards, which without a key are of unknown origin. */
cdul_status cdul_cache_key_settle(const char *folder, const cdul_cache_key *key, bool used,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* *holds: the folder has a cache.json; *same: and that names this encoder's image tower, in its
 * precision. */
cdul_status cdul_cache_key_encoder(const char *folder, cdul_encoder *encoder, bool *holds,
                                   bool *same, cdul_error *err) CDUL_MUST_CHECK;

#endif
