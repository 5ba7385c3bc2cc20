#include "encoder/versions.h"

#include <utf8proc.h>
#include <xxhash.h>

void cdul_encoder_versions(FILE *out) {
    const unsigned xxhash = XXH_versionNumber();
    fprintf(out, "utf8proc %s\n", utf8proc_version());
    fprintf(out, "xxHash %u.%u.%u\n", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
}
