#include "image_golden.h"

static const char *const files[] = {"rgb.bmp",      "grey.bmp",     "bits1.bmp", "bits4.bmp",
                                    "palette.bmp",  "top-down.bmp", "os2.bmp",   "bits16.bmp",
                                    "masks565.bmp", "bits32.bmp",   "alpha.bmp", "rle8.bmp",
                                    "rle4.bmp"};

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

/* Masks may be wider than a colour: 32 bits of red, 28 of blue, none of green. */
static void masks_of_many_bits_are_scaled(void **state) {
    (void)state;
    const uint8_t bmp[74] = {'B',      'M',         [10] = 70, [14] = 40,   [18] = 1, [22] = 1,
                             [26] = 1, [28] = 32,   [30] = 3,  [54] = 0xff, 0xff,     0xff,
                             0xff,     [62] = 0xff, 0xff,      0xff,        0x0f,     [70] = 0x78,
                             0x56,     0x34,        0x12};
    cdul_image image;
    cdul_error err;
    assert_ok(decode_exactly(bmp, sizeof bmp, &image, &err));
    assert_int_equal(image.pixels[0], 18); /* 0x12345678 / 0xffffffff * 255 */
    assert_int_equal(image.pixels[1], 0);
    assert_int_equal(image.pixels[2], 35); /* 0x2345678 / 0xfffffff * 255 */
    cdul_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bmp_of_every_kind_equals_pillow),
        cmocka_unit_test(truncated_bmp_is_an_error),
        cmocka_unit_test(damaged_bmp_is_survived),
        cmocka_unit_test(masks_of_many_bits_are_scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
