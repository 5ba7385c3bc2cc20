#include "test.h"

#include "base/machine.h"

#include <sched.h>

static void threads_default_to_the_processors_that_may_be_used(void **state) {
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cdul_threads(0), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cdul_threads(0), CPU_COUNT(&before));
    assert_int_equal(cdul_threads(7), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_default_to_the_processors_that_may_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
