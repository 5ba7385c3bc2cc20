/* Any bytes as an ONNX graph whose weights are to stay in its file. */
#include "input.h"

#include "onnx/session_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400], *graph = NULL, *again = NULL;
    size_t written = 0;
    cdul_error err = {{0}};
    input_file("file.onnx", data, size);
    input_path("file.onnx", path, sizeof path);
    CLAIM(cdul_weights_outline(path, 1, &graph, &written, &err) == CDUL_OK);
    if (!graph) return 0;
    /* A graph again, whose weights are elsewhere now: there is nothing more to move. */
    look_at(graph, written);
    input_file("file.onnx", (const uint8_t *)graph, written);
    CLAIM(cdul_weights_outline(path, 1, &again, &written, &err) == CDUL_OK && !again);
    free(graph);
    return 0;
}
