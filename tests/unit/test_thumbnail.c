/* Thumbnails, decoded again. */
#include "test.h"

#include "report/markup.h"

static cdul_error err;

/* Smooth colours: red from left to right, green from top to bottom, blue 64. */
static cdul_image gradient(size_t width, size_t height) {
    cdul_image image = {width, height, malloc(width * height * 3), NULL};
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            uint8_t *pixel = image.pixels + (y * width + x) * 3;
            pixel[0] = (uint8_t)(x * 255 / width);
            pixel[1] = (uint8_t)(y * 255 / height);
            pixel[2] = 64;
        }
    return image;
}

static void check(size_t width, size_t height, size_t want_width, size_t want_height) {
    cdul_image image = gradient(width, height), again = {0};
    cdul_thumbnail *thumbnail = NULL;
    cdul_decode_options options = cdul_decode_defaults();
    assert_ok(cdul_thumbnail_make(&image, 100, 90, &thumbnail, &err));
    assert_int_equal(thumbnail->width, want_width);
    assert_int_equal(thumbnail->height, want_height);
    assert_ok(cdul_image_decode(thumbnail->jpeg, thumbnail->size, &options, &again, &err));
    assert_int_equal(again.width, want_width);
    assert_int_equal(again.height, want_height);
    cdul_image expected = gradient(want_width, want_height);
    if (want_width > 8 && want_height > 8)
        for (size_t i = 0; i < want_width * want_height * 3; i++)
            if (abs(again.pixels[i] - expected.pixels[i]) > 12)
                fail_msg("pixel %zu: %d instead of %d", i / 3, again.pixels[i], expected.pixels[i]);
    cdul_image_free(&expected);
    cdul_image_free(&again);
    cdul_image_free(&image);
    cdul_thumbnail_free(thumbnail);
}

static void the_longer_side_shrinks_to_the_size(void **state) {
    (void)state;
    check(400, 200, 100, 50);
    check(200, 400, 50, 100);
}

static void small_images_keep_their_size(void **state) {
    (void)state;
    check(60, 40, 60, 40);
    check(1, 1, 1, 1);
}

static void thin_images_keep_a_pixel(void **state) {
    (void)state;
    check(2000, 3, 100, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longer_side_shrinks_to_the_size),
        cmocka_unit_test(small_images_keep_their_size),
        cmocka_unit_test(thin_images_keep_a_pixel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
