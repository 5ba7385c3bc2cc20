/* src/train/targets.c against its equations, worked by hand, and against numerical gradients. */
#include "test.h"

#include "train/trainer.h"

#include <math.h>

static void assert_near(double got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.12g, want %.12g within %g", got, want, tolerance);
}

/* psi(0.5) = 1 / (sigma sqrt(2 pi)): 1.9947114 at sigma 0.2. One sigma away: times exp(-1/2). */
static void psi_is_the_normal_density_around_one_half(void **state) {
    (void)state;
    assert_near(cdul_align_psi(0.5, 0.2), 1.994711402007164, 1e-12);
    assert_near(cdul_align_psi(0.7, 0.2), 1.994711402007164 * 0.6065306597126334, 1e-12);
    assert_near(cdul_align_psi(0.3, 0.2), cdul_align_psi(0.7, 0.2), 1e-12);
    /* scipy.stats.norm.pdf(0.5) */
    assert_near(cdul_align_psi(0.0, 1.0), 0.3520653267642995, 1e-12);
}

/* y = 0.8, p = 0.6: BCE = -(0.6 ln 0.8 + 0.4 ln 0.2); KL = 0.8 ln(0.8/0.6) + 0.2 ln(0.2/0.4). */
static void losses_equal_their_definitions(void **state) {
    (void)state;
    double u = log(4), logit = log(1.5);
    assert_near(cdul_align_evaluate(CDUL_ALIGN_BCE, u, logit).loss, 0.777661295762166, 1e-12);
    assert_near(cdul_align_evaluate(CDUL_ALIGN_KL, u, logit).loss, 0.09151622184943578, 1e-12);
    assert_near(cdul_align_evaluate(CDUL_ALIGN_KL, u, u).loss, 0, 1e-15);
}

/* y - p = 0.2; y (1 - y) (u - logit p) = 0.16 (1.386294 - 0.405465). */
static void gradients_equal_their_closed_forms(void **state) {
    (void)state;
    double u = log(4), logit = log(1.5);
    assert_near(cdul_align_evaluate(CDUL_ALIGN_BCE, u, logit).gradient, 0.2, 1e-12);
    assert_near(cdul_align_evaluate(CDUL_ALIGN_KL, u, logit).gradient, 0.1569326804818762, 1e-12);
}

static void gradients_are_those_of_the_losses(void **state) {
    (void)state;
    const double h = 1e-5;
    for (int target = CDUL_ALIGN_BCE; target <= CDUL_ALIGN_KL; target++) {
        for (double u = -6; u <= 6; u += 0.75) {
            for (double q = -6; q <= 6; q += 0.75) {
                cdul_align_target kind = (cdul_align_target)target;
                double after = cdul_align_evaluate(kind, u + h, q).loss,
                       before = cdul_align_evaluate(kind, u - h, q).loss;
                assert_near(cdul_align_evaluate(kind, u, q).gradient, (after - before) / (2 * h),
                            1e-8);
            }
        }
    }
}

static void extreme_logits_stay_finite(void **state) {
    (void)state;
    for (int target = CDUL_ALIGN_BCE; target <= CDUL_ALIGN_KL; target++) {
        assert_true(isfinite(cdul_align_evaluate((cdul_align_target)target, 90, -900).loss));
        assert_true(isfinite(cdul_align_evaluate((cdul_align_target)target, -90, 900).gradient));
    }
}

/* u = 0, p = 0.6, sigma 0.2, eta 1: psi = 1.994711, y - p = -0.1, so u becomes 0.1994711 and y
 * 0.5497031. */
static void one_step_equals_equation_8_by_hand(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 1};
    float u = 0, logit = (float)log(1.5);
    cdul_align_step step;
    cdul_align_update(&options, &logit, NULL, 1, 1, &u, &step);
    assert_near((double)u, 0.1994711402, 1e-7);
    assert_near(step.moved, 0.0497031, 1e-6);
    assert_near(step.loss, 0.6931471806, 1e-7);
    assert_near(step.reached, 1, 0);
}

static void the_largest_bce_step_is_eta_psi_at_one_half(void **state) {
    (void)state;
    cdul_align_options options = cdul_train_defaults().alignment;
    float u = 0, logit = 40;
    cdul_align_update(&options, &logit, NULL, 1, 1, &u, NULL);
    assert_near((double)u, 0.5 * options.eta * cdul_align_psi(0.5, options.sigma), 1e-6);
    assert_near(options.eta * cdul_align_psi(0.5, options.sigma), 2, 0.01);
}

static void eta_zero_moves_nothing(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 1, 0};
    float u[2] = {-1.25f, 3}, logits[2] = {2, -7};
    cdul_align_step step;
    cdul_align_update(&options, logits, NULL, 1, 2, u, &step);
    assert_true(u[0] == -1.25f && u[1] == 3);
    assert_near(step.moved, 0, 0);
}

static void labels_equal_to_predictions_are_fixed_points(void **state) {
    (void)state;
    for (int target = CDUL_ALIGN_BCE; target <= CDUL_ALIGN_KL; target++) {
        cdul_align_options options = {(cdul_align_target)target, 0.5, 10};
        float u[3] = {-2, 0, 1.5f}, logits[3] = {-2, 0, 1.5f};
        cdul_align_update(&options, logits, NULL, 3, 1, u, NULL);
        assert_true(u[0] == -2 && u[1] == 0 && u[2] == 1.5f);
    }
}

static void skipped_rows_stay_and_are_not_counted(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 1};
    float u[4] = {0, 0, 0, 0}, logits[4] = {1, 1, 1, 1};
    const bool skip[2] = {true, false};
    cdul_align_step some, all;
    cdul_align_update(&options, logits, skip, 2, 2, u, &some);
    assert_true(u[0] == 0 && u[1] == 0 && u[2] > 0 && u[3] > 0);
    float again[2] = {0, 0};
    cdul_align_update(&options, logits, NULL, 1, 2, again, &all);
    assert_near(some.moved, all.moved, 0);
}

/* Enough rows that no part of the sum is empty. All labels are one half, so psi is 1.994711 and the
 * loss ln 2 everywhere; the predictions p differ, and u becomes 1.994711 (p - 0.5). */
static void many_rows_step_each_by_its_own_prediction(void **state) {
    (void)state;
    enum { N = 150, C = 3 };
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 1};
    float u[N * C] = {0}, logits[N * C];
    double moved = 0;
    for (size_t k = 0; k < N * C; k++) {
        double p = (double)(k + 1) / (N * C + 1), want = 1.994711402007164 * (p - 0.5);
        logits[k] = (float)log(p / (1 - p));
        moved += fabs(1 / (1 + exp(-want)) - 0.5);
    }
    cdul_align_step step;
    cdul_align_update(&options, logits, NULL, N, C, u, &step);
    for (size_t k = 0; k < N * C; k++)
        assert_near((double)u[k], 1.994711402007164 * ((double)(k + 1) / (N * C + 1) - 0.5), 1e-6);
    assert_near(step.loss, log(2), 1e-12);
    assert_near(step.moved, moved / (N * C), 1e-7);
    assert_near(step.reached, 1, 1e-12);
}

static void a_step_of_one_row_is_the_mean_over_its_classes(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 0};
    float u[2] = {0, 0};
    const float logits[2] = {1, -1};
    cdul_align_step step;
    cdul_align_update(&options, logits, NULL, 1, 2, u, &step);
    assert_near(step.loss, log(2), 1e-12);
    assert_near(step.reached, 1, 0);
}

static void a_step_of_no_row_is_zero(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 1};
    float u = 0, logit = 1;
    const bool skip = true;
    cdul_align_step step;
    cdul_align_update(&options, &logit, &skip, 1, 1, &u, &step);
    assert_true(u == 0);
    assert_near(step.loss, 0, 0);
    assert_near(step.moved, 0, 0);
    assert_near(step.reached, 0, 0);
}

/* psi is at least half its peak where |y - 0.5| <= sigma sqrt(2 ln 2) = 0.2355 at sigma 0.2. */
static void reached_counts_labels_at_half_of_the_peak_or_more(void **state) {
    (void)state;
    cdul_align_options options = {CDUL_ALIGN_BCE, 0.2, 1};
    const float labels[4] = {0.27f, 0.26f, 0.73f, 0.99f}, logits[4] = {0};
    float u[4];
    cdul_align_to_latent(labels, 4, u);
    cdul_align_step step;
    cdul_align_update(&options, logits, NULL, 4, 1, u, &step);
    assert_near(step.reached, 0.5, 0);
}

static void latents_and_labels_are_inverse_within_the_clamp(void **state) {
    (void)state;
    const float labels[5] = {0, 1e-3f, 0.5f, 0.75f, 1};
    float u[5], back[5];
    cdul_align_to_latent(labels, 5, u);
    assert_near((double)u[3], log(3), 1e-6);
    cdul_align_to_labels(u, 5, back);
    assert_near((double)back[0], CDUL_ALIGN_CLAMP, 1e-9);
    assert_near((double)back[4], 1 - CDUL_ALIGN_CLAMP, 1e-7);
    for (size_t i = 1; i < 4; i++) assert_near((double)back[i], (double)labels[i], 1e-7);
}

/* y = 0.5, 0.5 | 0.8, 0.2 against 0.5, 0.25 | 1, 0: drift (0 + 0.25 + 0.2 + 0.2) / 4, mass (1 + 1)
 * / 2, entropy (2 ln 2 + 2 x 0.5004024) / 4. */
static void state_is_drift_mass_and_entropy(void **state) {
    (void)state;
    const float labels[4] = {0.5f, 0.5f, 0.8f, 0.2f}, initial[4] = {0.5f, 0.25f, 1, 0};
    cdul_align_state got = cdul_align_describe(labels, initial, 2, 2);
    assert_near(got.drift, 0.1625, 1e-7);
    assert_near(got.mass, 1, 1e-7);
    assert_near(got.entropy, 0.5967748, 1e-6);
    assert_near(cdul_align_describe(initial + 2, initial + 2, 1, 2).entropy, 0, 0);
}

/* Labels 1/4 and 3/4 in turn, that were 0 and 1: drift 1/4, mass 2 / 2, entropy 0.25 ln 4 + 0.75 ln
 * (4 / 3). */
static void state_is_of_all_rows_and_of_one(void **state) {
    (void)state;
    enum { N = 100, C = 2 };
    float labels[N * C], initial[N * C];
    for (size_t k = 0; k < N * C; k++) {
        labels[k] = k % 2 ? 0.75f : 0.25f;
        initial[k] = (float)(k % 2);
    }
    for (size_t n = 1; n <= N; n += N - 1) {
        cdul_align_state got = cdul_align_describe(labels, initial, n, C);
        assert_near(got.drift, 0.25, 1e-12);
        assert_near(got.mass, 1, 1e-12);
        assert_near(got.entropy, 0.25 * log(4) + 0.75 * log(4.0 / 3), 1e-12);
    }
    cdul_align_state none = cdul_align_describe(labels, initial, 0, C);
    assert_true(none.drift == 0 && none.mass == 0 && none.entropy == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psi_is_the_normal_density_around_one_half),
        cmocka_unit_test(losses_equal_their_definitions),
        cmocka_unit_test(gradients_equal_their_closed_forms),
        cmocka_unit_test(gradients_are_those_of_the_losses),
        cmocka_unit_test(extreme_logits_stay_finite),
        cmocka_unit_test(one_step_equals_equation_8_by_hand),
        cmocka_unit_test(the_largest_bce_step_is_eta_psi_at_one_half),
        cmocka_unit_test(eta_zero_moves_nothing),
        cmocka_unit_test(labels_equal_to_predictions_are_fixed_points),
        cmocka_unit_test(skipped_rows_stay_and_are_not_counted),
        cmocka_unit_test(many_rows_step_each_by_its_own_prediction),
        cmocka_unit_test(a_step_of_one_row_is_the_mean_over_its_classes),
        cmocka_unit_test(a_step_of_no_row_is_zero),
        cmocka_unit_test(reached_counts_labels_at_half_of_the_peak_or_more),
        cmocka_unit_test(latents_and_labels_are_inverse_within_the_clamp),
        cmocka_unit_test(state_is_drift_mass_and_entropy),
        cmocka_unit_test(state_is_of_all_rows_and_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
