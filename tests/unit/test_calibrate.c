#include "test.h"

#include "cdul/label.h"

#include <math.h>

static void the_mean_number_of_positives_becomes_what_was_asked(void **state) {
    (void)state;
    cdul_error err;
    enum { N = 50, C = 6 };
    float labels[N * C], before[N * C];
    for (size_t i = 0; i < N * C; i++) before[i] = labels[i] = 0.5F + 0.49F * sinf((float)i);
    const double wanted[] = {0.2, 1.5, 3, 5.7};
    for (size_t k = 0; k < 4; k++) {
        double sum = 0;
        assert_ok(cdul_calibrate_positives(labels, N, C, wanted[k], NULL, &err));
        for (size_t i = 0; i < N * C; i++) sum += labels[i];
        assert_true(fabs(sum / N - wanted[k]) < 1e-5);
        for (size_t i = 1; i < N * C; i++)
            if (before[i] > before[i - 1]) assert_true(labels[i] >= labels[i - 1]);
    }
}

static void the_bias_is_the_closed_form_for_one_label(void **state) {
    (void)state;
    cdul_error err;
    /* Two equal entries of 0.2 that must sum to 1.6: each 0.8, so b = logit(0.8) - logit(0.2) = 2
     * ln 4. */
    float labels[] = {0.2F, 0.2F};
    double bias;
    assert_ok(cdul_calibrate_positives(labels, 1, 2, 1.6, &bias, &err));
    assert_true(fabs(bias - 2 * log(4)) < 1e-6);
    assert_true(fabs(labels[0] - 0.8) < 1e-6);
}

static void labels_of_exactly_zero_and_one_still_move(void **state) {
    (void)state;
    cdul_error err;
    float labels[] = {0, 1, 0, 0};
    assert_ok(cdul_calibrate_positives(labels, 1, 4, 2.5, NULL, &err));
    assert_true(fabs(labels[0] + labels[1] + labels[2] + labels[3] - 2.5) < 1e-5);
}

static void impossible_expectations_are_refused(void **state) {
    (void)state;
    cdul_error err;
    float labels[] = {0.5F, 0.5F};
    assert_fails(cdul_calibrate_positives(labels, 1, 2, 0, NULL, &err), CDUL_ERR_USAGE,
                 "between 0 and");
    assert_fails(cdul_calibrate_positives(labels, 1, 2, 2, NULL, &err), CDUL_ERR_USAGE,
                 "2 classes");
    assert_fails(cdul_calibrate_positives(labels, 1, 2, NAN, NULL, &err), CDUL_ERR_USAGE,
                 "between");
}

static void the_summary_is_the_definition(void **state) {
    (void)state;
    cdul_error err;
    cdul_label_summary summary;
    float labels[] = {0.5F, 0.5F, 0, 1, 0, 0};
    assert_ok(cdul_label_summarise(labels, 2, 3, &summary, &err));
    assert_true(fabs(summary.mass - 1) < 1e-9);
    assert_true(fabs(summary.entropy - 2 * log(2) / 6) < 1e-9);
    assert_true(fabs(summary.contrast - 3) < 1e-6);
    assert_false(summary.flat);
    assert_ok(cdul_label_summarise(NULL, 0, 3, &summary, &err));
    assert_true(summary.mass == 0);
}

static double contrast_of(const float *labels, size_t n, size_t c, bool *flat) {
    cdul_error err;
    cdul_label_summary summary;
    assert_ok(cdul_label_summarise(labels, n, c, &summary, &err));
    *flat = summary.flat;
    return summary.contrast;
}

/* max_c y / mean_c y of one image: (0.75, 0.5, 0.25) gives 0.75 / 0.5. An image without any label
 * has 0. */
static void contrast_is_the_largest_label_over_the_mean(void **state) {
    (void)state;
    bool flat;
    const float labels[] = {0.75F, 0.5F, 0.25F}, half[] = {0.25F, 0.125F, 0.125F}, none[3] = {0};
    assert_true(contrast_of(labels, 1, 3, &flat) == 1.5);
    assert_true(contrast_of(half, 1, 3, &flat) == 1.5);
    assert_true(contrast_of(none, 1, 3, &flat) == 0);
}

/* Contrast < 1.5 with three classes or more. */
static void flat_begins_below_one_and_a_half_and_at_three_classes(void **state) {
    (void)state;
    bool flat;
    const float edge[] = {0.5F, 0.25F, 0.25F}, equal[] = {0.25F, 0.25F, 0.25F};
    assert_true(contrast_of(edge, 1, 3, &flat) == 1.5);
    assert_false(flat);
    assert_true(contrast_of(equal, 1, 3, &flat) == 1);
    assert_true(flat);
    assert_true(contrast_of(equal, 1, 2, &flat) == 1);
    assert_false(flat);
}

static void one_class_is_summarised_too(void **state) {
    (void)state;
    cdul_error err;
    cdul_label_summary summary;
    const float labels[] = {0.5F, 0.25F};
    assert_ok(cdul_label_summarise(labels, 2, 1, &summary, &err));
    assert_true(summary.mass == 0.375);
    assert_true(summary.contrast == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_number_of_positives_becomes_what_was_asked),
        cmocka_unit_test(the_bias_is_the_closed_form_for_one_label),
        cmocka_unit_test(labels_of_exactly_zero_and_one_still_move),
        cmocka_unit_test(impossible_expectations_are_refused),
        cmocka_unit_test(the_summary_is_the_definition),
        cmocka_unit_test(contrast_is_the_largest_label_over_the_mean),
        cmocka_unit_test(flat_begins_below_one_and_a_half_and_at_three_classes),
        cmocka_unit_test(one_class_is_summarised_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
