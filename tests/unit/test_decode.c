#include "image_golden.h"

#include "image/decode.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
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
    assert_fails(cdul_image_decode_file(".", NULL, &image, &err), CDUL_ERR_INPUT,
                 "not a regular file");
    assert_int_equal(mkfifo("pipe.png", 0600), 0); /* must not wait for a writer */
    assert_fails(cdul_image_decode_file("pipe.png", NULL, &image, &err), CDUL_ERR_INPUT,
                 "pipe.png: not a regular");
    assert_int_equal(unlink("pipe.png"), 0);
}

static void images_over_the_limit_are_refused_before_decoding(void **state) {
    (void)state;
    static const char *const files[] = {
        "rgb8.png",  "420.jpg", "progressive.jpg", "lossy.webp", "animated.webp",
        "plain.gif", "rgb.bmp", "rgb.tga",         "binary.ppm", "raw.psd"};
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
    cdul_image image;
    cdul_error err;
    assert_fails(cdul_image_decode(bmp, sizeof bmp, NULL, &image, &err), CDUL_ERR_INPUT,
                 "30000 x 30000");
    bmp[20] = 0x20; /* 2,127,152 wide, one row */
    bmp[22] = 1;
    bmp[23] = 0;
    assert_fails(cdul_image_decode(bmp, sizeof bmp, NULL, &image, &err), CDUL_ERR_INPUT,
                 "no side may exceed");
}

/* --- Memory --- */

static void the_limit_from_memory_takes_photographs_and_no_more_than_pillow(void **state) {
    (void)state;
    size_t most = cdul_decode_most_pixels();
    assert_in_range(most, 25000000, 178956970);
    if (getenv("CDUL_SANITIZE")) return; /* a sanitizer needs terabytes of addresses */
    struct rlimit before, less;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    less = before;
    less.rlim_cur = (rlim_t)2400000000; /* half of it, at 24 bytes a pixel */
    if (setrlimit(RLIMIT_AS, &less) != 0) skip();
    size_t few = cdul_decode_most_pixels();
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_in_range(few, 25000000, 50000000);
}

typedef struct taker {
    cdul_decode_gate *gate;
    size_t pixels;
    atomic_bool through;
} taker;

static void *take(void *user) {
    taker *t = user;
    cdul_decode_gate_take(t->gate, t->pixels);
    t->through = true;
    return NULL;
}

/* Does a second image of so many pixels wait for the first one's 60 of 100? */
static bool waits(size_t pixels) {
    cdul_error err;
    taker t = {.pixels = pixels};
    pthread_t thread;
    assert_ok(cdul_decode_gate_new(100, &t.gate, &err));
    cdul_decode_gate_take(t.gate, 60);
    assert_int_equal(pthread_create(&thread, NULL, take, &t), 0);
    for (int i = 0; i < 50 && !t.through; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    bool waited = !t.through;
    cdul_decode_gate_give(t.gate, 60);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(t.through);
    cdul_decode_gate_give(t.gate, pixels);
    cdul_decode_gate_free(t.gate);
    return waited;
}

static void images_that_memory_is_not_for_at_once_wait_for_each_other(void **state) {
    (void)state;
    assert_false(waits(0));
    assert_true(waits(41));
    assert_true(waits(1000)); /* goes alone */
}

static void an_image_gives_back_what_it_took_whatever_became_of_it(void **state) {
    (void)state;
    static const char *const files[] = {"rgb8.png", "orientation6.jpg", "animated.gif", "cmyk.jpg",
                                        "alpha.webp"};
    cdul_decode_options options = cdul_decode_defaults();
    cdul_error err;
    assert_ok(cdul_decode_gate_new(1, &options.gate, &err));
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t size;
        uint8_t *bytes = golden_bytes("image", files[i], &size);
        for (size_t cut = 0; cut < 3; cut++) { /* whole, damaged, and without its end */
            cdul_image image;
            cdul_status status =
                cdul_image_decode(bytes, size - cut * size / 3, &options, &image, &err);
            assert_true(cut > 0 || status == CDUL_OK);
            cdul_image_free(&image);
            cdul_decode_gate_take(options.gate, 1); /* would wait for ever */
            cdul_decode_gate_give(options.gate, 1);
        }
        test_free(bytes);
    }
    cdul_decode_gate_free(options.gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kind_is_found_by_content_and_not_by_name),
        cmocka_unit_test(what_is_no_image_is_named),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(images_over_the_limit_are_refused_before_decoding),
        cmocka_unit_test(a_bomb_is_refused_by_default),
        cmocka_unit_test(the_limit_from_memory_takes_photographs_and_no_more_than_pillow),
        cmocka_unit_test(images_that_memory_is_not_for_at_once_wait_for_each_other),
        cmocka_unit_test(an_image_gives_back_what_it_took_whatever_became_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
