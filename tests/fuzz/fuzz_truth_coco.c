/* Any bytes as a COCO instances file. */
#include "input.h"

#include "eval/truth_readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cdul_truth truth = {0};
    cdul_error err = {{0}};
    const char *text = guarded(data, size);
    if (!memchr(text, '{', size)) return 0; /* the caller has seen one */
    const cdul_mapping map = {(const unsigned char *)text, size};
    cdul_status status = cdul_truth_read_coco("truth.json", &map, &truth, &err);
    CLAIM(status == CDUL_OK || (status == CDUL_ERR_INPUT && err.message[0]));
    if (status == CDUL_OK)
        for (size_t i = 0; i < truth.images.count * truth.classes.count; i++)
            CLAIM(truth.values[i] == CDUL_ABSENT || truth.values[i] == CDUL_PRESENT);
    cdul_truth_free(&truth);
    return 0;
}
