#include "image_golden.h"

#include <sys/stat.h>
#include <unistd.h>

static void the_kind_is_found_by_content_and_not_by_name(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "rgb8.png", &size);
    FILE *stream = fopen("misnamed.jpg", "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
    cdul_image image, expected = golden_ppm("image", "rgb8.png.ppm");
    cdul_error err;
    assert_ok(cdul_image_decode_file("misnamed.jpg", NULL, &image, &err));
    assert_memory_equal(image.pixels, expected.pixels, image.width * image.height * 3);
    cdul_image_free(&image);
    test_free(expected.pixels);
    test_free(bytes);
}

static void what_is_no_image_is_named(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0, "empty"},
        {"hello, world, this is text\n", 27, "not an image"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "not an image"},
        {"II*\0\x08\0\0\0", 8, "TIFF images are not supported"},
        {"\0\0\0\x1c"
         "ftypheic",
         12, "HEIC"},
        {"\0\0\0\x1c"
         "ftypavif",
         12, "AVIF"},
        {"\xff\xd8\xff", 3, "JPEG"},
        {"BM", 2, "BMP: file is truncated"},
        {"P6", 2, "PNM: file is truncated"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cdul_image image;
        cdul_error err;
        assert_fails(decode_exactly((const uint8_t *)cases[i].bytes, cases[i].size, &image, &err),
                     CDUL_ERR_INPUT, cases[i].message);
        assert_null(image.pixels);
    }
}

static void files_that_cannot_be_read_are_named(void **state) {
    (void)state;
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode_file("no-such.png", NULL, &image, &err), CDUL_ERR_IO,
                 "no-such.png: No such");
    assert_fails(cdul_image_decode_file(".", NULL, &image, &err), CDUL_ERR_INPUT, "not a regular file");
    assert_int_equal(mkfifo("pipe.png", 0600), 0); /* must not wait for a writer */
    assert_fails(cdul_image_decode_file("pipe.png", NULL, &image, &err), CDUL_ERR_INPUT,
                 "pipe.png: not a regular");
    assert_int_equal(unlink("pipe.png"), 0);
}

static void images_over_the_limit_are_refused_before_decoding(void **state) {
    (void)state;
    static const char *const files[] = {"rgb8.png",   "420.jpg",       "progressive.jpg",
                                        "lossy.webp", "animated.webp", "plain.gif",
                                        "rgb.bmp",    "rgb.tga",       "binary.ppm"};
    cdul_decode_options options = cdul_decode_defaults();
    options.max_pixels = 100;
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t size;
        uint8_t *bytes = golden_bytes("image", files[i], &size);
        cdul_image image;
        cdul_error err;
        assert_fails(cdul_image_decode(bytes, size, &options, &image, &err), CDUL_ERR_INPUT,
                     "exceeds the limit of 100 pixels");
        test_free(bytes);
    }
}

/* A file of 50 bytes that claims 30,000 x 30,000: without the limit 3.6 GB. */
static void a_bomb_is_refused_by_default(void **state) {
    (void)state;
    uint8_t bmp[80] = {'B', 'M'};
    bmp[10] = 54;
    bmp[14] = 40;
    bmp[18] = bmp[22] = 0x30;
    bmp[19] = bmp[23] = 0x75;
    bmp[28] = 8;
    bmp[30] = 1;
    bmp[46] = 2;
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode(bmp, sizeof bmp, NULL, &image, &err), CDUL_ERR_INPUT, "30000 x 30000");
    bmp[20] = 0x20; /* 2,127,152 wide, one row */
    bmp[22] = 1;
    bmp[23] = 0;
    assert_fails(cdul_image_decode(bmp, sizeof bmp, NULL, &image, &err), CDUL_ERR_INPUT,
                 "no side may exceed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_is_found_by_content_and_not_by_name),
        cmocka_unit_test(what_is_no_image_is_named),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(images_over_the_limit_are_refused_before_decoding),
        cmocka_unit_test(a_bomb_is_refused_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
