/* Any bytes as an annotation of PASCAL VOC. */
#include "input.h"

#include "eval/truth_readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cdul_truth truth = {0};
    cdul_error err = {{0}};
    input_file("a.xml", data, size);
    cdul_status status = cdul_truth_read_voc(input_folder(), &truth, &err);
    if (status == CDUL_OK) {
        CLAIM(truth.images.count == 1 && strcmp(truth.images.items[0], "a") == 0);
        for (size_t c = 0; c < truth.classes.count; c++)
            CLAIM(truth.classes.items[c][0] && truth.values[c] != CDUL_ABSENT);
    } else {
        CLAIM(status == CDUL_ERR_INPUT && err.message[0]);
    }
    cdul_truth_free(&truth);
    return 0;
}
