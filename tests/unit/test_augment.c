/* src/train/augment.c against torchvision's draws and Pillow's pixels
 * (tests/golden/make_augment.py). */
#include "test.h"

#include "base/csv.h"
#include "base/file.h"
#include "train/augment.h"

#include <math.h>

enum { SIDE = 24, WIDTH = 60, HEIGHT = 40, CASES = 5 };

static cdul_error err;

static uint8_t picture_pixels[WIDTH * HEIGHT * 3];

static cdul_image picture(void) {
    for (size_t y = 0; y < HEIGHT; y++) {
        for (size_t x = 0; x < WIDTH; x++) {
            uint8_t *rgb = picture_pixels + (y * WIDTH + x) * 3;
            rgb[0] = (uint8_t)(x * 5 + y * 3);
            rgb[1] = (uint8_t)(x * y / 4);
            rgb[2] = (uint8_t)(255 - x * 4 + y);
        }
    }
    return (cdul_image){WIDTH, HEIGHT, picture_pixels, NULL};
}

/* Mean 0, std 1, scale 1: planes of the pixel values themselves. */
static const cdul_preprocess raw = {.width = SIDE,
                                    .height = SIDE,
                                    .mode = CDUL_RESIZE_SQUASH,
                                    .filter = CDUL_BILINEAR,
                                    .scale = 1,
                                    .std = {1, 1, 1}};

static void pixels_equal_pillow_s(void **state) {
    (void)state;
    const cdul_rect rect = {7, 5, 41, 33};
    const cdul_augmentation drawn[CASES] = {
        {rect, false, {0, 1, 2}, {1, 1, 1}},       {rect, true, {0, 1, 2}, {1, 1, 1}},
        {rect, false, {0, 1, 2}, {1.3, 0.6, 1.7}}, {rect, true, {2, 0, 1}, {1.3, 0.6, 1.7}},
        {rect, false, {1, 2, 0}, {1.3, 0.6, 1.7}},
    };
    char *want = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(CDUL_GOLDEN "/augment/pixels.bin", &want, &size, &err));
    assert_int_equal(size, CASES * SIDE * SIDE * 3);
    cdul_image image = picture();
    uint8_t scratch[SIDE * SIDE * 3];
    float planes[3 * SIDE * SIDE];
    for (size_t i = 0; i < CASES; i++) {
        assert_ok(cdul_augment_apply(&drawn[i], &raw, &image, scratch, planes, &err));
        const uint8_t *pixels = (const uint8_t *)want + i * SIDE * SIDE * 3;
        for (size_t k = 0; k < SIDE * SIDE; k++)
            for (size_t c = 0; c < 3; c++)
                if ((int)planes[c * SIDE * SIDE + k] != pixels[3 * k + c])
                    fail_msg("case %zu, pixel %zu, channel %zu: got %g, Pillow has %d", i, k, c,
                             (double)planes[c * SIDE * SIDE + k], pixels[3 * k + c]);
    }
    free(want);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fills values [n] with one property of n draws, ascending. */
static void draw(double *values, size_t n, size_t width, size_t height, double scale,
                 const char *what) {
    const cdul_augment_options options = {scale, false, 0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        cdul_rect r = cdul_augment_draw(&options, cdul_random_seeded(3, 0, i), width, height).rect;
        assert_true(r.width > 0 && r.height > 0 && r.x + r.width <= width &&
                    r.y + r.height <= height);
        double left = r.width < width ? (double)r.x / (double)(width - r.width) : 0.5;
        double top = r.height < height ? (double)r.y / (double)(height - r.height) : 0.5;
        values[i] = !strcmp(what, "area") ? (double)(r.width * r.height) / (double)(width * height)
                    : !strcmp(what, "log_ratio") ? log((double)r.width / (double)r.height)
                    : !strcmp(what, "left")      ? left
                                                 : top;
    }
    qsort(values, n, sizeof *values, ascending);
}

/* A decile of n draws has a standard error of about sqrt(0.25 / n) / density: 0.01 is five of them
 * here. */
static void crops_are_distributed_as_torchvision_s(void **state) {
    (void)state;
    enum { DRAWS = 100000 };
    double *values = malloc(DRAWS * sizeof *values);
    cdul_csv *csv = NULL;
    const cdul_strings *row = NULL;
    bool end = false;
    assert_ok(cdul_csv_open(CDUL_GOLDEN "/augment/deciles.csv", ',', &csv, &err));
    assert_ok(cdul_csv_next(csv, &row, &end, &err));
    for (;;) {
        assert_ok(cdul_csv_next(csv, &row, &end, &err));
        if (end) break;
        draw(values, DRAWS, strtoul(row->items[0], NULL, 10), strtoul(row->items[1], NULL, 10),
             strtod(row->items[2], NULL), row->items[3]);
        for (size_t k = 1; k < 10; k++) {
            double got = values[DRAWS * k / 10], want = strtod(row->items[3 + k], NULL);
            if (fabs(got - want) > 0.01)
                fail_msg("%s of %s x %s at %s, decile %zu: got %.4f, torchvision has %.4f",
                         row->items[3], row->items[0], row->items[1], row->items[2], k, got, want);
        }
    }
    cdul_csv_close(csv);
    free(values);
}

static void scale_one_crops_nothing(void **state) {
    (void)state;
    const cdul_augment_options options = {1, false, 0, 0, 0};
    for (size_t i = 0; i < 100; i++) {
        cdul_augmentation drawn = cdul_augment_draw(&options, cdul_random_seeded(0, 0, i), 31, 500);
        assert_true(drawn.rect.width == 0);
        assert_false(drawn.flip);
    }
}

static void tiny_images_are_cropped_too(void **state) {
    (void)state;
    const cdul_augment_options options = {0.01, true, 0, 0, 0};
    for (size_t i = 0; i < 1000; i++) {
        cdul_rect r =
            cdul_augment_draw(&options, cdul_random_seeded(0, 0, i), 1 + i % 3, 1 + i % 2).rect;
        assert_true(r.width > 0 && r.height > 0);
    }
}

static void half_of_the_views_are_mirrored_and_factors_fill_their_range(void **state) {
    (void)state;
    enum { N = 20000 };
    const cdul_augment_options options = {1, true, 0.4, 1.5, 0};
    size_t flips = 0, first[3] = {0};
    double low = 9, high = 0, sum = 0;
    for (size_t i = 0; i < N; i++) {
        cdul_augmentation drawn = cdul_augment_draw(&options, cdul_random_seeded(5, 1, i), 10, 10);
        flips += drawn.flip;
        first[drawn.order[0]]++;
        low = fmin(low, drawn.factor[0]);
        high = fmax(high, drawn.factor[0]);
        sum += drawn.factor[0];
        assert_true(drawn.factor[1] >= 0 && drawn.factor[1] <= 2.5);
        assert_true(drawn.factor[2] == 1);
    }
    assert_float_equal((double)flips / N, 0.5, 0.02);
    assert_float_equal(sum / N, 1, 0.01);
    assert_true(low >= 0.6 && low < 0.601 && high <= 1.4 && high > 1.399);
    for (size_t k = 0; k < 3; k++) assert_float_equal((double)first[k] / N, 1.0 / 3, 0.02);
}

static void a_view_depends_on_seed_epoch_and_image_alone(void **state) {
    (void)state;
    const cdul_augment_options options = {0.5, true, 0.2, 0.2, 0.2};
    cdul_augmentation a = cdul_augment_draw(&options, cdul_random_seeded(1, 2, 3), 400, 300);
    cdul_augmentation b = cdul_augment_draw(&options, cdul_random_seeded(1, 2, 3), 400, 300);
    cdul_augmentation c = cdul_augment_draw(&options, cdul_random_seeded(1, 3, 3), 400, 300);
    assert_memory_equal(&a.rect, &b.rect, sizeof a.rect);
    assert_memory_equal(a.factor, b.factor, sizeof a.factor);
    assert_true(memcmp(a.factor, c.factor, sizeof a.factor) != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_equal_pillow_s),
        cmocka_unit_test(crops_are_distributed_as_torchvision_s),
        cmocka_unit_test(scale_one_crops_nothing),
        cmocka_unit_test(tiny_images_are_cropped_too),
        cmocka_unit_test(half_of_the_views_are_mirrored_and_factors_fill_their_range),
        cmocka_unit_test(a_view_depends_on_seed_epoch_and_image_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
