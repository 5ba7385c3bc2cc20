#include "label/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cdul_status cdul_shard_select(const char *shard, cdul_strings *paths, cdul_strings *names,
                              cdul_error *err) {
    unsigned long part = 0, parts = 0;
    int end = 0;
    if (sscanf(shard, "%9lu/%9lu%n", &part, &parts, &end) != 2 || shard[end] || part < 1 ||
        part > parts)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "shard %s: expected I/N with 1 <= I <= N, for instance 2/4", shard);
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        if (cdul_hash(CDUL_HASH_START, name, strlen(name)) % parts == part - 1) {
            paths->items[kept] = paths->items[i];
            names->items[kept++] = names->items[i];
        } else {
            free(paths->items[i]);
            free(names->items[i]);
        }
    }
    paths->count = names->count = kept;
    if (kept == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "shard %s holds none of the images: use fewer parts",
                         shard);
    return CDUL_OK;
}
