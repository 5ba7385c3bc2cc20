/* The discriminant of surest views, against NumPy's and SciPy's (make_discriminant.py). */
#include "test.h"

#include "label/discriminant.h"

#include "base/safetensors.h"

#include <math.h>
#include <string.h>

enum { N = 90, C = 4, D = 12, MOST = 16 };

static cdul_error err;

static void read_tensor(const cdul_safetensors *file, const char *name, size_t rows, size_t columns,
                        float *out) {
    cdul_tensor_view view;
    size_t shape[2] = {rows, columns};
    assert_ok(cdul_safetensors_expect(file, name, columns ? 2 : 1, shape, &view, &err));
    cdul_tensor_to_f32(&view, 0, rows * (columns ? columns : 1), out);
}

static void it_equals_numpy_s(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    assert_ok(
        cdul_safetensors_open(CDUL_GOLDEN "/discriminant/discriminant.safetensors", &file, &err));
    float vectors[N * D], cosines[N * C], weights[C * D], biases[C];
    read_tensor(file, "vectors", N, D, vectors);
    read_tensor(file, "cosines", N, C, cosines);
    read_tensor(file, "weights", C, D, weights);
    read_tensor(file, "biases", C, 0, biases);
    cdul_discriminant *discriminant = NULL;
    float w[C * D], b[C];
    assert_ok(cdul_discriminant_new(C, D, MOST, &discriminant, &err));
    for (size_t i = 0; i < N; i++)
        assert_ok(cdul_discriminant_look(discriminant, vectors + i * D, cosines + i * C, &err));
    assert_ok(cdul_discriminant_fit(discriminant, w, b, &err));
    for (size_t i = 0; i < C * D; i++) assert_float_equal(w[i], weights[i], 2e-6);
    for (size_t i = 0; i < C; i++) assert_float_equal(b[i], biases[i], 2e-6);
    cdul_discriminant_free(discriminant);
    cdul_safetensors_close(file);
}

/* Worked by hand: one view a class leaves no deviations, A = I, w = mu, b = -1/2. */
static void one_view_a_class_is_its_own_mean(void **state) {
    (void)state;
    const float vectors[] = {1, 0, 0, 1}, cosines[] = {0.9F, 0.1F, 0.2F, 0.8F};
    cdul_discriminant *discriminant = NULL;
    float w[4], b[2];
    assert_ok(cdul_discriminant_new(2, 2, 5, &discriminant, &err));
    for (size_t i = 0; i < 2; i++)
        assert_ok(cdul_discriminant_look(discriminant, vectors + 2 * i, cosines + 2 * i, &err));
    assert_ok(cdul_discriminant_fit(discriminant, w, b, &err));
    assert_memory_equal(w, vectors, sizeof w);
    assert_true(b[0] == -0.5F && b[1] == -0.5F);
    cdul_discriminant_free(discriminant);
}

/* Views that all say the same are equally sure: the first MOST are kept, wherever they stand. */
static void of_equally_sure_views_the_earlier_are_kept(void **state) {
    (void)state;
    const float cosines[] = {0.9F, 0.1F};
    cdul_discriminant *discriminant = NULL;
    float w[2], b[2];
    assert_ok(cdul_discriminant_new(2, 1, 2, &discriminant, &err));
    for (int i = 0; i < 6; i++) {
        const float vector = i < 2 ? 1 : -1;
        assert_ok(cdul_discriminant_look(discriminant, &vector, cosines, &err));
    }
    assert_ok(cdul_discriminant_fit(discriminant, w, b, &err));
    assert_true(w[0] == 1); /* mean of 1 and 1, A = 1 */
    cdul_discriminant_free(discriminant);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_equals_numpy_s),
        cmocka_unit_test(one_view_a_class_is_its_own_mean),
        cmocka_unit_test(of_equally_sure_views_the_earlier_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
