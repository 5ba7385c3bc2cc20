/* By hand. */
#include "test.h"

#include "predict/combine.h"

static void one_view_is_left_as_it_is(void **state) {
    (void)state;
    const float rows[2] = {0.25F, 0.75F};
    float scores[2];
    cdul_combine_views(CDUL_TEST_VIEWS_NONE, rows, 1, 2, scores);
    assert_memory_equal(scores, rows, sizeof rows);
}

static void the_mirror_image_counts_as_much_as_the_image(void **state) {
    (void)state;
    const float rows[4] = {0.25F, 0.75F, 0.5F, 0.25F};
    float scores[2];
    cdul_combine_views(CDUL_TEST_VIEWS_FLIP, rows, 2, 2, scores);
    assert_float_equal(scores[0], 0.375, 0);
    assert_float_equal(scores[1], 0.5, 0);
}

static void the_best_tile_counts_as_much_as_the_whole(void **state) {
    (void)state;
    const float rows[8] = {0.25F, 0.5F, /* whole */ 0.75F, 0.125F, 0.5F, 0.25F, 0.125F, 0.0F};
    float scores[2];
    cdul_combine_views(CDUL_TEST_VIEWS_GRID, rows, 4, 2, scores);
    assert_float_equal(scores[0], 0.5, 0); /* (0.25 + 0.75) / 2 */
    assert_float_equal(scores[1], 0.375, 0); /* (0.5 + 0.25) / 2 */
}

/* Logits ln 1/4, 0, ln 4: mean 0, deviation ln 4 sqrt(2/3), so z = -+ sqrt(3/2). */
static void standardised_logits_have_mean_0_and_deviation_1(void **state) {
    (void)state;
    float scores[3] = {0.2F, 0.5F, 0.8F};
    cdul_standardise_scores(scores, 3);
    assert_float_equal(scores[0], 0.22710252, 1e-6); /* 1 / (1 + exp(sqrt(1.5))) */
    assert_float_equal(scores[1], 0.5, 1e-6);
    assert_float_equal(scores[2], 0.77289748, 1e-6);
}

static void standardising_does_not_see_an_offset_of_all_logits(void **state) {
    (void)state;
    float high[3] = {0.8F, 0.9F, 0.97297297F},
          low[3] = {0.2F, 0.36F, 0.69230769F}; /* odds 4, 9, 36 and / 16 */
    cdul_standardise_scores(high, 3);
    cdul_standardise_scores(low, 3);
    for (size_t i = 0; i < 3; i++) assert_float_equal(high[i], low[i], 1e-6);
}

static void equal_and_saturated_scores_stay_finite(void **state) {
    (void)state;
    float equal[3] = {0.3F, 0.3F, 0.3F}, saturated[2] = {0, 1}, one[1] = {0.9F};
    cdul_standardise_scores(equal, 3);
    for (size_t i = 0; i < 3; i++) assert_float_equal(equal[i], 0.5, 0);
    cdul_standardise_scores(saturated, 2);
    assert_float_equal(saturated[0], 0.26894142, 1e-6); /* z = -1 */
    assert_float_equal(saturated[1], 0.73105858, 1e-6);
    cdul_standardise_scores(one, 1);
    assert_float_equal(one[0], 0.5, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_view_is_left_as_it_is),
        cmocka_unit_test(the_mirror_image_counts_as_much_as_the_image),
        cmocka_unit_test(the_best_tile_counts_as_much_as_the_whole),
        cmocka_unit_test(standardised_logits_have_mean_0_and_deviation_1),
        cmocka_unit_test(standardising_does_not_see_an_offset_of_all_logits),
        cmocka_unit_test(equal_and_saturated_scores_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
