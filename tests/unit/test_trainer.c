/* The trainer's parts, and whole runs on eleven tiny pictures. tests/e2e/train.sh runs the
 * program. */
#include "test.h"

#include "trainer_fixture.h"
#include "watcher.h"

#include "base/json.h"

static cdul_error err;

/* --- When labels move --- */

static void labels_move_after_warmup_then_every_period(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.warmup = 2;
    options.period = 2;
    options.epochs = 5;
    fixture *f = fixture_open(&options);
    const bool want[5] = {false, true, false, true, false};
    for (size_t epoch = 0; epoch < 5; epoch++) {
        cdul_epoch_record record = fixture_epoch(f);
        assert_int_equal(record.aligned, want[epoch]);
        assert_int_equal(record.labels.drift > 0, epoch >= 1);
    }
    fixture_close(f);
}

static void without_alignment_labels_stay(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.align = false;
    fixture *f = fixture_open(&options);
    assert_false(fixture_epoch(f).aligned);
    assert_memory_equal(f->trainer.targets.labels, f->trainer.feed.data.labels.values,
                        FIXTURE_IMAGES * FIXTURE_CLASSES * sizeof(float));
    fixture_close(f);
}

/* The trainer's update is cdul_align_update on the predictions of all images, held-out ones too. */
static void alignment_uses_predictions_of_all_images(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    fixture_epoch(f);
    const size_t entries = FIXTURE_IMAGES * FIXTURE_CLASSES;
    float latent[FIXTURE_IMAGES * FIXTURE_CLASSES];
    cdul_align_to_latent(f->trainer.feed.data.labels.values, entries, latent);
    cdul_align_update(&options.alignment, f->trainer.targets.logits, NULL, FIXTURE_IMAGES,
                      FIXTURE_CLASSES, latent, NULL);
    assert_memory_equal(latent, f->trainer.targets.latent, sizeof latent);
    fixture_close(f);
}

/* --- What is trained --- */

static double weight_of(const cdul_trainer *t, const char *name) {
    for (size_t i = 0; i < t->learner.net->entry_count; i++) {
        if (strcmp(t->learner.net->entries[i].name, name)) continue;
        cdul_scope s = {.no_grad = true};
        double sum = cdul_tensor_item(&s, cdul_tensor_sum(&s, t->learner.net->entries[i].tensor));
        assert_ok(cdul_scope_close(&s, &err));
        return sum;
    }
    fail_msg("no tensor %s", name);
    return 0;
}

static void frozen_stages_and_batch_norm_stay_and_the_rest_learns(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.freeze = 3;
    options.activation_copies = 0;
    fixture *f = fixture_open(&options);
    const char *still[] = {"conv1.weight", "layer3.1.conv2.weight", "layer4.0.bn1.weight",
                           "layer4.0.bn1.running_mean"};
    const char *moving[] = {"layer4.0.conv1.weight", "layer4.1.conv2.weight", "fc.weight",
                            "fc.bias"};
    double before[8];
    for (size_t i = 0; i < 4; i++) {
        before[i] = weight_of(&f->trainer, still[i]);
        before[4 + i] = weight_of(&f->trainer, moving[i]);
    }
    fixture_epoch(f);
    for (size_t i = 0; i < 4; i++) {
        assert_true(before[i] == weight_of(&f->trainer, still[i]));
        assert_true(before[4 + i] != weight_of(&f->trainer, moving[i]));
    }
    fixture_close(f);
}

static float *values_of(const cdul_trainer *t, const char *name, size_t *count) {
    for (size_t i = 0; i < t->learner.net->entry_count; i++) {
        if (strcmp(t->learner.net->entries[i].name, name)) continue;
        *count = cdul_tensor_elements(t->learner.net->entries[i].tensor);
        float *values = malloc(*count * sizeof *values);
        cdul_scope s = {.no_grad = true};
        cdul_tensor_read(&s, t->learner.net->entries[i].tensor, CDUL_F32, values, *count);
        assert_ok(cdul_scope_close(&s, &err));
        return values;
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

/* AdamW's first step is lr g / (|g| + eps) after w <- (1 - lr decay) w (Loshchilov and Hutter
 * 2019): its size is lr wherever the gradient is not tiny, whatever the loss. */
static void head_and_body_have_their_rates_and_biases_no_decay(void **state) {
    (void)state;
    const struct {
        const char *name;
        double lr, decay;
    } cases[] = {{"layer4.0.downsample.0.weight", 1e-3, 0.5},
                 {"fc.weight", 1e-2, 0.5},
                 {"fc.bias", 1e-2, 0}};
    cdul_train_params options = fixture_params();
    options.weight_decay = 0.5;
    options.batch = FIXTURE_IMAGES; /* one step an epoch */
    fixture *f = fixture_open(&options);
    float *before[3];
    size_t count;
    for (size_t i = 0; i < 3; i++) before[i] = values_of(&f->trainer, cases[i].name, &count);
    cdul_epoch_record record;
    assert_ok(cdul_trainer_train(&f->trainer, &record, &err));
    assert_int_equal(f->trainer.learner.step, 1);
    for (size_t i = 0; i < 3; i++) {
        float *after = values_of(&f->trainer, cases[i].name, &count);
        size_t full = 0;
        for (size_t k = 0; k < count; k++) {
            double w = (double)before[i][k],
                   step = (double)after[k] - (1 - cases[i].lr * cases[i].decay) * w;
            if (fabs(step) > 1.01 * cases[i].lr) fail_msg("%s: a step of %g", cases[i].name, step);
            full += fabs(step) > 0.95 * cases[i].lr;
        }
        if (full * 10 < count * 3)
            fail_msg("%s: %zu of %zu full steps", cases[i].name, full, count);
        free(after);
        free(before[i]);
    }
    fixture_close(f);
}

static void a_new_head_starts_from_the_labels_class_means(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    double sum = 0;
    for (size_t i = 0; i < FIXTURE_IMAGES; i++)
        sum += (double)f->trainer.feed.data.labels.values[i * FIXTURE_CLASSES];
    float bias[FIXTURE_CLASSES];
    cdul_scope s = {.no_grad = true};
    cdul_tensor_read(&s, f->trainer.learner.net->head_bias, CDUL_F32, bias, FIXTURE_CLASSES);
    assert_ok(cdul_scope_close(&s, &err));
    double mean = sum / FIXTURE_IMAGES;
    assert_float_equal((double)bias[0], log(mean / (1 - mean)), 1e-5);
    fixture_close(f);
}

static void the_average_predicts_and_the_weights_train_on(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.ema = 0.5;
    fixture *f = fixture_open(&options);
    fixture_epoch(f);
    double trained = weight_of(&f->trainer, "fc.weight");
    cdul_learner_swap_average(&f->trainer.learner);
    assert_true(trained != weight_of(&f->trainer, "fc.weight"));
    cdul_learner_swap_average(&f->trainer.learner);
    assert_true(trained == weight_of(&f->trainer, "fc.weight"));
    fixture_close(f);
}

static void training_lowers_the_loss_from_pixels_and_from_the_cache(void **state) {
    (void)state;
    for (int cached = 0; cached < 2; cached++) {
        cdul_train_params options = fixture_params();
        options.align = false;
        options.freeze = cached ? 2 : 0;
        options.activation_cache = "trainer-cache";
        fixture *f = fixture_open(&options);
        assert_int_equal(f->trainer.feed.cache.shards != NULL, cached);
        double first = fixture_epoch(f).loss, last = first;
        for (int epoch = 0; epoch < 5; epoch++) last = fixture_epoch(f).loss;
        if (!(last < 0.7 * first)) fail_msg("loss %g, then %g", first, last);
        fixture_close(f);
    }
}

/* Sets all of a tensor of the network. */
static void fill(const cdul_trainer *t, const char *name, double value) {
    for (size_t i = 0; i < t->learner.net->entry_count; i++) {
        if (strcmp(t->learner.net->entries[i].name, name)) continue;
        cdul_scope s = {.no_grad = true};
        cdul_tensor_copy_(&s, t->learner.net->entries[i].tensor,
                          cdul_tensor_affine(&s, t->learner.net->entries[i].tensor, 0, value));
        assert_ok(cdul_scope_close(&s, &err));
    }
}

static void a_loss_that_is_no_number_stops_and_names_the_cause(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    cdul_epoch_record record;
    /* of image 01.ppm, class c: trained on, or held out and then not seen */
    f->trainer.targets.labels[5] = NAN;
    f->trainer.feed.data.held[1] = false;
    assert_fails(cdul_trainer_train(&f->trainer, &record, &err), CDUL_ERR_RUNTIME,
                 "the label for image 01.ppm, class c is not finite: lower --lr");
    assert_non_null(strstr(err.message, "the loss is nan at epoch 1, step "));
    assert_non_null(strstr(err.message, "--bad-batch skip; the last checkpoint is kept"));
    f->trainer.targets.labels[5] = 0.5F;
    fill(&f->trainer, "fc.bias", NAN);
    f->params.bad_batch = CDUL_BAD_BATCH_SKIP; /* which is no help: */
    assert_fails(cdul_trainer_train(&f->trainer, &record, &err), CDUL_ERR_RUNTIME,
                 "weights fc.bias are not finite");
    assert_fails(cdul_trainer_predict(&f->trainer, CDUL_SUBSET_ALL, &err), CDUL_ERR_RUNTIME,
                 "class a is nan, as weights fc.bias are not finite");
    fixture_close(f);
}

static void a_batch_that_is_not_finite_can_be_left_out(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.bad_batch = CDUL_BAD_BATCH_SKIP;
    fixture *f = fixture_open(&options);
    cdul_epoch_record record;
    static watcher w;
    watcher_start(&w);
    f->params.callbacks = &w.callbacks;
    f->trainer.targets.labels[5] = NAN;
    f->trainer.feed.data.held[1] = false;
    assert_ok(cdul_trainer_train(&f->trainer, &record, &err));
    assert_int_equal(record.left_out, 1);
    assert_true(isfinite(record.loss) && f->trainer.learner.step > 0);
    assert_null(cdul_learner_bad(&f->trainer.learner, false));
    /* finite outputs, but gradients of 1e30 and more */
    f->trainer.targets.labels[5] = 0.5F;
    fill(&f->trainer, "fc.weight", 1e30);
    assert_fails(cdul_trainer_train(&f->trainer, &record, &err), CDUL_ERR_RUNTIME,
                 "batches of epoch 1 were left out");
    assert_null(cdul_learner_bad(&f->trainer.learner, false));
    assert_non_null(strstr(w.said, "class c is not finite; the batch is left out"));
    assert_non_null(strstr(w.said, "gradient"));
    fixture_close(f);
}

static void labels_that_alignment_makes_no_numbers_stop_the_run(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.alignment.eta = 1e308;
    options.alignment.sigma = 1e-3; /* a psi of 400 at 0.5 */
    fixture *f = fixture_open(&options);
    for (size_t i = 0; i < FIXTURE_IMAGES * FIXTURE_CLASSES; i++) f->trainer.targets.latent[i] = 0;
    f->trainer.epoch = 1;
    cdul_epoch_record record = cdul_nothing_measured;
    assert_fails(cdul_trainer_measure(&f->trainer, &record, &err), CDUL_ERR_RUNTIME,
                 "alignment: the label of image 00.ppm, class a is not finite");
    fixture_close(f);
}

/* --- The log --- */

static void held_out_loss_that_keeps_rising_is_warned_of_once(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    fixture *f = fixture_open(&options);
    static watcher w;
    watcher_start(&w);
    f->params.callbacks = &w.callbacks;
    f->trainer.record.best_held_loss = 1e-3; /* as if an earlier epoch had been far better */
    for (int epoch = 0; epoch < 4; epoch++) fixture_epoch(f);
    const char *first = strstr(w.said, "has risen from 0.0010");
    assert_non_null(first);
    assert_null(strstr(first + 1, "has risen"));
    fixture_close(f);
}

static void a_log_line_beyond_the_checkpoint_is_cut_off(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.output = "log-run";
    fixture *f = fixture_open(&options);
    const char lines[] = "{\"epoch\":1,\"a\":2}\n{\"epoch\":2}\n{\"epoch\":3}\n{\"epo";
    assert_ok(cdul_file_write_all("log-run/log.jsonl", lines, sizeof lines - 1, &err));
    assert_ok(cdul_record_begin(&f->trainer.record, 2, &err));
    char *text;
    size_t size;
    assert_ok(cdul_file_read_all("log-run/log.jsonl", &text, &size, &err));
    assert_string_equal(text, "{\"epoch\":1,\"a\":2}\n{\"epoch\":2}\n");
    free(text);
    fixture_close(f);
}

/* --- Whole runs --- */

static cdul_status train(const cdul_train_params *params) {
    cdul_train_result result;
    cdul_status status = cdul_train(params, &result, &err);
    cdul_train_result_free(&result);
    return status;
}

static void assert_same_file(const char *a, const char *b) {
    char *x, *y;
    size_t x_size, y_size;
    assert_ok(cdul_file_read_all(a, &x, &x_size, &err));
    assert_ok(cdul_file_read_all(b, &y, &y_size, &err));
    assert_int_equal(x_size, y_size);
    assert_memory_equal(x, y, x_size);
    free(x);
    free(y);
}

static void the_same_seed_gives_the_same_model(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.root = "photos";
    options.output = "same-a";
    assert_ok(train(&options));
    options.output = "same-b";
    assert_ok(train(&options));
    assert_same_file("same-a/model.safetensors", "same-b/model.safetensors");
    assert_same_file("same-a/labels.safetensors", "same-b/labels.safetensors");
}

static void a_finished_run_is_not_overwritten(void **state) {
    (void)state;
    cdul_train_params options = fixture_params();
    options.root = "photos";
    options.output = "same-a";
    assert_fails(train(&options), CDUL_ERR_USAGE, "same-a already holds a run");
}

static void params_that_cannot_work_are_refused(void **state) {
    (void)state;
    cdul_train_params params = fixture_params();
    assert_ok(cdul_train_check(&params, &err));
    params.freeze = 1;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "random weights");
    params = fixture_params();
    params.lr_warmup = 2;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "lr-warmup 2 is not shorter");
    params = fixture_params();
    params.labels = NULL;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "--labels");
    params = fixture_params();
    params.device = "tpu";
    assert_fails(train(&params), CDUL_ERR_USAGE, "tpu");
}

static void numbers_beyond_their_range_are_refused(void **state) {
    (void)state;
    cdul_train_params params = fixture_params();
    params.size = 16;
    assert_fails(train(&params), CDUL_ERR_USAGE, "size is 16: expected 32 to 2048");
    params = fixture_params();
    params.alignment.sigma = 0;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "sigma is 0: expected 0.001");
    params = fixture_params();
    params.alignment.eta = NAN;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "eta is nan: expected 0 to 1000");
    params = fixture_params();
    params.holdout = -0.1;
    assert_fails(cdul_train_check(&params, &err), CDUL_ERR_USAGE, "holdout is -0.1");
}

static int remove_runs(void **state) {
    (void)state;
    const char *large[] = {"checkpoint.safetensors", "model.safetensors", "model.onnx"};
    for (size_t i = 0; i < 6; i++) {
        char *path = cdul_path_join(i % 2 ? "same-a" : "same-b", large[i / 2]);
        unlink(path);
        free(path);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_move_after_warmup_then_every_period),
        cmocka_unit_test(without_alignment_labels_stay),
        cmocka_unit_test(alignment_uses_predictions_of_all_images),
        cmocka_unit_test(frozen_stages_and_batch_norm_stay_and_the_rest_learns),
        cmocka_unit_test(head_and_body_have_their_rates_and_biases_no_decay),
        cmocka_unit_test(a_new_head_starts_from_the_labels_class_means),
        cmocka_unit_test(the_average_predicts_and_the_weights_train_on),
        cmocka_unit_test(training_lowers_the_loss_from_pixels_and_from_the_cache),
        cmocka_unit_test(a_loss_that_is_no_number_stops_and_names_the_cause),
        cmocka_unit_test(a_batch_that_is_not_finite_can_be_left_out),
        cmocka_unit_test(labels_that_alignment_makes_no_numbers_stop_the_run),
        cmocka_unit_test(held_out_loss_that_keeps_rising_is_warned_of_once),
        cmocka_unit_test(a_log_line_beyond_the_checkpoint_is_cut_off),
        cmocka_unit_test(the_same_seed_gives_the_same_model),
        cmocka_unit_test(a_finished_run_is_not_overwritten),
        cmocka_unit_test(params_that_cannot_work_are_refused),
        cmocka_unit_test(numbers_beyond_their_range_are_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, remove_runs);
}
