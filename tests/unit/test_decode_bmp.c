#include "image_golden.h"

static const char *const files[] = {"rgb.bmp",      "grey.bmp", "bits1.bmp",  "bits4.bmp",    "palette.bmp",
                                    "top-down.bmp", "os2.bmp",  "bits16.bmp", "masks565.bmp", "bits32.bmp",
                                    "alpha.bmp",    "rle8.bmp", "rle4.bmp"};

static void bmp_of_every_kind_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 0);
}

static void truncated_bmp_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("rgb.bmp", 1); /* padding of the last row */
    every_truncation_fails("alpha.bmp", 0);
    every_truncation_fails("masks565.bmp", 2);
    every_truncation_fails("rle8.bmp", 4); /* marks for the end of row and picture */
    every_truncation_fails("rle4.bmp", 4);
}

static void damaged_bmp_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bmp_of_every_kind_equals_pillow),
        cmocka_unit_test(truncated_bmp_is_an_error),
        cmocka_unit_test(damaged_bmp_is_survived),

    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
