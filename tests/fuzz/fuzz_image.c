/* Any bytes as an image. With FORMAT the first bytes are made those of that format, which then has
 * all the time. */
#include "input.h"

#include "cdul/image.h"

#ifdef FORMAT
static void put_magic(uint8_t *data, size_t size) {
    static const struct {
        const char *format;
        size_t at;
        const char *bytes;
        size_t count;
    } magics[] = {
        {"jpeg", 0, "\xff\xd8\xff", 3},
        {"png", 0, "\x89PNG\r\n\x1a\n", 8},
        {"webp", 8, "WEBP", 4},
        {"gif", 0, "GIF89a", 6},
        {"bmp", 0, "BM", 2},
        {"pnm", 0, "P", 1},
        {"psd", 0, "8BPS", 4},
    };
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (strcmp(magics[i].format, FORMAT) == 0 && size >= magics[i].at + magics[i].count)
            memcpy(data + magics[i].at, magics[i].bytes, magics[i].count);
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cdul_decode_options options = cdul_decode_defaults();
    options.max_pixels = (size_t)1 << 20; /* small enough that no input is slow by its size alone */
    cdul_image image;
    cdul_error err = {{0}};
    char *copy = guarded(data, size);
#ifdef FORMAT
    put_magic((uint8_t *)copy, size);
#endif
    cdul_status status = cdul_image_decode(copy, size, &options, &image, &err);
    look_at(image.pixels, image.width * image.height * 3);
    if (status == CDUL_OK)
        CLAIM(image.width > 0 && image.height > 0 && image.width * image.height <= 1 << 20);
    if (status != CDUL_OK) CLAIM(status == CDUL_ERR_INPUT && !image.pixels && err.message[0]);
    cdul_image_free(&image);
    return 0;
}
