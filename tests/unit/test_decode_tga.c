#include "image_golden.h"

static const char *const files[] = {"rgb.tga",         "rgb-top-down.tga", "rgb-runs.tga",
                                    "rgba.tga",        "rgba-runs.tga",    "grey.tga",
                                    "grey-runs.tga",   "grey-alpha.tga",   "mapped.tga",
                                    "mapped-runs.tga", "bits16.tga"};

static void tga_of_every_kind_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 0);
}

static void truncated_tga_is_an_error(void **state) {
    (void)state;
    const size_t footer = 26; /* of version 2.0, not needed */
    every_truncation_fails("rgb.tga", footer);
    every_truncation_fails("rgba-runs.tga", footer);
    every_truncation_fails("mapped-runs.tga", footer);
    every_truncation_fails("bits16.tga", 0);
}

static void damaged_tga_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

static void colour_outside_the_map_is_an_error(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "mapped.tga", &size);
    bytes[5] = 3; /* three entries, and the rest of the map taken for pixels */
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode(bytes, size, NULL, &image, &err), CDUL_ERR_INPUT, "colour map");
    test_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tga_of_every_kind_equals_pillow),
        cmocka_unit_test(truncated_tga_is_an_error),
        cmocka_unit_test(damaged_tga_is_survived),
        cmocka_unit_test(colour_outside_the_map_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
