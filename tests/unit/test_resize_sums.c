/* What runs here, with AVX2 or without, against the plain loop. */
#include "test.h"

#include "image/resize.h"

/* Coefficients are scaled by 2^22; half of that rounds. */
static void sum_plainly(const uint8_t *from, size_t stride, const int32_t *coefficients,
                        size_t count, size_t bytes, uint8_t *out) {
    for (size_t j = 0; j < bytes; j++) {
        int32_t sum = 1 << 21;
        for (size_t t = 0; t < count; t++) sum += coefficients[t] * from[t * stride + j];
        sum >>= 22;
        out[j] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

static void every_length_is_the_plain_loops(void **state) {
    (void)state;
    enum { BYTES = 200, TAPS = 9, STRIDE = 211 };
    uint8_t from[TAPS * STRIDE], got[BYTES + 1], wanted[BYTES + 1];
    int32_t coefficients[TAPS];
    uint32_t draw = 1;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)((draw = draw * 1664525 + 1013904223) >> 24);
    for (size_t count = 0; count <= TAPS; count++)
        for (size_t bytes = 0; bytes <= BYTES; bytes++) {
            /* sums from far below 0 to far above 255, as overshoot gives them */
            for (size_t t = 0; t < TAPS; t++)
                coefficients[t] = (int32_t)((draw = draw * 1664525 + 1013904223) >> 12) - (1 << 18);
            memset(got, 7, sizeof got);
            memset(wanted, 7, sizeof wanted);
            cdul_resize_sums(from, STRIDE, coefficients, count, bytes, got);
            sum_plainly(from, STRIDE, coefficients, count, bytes, wanted);
            assert_memory_equal(got, wanted, sizeof got); /* and nothing beyond */
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_length_is_the_plain_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
