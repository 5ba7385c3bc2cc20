/* Any bytes as what cdul-eval judges: JSON lines, or labels as CSV. */
#include "input.h"

#include "cdul/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char cat[] = "cat", dog[] = "dog", other[] = "caf\xc3\xa9", *names[] = {cat, dog, other},
         path[400];
    const cdul_strings classes = {names, 3, 3};
    cdul_labels labels = {0};
    cdul_error err = {{0}};
    size_t given = 0;
    input_file("scores.csv", data, size);
    input_path("scores.csv", path, sizeof path);
    cdul_status status = cdul_predictions_read(path, &classes, &labels, &given, &err);
    CLAIM(status == CDUL_OK || (status == CDUL_ERR_INPUT && err.message[0]));
    if (status != CDUL_OK) return 0;
    size_t count = labels.images.count * labels.classes.count;
    CLAIM(given <= count);
    for (size_t i = 0; i < count; i++) CLAIM(labels.values[i] >= 0 && labels.values[i] <= 1);
    cdul_labels_free(&labels);
    return 0;
}
