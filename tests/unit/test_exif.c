#include "image_golden.h"

#include "image/decode.h"

static void all_eight_orientations_equal_pillow(void **state) {
    (void)state;
    static const char *const files[] = {"orientation1.jpg", "orientation2.jpg", "orientation3.jpg",
                                        "orientation4.jpg", "orientation5.jpg", "orientation6.jpg",
                                        "orientation7.jpg", "orientation8.jpg"};
    decode_as_expected(files, COUNT(files), 1);
}

static void png_and_webp_are_turned_as_well(void **state) {
    (void)state;
    static const char *const files[] = {"orientation6.png", "orientation8.webp"};
    decode_as_expected(files, COUNT(files), 0);
}

static void orientation_can_be_ignored(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "orientation6.png", &size);
    cdul_decode_options options = cdul_decode_defaults();
    options.exif = false;
    cdul_image image, stored = golden_ppm("image", "orientation6-stored.ppm");
    cdul_error err;
    assert_ok(cdul_image_decode(bytes, size, &options, &image, &err));
    assert_int_equal(image.width, stored.width);
    assert_memory_equal(image.pixels, stored.pixels, image.width * image.height * 3);
    cdul_image_free(&image);
    test_free(stored.pixels);
    test_free(bytes);
}

/* One entry, Intel order, as EXIF 2.3 lays it out. */
static void a_damaged_block_states_no_orientation(void **state) {
    (void)state;
    const uint8_t good[26] = {'I',  'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12,
                              0x01, 3,   0,   1, 0, 0, 0, 6, 0, 0, 0};
    assert_int_equal(cdul_exif_orientation(good, sizeof good), 6);
    for (size_t n = 0; n < 22; n++) {
        uint8_t *tight = malloc(n ? n : 1);
        memcpy(tight, good, n);
        assert_int_equal(cdul_exif_orientation(tight, n), 0);
        free(tight);
    }
    uint8_t bad[26];
    const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{0, 'M'}, {2, 0}, {4, 200}, {7, 0xff}, {12, 4}, {18, 0}, {18, 9}};
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(bad, good, sizeof bad);
        bad[changes[i].at] = changes[i].value;
        assert_int_equal(cdul_exif_orientation(bad, sizeof bad), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_eight_orientations_equal_pillow),
        cmocka_unit_test(png_and_webp_are_turned_as_well),
        cmocka_unit_test(orientation_can_be_ignored),
        cmocka_unit_test(a_damaged_block_states_no_orientation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
