/* Pixels of a picture, as cdul decodes and resizes it, on standard output: RGB bytes, row by row.
 * For photos.sh. */
#include "cdul/image.h"

#include <stdio.h>
#include <stdlib.h>

static cdul_status print_resized(const cdul_image *image, size_t width, size_t height,
                                 cdul_filter filter, cdul_error *err) {
    size_t size = width * height * 3;
    uint8_t *pixels = malloc(size ? size : 1);
    if (!pixels) return cdul_fail_memory(err, "pixels");
    cdul_status status = cdul_image_resize(image, NULL, width, height, filter, pixels, err);
    if (status == CDUL_OK && fwrite(pixels, 1, size, stdout) != size)
        status = cdul_fail_errno(err, "standard output");
    free(pixels);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 7) {
        fprintf(stderr,
                "usage: photo_pixels PICTURE WIDTH HEIGHT FILTER [LEAST_WIDTH LEAST_HEIGHT]\n");
        return 2;
    }
    cdul_decode_options options = cdul_decode_defaults();
    if (argc == 7) {
        options.least_width = strtoul(argv[5], NULL, 10);
        options.least_height = strtoul(argv[6], NULL, 10);
    }
    size_t width = strtoul(argv[2], NULL, 10), height = strtoul(argv[3], NULL, 10);
    cdul_filter filter = (cdul_filter)strtoul(argv[4], NULL, 10);
    cdul_image image = {0};
    cdul_error err;
    cdul_status status = cdul_image_decode_file(argv[1], &options, &image, &err);
    if (status == CDUL_OK) status = print_resized(&image, width, height, filter, &err);
    if (status == CDUL_OK && fflush(stdout) != 0) status = cdul_fail_errno(&err, "standard output");
    cdul_image_free(&image);
    if (status != CDUL_OK) fprintf(stderr, "photo_pixels: %s\n", err.message);
    return status != CDUL_OK;
}
