/* Scaling labels to the encoder's own probabilities, against scikit-learn (make_reference.py). */
#include "test.h"

#include "base/safetensors.h"
#include "label/pipeline.h"

#include <math.h>
#include <string.h>

enum { N = 60, C = 5 };

static cdul_error err;

static void read_tensor(const cdul_safetensors *file, const char *name, float *out) {
    cdul_tensor_view view;
    size_t shape[2] = {N, C};
    assert_ok(cdul_safetensors_expect(file, name, 2, shape, &view, &err));
    cdul_tensor_to_f32(&view, 0, N * C, out);
}

static cdul_reference open_reference(const float *cosines, double temperature) {
    cdul_reference reference = {.options = {.temperature = temperature}};
    float scratch[C];
    assert_ok(cdul_reference_open(&reference, N, C, &err));
    for (size_t i = 0; i < N; i++)
        cdul_reference_row(&reference, i, cosines + i * C, 0, C, scratch);
    return reference;
}

static void labels_are_scaled_as_scikit_learn_does_it(void **state) {
    (void)state;
    float labels[N * C], cosines[N * C], want[N * C];
    cdul_safetensors *file = NULL;
    double scale = 0;
    assert_ok(cdul_safetensors_open(CDUL_GOLDEN "/reference/reference.safetensors", &file, &err));
    read_tensor(file, "labels", labels);
    read_tensor(file, "cosines", cosines);
    read_tensor(file, "calibrated", want);
    cdul_reference reference = open_reference(cosines, 0.01);
    cdul_reference_calibrate(&reference, labels, N, C, &scale);
    assert_true(scale > 1);
    for (size_t i = 0; i < N * C; i++) assert_float_equal(labels[i], want[i], 1e-5);
    cdul_reference_free(&reference);
    cdul_safetensors_close(file);
}

/* The first class has the largest cosine and the smallest label everywhere: the best scale would be
 * negative. */
static void labels_that_contradict_are_left_alone(void **state) {
    (void)state;
    float labels[N * C], before[N * C], cosines[N * C];
    double scale = 1;
    for (size_t i = 0; i < N * C; i++) {
        labels[i] = before[i] = i % C == 0 ? 0.1F : 0.9F;
        cosines[i] = i % C == 0 ? 0.3F : 0.2F;
    }
    cdul_reference reference = open_reference(cosines, 0.05);
    cdul_reference_calibrate(&reference, labels, N, C, &scale);
    assert_false(scale > 0);
    assert_memory_equal(labels, before, sizeof labels);
    cdul_reference_free(&reference);
}

static void without_a_temperature_nothing_is_kept(void **state) {
    (void)state;
    cdul_reference reference = {.options = {.temperature = NAN}};
    assert_ok(cdul_reference_open(&reference, N, C, &err));
    assert_null(reference.rows);
    cdul_reference_row(&reference, 0, NULL, 0, C, NULL);
    cdul_reference_free(&reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_scaled_as_scikit_learn_does_it),
        cmocka_unit_test(labels_that_contradict_are_left_alone),
        cmocka_unit_test(without_a_temperature_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
