#include "test.h"

#include "train/trainer.h"

#include <math.h>

static void assert_factor(cdul_schedule schedule, size_t step, double want) {
    double got = cdul_schedule_factor(&schedule, step);
    if (fabs(got - want) > 1e-12) fail_msg("step %zu: got %.12g, want %.12g", step, got, want);
}

static void constant_is_one_everywhere(void **state) {
    (void)state;
    for (size_t step = 0; step < 10; step++)
        assert_factor((cdul_schedule){CDUL_SCHEDULE_CONSTANT, 10, 0}, step, 1);
}

/* torch.optim.lr_scheduler.CosineAnnealingLR(T_max = 8): 1, 0.9619397663, ..., 0.5 at half,
 * 0.1464466094 */
static void cosine_equals_torch_s_annealing(void **state) {
    (void)state;
    cdul_schedule schedule = {CDUL_SCHEDULE_COSINE, 8, 0};
    assert_factor(schedule, 0, 1);
    assert_factor(schedule, 1, 0.9619397662556434);
    assert_factor(schedule, 4, 0.5);
    assert_factor(schedule, 6, 0.14644660940672627);
}

static void step_divides_by_ten_after_each_third(void **state) {
    (void)state;
    cdul_schedule schedule = {CDUL_SCHEDULE_STEP, 9, 0};
    for (size_t step = 0; step < 9; step++)
        assert_factor(schedule, step, pow(0.1, (double)(step / 3)));
}

static void warmup_rises_in_equal_steps_and_the_shape_begins_after_it(void **state) {
    (void)state;
    cdul_schedule schedule = {CDUL_SCHEDULE_COSINE, 12, 4};
    for (size_t step = 0; step < 4; step++) assert_factor(schedule, step, (double)(step + 1) / 5);
    assert_factor(schedule, 4, 1);
    assert_factor(schedule, 8, 0.5);
}

/* Images that turn out to be unreadable make a run shorter than planned, never longer; still. */
static void steps_beyond_the_end_have_a_factor(void **state) {
    (void)state;
    assert_factor((cdul_schedule){CDUL_SCHEDULE_COSINE, 5, 0}, 9, 0);
    assert_factor((cdul_schedule){CDUL_SCHEDULE_STEP, 5, 0}, 9, 0.01);
    assert_factor((cdul_schedule){CDUL_SCHEDULE_COSINE, 3, 3}, 3, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_is_one_everywhere),
        cmocka_unit_test(cosine_equals_torch_s_annealing),
        cmocka_unit_test(step_divides_by_ten_after_each_third),
        cmocka_unit_test(warmup_rises_in_equal_steps_and_the_shape_begins_after_it),
        cmocka_unit_test(steps_beyond_the_end_have_a_factor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
