#include "image_golden.h"

static const char *const files[] = {"lossless.webp", "alpha-lossless.webp", "animated.webp",
                                    "orientation8.webp"};

static void webp_of_every_kind_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 0);
}

static void truncated_webp_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("lossy.webp", 0);
    every_truncation_fails("lossless.webp", 0);
    every_truncation_fails("alpha.webp", 0);
    every_truncation_fails("animated.webp", 0);
}

static void damaged_webp_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

/* Both sides are libwebp, in different versions. */
static void lossy_webp_equals_pillow(void **state) {
    (void)state;
    const char *const lossy[] = {"lossy.webp", "alpha.webp"};
    decode_as_expected(lossy, COUNT(lossy), 1);
    damage_is_survived(lossy, COUNT(lossy));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(webp_of_every_kind_equals_pillow),
        cmocka_unit_test(truncated_webp_is_an_error),
        cmocka_unit_test(damaged_webp_is_survived),
        cmocka_unit_test(lossy_webp_equals_pillow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
