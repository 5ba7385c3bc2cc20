/* TGA: Truevision TGA file format specification 2.0 (1991), image types 1, 2, 3 and their
 * run-length forms 9, 10, 11. Alpha counts only if the header says that the pixels have it. */
#include "image/decode.h"

#include <string.h>

#define HEADER_BYTES 18

typedef enum kind { KIND_MAPPED = 1, KIND_COLOR = 2, KIND_GREY = 3 } kind;

typedef struct reader {
    const uint8_t *next, *end;
    cdul_error *err;
    kind kind;
    bool runs; /* run-length encoded */
    bool alpha;
    bool top_down, right_to_left;
    size_t bytes; /* of one stored pixel */
    const uint8_t *map; /* palette in the file */
    size_t map_first, map_count, map_bytes;
    size_t width, height;
} reader;

static size_t get16(const uint8_t *p) {
    return (size_t)(p[0] | p[1] << 8);
}

static bool is_depth(unsigned bits) {
    return bits == 15 || bits == 16 || bits == 24 || bits == 32;
}

bool cdul_looks_like_tga(const uint8_t *p, size_t size) {
    if (size < HEADER_BYTES || p[1] > 1 || (p[17] & 0xc0)) return false;
    unsigned type = p[2], bits = p[16];
    if (get16(p + 12) == 0 || get16(p + 14) == 0) return false;
    switch (type) {
    case 1:
    case 9:
        return p[1] == 1 && get16(p + 5) > 0 && is_depth(p[7]) && (bits == 8 || bits == 16);
    case 2:
    case 10:
        return is_depth(bits);
    case 3:
    case 11:
        return bits == 8 || bits == 16;
    default:
        return false;
    }
}

static cdul_status read_header(reader *r) {
    const uint8_t *p = r->next;
    if (!cdul_looks_like_tga(p, (size_t)(r->end - p)))
        return cdul_fail(r->err, CDUL_ERR_INPUT, "inconsistent header");
    r->runs = p[2] & 8;
    r->kind = (kind)(p[2] & 3);
    r->bytes = (p[16] + 7u) / 8;
    r->alpha = p[17] & 15;
    r->top_down = p[17] & 0x20;
    r->right_to_left = p[17] & 0x10;
    r->width = get16(p + 12);
    r->height = get16(p + 14);
    r->map_first = get16(p + 3);
    r->map_count = p[1] ? get16(p + 5) : 0;
    r->map_bytes = (p[7] + 7u) / 8;
    size_t skip = HEADER_BYTES + p[0], map_size = r->map_count * r->map_bytes;
    if ((size_t)(r->end - p) < skip + map_size)
        return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
    r->map = p + skip;
    r->next = p + skip + map_size;
    return CDUL_OK;
}

/* --- Pixels --- */

/* A colour of 2 (1-5-5-5), 3 or 4 bytes, blue first. */
static void put_color(const reader *r, const uint8_t *from, size_t bytes, uint8_t *to) {
    if (bytes == 2) {
        unsigned v = (unsigned)get16(from);
        to[0] = (uint8_t)((v >> 10 & 31) * 255 / 31);
        to[1] = (uint8_t)((v >> 5 & 31) * 255 / 31);
        to[2] = (uint8_t)((v & 31) * 255 / 31);
        to[3] = !r->alpha || v >> 15 ? 255 : 0;
        return;
    }
    to[0] = from[2];
    to[1] = from[1];
    to[2] = from[0];
    to[3] = r->alpha && bytes == 4 ? from[3] : 255;
}

static cdul_status put_pixel(const reader *r, const uint8_t *from, uint8_t *to) {
    if (r->kind == KIND_COLOR) {
        put_color(r, from, r->bytes, to);
    } else if (r->kind == KIND_GREY) {
        memset(to, from[0], 3);
        to[3] = r->alpha && r->bytes == 2 ? from[1] : 255;
    } else {
        size_t index = (r->bytes == 1 ? from[0] : get16(from)) - r->map_first;
        if (index >= r->map_count) /* an index below map_first has wrapped around */
            return cdul_fail(r->err, CDUL_ERR_INPUT,
                             "pixel of a colour that is not in the colour map");
        put_color(r, r->map + index * r->map_bytes, r->map_bytes, to);
    }
    return CDUL_OK;
}

/* Pixel `i` in file order. */
static uint8_t *place(const reader *r, cdul_image *image, size_t i) {
    size_t x = i % r->width, y = i / r->width;
    if (r->right_to_left) x = r->width - 1 - x;
    if (!r->top_down) y = r->height - 1 - y;
    return image->pixels + (y * r->width + x) * 4;
}

static cdul_status read_pixels(reader *r, cdul_image *image) {
    size_t count = r->width * r->height, packet = 0;
    bool repeat = false;
    for (size_t i = 0; i < count; i++) {
        if (packet == 0) {
            packet = r->runs ? 1 : count;
            if (r->runs) {
                if (r->next == r->end)
                    return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
                repeat = *r->next & 0x80;
                packet += *r->next++ & 0x7f;
            }
            if ((size_t)(r->end - r->next) < r->bytes * (repeat ? 1 : packet))
                return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
        }
        cdul_status status = put_pixel(r, r->next, place(r, image, i));
        if (status != CDUL_OK) return status;
        packet--;
        if (!repeat || packet == 0) r->next += r->bytes;
    }
    return CDUL_OK;
}

cdul_status cdul_decode_tga(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    reader r = {.next = data, .end = data + size, .err = err};
    cdul_status status = read_header(&r);
    if (status == CDUL_OK) status = cdul_image_allocate(r.width, r.height, 4, options, out, err);
    if (status == CDUL_OK) status = read_pixels(&r, out);
    if (status == CDUL_OK) cdul_image_composite(out, options->background);
    return status;
}
