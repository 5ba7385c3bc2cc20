/* By hand. */
#include "test.h"

#include "cli/programs.h"

static cdul_error err;

static const float model[5] = {0.5F, 0.4F, 0.6F, 0.9F, 0.1F};
static const float scores[5] = {0.5F, 0.39F, 0.7F, 0.3F, 0.2F};

/* The picked classes as text: "0 2 4". */
static void assert_picks(const cdul_threshold *threshold, const float *values, size_t c,
                         const char *want) {
    bool picked[8];
    char got[64] = "";
    size_t count = 0, told = cdul_threshold_pick(threshold, model, values, c, picked);
    for (size_t i = 0; i < c; i++)
        if (picked[i])
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%zu", count++ ? " " : "", i);
    assert_string_equal(got, want);
    assert_int_equal(told, count);
}

static cdul_threshold parsed(const char *text, size_t top_k) {
    cdul_threshold threshold = {.top_k = top_k};
    assert_ok(cdul_threshold_parse(text, &threshold, &err));
    assert_int_equal(threshold.top_k, top_k);
    return threshold;
}

static void auto_takes_the_models_thresholds_and_equal_scores_reach_them(void **state) {
    (void)state;
    const cdul_threshold threshold = parsed("auto", 0);
    assert_picks(&threshold, scores, 5, "0 2 4");
}

static void a_number_is_for_all_classes(void **state) {
    (void)state;
    cdul_threshold threshold = parsed("0.3", 0);
    assert_picks(&threshold, scores, 5, "0 1 2 3");
    threshold = parsed("0", 0);
    assert_picks(&threshold, scores, 5, "0 1 2 3 4");
    threshold = parsed("1", 0);
    assert_picks(&threshold, scores, 5, "");
    threshold = parsed("5e-1", 0);
    assert_picks(&threshold, scores, 5, "0 2");
}

static void relative_is_halfway_between_an_images_smallest_and_largest_score(void **state) {
    (void)state;
    const cdul_threshold threshold = parsed("relative", 0);
    assert_picks(&threshold, scores, 5, "0 2"); /* 0.2 + 0.5 (0.7 - 0.2) = 0.45 */
    const float small[3] = {0.01F, 0.02F, 0.03F};
    assert_picks(&threshold, small, 3, "1 2"); /* 0.02 itself reaches it */
    /* The largest first: 0.5; the smallest second: 0.5. */
    const float falling[3] = {0.9F, 0.4F, 0.1F}, valley[3] = {0.6F, 0.1F, 0.9F};
    assert_picks(&threshold, falling, 3, "0");
    assert_picks(&threshold, valley, 3, "0 2");
    const float equal[2] = {0.4F, 0.4F};
    assert_picks(&threshold, equal, 2, "0 1");
}

static void top_k_keeps_the_best_of_those_that_reach_the_threshold(void **state) {
    (void)state;
    cdul_threshold threshold = parsed("0", 2);
    assert_picks(&threshold, scores, 5, "0 2");
    threshold = parsed("0.45", 4);
    assert_picks(&threshold, scores, 5, "0 2");
    threshold = parsed("auto", 1);
    assert_picks(&threshold, scores, 5, "2");
    threshold = parsed("0", 9);
    assert_picks(&threshold, scores, 5, "0 1 2 3 4");
}

static void of_equal_scores_the_earlier_class_is_the_better(void **state) {
    (void)state;
    const float tied[5] = {0.1F, 0.6F, 0.6F, 0.9F, 0.6F};
    cdul_threshold threshold = parsed("0", 2);
    assert_picks(&threshold, tied, 5, "1 3");
    threshold = parsed("0.5", 3);
    assert_picks(&threshold, tied, 5, "1 2 3");
}

static void other_thresholds_are_refused(void **state) {
    (void)state;
    const char *const bad[] = {"", "Auto", "0.5x", "-0.1", "1.01", "nan", "inf", "50 %"};
    cdul_threshold threshold = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(cdul_threshold_parse(bad[i], &threshold, &err), CDUL_ERR_USAGE,
                     "expected auto, relative or a number in 0 .. 1");
}

/* Labels expect 1.2 + 0.9 = about 2 positives of class 0, none of class 1, all of class 2. */
static const float expected[4 * 3] = {0.9f, 0, 1, 0.8f, 0.1f, 1, 0.3f, 0, 1, 0.1f, 0.1f, 1};
static const float seen[4 * 3] = {0.9f, 0.3f, 0.2f, 0.2f, 0.1f, 0.9f,
                                  0.6f, 0.2f, 0.4f, 0.4f, 0.1f, 0.5f};

static void a_class_is_found_as_often_as_the_labels_expect(void **state) {
    (void)state;
    float thresholds[3];
    assert_ok(cdul_thresholds_from_labels(seen, expected, NULL, 4, 3, thresholds, &err));
    assert_float_equal(thresholds[0], 0.5, 1e-6); /* between 0.6 and 0.4 */
    assert_float_equal(thresholds[1], 0.65, 1e-6); /* never: between 1 and 0.3 */
    assert_float_equal(thresholds[2], 0, 0); /* always */
}

static void skipped_rows_do_not_count(void **state) {
    (void)state;
    const bool skip[4] = {false, true, false, false};
    float thresholds[3];
    assert_ok(cdul_thresholds_from_labels(seen, expected, skip, 4, 3, thresholds, &err));
    assert_float_equal(thresholds[0], 0.75, 1e-6); /* 1.3 expected of 0.9, 0.6, 0.4 */
}

static void without_images_the_threshold_is_one_half(void **state) {
    (void)state;
    float threshold;
    assert_ok(cdul_thresholds_from_labels(NULL, NULL, NULL, 0, 1, &threshold, &err));
    assert_float_equal(threshold, 0.5, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_takes_the_models_thresholds_and_equal_scores_reach_them),
        cmocka_unit_test(a_number_is_for_all_classes),
        cmocka_unit_test(relative_is_halfway_between_an_images_smallest_and_largest_score),
        cmocka_unit_test(top_k_keeps_the_best_of_those_that_reach_the_threshold),
        cmocka_unit_test(of_equal_scores_the_earlier_class_is_the_better),
        cmocka_unit_test(other_thresholds_are_refused),
        cmocka_unit_test(a_class_is_found_as_often_as_the_labels_expect),
        cmocka_unit_test(skipped_rows_do_not_count),
        cmocka_unit_test(without_images_the_threshold_is_one_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
