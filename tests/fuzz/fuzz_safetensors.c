/* Any bytes as a safetensors file: header, layout, and every view that it hands out. */
#include "input.h"

#include "base/safetensors.h"

/* All of a tensor, through the conversion where there is one. */
static void read_tensor(const cdul_safetensors *file, const cdul_tensor_view *view) {
    size_t elements = 0, bytes = 0, shape[CDUL_MAX_RANK] = {0};
    cdul_tensor_view same;
    cdul_error err;
    CLAIM(cdul_tensor_bytes(view->dtype, view->rank, view->shape, &elements, &bytes));
    CLAIM(elements == view->elements && cdul_safetensors_find(file, view->name));
    look_at(view->data, bytes);
    if (cdul_safetensors_expect(file, view->name, view->rank, shape, &same, &err) != CDUL_OK) {
        CLAIM(view->dtype > CDUL_F64);
        return;
    }
    CLAIM(same.data == view->data && memcmp(shape, view->shape, view->rank * sizeof *shape) == 0);
    float values[16];
    for (size_t first = 0, count; first < elements; first += count) {
        count = elements - first < 16 ? elements - first : 16;
        cdul_tensor_to_f32(view, first, count, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    cdul_safetensors *file = NULL;
    cdul_error err = {{0}};
    input_file("file.safetensors", data, size);
    input_path("file.safetensors", path, sizeof path);
    cdul_status status = cdul_safetensors_open(path, &file, &err);
    if (status != CDUL_OK) {
        CLAIM(status == CDUL_ERR_INPUT && err.message[0] && !file);
        return 0;
    }
    for (size_t i = 0; i < file->count; i++) {
        cdul_tensor_view view = file->tensors[i];
        read_tensor(file, &view);
    }
    const char *text = cdul_safetensors_metadata(file, "classes");
    if (text) CLAIM(strlen(text) < size);
    cdul_safetensors_close(file);
    return 0;
}
