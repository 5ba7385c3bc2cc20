/* Against Pillow, numpy and onnxruntime: golden/make_classifier.py. */
#include "test.h"
#include "watcher.h"

#include "base/safetensors.h"
#include "cdul/classifier.h"

#include <math.h>

#define FOLDER   CDUL_GOLDEN "/classifier/"
#define PICTURES 4
#define CLASSES  5

static cdul_error err;

typedef struct collected {
    float scores[PICTURES + 2][CLASSES];
    size_t order[PICTURES + 2], predicted, skipped, last_skipped;
    size_t kept; /* images whose width came with their scores */
    char reason[400];
    size_t stop_after, fail_after; /* 0 = never */
    watcher *watcher; /* the caller, or NULL */
} collected;

static cdul_status collect(void *user, size_t i, const float *scores, void *kept,
                           cdul_error *error) {
    collected *c = user;
    memcpy(c->scores[i], scores, sizeof c->scores[i]);
    c->order[c->predicted++] = i;
    if (kept) c->kept += *(size_t *)kept > 0;
    if (c->predicted == c->stop_after) atomic_store(&c->watcher->stop, true);
    if (c->predicted == c->fail_after) return cdul_fail(error, CDUL_ERR_IO, "the disk is full");
    return CDUL_OK;
}

static void note_skipped(void *user, size_t i, const char *reason) {
    collected *c = user;
    c->skipped++;
    c->last_skipped = i;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static cdul_status keep_width(void *user, size_t i, const cdul_image *image, void **kept,
                              cdul_error *error) {
    (void)user;
    if (i % 2) return CDUL_OK; /* as a report does that shows some images only */
    size_t *width = malloc(sizeof *width);
    if (!width) return cdul_fail_memory(error, "width");
    *width = image->width;
    *kept = width;
    return CDUL_OK;
}

static cdul_classifier *open_classifier(const char *name, size_t batch,
                                        const cdul_callbacks *callbacks) {
    char path[512];
    cdul_classifier *classifier = NULL;
    cdul_classifier_options options = cdul_classifier_defaults();
    options.threads = 1;
    options.batch = batch;
    options.callbacks = callbacks;
    snprintf(path, sizeof path, FOLDER "%s", name);
    assert_ok(cdul_classifier_open(path, &options, &classifier, &err));
    return classifier;
}

static cdul_strings pictures(void) {
    cdul_strings paths = {0};
    for (int i = 0; i < PICTURES; i++) {
        char path[512];
        snprintf(path, sizeof path, FOLDER "pictures/%d.png", i);
        assert_ok(cdul_strings_add(&paths, path, &err));
    }
    return paths;
}

static cdul_status predict(const char *model, size_t batch, const cdul_strings *paths,
                           cdul_predict_params params, bool keep, collected *out) {
    cdul_classifier *classifier =
        open_classifier(model, batch, out->watcher ? &out->watcher->callbacks : NULL);
    params.predicted = collect;
    params.skipped = note_skipped;
    params.keep = keep ? keep_width : NULL;
    params.drop = free;
    params.user = out;
    cdul_status status = cdul_classifier_predict(classifier, paths, &params, &err);
    cdul_classifier_close(classifier);
    return status;
}

static void check_against(const char *name, const collected *got) {
    cdul_safetensors *file = NULL;
    float want[PICTURES * CLASSES];
    assert_ok(cdul_safetensors_open(FOLDER "expected.safetensors", &file, &err));
    const cdul_tensor_view *view = cdul_safetensors_find(file, name);
    assert_non_null(view);
    assert_int_equal(view->elements, PICTURES * CLASSES);
    cdul_tensor_to_f32(view, 0, view->elements, want);
    cdul_safetensors_close(file);
    assert_int_equal(got->predicted, PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        assert_int_equal(got->order[i], i);
        for (size_t c = 0; c < CLASSES; c++)
            if (!(fabsf(got->scores[i][c] - want[i * CLASSES + c]) <= 1e-6F))
                fail_msg("%s, picture %zu, class %zu: %.7f instead of %.7f", name, i, c,
                         (double)got->scores[i][c], (double)want[i * CLASSES + c]);
    }
}

static void scores_are_those_of_a_python_pipeline_for_all_views_batches_and_threads(void **state) {
    (void)state;
    static const struct {
        const char *name;
        cdul_test_views views;
        bool standardise;
    } cases[] = {{"whole", CDUL_TEST_VIEWS_NONE, false},
                 {"flip", CDUL_TEST_VIEWS_FLIP, false},
                 {"grid", CDUL_TEST_VIEWS_GRID, false},
                 {"standardised", CDUL_TEST_VIEWS_NONE, true}};
    const size_t batches[] = {1, 3, 4, 8, 64};
    cdul_strings paths = pictures();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        collected first = {0};
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            collected got = {0};
            cdul_predict_params params = cdul_predict_defaults();
            params.threads = b % 3;
            params.views = cases[k].views;
            params.standardise = cases[k].standardise;
            assert_ok(predict("run", batches[b], &paths, params, false, &got));
            check_against(cases[k].name, &got);
            if (b == 0) first = got;
            assert_memory_equal(got.scores, first.scores, sizeof got.scores); /* to the last bit */
        }
    }
    cdul_strings_free(&paths);
}

static void the_card_says_classes_thresholds_size_and_provenance(void **state) {
    (void)state;
    cdul_classifier *classifier = open_classifier("run/model.onnx", 0, NULL);
    const cdul_strings *classes = cdul_classifier_classes(classifier);
    assert_int_equal(classes->count, CLASSES);
    assert_string_equal(classes->items[2], "caf\xc3\xa9");
    assert_float_equal(cdul_classifier_thresholds(classifier)[3], 0.55, 1e-6);
    assert_int_equal(cdul_classifier_preprocess(classifier)->width, 32);
    assert_int_equal(cdul_classifier_preprocess(classifier)->height, 24);
    assert_string_equal(cdul_classifier_provenance(classifier),
                        "{\"made by\": \"make_classifier.py\"}");
    assert_string_equal(cdul_classifier_path(classifier), FOLDER "run/model.onnx");
    cdul_classifier_close(classifier);
    cdul_classifier_close(NULL);
}

static void graphs_of_other_makers_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *name, *reason;
    } cases[] = {
        {"refused/bare.onnx",
         "metadata lacks \"classes\": was this classifier written by cdul-train?"},
        {"refused/no_thresholds.onnx", "metadata lacks \"thresholds\""},
        {"refused/twice.onnx", "\"cat\""},
        {"refused/input_name.onnx", "one input image float32 [?, 3, 24, 32]"},
        {"refused/output_name.onnx", "an output scores float32 [?, 5]"},
        {"refused/fixed_batch.onnx", "image float32 [2, 3, 24, 32], expected one input image"},
        {"refused/size.onnx", "image float32 [?, 3, 28, 32], expected one input image"},
        {"refused/classes.onnx", "scores float32 [?, 5], expected an output scores float32 [?, 4]"},
        {"pictures/0.png", "0.png"},
        {"refused", "no model.onnx in this folder; cdul-train writes it"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char path[512];
        cdul_classifier *classifier = NULL;
        snprintf(path, sizeof path, FOLDER "%s", cases[k].name);
        assert_fails(cdul_classifier_open(path, NULL, &classifier, &err), CDUL_ERR_INPUT,
                     cases[k].reason);
        assert_non_null(strstr(err.message, path));
        assert_null(classifier);
    }
    cdul_classifier *classifier = NULL;
    assert_fails(cdul_classifier_open("nowhere/", NULL, &classifier, &err), CDUL_ERR_IO,
                 "nowhere/");
    cdul_classifier_options options = cdul_classifier_defaults();
    options.provider.name = "abacus";
    assert_fails(cdul_classifier_open(FOLDER "run", &options, &classifier, &err), CDUL_ERR_USAGE,
                 "abacus");
}

static void images_that_cannot_be_read_are_skipped_and_the_others_keep_their_order(void **state) {
    (void)state;
    cdul_strings paths = pictures();
    assert_ok(cdul_strings_add(&paths, "gone.png", &err));
    char *gone = paths.items[4];
    paths.items[4] = paths.items[1];
    paths.items[1] = gone;
    const cdul_predict_params params = cdul_predict_defaults();
    for (size_t batch = 1; batch < 5; batch++) {
        collected got = {0};
        assert_ok(predict("run", batch, &paths, params, true, &got));
        assert_int_equal(got.predicted, 4);
        const size_t order[] = {0, 2, 3, 4};
        assert_memory_equal(got.order, order, sizeof order);
        assert_int_equal(got.skipped, 1);
        assert_int_equal(got.last_skipped, 1);
        assert_non_null(strstr(got.reason, "gone.png"));
    }
    cdul_strings_free(&paths);
}

static void what_is_kept_of_an_image_comes_with_its_scores_and_is_dropped(void **state) {
    (void)state;
    cdul_strings paths = pictures();
    cdul_predict_params params = cdul_predict_defaults();
    for (size_t batch = 1; batch < 8; batch++) {
        params.threads = batch % 3;
        params.views = batch % 2 ? CDUL_TEST_VIEWS_FLIP : CDUL_TEST_VIEWS_GRID;
        collected got = {0};
        assert_ok(predict("run", batch, &paths, params, true, &got));
        assert_int_equal(got.kept, 2);
        /* the rest is dropped: seen by the address sanitizer */
        collected ended = {.fail_after = 1};
        assert_fails(predict("run", batch, &paths, params, true, &ended), CDUL_ERR_IO,
                     "disk is full");
        assert_int_equal(ended.predicted, 1);
    }
    cdul_strings_free(&paths);
}

static void numbers_that_are_no_scores_are_not_handed_on(void **state) {
    (void)state;
    cdul_strings paths = pictures();
    const cdul_predict_params params = cdul_predict_defaults();
    collected got = {0};
    assert_ok(predict("unbounded.onnx", 2, &paths, params, false, &got));
    assert_int_equal(got.predicted, 0);
    assert_int_equal(got.skipped, PICTURES);
    assert_string_equal(got.reason, "the model's scores are not in 0 .. 1");
    cdul_strings_free(&paths);
}

static void no_images_give_no_scores(void **state) {
    (void)state;
    const cdul_strings none = {0};
    const cdul_predict_params params = cdul_predict_defaults();
    collected got = {0};
    assert_ok(predict("run", 8, &none, params, false, &got));
    assert_int_equal(got.predicted + got.skipped, 0);
}

static void the_caller_sees_progress_and_a_stop_keeps_what_is_computed(void **state) {
    (void)state;
    cdul_strings paths = pictures();
    const cdul_predict_params params = cdul_predict_defaults();
    static watcher w;
    watcher_start(&w);
    collected got = {.watcher = &w};
    assert_ok(predict("run", 2, &paths, params, true, &got));
    assert_string_equal(w.verb, "predict");
    assert_int_equal(w.done, PICTURES);
    assert_int_equal(w.ended, 1);
    got = (collected){.watcher = &w, .stop_after = 2};
    assert_fails(predict("run", 2, &paths, params, true, &got), CDUL_ERR_CANCELLED, "2 of 4");
    assert_int_equal(got.predicted, 2);
    assert_int_equal(w.ended, 2);
    cdul_strings_free(&paths);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_a_python_pipeline_for_all_views_batches_and_threads),
        cmocka_unit_test(the_card_says_classes_thresholds_size_and_provenance),
        cmocka_unit_test(graphs_of_other_makers_are_refused_with_the_reason),
        cmocka_unit_test(images_that_cannot_be_read_are_skipped_and_the_others_keep_their_order),
        cmocka_unit_test(what_is_kept_of_an_image_comes_with_its_scores_and_is_dropped),
        cmocka_unit_test(numbers_that_are_no_scores_are_not_handed_on),
        cmocka_unit_test(no_images_give_no_scores),
        cmocka_unit_test(the_caller_sees_progress_and_a_stop_keeps_what_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
