/* BMP, GIF (first frame) and TGA through stb_image: formats without a maintained library here. */
#include "image/decode.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_THREAD_LOCALS
#define STBI_MAX_DIMENSIONS CDUL_MAX_SIDE
#include <stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

static cdul_status decode(const uint8_t *data, size_t size, const cdul_decode_options *options,
                          cdul_image *out, cdul_error *err) {
    if (size > INT_MAX) return cdul_fail(err, CDUL_ERR_INPUT, "file of more than 2 GiB");
    int width = 0, height = 0, channels = 0;
    if (!stbi_info_from_memory(data, (int)size, &width, &height, &channels) || width <= 0 || height <= 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "damaged or unsupported header");
    cdul_status status = cdul_image_allocate((size_t)width, (size_t)height, 4, options, out, err);
    if (status != CDUL_OK) return status;
    stbi_uc *pixels = stbi_load_from_memory(data, (int)size, &width, &height, &channels, 4);
    if (!pixels || (size_t)width != out->width || (size_t)height != out->height) {
        free(pixels);
        return cdul_fail(err, CDUL_ERR_INPUT, "damaged or unsupported data");
    }
    memcpy(out->pixels, pixels, out->width * out->height * 4);
    free(pixels);
    cdul_image_composite(out, options->background);
    return CDUL_OK;
}

cdul_status cdul_decode_bmp(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    return decode(data, size, options, out, err);
}

cdul_status cdul_decode_gif(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    return decode(data, size, options, out, err);
}

cdul_status cdul_decode_tga(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    return decode(data, size, options, out, err);
}

bool cdul_looks_like_tga(const uint8_t *data, size_t size) {
    if (size < 18 || data[1] > 1) return false;
    int kind = data[2] & 0xf7, bits = data[16];
    return kind >= 1 && kind <= 3 && (kind == 1) == (data[1] == 1) &&
           (bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32);
}
