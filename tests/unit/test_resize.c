#include "image_golden.h"

#include "image/resize.h"

static void resize_equals_pillow_to_the_last_bit(void **state) {
    (void)state;
    FILE *list = fopen(CDUL_GOLDEN "/image/resize.txt", "r");
    assert_non_null(list);
    char source[100], result[100];
    cdul_rect box;
    size_t width, height;
    int filter, cases = 0;
    while (fscanf(list, "%99s %zu %zu %zu %zu %zu %zu %d %99s", source, &box.x, &box.y, &box.width,
                  &box.height, &width, &height, &filter, result) == 9) {
        cdul_image image = golden_ppm("image", source), expected = golden_ppm("image", result);
        uint8_t *out = test_malloc(width * height * 3);
        cdul_error err;
        assert_ok(cdul_image_resize(&image, &box, width, height, (cdul_filter)filter, out, &err));
        int d = largest_difference(out, expected.pixels, width * height * 3);
        if (d) fail_msg("%s: differs by %d", result, d);
        cases++;
        test_free(out);
        test_free(image.pixels);
        test_free(expected.pixels);
    }
    fclose(list);
    assert_int_equal(cases, 76);
}

static void a_window_is_that_part_of_the_whole_result(void **state) {
    (void)state;
    cdul_image image = golden_ppm("image", "resize-tall.ppm");
    const size_t sizes[][2] = {{40, 50}, {9, 90}, {30, 20}, {23, 31}, {50, 70}, {23, 70}};
    cdul_error err;
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int filter = CDUL_NEAREST; filter <= CDUL_HAMMING; filter++) {
            size_t width = sizes[s][0], height = sizes[s][1];
            cdul_rect window = {width / 3, height / 4, width / 2, height / 3};
            uint8_t *whole = test_malloc(width * height * 3),
                    *part = test_malloc(width * height * 3);
            assert_ok(
                cdul_image_resize(&image, NULL, width, height, (cdul_filter)filter, whole, &err));
            memset(part, 1, width * height * 3);
            assert_ok(cdul_image_resize_window(
                &image, NULL, (cdul_filter)filter,
                &(cdul_window){width, height, window, part, width * 3}, &err));
            for (size_t y = 0; y < window.height; y++)
                assert_memory_equal(part + y * width * 3,
                                    whole + ((window.y + y) * width + window.x) * 3,
                                    window.width * 3);
            test_free(whole);
            test_free(part);
        }
    test_free(image.pixels);
}

static void the_same_size_is_a_copy(void **state) {
    (void)state;
    cdul_image image = golden_ppm("image", "resize-wide.ppm");
    uint8_t *out = test_malloc(image.width * image.height * 3);
    cdul_error err;
    for (int filter = CDUL_NEAREST; filter <= CDUL_HAMMING; filter++) {
        assert_ok(cdul_image_resize(&image, NULL, image.width, image.height, (cdul_filter)filter,
                                    out, &err));
        assert_memory_equal(out, image.pixels, image.width * image.height * 3);
    }
    test_free(out);
    test_free(image.pixels);
}

static void impossible_sizes_and_boxes_are_errors(void **state) {
    (void)state;
    uint8_t pixels[2 * 3 * 3] = {0}, out[12];
    cdul_image image = {2, 3, pixels, NULL};
    cdul_error err;
    const cdul_rect outside[] = {{0, 0, 3, 1}, {2, 0, 1, 1},        {0, 2, 1, 2},
                                 {0, 0, 0, 1}, {1, 1, SIZE_MAX, 1}, {1, 0, 2, 1}};
    for (size_t i = 0; i < COUNT(outside); i++)
        assert_fails(cdul_image_resize(&image, &outside[i], 2, 2, CDUL_BICUBIC, out, &err),
                     CDUL_ERR_USAGE, "not inside");
    assert_fails(cdul_image_resize(&image, NULL, 0, 2, CDUL_BICUBIC, out, &err), CDUL_ERR_USAGE,
                 "output");
    assert_fails(cdul_image_resize(&image, NULL, 2, 0, CDUL_BICUBIC, out, &err), CDUL_ERR_USAGE,
                 "output");
    assert_fails(cdul_image_resize(&image, NULL, 2, 2, (cdul_filter)6, out, &err), CDUL_ERR_USAGE,
                 "filter 6");
    /* Windows must lie inside the output. */
    const cdul_rect beyond[] = {{1, 0, 2, 2}, {0, 1, 2, 2}, {0, 0, 2, 0}};
    for (size_t i = 0; i < COUNT(beyond); i++)
        assert_fails(cdul_image_resize_window(&image, NULL, CDUL_BICUBIC,
                                              &(cdul_window){2, 2, beyond[i], out, 6}, &err),
                     CDUL_ERR_USAGE, "impossible output of 2 x 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_equals_pillow_to_the_last_bit),
        cmocka_unit_test(a_window_is_that_part_of_the_whole_result),
        cmocka_unit_test(the_same_size_is_a_copy),
        cmocka_unit_test(impossible_sizes_and_boxes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
