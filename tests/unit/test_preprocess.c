#include "image_golden.h"

#include <math.h>

/* CLIP's, as in tests/golden/make_preprocess.py. */
static cdul_preprocess clip(size_t width, size_t height) {
    return (cdul_preprocess){.width = width,
                             .height = height,
                             .filter = CDUL_BICUBIC,
                             .scale = 1.0f / 255,
                             .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                             .std = {0.26862954f, 0.26130258f, 0.27577711f}};
}

/* Beyond rounding of float32 nothing may differ; one step of a pixel would be 0.0146. */
static void inputs_equal_torchvision_and_open_clip(void **state) {
    (void)state;
    FILE *list = fopen(CDUL_GOLDEN "/preprocess/preprocess.txt", "r");
    assert_non_null(list);
    char source[100], result[100];
    size_t width, height, shortest;
    int mode, filter, fill, crop_floor, cases = 0;
    while (fscanf(list, "%99s %zu %zu %zu %d %d %d %d %99s", source, &width, &height, &shortest,
                  &mode, &filter, &fill, &crop_floor, result) == 9) {
        cdul_image image = golden_ppm("preprocess", source);
        size_t size, count = 3 * width * height;
        uint8_t *bytes = golden_bytes("preprocess", result, &size), *scratch = test_malloc(count);
        assert_int_equal(size, count * sizeof(float));
        float *out = test_malloc(size), want;
        cdul_preprocess p = clip(width, height);
        p.shortest = shortest;
        p.mode = (cdul_resize_mode)mode;
        p.filter = (cdul_filter)filter;
        p.crop_floor = crop_floor;
        memset(p.fill, fill, 3);
        cdul_error err;
        assert_ok(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err));
        for (size_t i = 0; i < count; i++) {
            memcpy(&want, bytes + i * sizeof want, sizeof want);
            if (!(fabsf(out[i] - want) < 1e-5f))
                fail_msg("%s: element %zu: %g, not %g", result, i, out[i], want);
        }
        cases++;
        test_free(out);
        test_free(scratch);
        test_free(bytes);
        test_free(image.pixels);
    }
    fclose(list);
    assert_int_equal(cases, 30);
}

static void a_crop_is_squashed_whatever_the_mode(void **state) {
    (void)state;
    cdul_image image = golden_ppm("preprocess", "wide.ppm");
    cdul_rect crop = {5, 3, 30, 11};
    uint8_t scratch[8 * 6 * 3], resized[8 * 6 * 3];
    float out[3 * 8 * 6];
    cdul_error err;
    for (int mode = CDUL_RESIZE_SHORTEST; mode <= CDUL_RESIZE_LONGEST; mode++) {
        cdul_preprocess p = clip(8, 6);
        p.mode = (cdul_resize_mode)mode;
        assert_ok(cdul_preprocess_apply(&p, &image, &crop, scratch, out, &err));
        assert_ok(cdul_image_resize(&image, &crop, 8, 6, CDUL_BICUBIC, resized, &err));
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < 48; i++) {
                float want = ((float)resized[3 * i + c] / 255 - p.mean[c]) / p.std[c];
                assert_true(fabsf(out[c * 48 + i] - want) < 1e-5f);
            }
    }
    test_free(image.pixels);
}

/* Resizing the whole first would need 224 x 22,400,000 pixels. */
static void a_very_long_image_costs_no_more_than_its_crop(void **state) {
    (void)state;
    size_t length = 100000;
    cdul_image image = {1, length, test_calloc(length * 3, 1), NULL};
    uint8_t *scratch = test_malloc(224 * 224 * 3);
    float *out = test_malloc(224 * 224 * 3 * sizeof(float));
    cdul_preprocess p = clip(224, 224);
    cdul_error err;
    for (int mode = CDUL_RESIZE_SHORTEST; mode <= CDUL_RESIZE_LONGEST; mode++) {
        p.mode = (cdul_resize_mode)mode;
        assert_ok(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err));
    }
    test_free(out);
    test_free(scratch);
    test_free(image.pixels);
}

static void impossible_settings_are_errors(void **state) {
    (void)state;
    uint8_t pixel[3] = {0}, scratch[3];
    float out[3];
    cdul_image image = {1, 1, pixel, NULL};
    cdul_error err;
    cdul_preprocess p = clip(0, 1);
    assert_fails(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err), CDUL_ERR_USAGE,
                 "0 x 1");
    p = clip(1, 1);
    p.std[1] = 0;
    assert_fails(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err), CDUL_ERR_USAGE,
                 "std");
    p = clip(1, 1);
    p.mean[0] = NAN;
    assert_fails(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err), CDUL_ERR_USAGE,
                 "mean");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_equal_torchvision_and_open_clip),
        cmocka_unit_test(a_crop_is_squashed_whatever_the_mode),
        cmocka_unit_test(a_very_long_image_costs_no_more_than_its_crop),
        cmocka_unit_test(impossible_settings_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
