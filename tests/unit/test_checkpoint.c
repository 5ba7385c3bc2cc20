#include "test.h"

#include "trainer_fixture.h"

static cdul_error err;

static char *bytes_of(const char *path, size_t *size) {
    char *data = NULL;
    assert_ok(cdul_file_read_all(path, &data, size, &err));
    return data;
}

static void assert_same_file(const char *a, const char *b) {
    size_t a_size, b_size;
    char *x = bytes_of(a, &a_size), *y = bytes_of(b, &b_size);
    assert_int_equal(a_size, b_size);
    if (memcmp(x, y, a_size) != 0) fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

/* Two epochs at once, and two with a checkpoint between them, end in the same bytes. */
static void assert_continues(const cdul_train_params *options) {
    fixture *whole = fixture_open(options), *first = fixture_open(options), *second;
    fixture_epoch(whole);
    fixture_epoch(whole);
    assert_ok(cdul_checkpoint_save(&whole->trainer, "whole.safetensors", &err));
    fixture_epoch(first);
    assert_ok(cdul_checkpoint_save(&first->trainer, "half.safetensors", &err));
    fixture_close(first);
    second = fixture_open(options);
    assert_int_equal(second->trainer.feed.cache.shards != NULL, options->freeze > 0);
    assert_ok(cdul_checkpoint_load(&second->trainer, "half.safetensors", &err));
    assert_int_equal(second->trainer.epoch, 1);
    assert_true(second->trainer.learner.step > 0);
    fixture_epoch(second);
    assert_ok(cdul_checkpoint_save(&second->trainer, "resumed.safetensors", &err));
    assert_same_file("whole.safetensors", "resumed.safetensors");
    fixture_close(whole);
    fixture_close(second);
}

static void training_goes_on_to_the_same_bits_with_adamw(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    assert_continues(&options);
}

static void training_goes_on_to_the_same_bits_with_sgd_average_and_batch_norm(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.optimizer = CDUL_SGD;
    options.bn = CDUL_BN_TRAIN;
    options.ema = 0.99;
    options.jitter = 0.2;
    assert_continues(&options);
}

/* Epochs see different copies, so the second must go on with the second copy. */
static void training_goes_on_to_the_same_bits_from_cached_activations(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.freeze = 3;
    options.activation_copies = 2;
    options.activation_cache = "cache";
    options.bn = CDUL_BN_TRAIN;
    assert_continues(&options);
}

static void labels_that_have_not_moved_stay_exactly_the_initial_ones(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.align = false;
    fixture *f = fixture_open(&options);
    fixture_epoch(f);
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    fixture_close(f);
    f = fixture_open(&options);
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    assert_memory_equal(f->trainer.targets.labels, f->trainer.feed.data.labels.values,
                        FIXTURE_IMAGES * FIXTURE_CLASSES * sizeof(float));
    fixture_close(f);
}

static void skipped_images_are_remembered(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_dataset_skip(&f->trainer.feed.data, 3, "damaged", &err));
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    fixture_close(f);
    f = fixture_open(&options);
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    assert_true(f->trainer.feed.data.skipped[3]);
    assert_string_equal(f->trainer.feed.data.list.reasons.items[0], "damaged");
    fixture_close(f);
}

static void other_options_are_refused_and_named(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    f->params.config = "{\"train\": {\"lr\": 0.001, \"sigma\": 0.2}}";
    assert_fails(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err), CDUL_ERR_USAGE,
                 "train.sigma = 1, now it is 0.2");
    f->params.config =
        "{\"train\": {\"lr\": 0.001, \"sigma\": 1, \"activation_cache\": \"elsewhere\"}}";
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    f->params.config = NULL; /* nothing to compare */
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    fixture_close(f);
}

static void other_labels_are_refused(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    f->trainer.feed.data.labels.values[4] += 0.125f;
    assert_fails(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err), CDUL_ERR_USAGE,
                 "other labels");
    fixture_close(f);
}

static void another_network_is_refused_by_tensor(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    fixture_close(f);
    options.arch = "resnet34";
    f = fixture_open(&options);
    assert_fails(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err), CDUL_ERR_INPUT,
                 "tensor \"model.layer1.2.conv1.weight\" is missing");
    fixture_close(f);
}

static void numbers_that_no_run_writes_are_refused_and_named(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    cdul_trainer *t = &f->trainer;
    f->trainer.targets.latent[4] = NAN;
    assert_ok(cdul_checkpoint_save(t, "checkpoint.safetensors", &err));
    assert_fails(cdul_checkpoint_load(t, "checkpoint.safetensors", &err), CDUL_ERR_INPUT,
                 "tensor \"latent\": image 01.ppm, class b: not a finite number");
    f->trainer.targets.latent[4] = 0;
    f->trainer.epoch = 3; /* of 2 */
    assert_ok(cdul_checkpoint_save(t, "checkpoint.safetensors", &err));
    assert_fails(cdul_checkpoint_load(t, "checkpoint.safetensors", &err), CDUL_ERR_INPUT,
                 "epoch 3, step 0 of 6: not those of a run of 2 epochs on 11 images");
    f->trainer.epoch = 1;
    f->trainer.record.best_held_loss = NAN;
    assert_ok(cdul_checkpoint_save(t, "checkpoint.safetensors", &err));
    assert_fails(cdul_checkpoint_load(t, "checkpoint.safetensors", &err), CDUL_ERR_INPUT,
                 "metadata \"best_held_loss\" is not a number");
    f->trainer.record.best_held_loss = 1;
    const float nan[FIXTURE_CLASSES] = {0, INFINITY, 0};
    cdul_scope s = {.no_grad = true};
    cdul_tensor_copy_(&s, t->learner.net->head_bias,
                      cdul_tensor_from(&s, nan, CDUL_F32, 1, (size_t[]){FIXTURE_CLASSES}));
    assert_ok(cdul_scope_close(&s, &err));
    assert_ok(cdul_checkpoint_save(t, "checkpoint.safetensors", &err));
    assert_fails(cdul_checkpoint_load(t, "checkpoint.safetensors", &err), CDUL_ERR_INPUT,
                 "tensor \"model.fc.bias\": element 1 is not a finite number");
    fixture_close(f);
}

static void a_file_that_is_no_checkpoint_is_refused(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_file_write_all("text.safetensors", "no tensors here", 15, &err));
    assert_int_equal(cdul_checkpoint_load(&f->trainer, "text.safetensors", &err), CDUL_ERR_INPUT);
    assert_ok(cdul_labels_write("only-labels.safetensors", &f->trainer.feed.data.labels, &err));
    assert_fails(cdul_checkpoint_load(&f->trainer, "only-labels.safetensors", &err), CDUL_ERR_INPUT,
                 "only-labels.safetensors");
    fixture_close(f);
}

static void a_damaged_checkpoint_is_refused_by_name(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    assert_ok(cdul_checkpoint_save(&f->trainer, "checkpoint.safetensors", &err));
    FILE *file = fopen("checkpoint.safetensors", "r+b");
    assert_non_null(file);
    for (long from_end = 1; from_end < 200; from_end += 50) { /* in the checksum, in the labels */
        fseek(file, -from_end, SEEK_END);
        int byte = fgetc(file);
        fseek(file, -1, SEEK_CUR);
        fputc(byte ^ 4, file);
        fflush(file);
        assert_fails(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err),
                     CDUL_ERR_INPUT,
                     "checkpoint.safetensors: damaged: its bytes do not match its checksum; no run "
                     "can go on "
                     "from it");
        fseek(file, -1, SEEK_CUR);
        fputc(byte, file);
    }
    fclose(file);
    assert_ok(cdul_checkpoint_load(&f->trainer, "checkpoint.safetensors", &err));
    fixture_close(f);
}

/* A checkpoint of the smallest network is 130 MB. */
static int remove_files(void **state) {
    (void)state;
    const char *files[] = {"whole.safetensors", "half.safetensors", "resumed.safetensors",
                           "checkpoint.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(files[i]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_goes_on_to_the_same_bits_with_adamw),
        cmocka_unit_test(training_goes_on_to_the_same_bits_with_sgd_average_and_batch_norm),
        cmocka_unit_test(training_goes_on_to_the_same_bits_from_cached_activations),
        cmocka_unit_test(labels_that_have_not_moved_stay_exactly_the_initial_ones),
        cmocka_unit_test(skipped_images_are_remembered),
        cmocka_unit_test(other_options_are_refused_and_named),
        cmocka_unit_test(other_labels_are_refused),
        cmocka_unit_test(another_network_is_refused_by_tensor),
        cmocka_unit_test(numbers_that_no_run_writes_are_refused_and_named),
        cmocka_unit_test(a_file_that_is_no_checkpoint_is_refused),
        cmocka_unit_test(a_damaged_checkpoint_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, fixture_setup, remove_files);
}
