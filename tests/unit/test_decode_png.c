#include "image_golden.h"

static const char *const opaque[] = {"rgb8.png",
                                     "rgb8-interlaced.png",
                                     "grey1.png",
                                     "grey2.png",
                                     "grey4.png",
                                     "grey8.png",
                                     "palette1.png",
                                     "palette2.png",
                                     "palette4.png",
                                     "palette8.png",
                                     "one-pixel.png",
                                     "grey1-interlaced.png",
                                     "palette4-interlaced.png"};
static const char *const deep[] = {"rgb16.png", "grey16.png"};
static const char *const see_through[] = {
    "palette8-alpha.png", "palette2-alpha.png",  "rgb8-key.png", "grey8-key.png",
    "rgba8.png",          "grey8-alpha.png",     "rgba16.png",   "grey16-alpha.png",
    "rgb16-key.png",      "rgba8-interlaced.png"};

static void png_of_every_type_and_depth_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(opaque, COUNT(opaque), 0);
}

static void sixteen_bits_keep_the_high_byte(void **state) {
    (void)state;
    decode_as_expected(deep, COUNT(deep), 0);
}

static void transparency_is_composited_as_pillow_does(void **state) {
    (void)state;
    decode_as_expected(see_through, COUNT(see_through), 0);
}

/* a/255 of the pixel over the rest of the background, by hand. */
static void alpha_goes_over_the_stated_background(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "rgba8.png", &size);
    cdul_decode_options options = cdul_decode_defaults();
    const uint8_t ground[3] = {10, 200, 77};
    memcpy(options.background, ground, 3);
    cdul_image image, plain = golden_ppm("image", "rgb8.png.ppm");
    cdul_error err;
    assert_ok(cdul_image_decode(bytes, size, &options, &image, &err));
    size_t last = image.width * image.height - 1;
    for (size_t i = 0; i <= last; i++) {
        double alpha = (double)(i * 255 / last);
        for (size_t c = 0; c < 3; c++) {
            double want = (plain.pixels[3 * i + c] * alpha + ground[c] * (255 - alpha)) / 255;
            /* the script's alpha ramp is linspace cut to whole numbers, as i * 255 / last is */
            if (want - image.pixels[3 * i + c] > 0.51 || image.pixels[3 * i + c] - want > 0.51)
                fail_msg("pixel %zu: %d, expected %g", i, image.pixels[3 * i + c], want);
        }
    }
    cdul_image_free(&image);
    test_free(plain.pixels);
    test_free(bytes);
}

static void truncated_png_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("rgb8.png", 0);
    every_truncation_fails("palette4-interlaced.png", 0);
}

static void damaged_png_is_survived(void **state) {
    (void)state;
    damage_is_survived(opaque, COUNT(opaque));
    damage_is_survived(see_through, COUNT(see_through));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_every_type_and_depth_equals_pillow),
        cmocka_unit_test(sixteen_bits_keep_the_high_byte),
        cmocka_unit_test(transparency_is_composited_as_pillow_does),
        cmocka_unit_test(alpha_goes_over_the_stated_background),
        cmocka_unit_test(truncated_png_is_an_error),
        cmocka_unit_test(damaged_png_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
