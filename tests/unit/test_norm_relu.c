/* Batch norm, sum and ReLU and their gradients against the formulas, worked in double. */
#include "test.h"

#include "torch/norm_relu.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* More than a run of rows and a tile of channels, and neither a multiple of a vector. */
enum { ROWS = 5003, CHANNELS = 517, N = ROWS * CHANNELS };

typedef struct fixture {
    bool half;
    void *x, *dy, *more, *residual, *y, *g, *dx; /* more: NULL, or another gradient */
    float mean[CHANNELS], variance[CHANNELS], sum_g[CHANNELS], sum_gx[CHANNELS];
} fixture;

static float get(const void *values, size_t i, bool half) {
    if (!half) return ((const float *)values)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)values)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bfloat16 by cutting off: these are inputs, whatever they are. */
static void *made(bool half, double phase, double scale, double offset) {
    float *values = malloc(N * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < N; i++) {
        float value = (float)(offset * (double)(i % CHANNELS % 7) +
                              scale * sin(phase * (double)(i % 100003)));
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (half)
            ((uint16_t *)values)[i] = (uint16_t)(bits >> 16);
        else
            values[i] = value;
    }
    return values;
}

static void run(fixture *f) {
    const norm_shape shape = {ROWS, CHANNELS, f->half};
    float scale[CHANNELS], shift[CHANNELS];
    assert_true(norm_statistics(shape, f->x, f->mean, f->variance));
    for (size_t c = 0; c < CHANNELS; c++) {
        scale[c] = 1.5F;
        shift[c] = -1.5F * f->mean[c];
    }
    norm_forward(shape, f->x, scale, shift, f->residual, true, f->y);
    assert_true(
        norm_backward_sums(shape, f->dy, f->more, f->y, f->x, f->mean, f->g, f->sum_g, f->sum_gx));
    norm_backward(shape, f->g, f->x, f->mean, scale, f->sum_g, f->sum_gx, f->dx);
}

static fixture fixture_of(bool half) {
    fixture f = {.half = half,
                 .x = made(half, 0.37, 2, 30), /* means far from zero beside the deviations */
                 .dy = made(half, 0.11, 1, 0),
                 .residual = made(half, 0.73, 1, 0),
                 .y = calloc(N, sizeof(float)),
                 .g = calloc(N, sizeof(float)),
                 .dx = calloc(N, sizeof(float))};
    assert_true(f.y && f.g && f.dx);
    return f;
}

static void fixture_free(fixture *f) {
    void *const all[] = {f->x, f->dy, f->more, f->residual, f->y, f->g, f->dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Half a unit in the last place of what was rounded. */
static double slack(bool half, double value) {
    return fabs(value) * (half ? 0x1p-8 : 0x1p-20) + 1e-4;
}

static void equals_the_formulas(bool half, bool two) {
    fixture f = fixture_of(half);
    if (two) f.more = made(half, 0.19, 1, 0);
    run(&f);
    for (size_t c = 0; c < CHANNELS; c++) {
        double sum = 0, squares = 0, sum_g = 0, sum_gx = 0, mass = 0;
        for (size_t i = c; i < N; i += CHANNELS) sum += (double)get(f.x, i, half);
        const double mean = sum / ROWS;
        for (size_t i = c; i < N; i += CHANNELS) {
            double x = (double)get(f.x, i, half) - mean,
                   y = 1.5 * x + (double)get(f.residual, i, half);
            double got = (double)get(f.y, i, half), g = (double)get(f.g, i, half),
                   dy = (double)get(f.dy, i, half);
            if (two) dy += (double)get(f.more, i, half);
            squares += x * x;
            sum_g += g;
            sum_gx += g * x;
            mass += fabs(g * x);
            assert_true(fabs(got - fmax(0, y)) <= slack(half, y));
            assert_true(got > 0 ? fabs(g - dy) <= (two ? slack(half, dy) : 0) : g == 0);
            double dx = 1.5 * g + (double)f.sum_g[c] * x + (double)f.sum_gx[c];
            assert_true(fabs((double)get(f.dx, i, half) - dx) <=
                        slack(half, dx) + 1e-4 * fabs((double)f.sum_g[c]));
        }
        assert_true(fabs((double)f.mean[c] - mean) <= 1e-6 * fabs(mean) + 1e-6);
        assert_true(fabs((double)f.variance[c] - squares / ROWS) <= 1e-5 * squares / ROWS);
        assert_true(fabs((double)f.sum_g[c] - sum_g) <= 1e-3);
        assert_true(fabs((double)f.sum_gx[c] - sum_gx) <= 1e-5 * mass);
    }
    fixture_free(&f);
}

static void float32_equals_the_formulas(void **state) {
    (void)state;
    equals_the_formulas(false, false);
    equals_the_formulas(false, true);
}

static void bfloat16_equals_the_formulas(void **state) {
    (void)state;
    equals_the_formulas(true, false);
    equals_the_formulas(true, true);
}

static void threads_change_nothing(void **state) {
    (void)state;
    fixture one = fixture_of(true), three = fixture_of(true);
    omp_set_num_threads(1);
    run(&one);
    omp_set_num_threads(3);
    run(&three);
    assert_memory_equal(one.dx, three.dx, N * sizeof(uint16_t));
    assert_memory_equal(one.variance, three.variance, sizeof one.variance);
    fixture_free(&one);
    fixture_free(&three);
}

static void nan_and_infinity_are_kept(void **state) {
    (void)state;
    const float one = 1, zero = 0;
    float x[] = {NAN, INFINITY, -INFINITY, -0.5F}, y[4];
    norm_forward((norm_shape){4, 1, false}, x, &one, &zero, NULL, true, y);
    assert_true(isnan(y[0]) && isinf(y[1]) && y[2] == 0 && y[3] == 0);
    /* NaN with all bits set, infinity, 1 + 2^-7 */
    uint16_t half[] = {0x7fff, 0x7f80, 0x3f81}, out[3];
    norm_forward((norm_shape){3, 1, true}, half, &one, &zero, NULL, false, out);
    assert_true((out[0] & 0x7f80) == 0x7f80 && (out[0] & 0x7f) != 0);
    assert_int_equal(out[1], 0x7f80);
    assert_int_equal(out[2], 0x3f81);
}

/* The middle between two bfloat16 goes to the even one. */
static void ties_round_to_even(void **state) {
    (void)state;
    /* 1 + 2^-8, 1 + 3 x 2^-8 */
    uint16_t x[] = {0x3f80, 0x3f80}, residual[] = {0x3b80, 0x3c40}, out[2];
    const float one = 1, zero = 0;
    norm_forward((norm_shape){2, 1, true}, x, &one, &zero, residual, false, out);
    assert_int_equal(out[0], 0x3f80);
    assert_int_equal(out[1], 0x3f82);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float32_equals_the_formulas),
        cmocka_unit_test(bfloat16_equals_the_formulas),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(nan_and_infinity_are_kept),
        cmocka_unit_test(ties_round_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
