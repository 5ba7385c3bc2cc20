/* With a network that gives the first two numbers of a view, in a reduced precision with an error
 * of its own. */
#include "test.h"

#include "image/trial.h"

#define SIDE 4

static cdul_error err;

typedef struct network {
    cdul_inference now; /* AUTO: closed */
    cdul_inference fails; /* to open */
    size_t opened, ran, reduced_width;
    float error, bound;
    size_t seen; /* images that were compared */
} network;

static cdul_status open_in(void *user, cdul_inference precision, cdul_error *error) {
    network *n = user;
    n->now = CDUL_INFERENCE_AUTO;
    if (precision == n->fails) return cdul_fail(error, CDUL_ERR_INPUT, "a broken graph");
    n->now = precision;
    n->opened++;
    return CDUL_OK;
}

static cdul_trial_shape shape_of(void *user) {
    const network *n = user;
    const cdul_preprocess preprocess = {
        .width = SIDE, .height = SIDE, .scale = 1 / 255.0f, .std = {1, 1, 1}};
    return (cdul_trial_shape){preprocess, n->now == CDUL_INFERENCE_FP32 ? 2 : n->reduced_width};
}

static cdul_status run(void *user, const float *pixels, size_t n, float *rows, cdul_error *error) {
    network *net = user;
    (void)error;
    net->ran++;
    for (size_t i = 0; i < 2 * n; i++)
        rows[i] = pixels[i / 2 * 3 * SIDE * SIDE + i % 2] +
                  (net->now == CDUL_INFERENCE_INT8 ? net->error : 0);
    return CDUL_OK;
}

static bool agrees(void *user, const float *rows, const float *exact, size_t n, size_t width) {
    network *net = user;
    net->seen = n;
    for (size_t i = 0; i < n * width; i++)
        if (rows[i] - exact[i] > net->bound) return false;
    return true;
}

static network try(network n, cdul_status expected) {
    const cdul_trial trial = {CDUL_INFERENCE_INT8, open_in, shape_of, run, agrees, &n};
    const cdul_decode_options decode = cdul_decode_defaults();
    cdul_strings paths = {0};
    FILE *file = fopen("trial.ppm", "wb");
    assert_non_null(file);
    fprintf(file, "P6 %d %d 255\n", SIDE, SIDE);
    for (int i = 0; i < 3 * SIDE * SIDE; i++) fputc(i, file);
    fclose(file);
    for (size_t i = 0; i < CDUL_TRIAL_LEAST; i++)
        assert_ok(cdul_strings_add(&paths, i ? "trial.ppm" : "missing.ppm", &err));
    n.now = CDUL_INFERENCE_FP32;
    assert_int_equal(cdul_trial_run(&trial, &paths, &decode, &err), expected);
    cdul_strings_free(&paths);
    return n;
}

static void what_agrees_stays_open(void **state) {
    (void)state;
    network n = try((network){.reduced_width = 2, .error = 0.01f, .bound = 0.1f}, CDUL_OK);
    assert_int_equal(n.now, CDUL_INFERENCE_INT8);
    assert_int_equal(n.opened, 1);
    assert_int_equal(n.seen, 16);
}

static void what_disagrees_is_closed_again(void **state) {
    (void)state;
    network n = try((network){.reduced_width = 2, .error = 0.2f, .bound = 0.1f}, CDUL_OK);
    assert_int_equal(n.now, CDUL_INFERENCE_FP32);
    assert_int_equal(n.opened, 2);
}

/* Its rows would not fit where float32's do. */
static void a_network_of_another_shape_is_not_asked(void **state) {
    (void)state;
    network n = try((network){.reduced_width = 3, .bound = 0.1f}, CDUL_OK);
    assert_int_equal(n.now, CDUL_INFERENCE_FP32);
    assert_int_equal(n.ran, 1);
}

static void one_that_does_not_open_ends_the_trial(void **state) {
    (void)state;
    network n = try((network){.reduced_width = 2, .fails = CDUL_INFERENCE_INT8}, CDUL_ERR_INPUT);
    assert_int_equal(n.now, CDUL_INFERENCE_AUTO);
    assert_non_null(strstr(err.message, "a broken graph"));
}

static int remove_files(void **state) {
    (void)state;
    unlink("trial.ppm");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_agrees_stays_open),
        cmocka_unit_test(what_disagrees_is_closed_again),
        cmocka_unit_test(a_network_of_another_shape_is_not_asked),
        cmocka_unit_test(one_that_does_not_open_ends_the_trial),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
