/* src/train/loss.c against hand-worked values and numerical gradients. */
#include "test.h"

#include "train/trainer.h"

#include <math.h>

enum { B = 3, C = 4 };

static cdul_error err;
static const float logits[B * C] = {-2, 0.5f, 1, 3, 0, 0, -1, 2, 4, -4, 0.25f, -0.5f};
static const float labels[B * C] = {0.1f, 0.5f, 0.9f, 1, 0, 0.25f, 0.5f, 0.7f, 0.3f, 0.3f, 0.2f, 0};

static double loss_of(cdul_loss_kind kind, const float *x, const float *y, size_t b, size_t c) {
    cdul_scope s = {.no_grad = true};
    cdul_tensor *input = cdul_tensor_from(&s, x, CDUL_F32, 2, (size_t[]){b, c});
    double value = cdul_tensor_item(&s, cdul_loss(&s, kind, input, y, b, c, (cdul_device){0}));
    assert_ok(cdul_scope_close(&s, &err));
    return value;
}

/* The definition, in double. */
static double defined(cdul_loss_kind kind, const double *x) {
    double sum = 0;
    for (size_t i = 0; i < B; i++) {
        double total = 0, normaliser = 0;
        for (size_t k = 0; k < C; k++) {
            total += (double)labels[i * C + k];
            normaliser += exp(x[i * C + k]);
        }
        for (size_t k = 0; k < C; k++) {
            double y = (double)labels[i * C + k], p = 1 / (1 + exp(-x[i * C + k]));
            double q = y / total, r = exp(x[i * C + k]) / normaliser;
            if (kind == CDUL_LOSS_SOFTMAX_KL) {
                sum += (q > 0 ? q * log(q / r) : 0) / B;
            } else {
                sum -= (y * log(p) + (1 - y) * log(1 - p)) / (B * C);
                if (kind == CDUL_LOSS_BERNOULLI_KL)
                    sum +=
                        ((y > 0 ? y * log(y) : 0) + (y < 1 ? (1 - y) * log(1 - y) : 0)) / (B * C);
            }
        }
    }
    return sum;
}

static void losses_equal_their_definitions(void **state) {
    (void)state;
    double x[B * C];
    for (size_t i = 0; i < B * C; i++) x[i] = (double)logits[i];
    for (int kind = CDUL_LOSS_BERNOULLI_KL; kind <= CDUL_LOSS_SOFTMAX_KL; kind++) {
        double got = loss_of((cdul_loss_kind)kind, logits, labels, B, C),
               want = defined((cdul_loss_kind)kind, x);
        if (fabs(got - want) > 1e-6) fail_msg("loss %d: got %.9g, want %.9g", kind, got, want);
    }
}

/* x = 0, y = 1: BCE = ln 2, and so is the KL. y = 0.5: BCE = ln 2, KL = 0. y = (1, 1, 0, 0) and
 * equal logits: softmax KL = ln(1/2 / 1/4) = ln 2. */
static void losses_equal_values_worked_by_hand(void **state) {
    (void)state;
    const float zeros[4] = {0}, one[4] = {1, 1, 1, 1}, half[4] = {0.5f, 0.5f, 0.5f, 0.5f},
                pair[4] = {1, 1, 0, 0};
    assert_float_equal(loss_of(CDUL_LOSS_BCE, zeros, one, 1, 4), log(2), 1e-6);
    assert_float_equal(loss_of(CDUL_LOSS_BERNOULLI_KL, zeros, one, 1, 4), log(2), 1e-6);
    assert_float_equal(loss_of(CDUL_LOSS_BCE, zeros, half, 2, 2), log(2), 1e-6);
    assert_float_equal(loss_of(CDUL_LOSS_BERNOULLI_KL, zeros, half, 2, 2), 0, 1e-6);
    assert_float_equal(loss_of(CDUL_LOSS_SOFTMAX_KL, zeros, pair, 1, 4), log(2), 1e-6);
    assert_float_equal(loss_of(CDUL_LOSS_SOFTMAX_KL, zeros, zeros, 1, 4), 0, 1e-6);
}

static void gradients_are_those_of_the_definitions(void **state) {
    (void)state;
    for (int kind = CDUL_LOSS_BERNOULLI_KL; kind <= CDUL_LOSS_SOFTMAX_KL; kind++) {
        cdul_scope s = {0};
        float got[B * C];
        cdul_tensor *x = cdul_tensor_from(&s, logits, CDUL_F32, 2, (size_t[]){B, C});
        cdul_tensor_require_grad(&s, x, true);
        cdul_tensor_backward(
            &s, cdul_loss(&s, (cdul_loss_kind)kind, x, labels, B, C, (cdul_device){0}));
        cdul_tensor_read(&s, cdul_tensor_grad(&s, x), CDUL_F32, got, B * C);
        assert_ok(cdul_scope_close(&s, &err));
        for (size_t i = 0; i < B * C; i++) {
            const double h = 1e-6;
            double up[B * C], down[B * C];
            for (size_t k = 0; k < B * C; k++) up[k] = down[k] = (double)logits[k];
            up[i] += h;
            down[i] -= h;
            double want =
                (defined((cdul_loss_kind)kind, up) - defined((cdul_loss_kind)kind, down)) / (2 * h);
            if (fabs((double)got[i] - want) > 1e-6)
                fail_msg("loss %d, entry %zu: got %.9g, want %.9g", kind, i, (double)got[i], want);
        }
    }
}

/* (p - y) / (B C): the KL has the gradient of the cross-entropy. */
static void bernoulli_kl_and_bce_differ_by_a_constant_only(void **state) {
    (void)state;
    float moved[B * C];
    for (size_t i = 0; i < B * C; i++) moved[i] = logits[i] + (float)i / 7;
    double here = loss_of(CDUL_LOSS_BCE, logits, labels, B, C) -
                  loss_of(CDUL_LOSS_BERNOULLI_KL, logits, labels, B, C);
    double there = loss_of(CDUL_LOSS_BCE, moved, labels, B, C) -
                   loss_of(CDUL_LOSS_BERNOULLI_KL, moved, labels, B, C);
    assert_float_equal(here, there, 1e-6);
    assert_true(here > 0);
}

static void large_logits_stay_finite(void **state) {
    (void)state;
    const float x[4] = {200, -200, 200, -200}, y[4] = {0, 1, 1, 0};
    for (int kind = CDUL_LOSS_BERNOULLI_KL; kind <= CDUL_LOSS_SOFTMAX_KL; kind++)
        assert_true(isfinite(loss_of((cdul_loss_kind)kind, x, y, 1, 4)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_equal_their_definitions),
        cmocka_unit_test(losses_equal_values_worked_by_hand),
        cmocka_unit_test(gradients_are_those_of_the_definitions),
        cmocka_unit_test(bernoulli_kl_and_bce_differ_by_a_constant_only),
        cmocka_unit_test(large_logits_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
