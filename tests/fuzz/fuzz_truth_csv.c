/* Any bytes as ground truth in CSV, and what does not look like JSON. */
#include "input.h"

#include "cdul/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    cdul_truth truth = {0};
    cdul_error err = {{0}};
    input_file("truth.csv", data, size);
    input_path("truth.csv", path, sizeof path);
    cdul_status status = cdul_truth_read(path, &truth, &err);
    CLAIM(status == CDUL_OK ? truth.images.count > 0 : status == CDUL_ERR_INPUT && err.message[0]);
    for (size_t i = 0; i < truth.images.count * truth.classes.count; i++)
        CLAIM(truth.values[i] == CDUL_ABSENT || truth.values[i] == CDUL_PRESENT ||
              truth.values[i] == CDUL_DIFFICULT);
    cdul_truth_free(&truth);
    return 0;
}
