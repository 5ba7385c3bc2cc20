#include "image_golden.h"

static cdul_crops parse(const char *grid) {
    cdul_crops crops;
    cdul_error err;
    assert_ok(cdul_crops_parse(grid, &crops, &err));
    return crops;
}

static void assert_rect(cdul_rect r, size_t x, size_t y, size_t width, size_t height) {
    if (r.x != x || r.y != y || r.width != width || r.height != height)
        fail_msg("%zu x %zu at %zu, %zu", r.width, r.height, r.x, r.y);
}

/* 100 x 50: thirds are 33.3 and 16.7. */
static void three_by_three_is_nine_tiles_by_rows(void **state) {
    (void)state;
    cdul_crops crops = parse("3x3");
    assert_int_equal(crops.count, 9);
    assert_rect(cdul_crops_rect(&crops, 0, 100, 50), 0, 0, 33, 17);
    assert_rect(cdul_crops_rect(&crops, 1, 100, 50), 33, 0, 34, 17);
    assert_rect(cdul_crops_rect(&crops, 2, 100, 50), 67, 0, 33, 17);
    assert_rect(cdul_crops_rect(&crops, 3, 100, 50), 0, 17, 33, 16);
    assert_rect(cdul_crops_rect(&crops, 8, 100, 50), 67, 33, 33, 17);
    cdul_crops_free(&crops);
}

static void tiles_cover_every_pixel_once(void **state) {
    (void)state;
    static const char *const grids[] = {"1x1", "3x3", "2x5", "7x1"};
    for (size_t g = 0; g < COUNT(grids); g++)
        for (size_t width = 7; width < 40; width += 3)
            for (size_t height = 7; height < 40; height += 5) {
                cdul_crops crops = parse(grids[g]);
                uint8_t seen[40 * 40] = {0};
                for (size_t s = 0; s < crops.count; s++) {
                    cdul_rect r = cdul_crops_rect(&crops, s, width, height);
                    for (size_t y = r.y; y < r.y + r.height; y++)
                        for (size_t x = r.x; x < r.x + r.width; x++) seen[y * width + x]++;
                }
                for (size_t i = 0; i < width * height; i++) assert_int_equal(seen[i], 1);
                cdul_crops_free(&crops);
            }
}

static void half_windows_are_evenly_spread(void **state) {
    (void)state;
    cdul_crops crops = parse("3x3:0.5");
    assert_int_equal(crops.count, 9);
    assert_rect(cdul_crops_rect(&crops, 0, 100, 60), 0, 0, 50, 30);
    assert_rect(cdul_crops_rect(&crops, 4, 100, 60), 25, 15, 50, 30);
    assert_rect(cdul_crops_rect(&crops, 8, 100, 60), 50, 30, 50, 30);
    cdul_crops_free(&crops);
    crops = parse("1x1:.8");
    assert_rect(cdul_crops_rect(&crops, 0, 100, 60), 10, 6, 80, 48);
    cdul_crops_free(&crops);
}

/* Two windows of a side lie at its ends. */
static void a_grid_two_wide_reaches_both_edges(void **state) {
    (void)state;
    cdul_crops crops = parse("2x2:0.75");
    assert_rect(cdul_crops_rect(&crops, 0, 100, 60), 0, 0, 75, 45);
    assert_rect(cdul_crops_rect(&crops, 1, 100, 60), 25, 0, 75, 45);
    assert_rect(cdul_crops_rect(&crops, 3, 100, 60), 25, 15, 75, 45);
    cdul_crops_free(&crops);
}

static void a_window_of_scale_1_is_the_whole_image(void **state) {
    (void)state;
    static const char *const whole[] = {"1x1:1", "2x1:1", "1x2:1.0"};
    for (size_t i = 0; i < COUNT(whole); i++) {
        cdul_crops crops = parse(whole[i]);
        for (size_t s = 0; s < crops.count; s++)
            assert_rect(cdul_crops_rect(&crops, s, 100, 60), 0, 0, 100, 60);
        cdul_crops_free(&crops);
    }
}

/* 0 and 9 are digits, in counts and fractions. */
static void every_digit_is_read(void **state) {
    (void)state;
    cdul_crops crops = parse("9x10+1x1:0.90+1x1:.09");
    assert_int_equal(crops.count, 9 * 10 + 2);
    assert_rect(cdul_crops_rect(&crops, 90, 100, 200), 5, 10, 90, 180);
    assert_rect(cdul_crops_rect(&crops, 91, 1000, 2000), 455, 910, 90, 180);
    cdul_crops_free(&crops);
}

static void grids_are_joined_in_order(void **state) {
    (void)state;
    cdul_crops crops = parse("1x1+2x2+1x3:0.25");
    assert_int_equal(crops.count, 1 + 4 + 3);
    assert_rect(cdul_crops_rect(&crops, 0, 40, 40), 0, 0, 40, 40);
    assert_rect(cdul_crops_rect(&crops, 2, 40, 40), 20, 0, 20, 20);
    assert_rect(cdul_crops_rect(&crops, 7, 40, 40), 30, 15, 10, 10);
    cdul_crops_free(&crops);
}

static void crops_of_tiny_images_have_a_pixel(void **state) {
    (void)state;
    cdul_crops crops = parse("5x5+3x3:0.1");
    for (size_t width = 1; width < 4; width++)
        for (size_t height = 1; height < 4; height++)
            for (size_t s = 0; s < crops.count; s++) {
                cdul_rect r = cdul_crops_rect(&crops, s, width, height);
                assert_true(r.width >= 1 && r.height >= 1);
                assert_true(r.x + r.width <= width && r.y + r.height <= height);
            }
    cdul_crops_free(&crops);
}

static void other_texts_are_errors(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "3",
                                      "3x",
                                      "x3",
                                      "0x3",
                                      "3x65",
                                      "3x3:",
                                      "3x3:0",
                                      "3x3:1.1",
                                      "3x3:0,5",
                                      "3x3+",
                                      "+3x3",
                                      "3x3 ",
                                      "3X3",
                                      "-1x2",
                                      "3x3:0.5:0.5",
                                      "99999999999999999999x1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        cdul_crops crops;
        cdul_error err;
        assert_fails(cdul_crops_parse(bad[i], &crops, &err), CDUL_ERR_USAGE,
                     "expected ROWSxCOLUMNS");
        assert_null(crops.boxes);
    }
    cdul_crops crops = parse("64x64"); /* the most that there may be */
    assert_int_equal(crops.count, 4096);
    cdul_crops_free(&crops);
    cdul_error err;
    assert_fails(cdul_crops_parse("64x64+1x1", &crops, &err), CDUL_ERR_USAGE, "more than 4096");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_by_three_is_nine_tiles_by_rows),
        cmocka_unit_test(tiles_cover_every_pixel_once),
        cmocka_unit_test(half_windows_are_evenly_spread),
        cmocka_unit_test(a_grid_two_wide_reaches_both_edges),
        cmocka_unit_test(a_window_of_scale_1_is_the_whole_image),
        cmocka_unit_test(every_digit_is_read),
        cmocka_unit_test(grids_are_joined_in_order),
        cmocka_unit_test(crops_of_tiny_images_have_a_pixel),
        cmocka_unit_test(other_texts_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
