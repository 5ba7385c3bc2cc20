/* A share of the images for one of several machines. */
#ifndef CDUL_LABEL_SHARD_H
#define CDUL_LABEL_SHARD_H

#include "cdul/error.h"
#include "cdul/strings.h"

/* Keeps of `paths` and `names` (same order and length) part I of N, 1 <= I <= N, as "I/N" says. An
 * image's part is the hash of its name modulo N, so that a new file moves no other. An empty part
 * is CDUL_ERR_INPUT. */
cdul_status cdul_shard_select(const char *shard, cdul_strings *paths, cdul_strings *names,
                              cdul_error *err) CDUL_MUST_CHECK;

#endif
