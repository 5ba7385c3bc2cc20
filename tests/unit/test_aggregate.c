/* Equations (1) to (6) of the paper, worked by hand. */
#include "test.h"

#include "cdul/label.h"

#include <math.h>

/* A view of two classes whose softmax at T = 1 is (p, 1 - p): the cosine is log(p / (1 - p)). */
#define LOG_ODDS_0_6 0.405465108108164F
#define LOG_ODDS_0_9 2.197224577336219F
#define LOG_ODDS_0_2 -1.386294361119891F

/* The whole image says 0.6, its three crops 0.9, 0.5 and 0.2. */
static const float views[] = {LOG_ODDS_0_6, 0, LOG_ODDS_0_9, 0, 0, 0, LOG_ODDS_0_2, 0};

static void aggregate(cdul_aggregator kind, double zeta, double lambda, const float *cosines, size_t s,
                      float y[2]) {
    cdul_aggregate_options o = {.aggregator = kind, .temperature = 1, .zeta = zeta, .lambda = lambda};
    float scratch[64];
    cdul_aggregate(&o, cosines, s, 2, scratch, y);
}

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6)) fail_msg("got %.9g, want %.9g", got, want);
}

static void cdul_takes_the_largest_crop_where_it_reaches_zeta_and_the_smallest_elsewhere(void **state) {
    (void)state;
    float y[2];
    /* alpha = (0.9, 0.8), beta = (0.2, 0.1), both alphas reach 0.4: s_agg = alpha; y = mean with s_glob (0.6,
     * 0.4). */
    aggregate(CDUL_AGGREGATE_CDUL, 0.4, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9));
    assert_near(y[1], 0.5 * (0.4 + 0.8));
    /* zeta = 0.85: class 0 keeps alpha, class 1 falls to beta. */
    aggregate(CDUL_AGGREGATE_CDUL, 0.85, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9));
    assert_near(y[1], 0.5 * (0.4 + 0.1));
    /* zeta = 0 is the pure maximum. */
    float max[2];
    aggregate(CDUL_AGGREGATE_CDUL, 0, 0, views, 3, y);
    aggregate(CDUL_AGGREGATE_MAX, 0, 0, views, 3, max);
    assert_memory_equal(y, max, sizeof y);
}

static void lambda_moves_the_fusion_from_smaller_over_mean_to_larger(void **state) {
    (void)state;
    float y[2];
    aggregate(CDUL_AGGREGATE_MAX, 0, 1, views, 3, y);
    assert_near(y[0], 0.9);
    assert_near(y[1], 0.8);
    aggregate(CDUL_AGGREGATE_MAX, 0, -1, views, 3, y);
    assert_near(y[0], 0.6);
    assert_near(y[1], 0.4);
    aggregate(CDUL_AGGREGATE_MAX, 0, 0.5, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9 + 0.5 * 0.3));
}

static void the_other_aggregators_do_what_their_names_say(void **state) {
    (void)state;
    float y[2];
    aggregate(CDUL_AGGREGATE_GLOBAL, 0, 0, views, 3, y);
    assert_near(y[0], 0.6);
    aggregate(CDUL_AGGREGATE_MEAN, 0, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + (0.9 + 0.5 + 0.2) / 3));
    aggregate(CDUL_AGGREGATE_TOP2, 0, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + (0.9 + 0.5) / 2));
    assert_near(y[1], 0.5 * (0.4 + (0.8 + 0.5) / 2));
    aggregate(CDUL_AGGREGATE_CDUL, 0, 0, views, 0, y); /* no crops: the whole image is the only evidence */
    assert_near(y[0], 0.6);
}

static void zscore_standardises_each_view_over_its_classes(void **state) {
    (void)state;
    /* Whole (1, 2, 3): mean 2, deviation sqrt(2/3). Crop (0, 0, 3): mean 1, deviation sqrt 2. */
    float cosines[] = {1, 2, 3, 0, 0, 3}, scratch[6], y[3];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_ZSCORE, .temperature = 1};
    cdul_aggregate(&o, cosines, 1, 3, scratch, y);
    double z = 0.5 * (1 / sqrt(2.0 / 3) + 2 / sqrt(2.0));
    assert_near(y[2], 1 / (1 + exp(-z)));
    assert_near(y[1], 1 / (1 + exp(0.5 / sqrt(2.0))));
}

static void a_flat_view_says_nothing_under_zscore(void **state) {
    (void)state;
    float cosines[] = {0.3F, 0.3F, 0.3F}, scratch[3], y[3];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_ZSCORE, .temperature = 1};
    cdul_aggregate(&o, cosines, 0, 3, scratch, y);
    for (int i = 0; i < 3; i++) assert_near(y[i], 0.5);
}

/* The public reimplementation divides cosines by ln(100) = 4.6 where CLIP multiplies by 100. */
static void labels_of_a_clear_image_are_not_flat_and_the_ln100_mistake_is_noticed(void **state) {
    (void)state;
    enum { C = 20 };
    float cosines[C], scratch[C], y[C];
    for (int i = 0; i < C; i++)
        cosines[i] = 0.18F; /* typical CLIP cosines: 0.18 for the absent, 0.28 for the present */
    cosines[7] = 0.28F;
    cdul_error err;
    cdul_label_summary summary;
    cdul_aggregate_options o = cdul_aggregate_defaults();
    cdul_aggregate(&o, cosines, 0, C, scratch, y);
    assert_true(y[7] > 0.99);
    assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
    assert_false(summary.flat);
    assert_near(summary.mass, 1);

    o.temperature = log(100);
    cdul_aggregate(&o, cosines, 0, C, scratch, y);
    assert_true(y[7] < 1.1 / C);
    assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
    assert_true(summary.flat);
}

static void large_cosines_over_small_temperatures_do_not_overflow(void **state) {
    (void)state;
    float cosines[] = {1, -1}, scratch[2], y[2];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_GLOBAL, .temperature = 1e-4};
    cdul_aggregate(&o, cosines, 0, 2, scratch, y);
    assert_near(y[0], 1);
    assert_near(y[1], 0);
}

static void options_out_of_range_are_refused_with_the_range(void **state) {
    (void)state;
    cdul_error err;
    cdul_aggregate_options o = cdul_aggregate_defaults();
    assert_ok(cdul_aggregate_check(&o, &err));
    o.temperature = 0;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "above 0");
    o.temperature = NAN;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "temperature");
    o = cdul_aggregate_defaults();
    o.zeta = 1.5;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "0 .. 1");
    o = cdul_aggregate_defaults();
    o.lambda = -2;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "-1 .. 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cdul_takes_the_largest_crop_where_it_reaches_zeta_and_the_smallest_elsewhere),
        cmocka_unit_test(lambda_moves_the_fusion_from_smaller_over_mean_to_larger),
        cmocka_unit_test(the_other_aggregators_do_what_their_names_say),
        cmocka_unit_test(zscore_standardises_each_view_over_its_classes),
        cmocka_unit_test(a_flat_view_says_nothing_under_zscore),
        cmocka_unit_test(labels_of_a_clear_image_are_not_flat_and_the_ln100_mistake_is_noticed),
        cmocka_unit_test(large_cosines_over_small_temperatures_do_not_overflow),
        cmocka_unit_test(options_out_of_range_are_refused_with_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
