#include "train/versions.h"

#include "torch/torch.h"

#include <protobuf-c/protobuf-c.h>

void cdul_train_versions(FILE *out) {
    fprintf(out, "protobuf-c %s\n", protobuf_c_version());
    fprintf(out, "libtorch %s\n", cdul_torch_version());
}
