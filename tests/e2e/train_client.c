/* A program of somebody else's that uses libcdul_train: one epoch on tiny pictures, and the export
 * of its model.
 *   train_client LABELS PICTURES RUN_FOLDER ONNX_FILE */
#include <cdul/train.h>

#include <stdio.h>

static void count(void *user, const cdul_event *event) {
    if (event->kind == CDUL_EVENT_STEP) ++*(size_t *)user;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    size_t steps = 0;
    const cdul_callbacks callbacks = {.on_progress = count, .user = &steps};
    cdul_train_params params = cdul_train_defaults();
    params.labels = argv[1];
    params.root = argv[2];
    params.output = argv[3];
    params.arch = "resnet18";
    params.size = 32;
    params.epochs = 1;
    params.holdout = 0;
    params.callbacks = &callbacks;
    cdul_error err;
    cdul_train_result result = {0};
    cdul_status status = cdul_train(&params, &result, &err);
    if (status == CDUL_OK) status = cdul_train_export(argv[3], argv[4], &err);
    if (status == CDUL_OK)
        printf("%zu images, %zu classes, %zu skipped, steps: %s\n", result.images, result.classes,
               result.skipped, steps > 0 ? "yes" : "no");
    else
        fprintf(stderr, "%s\n", err.message);
    cdul_train_result_free(&result);
    return status != CDUL_OK;
}
