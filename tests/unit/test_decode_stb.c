/* BMP, GIF, TGA, PNM and PSD: what stb_image reads for us, and what is refused before it. */
#include "image_golden.h"

#define BMP_FILES                                                                                  \
    "rgb.bmp", "grey.bmp", "bits1.bmp", "bits4.bmp", "palette.bmp", "top-down.bmp", "os2.bmp",     \
        "bits32.bmp", "alpha.bmp"
#define GIF_FILES                                                                                  \
    "plain.gif", "interlaced.gif", "transparent.gif", "two-colors.gif", "animated.gif",            \
        "full-table.gif", "small-frame.gif", "small-frame-transparent.gif"
#define TGA_FILES                                                                                  \
    "rgb.tga", "rgb-top-down.tga", "rgb-runs.tga", "rgba.tga", "rgba-runs.tga", "grey.tga",        \
        "grey-runs.tga", "grey-alpha.tga", "mapped.tga", "mapped-runs.tga", "bits16.tga"
#define PNM_FILES "binary.ppm", "comments.ppm", "maximum15.ppm", "binary.pgm"
#define PSD_FILES "raw.psd", "packbits.psd", "deep.psd"

static const char *const exact[] = {BMP_FILES, GIF_FILES, TGA_FILES, PNM_FILES, PSD_FILES};
/* Five bits become eight by repeating them, in Pillow by a division. */
static const char *const near[] = {"bits16.bmp", "masks565.bmp"};

static void pictures_of_every_kind_equal_pillow(void **state) {
    (void)state;
    decode_as_expected(exact, COUNT(exact), 0);
    decode_as_expected(near, COUNT(near), 1);
}

static void damage_of_every_kind_is_survived(void **state) {
    (void)state;
    damage_is_survived(exact, COUNT(exact));
    damage_is_survived(near, COUNT(near));
}

static void a_file_shorter_than_its_header_says_is_an_error(void **state) {
    (void)state;
    every_truncation_fails("rgb.bmp", 1); /* padding of the last row */
    every_truncation_fails("alpha.bmp", 0);
    every_truncation_fails("masks565.bmp", 2);
    every_truncation_fails("bits4.bmp", 1);
    every_truncation_fails("rgb.tga", 26); /* the footer of version 2.0, not needed */
    every_truncation_fails("mapped.tga", 26);
    every_truncation_fails("bits16.tga", 0);
    every_truncation_fails("binary.ppm", 0);
    every_truncation_fails("binary.pgm", 0);
    every_truncation_fails("raw.psd", 0);
    every_truncation_fails("deep.psd", 0);
}

/* --- Refused --- */

static void refused(const uint8_t *bytes, size_t size, const char *message) {
    cdul_image image;
    cdul_error err;
    assert_fails(decode_exactly(bytes, size, &image, &err), CDUL_ERR_INPUT, message);
    assert_null(image.pixels);
}

static void kinds_that_are_not_read_are_named(void **state) {
    (void)state;
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"rle8.bmp", "BMP: run-length BMP is not read: convert it to PNG"},
        {"rle4.bmp", "BMP: run-length BMP is not read"},
        {"text.pbm", "PNM: one-bit PNM (P1, P4) is not read: convert it to PNG"},
        {"binary.pbm", "PNM: one-bit PNM (P1, P4) is not read"},
        {"text.pgm", "PNM: PNM as text (P2, P3) is not read"},
        {"text.ppm", "PNM: PNM as text (P2, P3) is not read"},
        {"deep.ppm", "PNM: PNM of 16 bits a sample is not read"},
        {"beyond-screen.gif", "GIF: damaged, or of a kind that is not read (bad Image Descriptor)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size;
        uint8_t *bytes = golden_bytes("image", cases[i].file, &size);
        refused(bytes, size, cases[i].message);
        test_free(bytes);
    }
}

/* One or two bytes of a good file make a file that stb_image would read wrongly, or not. */
static void what_would_be_read_wrongly_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *file;
        size_t at;
        const char *bytes;
        size_t count;
        const char *message;
    } cases[] = {
        {"os2.bmp", 24, "\x08", 1, "OS/2 BMP with a palette is not read"},
        {"palette.bmp", 10, "\x3a", 1, "not in the palette of 1"},
        {"bits4.bmp", 10, "\x5e", 1, "not in the palette of 10"},
        {"bits4.bmp", 10, "\x30", 1, "4 bits a pixel and 0 colours"},
        {"rgb.bmp", 14, "\x40", 1, "not read (unknown image type)"},
        {"bits32.bmp", 30, "\x03", 1, "not read"}, /* masks of nothing */
        {"mapped.tga", 3, "\x01", 1, "TGA with a part of a colour map is not read"},
        {"rgb.tga", 17, "\x10", 1, "TGA with rows from right to left is not read"},
        {"raw.psd", 5, "\x02", 1, "PSB is not read"},
        {"raw.psd", 13, "\x04", 1, "is not RGB of 8 or 16 bits without alpha is not read"},
        {"raw.psd", 23, "\x20", 1, "is not RGB of 8 or 16 bits without alpha is not read"},
        {"raw.psd", 25, "\x04", 1, "is not RGB of 8 or 16 bits without alpha is not read"},
        {"raw.psd", 55, "\x02", 1, "Photoshop file with this compression is not read"},
        {"packbits.psd", 23, "\x10", 1, "run-length Photoshop file of 16 bits is not read"},
        {"raw.psd", 30, "\x7f", 1, "file is truncated"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size;
        uint8_t *bytes = golden_bytes("image", cases[i].file, &size);
        memcpy(bytes + cases[i].at, cases[i].bytes, cases[i].count);
        refused(bytes, size, cases[i].message);
        test_free(bytes);
    }
}

static void impossible_headers_of_pnm_are_errors(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"P6 0 4 255\n", "0 x 4"},     {"P6 4 4 0\n", "maxval"},
        {"P6 4 4 65536\n", "maxval"},  {"P6 99999999999999999999 4 255\n", "width exceeds"},
        {"P6 x 4 255\n", "width"},     {"P6 900000 900000 255\n", "limit"},
        {"P6 4 4 255", "white space"}, {"P6 4 # and no more", "truncated in height"},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        refused((const uint8_t *)bad[i].text, strlen(bad[i].text), bad[i].message);
}

/* --- Alpha --- */

/* The picture of `file` with the fourth byte of each pixel from `first` on made `alpha`. */
static cdul_image with_alpha(const char *file, size_t first, uint8_t alpha) {
    cdul_image image;
    cdul_error err;
    size_t size;
    uint8_t *bytes = golden_bytes("image", file, &size);
    for (size_t at = first + 3; at < size; at += 4) bytes[at] = alpha;
    assert_ok(decode_exactly(bytes, size, &image, &err));
    test_free(bytes);
    return image;
}

static void alpha_that_is_0_everywhere_is_none(void **state) {
    (void)state;
    static const struct {
        const char *file;
        size_t first;
    } cases[] = {{"alpha.bmp", 138}, {"rgba.tga", 18}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        cdul_image none = with_alpha(cases[i].file, cases[i].first, 0);
        cdul_image full = with_alpha(cases[i].file, cases[i].first, 255);
        cdul_image half = with_alpha(cases[i].file, cases[i].first, 128);
        size_t bytes = full.width * full.height * 3;
        assert_memory_equal(none.pixels, full.pixels, bytes);
        assert_int_not_equal(memcmp(half.pixels, full.pixels, bytes), 0);
        cdul_image_free(&none);
        cdul_image_free(&full);
        cdul_image_free(&half);
    }
}

static void alpha_that_the_header_of_a_tga_does_not_speak_of_is_none(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = golden_bytes("image", "rgba.tga", &size);
    bytes[17] &= 0xf0;
    cdul_image image, full = with_alpha("rgba.tga", 18, 255);
    cdul_error err;
    assert_ok(decode_exactly(bytes, size, &image, &err));
    assert_memory_equal(image.pixels, full.pixels, image.width * image.height * 3);
    cdul_image_free(&image);
    cdul_image_free(&full);
    test_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_of_every_kind_equal_pillow),
        cmocka_unit_test(damage_of_every_kind_is_survived),
        cmocka_unit_test(a_file_shorter_than_its_header_says_is_an_error),
        cmocka_unit_test(kinds_that_are_not_read_are_named),
        cmocka_unit_test(what_would_be_read_wrongly_is_refused),
        cmocka_unit_test(impossible_headers_of_pnm_are_errors),
        cmocka_unit_test(alpha_that_is_0_everywhere_is_none),
        cmocka_unit_test(alpha_that_the_header_of_a_tga_does_not_speak_of_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
