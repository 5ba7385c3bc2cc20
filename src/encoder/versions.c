#include "encoder/versions.h"

#include <utf8proc.h>

void cdul_encoder_versions(FILE *out) {
    fprintf(out, "utf8proc %s\n", utf8proc_version());
}
