/* Any bytes as a checkpoint, of a run with a network of two small tensors in place of a ResNet. */
#include "input.h"

#include "train/trainer.h"

#include <math.h>

#define IMAGES  3
#define CLASSES 2

/* A new run, as it is before --resume. The optimiser's state and the network must not keep what an
 * earlier input left. */
typedef struct run {
    cdul_train_params params;
    cdul_trainer trainer;
    cdul_resnet net;
    cdul_resnet_entry entries[2];
    cdul_tensor *average[2];
    float latent[IMAGES * CLASSES], labels[IMAGES * CLASSES], logits[IMAGES * CLASSES];
} run;

static void open_network(run *r) {
    static const char *const names[2] = {"conv1.weight", "fc.bias"};
    const size_t shapes[2][4] = {{1, 2, 1, 3}, {CLASSES}}, ranks[2] = {4, 1};
    cdul_scope s = {0};
    for (size_t i = 0; i < 2; i++) {
        cdul_resnet_entry *e = &r->entries[i];
        snprintf(e->name, sizeof e->name, "%s", names[i]);
        e->tensor = cdul_tensor_keep(&s, cdul_tensor_full(&s, 0.5, CDUL_F32, ranks[i], shapes[i]));
        r->average[i] =
            cdul_tensor_keep(&s, cdul_tensor_full(&s, 0.5, CDUL_F32, ranks[i], shapes[i]));
        e->trained = true;
        cdul_tensor_require_grad(&s, e->tensor, true);
        cdul_optimizer_add_group(&s, r->trainer.learner.optimizer, &e->tensor, 1, 0.1, 0);
    }
    CLAIM(cdul_scope_close(&s, NULL) == CDUL_OK);
}

static void open_run(run *r) {
    cdul_error err;
    cdul_trainer *t = &r->trainer;
    r->params = cdul_train_defaults();
    r->params.labels = "labels.csv";
    r->params.epochs = 4;
    r->params.config = "{\"train\": {\"lr\": 0.001}}";
    r->net.entries = r->entries;
    r->net.entry_count = 2;
    *t = (cdul_trainer){.params = &r->params};
    t->learner.net = &r->net;
    t->learner.average = r->average;
    t->learner.schedule.steps = 8;
    cdul_labels *labels = &t->feed.data.labels;
    t->targets = (cdul_targets){labels, IMAGES, CLASSES, r->latent, r->labels, r->logits};
    for (size_t i = 0; i < IMAGES; i++)
        CLAIM(cdul_strings_add(&labels->images, (char[]){(char)('a' + i), 0}, &err) == CDUL_OK);
    for (size_t c = 0; c < CLASSES; c++)
        CLAIM(cdul_strings_add(&labels->classes, (char[]){(char)('x' + c), 0}, &err) == CDUL_OK);
    CLAIM(cdul_labels_allocate(labels, &err) == CDUL_OK);
    CLAIM((t->feed.data.skipped = calloc(IMAGES, sizeof *t->feed.data.skipped)));
    CLAIM(cdul_optimizer_new(CDUL_ADAMW, 0, &t->learner.optimizer, &err) == CDUL_OK);
    open_network(r);
}

static void close_run(run *r) {
    cdul_optimizer_free(r->trainer.learner.optimizer);
    cdul_dataset_free(&r->trainer.feed.data);
    for (size_t i = 0; i < 2; i++) {
        cdul_tensor_free(r->entries[i].tensor);
        cdul_tensor_free(r->average[i]);
    }
}

/* What later epochs rely on. */
static void check(const run *r) {
    CLAIM(r->trainer.epoch <= r->params.epochs &&
          r->trainer.learner.step <= r->trainer.learner.schedule.steps);
    for (size_t i = 0; i < IMAGES * CLASSES; i++) CLAIM(isfinite(r->latent[i]));
    float values[6];
    cdul_scope s = {.no_grad = true};
    cdul_tensor_read(&s, r->entries[0].tensor, CDUL_F32, values, 6);
    CLAIM(cdul_scope_close(&s, NULL) == CDUL_OK);
    for (size_t i = 0; i < 6; i++) CLAIM(isfinite(values[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400];
    cdul_error err = {{0}};
    run *r = calloc(1, sizeof *r);
    CLAIM(r);
    open_run(r);
    input_file("checkpoint.safetensors", data, size);
    input_path("checkpoint.safetensors", path, sizeof path);
    if (getenv("CDUL_FUZZ_SEED")) /* writes a good one there */
        CLAIM(cdul_checkpoint_save(&r->trainer, getenv("CDUL_FUZZ_SEED"), &err) == CDUL_OK);
    cdul_status status = cdul_checkpoint_load(&r->trainer, path, &err);
    CLAIM(status == CDUL_OK ||
          ((status == CDUL_ERR_INPUT || status == CDUL_ERR_USAGE) && err.message[0]));
    if (status == CDUL_OK) check(r);
    close_run(r);
    free(r);
    return 0;
}
