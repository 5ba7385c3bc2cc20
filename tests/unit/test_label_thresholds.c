#include "test.h"

#include "labels/thresholds.h"

static cdul_error err;

/* Labels expect 1.2 + 0.9 = about 2 positives of class 0, none of class 1, all of class 2. */
static const float labels[4 * 3] = {0.9f, 0, 1, 0.8f, 0.1f, 1, 0.3f, 0, 1, 0.1f, 0.1f, 1};
static const float scores[4 * 3] = {0.9f, 0.3f, 0.2f, 0.2f, 0.1f, 0.9f,
                                    0.6f, 0.2f, 0.4f, 0.4f, 0.1f, 0.5f};

static void a_class_is_found_as_often_as_the_labels_expect(void **state) {
    (void)state;
    float thresholds[3];
    assert_ok(cdul_thresholds_from_labels(scores, labels, NULL, 4, 3, thresholds, &err));
    assert_float_equal(thresholds[0], 0.5, 1e-6); /* between 0.6 and 0.4 */
    assert_float_equal(thresholds[1], 0.65, 1e-6); /* never: between 1 and 0.3 */
    assert_float_equal(thresholds[2], 0, 0); /* always */
}

static void skipped_rows_do_not_count(void **state) {
    (void)state;
    const bool skip[4] = {false, true, false, false};
    float thresholds[3];
    assert_ok(cdul_thresholds_from_labels(scores, labels, skip, 4, 3, thresholds, &err));
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
        cmocka_unit_test(a_class_is_found_as_often_as_the_labels_expect),
        cmocka_unit_test(skipped_rows_do_not_count),
        cmocka_unit_test(without_images_the_threshold_is_one_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
