/* Pictures of tests/golden/image and what the tests of all decoders do with them. */
#ifndef CDUL_TESTS_IMAGE_GOLDEN_H
#define CDUL_TESTS_IMAGE_GOLDEN_H

#include "test.h"

#include "cdul/image.h"

static inline uint8_t *golden_bytes(const char *folder, const char *name, size_t *size) {
    char path[600];
    snprintf(path, sizeof path, CDUL_GOLDEN "/%s/%s", folder, name);
    FILE *stream = fopen(path, "rb");
    if (!stream) fail_msg("%s: cannot open", path);
    uint8_t *bytes = test_malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, stream);
    fclose(stream);
    return bytes;
}

/* A binary PPM as the golden scripts write it; pixels are freed with test_free. */
static inline cdul_image golden_ppm(const char *folder, const char *name) {
    size_t size;
    uint8_t *bytes = golden_bytes(folder, name, &size);
    cdul_image image = {0};
    int header = 0;
    if (sscanf((const char *)bytes, "P6 %zu %zu 255%n", &image.width, &image.height, &header) != 2)
        fail_msg("%s: no PPM", name);
    size_t pixels = image.width * image.height * 3;
    assert_int_equal(size, (size_t)header + 1 + pixels);
    image.pixels = test_malloc(pixels);
    memcpy(image.pixels, bytes + header + 1, pixels);
    test_free(bytes);
    return image;
}

static inline int largest_difference(const uint8_t *a, const uint8_t *b, size_t count) {
    int largest = 0;
    for (size_t i = 0; i < count; i++) {
        int difference = abs((int)a[i] - (int)b[i]);
        if (difference > largest) largest = difference;
    }
    return largest;
}

/* Decodes `size` bytes that lie in a block of just that size, so that a sanitizer sees a step
 * beyond it. */
static inline cdul_status decode_exactly(const uint8_t *bytes, size_t size, cdul_image *image,
                                         cdul_error *err) {
    uint8_t *tight = malloc(size ? size : 1);
    assert_non_null(tight);
    memcpy(tight, bytes, size);
    cdul_decode_options options = cdul_decode_defaults();
    options.max_pixels = (size_t)1 << 20; /* damaged headers ask for anything */
    cdul_status status = cdul_image_decode(tight, size, &options, image, err);
    free(tight);
    return status;
}

/* Each file decodes to <file>.ppm, with no sample further away than `tolerance`. */
static inline void decode_as_expected(const char *const *files, size_t count, int tolerance) {
    for (size_t i = 0; i < count; i++) {
        char expected_name[200];
        snprintf(expected_name, sizeof expected_name, "%s.ppm", files[i]);
        cdul_image expected = golden_ppm("image", expected_name), image;
        size_t size;
        uint8_t *bytes = golden_bytes("image", files[i], &size);
        cdul_error err;
        if (decode_exactly(bytes, size, &image, &err) != CDUL_OK)
            fail_msg("%s: %s", files[i], err.message);
        if (image.width != expected.width || image.height != expected.height)
            fail_msg("%s: %zu x %zu, not %zu x %zu", files[i], image.width, image.height,
                     expected.width, expected.height);
        int d = largest_difference(image.pixels, expected.pixels, image.width * image.height * 3);
        if (d > tolerance) fail_msg("%s: differs by %d", files[i], d);
        cdul_image_free(&image);
        test_free(expected.pixels);
        test_free(bytes);
    }
}

/* No beginning of the file passes for an image, but where only the last `tail` bytes lack, which
 * hold no pixels. */
static inline void every_truncation_fails(const char *file, size_t tail) {
    size_t size;
    uint8_t *bytes = golden_bytes("image", file, &size);
    for (size_t n = 0; n < size - tail; n++) {
        cdul_image image;
        cdul_error err = {{0}};
        cdul_status status = decode_exactly(bytes, n, &image, &err);
        if (status != CDUL_ERR_INPUT || !err.message[0] || image.pixels)
            fail_msg("%s: cut to %zu of %zu bytes: status %d", file, n, size, (int)status);
    }
    test_free(bytes);
}

/* Whatever bytes change, the answer is an image or CDUL_ERR_INPUT. */
static inline void damage_is_survived(const char *const *files, size_t count) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        uint8_t *bytes = golden_bytes("image", files[i], &size), *damaged = test_malloc(size);
        for (int round = 0; round < 300; round++) {
            memcpy(damaged, bytes, size);
            for (int k = 0; k <= round % 4; k++) {
                state = state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
                size_t at = (state >> 8) % (round % 2 ? size : size < 64 ? size : 64);
                damaged[at] = (uint8_t)(state >> 24);
            }
            cdul_image image;
            cdul_error err;
            cdul_status status = decode_exactly(damaged, size, &image, &err);
            if (status != CDUL_OK && status != CDUL_ERR_INPUT)
                fail_msg("%s, round %d: status %d: %s", files[i], round, (int)status, err.message);
            cdul_image_free(&image);
        }
        test_free(damaged);
        test_free(bytes);
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
