/* Any bytes as classes.txt and, behind a line "%%", as a file of background words. */
#include "input.h"

#include "cdul/encoder.h"

static void check(const cdul_classes *classes) {
    cdul_index *index = NULL;
    cdul_error err;
    CLAIM(classes->names.count > classes->background);
    CLAIM(cdul_index_new(&classes->names, &index, &err) == CDUL_OK); /* names are distinct */
    cdul_index_free(index);
    for (size_t c = 0; c < classes->names.count; c++) {
        CLAIM(classes->names.items[c][0] && classes->words[c].count > 0);
        for (size_t w = 0; w < classes->words[c].count; w++) CLAIM(classes->words[c].items[w][0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    size_t part = 0;
    cdul_classes classes = {0};
    cdul_error err = {{0}};
    const uint8_t *rest = next_part(data, data + size, &part);
    cdul_status status =
        cdul_classes_parse(guarded(data, part), part, "classes.txt", &classes, &err);
    CLAIM(status == CDUL_OK ||
          (status == CDUL_ERR_INPUT && err.message[0] && classes.names.count == 0));
    if (status == CDUL_OK) check(&classes);
    if (status == CDUL_OK && rest) {
        input_file("background.txt", rest, (size_t)(data + size - rest));
        input_path("background.txt", path, sizeof path);
        if (cdul_classes_read_background(path, &classes, &err) == CDUL_OK) check(&classes);
    }
    cdul_classes_free(&classes);
    return 0;
}
