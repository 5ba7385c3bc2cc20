#include "image_golden.h"

static const char *const files[] = {"binary.ppm",    "comments.ppm", "text.ppm",
                                    "maximum15.ppm", "deep.ppm",     "binary.pgm",
                                    "text.pgm",      "binary.pbm",   "text.pbm"};

static void pnm_text_and_binary_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 0);
}

static void truncated_pnm_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("binary.ppm", 0);
    every_truncation_fails("deep.ppm", 0);
    every_truncation_fails("binary.pbm", 0);
    every_truncation_fails("text.pbm", 0);
    every_truncation_fails("text.ppm", 2); /* the last of its numbers has three digits */
}

static void damaged_pnm_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

static void impossible_headers_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"P6 0 4 255\n", "0 x 4"},     {"P6 4 4 0\n", "maxval"},
        {"P6 4 4 65536\n", "maxval"},  {"P6 99999999999999999999 4 255\n", "width exceeds"},
        {"P6 x 4 255\n", "width"},     {"P6 900000 900000 255\n", "limit"},
        {"P6 4 4 255", "white space"}, {"P1 3 1 10 2", "expected 0 or 1"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        cdul_image image;
        cdul_error err;
        cdul_status status =
            decode_exactly((const uint8_t *)bad[i].text, strlen(bad[i].text), &image, &err);
        assert_fails(status, CDUL_ERR_INPUT, bad[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pnm_text_and_binary_equals_pillow),
        cmocka_unit_test(truncated_pnm_is_an_error),
        cmocka_unit_test(damaged_pnm_is_survived),
        cmocka_unit_test(impossible_headers_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
