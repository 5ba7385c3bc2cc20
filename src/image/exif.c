/* Finds the orientation in the TIFF structure of an EXIF block (EXIF 2.3, section 4.6.4), and turns
 * images by it. */
#include "image/decode.h"

#include <stdlib.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

int cdul_exif_orientation(const uint8_t *data, size_t size) {
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(data, "MM\0*", 4) != 0 && memcmp(data, "II*\0", 4) != 0)) return 0;
    bool big = data[0] == 'M';
    size_t at = cdul_get32(data + 4, big);
    if (at > size - 2) return 0;
    size_t entries = cdul_get16(data + at, big);
    at += 2;
    for (size_t i = 0; i < entries && size - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        if (cdul_get16(data + at, big) != TAG_ORIENTATION) continue;
        if (cdul_get16(data + at + 2, big) != TYPE_SHORT) return 0;
        size_t value = cdul_get16(data + at + 8, big);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}

cdul_status cdul_image_orient(cdul_image *image, int orientation, cdul_error *err) {
    if (orientation < 2 || orientation > 8) return CDUL_OK;
    size_t width = orientation >= 5 ? image->height : image->width;
    size_t height = orientation >= 5 ? image->width : image->height;
    uint8_t *upright = malloc(width * height * 3);
    if (!upright) return cdul_fail_memory(err, "rotated image");
    /* `start` is the stored pixel that becomes (0, 0). From there, `column` and `row` are the steps
     * in the stored image that lead to the next column and row of the upright one. */
    ptrdiff_t w = (ptrdiff_t)image->width, h = (ptrdiff_t)image->height;
    bool right = orientation == 2 || orientation == 3 || orientation >= 7;
    bool bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    ptrdiff_t start = (right ? w - 1 : 0) + (bottom ? w * (h - 1) : 0);
    ptrdiff_t across = right ? -1 : 1, down = bottom ? -w : w;
    ptrdiff_t column = orientation >= 5 ? down : across, row = orientation >= 5 ? across : down;
    uint8_t *to = upright;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *from = image->pixels + (start + (ptrdiff_t)y * row) * 3;
        for (size_t x = 0; x < width; x++, from += column * 3, to += 3) memcpy(to, from, 3);
    }
    free(image->pixels);
    image->width = width;
    image->height = height;
    image->pixels = upright;
    return CDUL_OK;
}
