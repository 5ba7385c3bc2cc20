#include "image_golden.h"

static const char *const files[] = {
    "420.jpg",  "422.jpg", "444.jpg",  "progressive.jpg", "restart.jpg",
    "grey.jpg", "rgb.jpg", "cmyk.jpg", "ycck.jpg",        "cmyk-without-adobe.jpg"};

/* IDCT and upsampling are libjpeg-turbo's on both sides; 1 leaves room for another version of
 * it. */
static void jpeg_of_every_colour_space_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 1);
}

static void truncated_jpeg_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("420.jpg", 0);
    every_truncation_fails("progressive.jpg", 0);
    every_truncation_fails("cmyk.jpg", 0);
}

static void damaged_jpeg_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

/* libjpeg itself would go on and fill up with grey. */
static void jpeg_that_loses_pixels_is_an_error(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "444.jpg", &size);
    size_t middle = size - 200;
    bytes[middle] = 0xff; /* an end mark amid the pixels */
    bytes[middle + 1] = 0xd9;
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode(bytes, size, NULL, &image, &err), CDUL_ERR_INPUT, "JPEG");
    test_free(bytes);
}

/* Offset of a scan that refines the DC coefficients: it holds one bit a block and may be read any
 * number of times. A scan header: FF DA, length (2), components n (1), 2 n bytes, first and last
 * coefficient, bits. */
static size_t find_dc_refinement(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i + 14 < size; i++) {
        if (bytes[i] != 0xff || bytes[i + 1] != 0xda) continue;
        const uint8_t *last = bytes + i + 5 + 2 * bytes[i + 4];
        if (last[0] == 0 && last[1] == 0 && last[2] >> 4) return i;
    }
    fail_msg("no such scan");
    return 0;
}

static void progressive_jpeg_with_endless_scans_is_refused(void **state) {
    (void)state;
    const size_t scans = 600, end_mark = 2;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "progressive.jpg", &size);
    size_t from = find_dc_refinement(bytes, size), length = 2;
    while (bytes[from + length] != 0xff || bytes[from + length + 1] == 0) length++;
    uint8_t *many = test_malloc(size + scans * length), *at = many + size - end_mark;
    memcpy(many, bytes, size);
    for (size_t i = 0; i < scans; i++, at += length) memcpy(at, bytes + from, length);
    memcpy(at, bytes + size - end_mark, end_mark);
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode(many, size + scans * length, NULL, &image, &err), CDUL_ERR_INPUT,
                 "scans");
    test_free(many);
    test_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_of_every_colour_space_equals_pillow),
        cmocka_unit_test(truncated_jpeg_is_an_error),
        cmocka_unit_test(damaged_jpeg_is_survived),
        cmocka_unit_test(jpeg_that_loses_pixels_is_an_error),
        cmocka_unit_test(progressive_jpeg_with_endless_scans_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
