#include "test.h"

#include "base/random.h"

#include <math.h>

/* SplitMix64 from seed 0, as Java's SplittableRandom and the reference C code print it. */
static void bits_are_splitmix64(void **state) {
    (void)state;
    const uint64_t want[] = {0xe220a8397b1dcdafull, 0x6e789e6aa1b965f4ull, 0x06c45d188009454full,
                             0xf88bb8a8724c81ecull, 0x1b39896a51a8749bull};
    cdul_random random = {0};
    for (int i = 0; i < 5; i++) assert_true(cdul_random_bits(&random) == want[i]);
}

static void a_value_depends_on_seed_stream_and_counter_only(void **state) {
    (void)state;
    cdul_random a = cdul_random_seeded(7, 1, 2), b = cdul_random_seeded(7, 1, 2);
    for (int i = 0; i < 10; i++) cdul_random_bits(&a);
    b.counter = 10;
    assert_true(cdul_random_bits(&a) == cdul_random_bits(&b));
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void neighbouring_streams_differ(void **state) {
    (void)state;
    enum { SIDE = 20 };
    static uint64_t first[SIDE * SIDE * SIDE];
    size_t n = 0;
    for (uint64_t seed = 0; seed < SIDE; seed++)
        for (uint64_t a = 0; a < SIDE; a++)
            for (uint64_t b = 0; b < SIDE; b++) {
                cdul_random random = cdul_random_seeded(seed, a, b);
                first[n++] = cdul_random_bits(&random);
            }
    qsort(first, n, sizeof *first, by_value);
    for (size_t i = 1; i < n; i++) assert_true(first[i] != first[i - 1]);
}

/* Pearson's chi-square; the bound is the 99.99 % point for 99 degrees of freedom. */
static void assert_even(const size_t *counts, size_t draws) {
    double expected = (double)draws / 100, chi = 0;
    for (int i = 0; i < 100; i++) chi += pow((double)counts[i] - expected, 2) / expected;
    assert_true(chi < 161.3);
}

static void uniform_fills_the_unit_interval_evenly(void **state) {
    (void)state;
    size_t counts[100] = {0}, draws = 1000000;
    double sum = 0;
    cdul_random random = cdul_random_seeded(1, 0, 0);
    for (size_t i = 0; i < draws; i++) {
        double value = cdul_random_uniform(&random);
        assert_true(value >= 0 && value < 1);
        counts[(size_t)(value * 100)]++;
        sum += value;
    }
    assert_even(counts, draws);
    assert_true(fabs(sum / (double)draws - 0.5) < 5 / sqrt(12.0 * (double)draws));
}

static void first_values_of_streams_are_even(void **state) {
    (void)state;
    size_t counts[100] = {0}, draws = 1000000;
    for (size_t i = 0; i < draws; i++) {
        cdul_random random = cdul_random_seeded(1, i / 1000, i % 1000);
        counts[cdul_random_below(&random, 100)]++;
    }
    assert_even(counts, draws);
}

static void below_is_even_and_has_its_bounds(void **state) {
    (void)state;
    size_t counts[100] = {0}, draws = 1000000;
    cdul_random random = cdul_random_seeded(2, 0, 0);
    for (size_t i = 0; i < draws; i++) counts[cdul_random_below(&random, 100)]++;
    assert_even(counts, draws);
    for (int i = 0; i < 100; i++) assert_int_equal(cdul_random_below(&random, 1), 0);
    /* Three quarters of the range: a plain remainder would give the lower third twice as often. */
    size_t n = SIZE_MAX / 4 * 3, low = 0;
    for (size_t i = 0; i < 30000; i++) {
        size_t value = cdul_random_below(&random, n);
        assert_true(value < n);
        low += value < n / 3;
    }
    assert_in_range(low, 9600, 10400);
}

static void shuffle_gives_every_order_equally_often(void **state) {
    (void)state;
    size_t counts[27] = {0}, draws = 60000;
    for (size_t i = 0; i < draws; i++) {
        size_t items[3] = {0, 1, 2};
        cdul_random random = cdul_random_seeded(3, i, 0);
        cdul_random_shuffle(&random, items, 3);
        counts[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    const size_t orders[6] = {5, 7, 11, 15, 19, 21}; /* 012 021 102 120 201 210 in base 3 */
    size_t seen = 0;
    for (int i = 0; i < 6; i++) {
        assert_in_range(counts[orders[i]], 9600, 10400);
        seen += counts[orders[i]];
    }
    assert_int_equal(seen, draws);
    cdul_random random = {0};
    cdul_random_shuffle(&random, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_splitmix64),
        cmocka_unit_test(a_value_depends_on_seed_stream_and_counter_only),
        cmocka_unit_test(neighbouring_streams_differ),
        cmocka_unit_test(uniform_fills_the_unit_interval_evenly),
        cmocka_unit_test(first_values_of_streams_are_even),
        cmocka_unit_test(below_is_even_and_has_its_bounds),
        cmocka_unit_test(shuffle_gives_every_order_equally_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
