/* BMP: OS/2 1 and 2 and Windows 3 to 5 headers; 1, 2, 4, 8, 16, 24 and 32 bits a pixel; plain, bit
 * masks, RLE4 and RLE8. Reference: Microsoft's documentation of BITMAPINFOHEADER and
 * BITMAPV5HEADER. As in Pillow, the fourth byte of a 32-bit pixel is alpha only where a mask says
 * so, and pixels that RLE data skips have colour 0. */
#include "image/decode.h"

#include <string.h>

#define FILE_HEADER_BYTES 14

typedef enum compression {
    PLAIN = 0,
    RLE8 = 1,
    RLE4 = 2,
    MASKS = 3, /* red, green, blue */
    MASKS_ALPHA = 6, /* red, green, blue, alpha */
} compression;

typedef struct reader {
    const uint8_t *data;
    size_t size;
    cdul_error *err;
    size_t width, height;
    bool top_down;
    unsigned bits;
    unsigned compression;
    uint32_t masks[4]; /* red, green, blue, alpha; 0 = none */
    const uint8_t *palette; /* [colors, entry] in the file, blue first */
    size_t colors, entry;
    size_t pixels; /* offset */
} reader;

static unsigned get16(const uint8_t *p) {
    return (unsigned)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static cdul_status fail_truncated(reader *r) {
    return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
}

/* --- Header --- */

/* Masks stand in the header (version 2 on) or right behind it. *after is where the palette would
 * begin. */
static void read_masks(reader *r, size_t header, size_t *after) {
    const uint32_t bits15[4] = {0x7c00, 0x3e0, 0x1f, 0}, bits32[4] = {0xff0000, 0xff00, 0xff, 0};
    if (r->compression == MASKS || r->compression == MASKS_ALPHA) {
        bool alpha = r->compression == MASKS_ALPHA || header >= 56;
        const uint8_t *p = r->data + FILE_HEADER_BYTES + 40;
        for (size_t i = 0; i < (alpha ? 4 : 3); i++) r->masks[i] = get32(p + 4 * i);
        size_t end = FILE_HEADER_BYTES + 40 + (alpha ? 16 : 12);
        if (*after < end) *after = end;
    } else {
        memcpy(r->masks, r->bits == 16 ? bits15 : bits32, sizeof r->masks);
    }
}

static cdul_status check_kind(reader *r) {
    unsigned b = r->bits, c = r->compression;
    bool known =
        (c == PLAIN && (b == 1 || b == 2 || b == 4 || b == 8 || b == 16 || b == 24 || b == 32)) ||
        (c == RLE8 && b == 8) || (c == RLE4 && b == 4) ||
        ((c == MASKS || c == MASKS_ALPHA) && (b == 16 || b == 32));
    if (known) return CDUL_OK;
    return cdul_fail(r->err, CDUL_ERR_INPUT,
                     "%u bits a pixel with compression %u are not supported", b, c);
}

static cdul_status read_header(reader *r) {
    const uint8_t *p = r->data;
    if (r->size < FILE_HEADER_BYTES + 12) return fail_truncated(r);
    size_t header = get32(p + 14);
    bool old = header == 12;
    if (!old && (header < 40 || header > 124))
        return cdul_fail(r->err, CDUL_ERR_INPUT, "header of %zu bytes", header);
    if (r->size - FILE_HEADER_BYTES < header) return fail_truncated(r);
    r->pixels = get32(p + 10);
    uint32_t used = 0;
    if (old) {
        r->width = get16(p + 18);
        r->height = get16(p + 20);
        r->bits = get16(p + 24);
    } else {
        uint32_t height = get32(p + 22);
        r->width = get32(p + 18);
        r->top_down = height >> 31;
        r->height = r->top_down ? 0u - height : height;
        r->bits = get16(p + 28);
        r->compression = get32(p + 30);
        used = get32(p + 46);
    }
    cdul_status status = check_kind(r);
    if (status != CDUL_OK) return status;
    size_t after = FILE_HEADER_BYTES + header;
    if (r->bits > 8) {
        if (!old && r->size < FILE_HEADER_BYTES + 40 + 16) return fail_truncated(r);
        read_masks(r, header, &after);
        return CDUL_OK;
    }
    r->entry = old ? 3 : 4;
    r->colors = used && used < 1u << r->bits ? used : 1u << r->bits;
    r->palette = p + after;
    if (r->colors * r->entry > r->size - after) return fail_truncated(r);
    return CDUL_OK;
}

/* --- Pixels --- */

static uint8_t *row_of(const reader *r, cdul_image *image, size_t y) {
    return image->pixels + (r->top_down ? y : r->height - 1 - y) * r->width * 4;
}

static void put_index(const reader *r, unsigned index, uint8_t *to) {
    const uint8_t *color = r->palette + index * r->entry;
    bool known = index < r->colors;
    to[0] = known ? color[2] : 0;
    to[1] = known ? color[1] : 0;
    to[2] = known ? color[0] : 0;
    to[3] = 255;
}

/* The bits under `mask` as 0..255. */
static uint8_t masked(uint32_t value, uint32_t mask) {
    if (mask == 0) return 0;
    uint32_t low = mask & (0u - mask);
    uint64_t most = mask / low;
    return (uint8_t)((uint64_t)(value & mask) / low * 255 / most);
}

static void put_masked(const reader *r, uint32_t value, uint8_t *to) {
    for (size_t c = 0; c < 3; c++) to[c] = masked(value, r->masks[c]);
    to[3] = r->masks[3] ? masked(value, r->masks[3]) : 255;
}

static void put_row(const reader *r, const uint8_t *from, uint8_t *to) {
    for (size_t x = 0; x < r->width; x++, to += 4) {
        size_t bit = x * r->bits;
        switch (r->bits) {
        case 8:
            put_index(r, from[x], to);
            break;
        case 16:
            put_masked(r, get16(from + 2 * x), to);
            break;
        case 24:
            memcpy(to, (uint8_t[4]){from[3 * x + 2], from[3 * x + 1], from[3 * x], 255}, 4);
            break;
        case 32:
            put_masked(r, get32(from + 4 * x), to);
            break;
        default: /* 1, 2, 4: highest bits first */
            put_index(r, (unsigned)from[bit / 8] >> (8 - r->bits - bit % 8) & ((1u << r->bits) - 1),
                      to);
        }
    }
}

static cdul_status read_plain(reader *r, cdul_image *image) {
    size_t stride = (r->width * r->bits + 31) / 32 * 4, last = (r->width * r->bits + 7) / 8;
    /* The last row's padding is often missing. */
    if (r->pixels > r->size || r->size - r->pixels < stride * (r->height - 1) + last)
        return fail_truncated(r);
    for (size_t y = 0; y < r->height; y++)
        put_row(r, r->data + r->pixels + y * stride, row_of(r, image, y));
    return CDUL_OK;
}

/* --- RLE --- */

typedef struct runs {
    const uint8_t *next, *end;
    size_t x, y;
} runs;

/* Pixels beyond the row's end are dropped, as Pillow does. */
static void put_run(const reader *r, cdul_image *image, runs *s, unsigned index) {
    if (s->x < r->width && s->y < r->height) put_index(r, index, row_of(r, image, s->y) + 4 * s->x);
    s->x++;
}

/* Pixel i of a run of 8- or 4-bit indices at `from`. */
static unsigned index_at(const reader *r, const uint8_t *from, size_t i) {
    if (r->bits == 8) return from[i];
    return i % 2 ? from[i / 2] & 15u : from[i / 2] >> 4;
}

/* After a zero byte: end of row or picture, a jump, or pixels as they are. */
static cdul_status read_escape(reader *r, cdul_image *image, runs *s, uint8_t code, bool *end) {
    switch (code) {
    case 0:
        s->x = 0;
        s->y++;
        return CDUL_OK;
    case 1:
        *end = true;
        return CDUL_OK;
    case 2:
        if (s->end - s->next < 2) return fail_truncated(r);
        s->x += s->next[0];
        s->y += s->next[1];
        s->next += 2;
        return CDUL_OK;
    default:
        break;
    }
    size_t bytes = (code * r->bits + 15u) / 16 * 2;
    if ((size_t)(s->end - s->next) < bytes) return fail_truncated(r);
    for (size_t i = 0; i < code; i++) put_run(r, image, s, index_at(r, s->next, i));
    s->next += bytes;
    return CDUL_OK;
}

static cdul_status read_runs(reader *r, cdul_image *image) {
    if (r->pixels > r->size) return fail_truncated(r);
    runs s = {r->data + r->pixels, r->data + r->size, 0, 0};
    for (size_t i = 0; i < r->width * r->height; i++) put_index(r, 0, image->pixels + 4 * i);
    for (bool end = false; !end && s.y < r->height;) {
        /* Some writers leave the end mark out: complete rows are enough. */
        if (s.end - s.next < 2)
            return s.y == r->height - 1 && s.x >= r->width ? CDUL_OK : fail_truncated(r);
        uint8_t count = s.next[0], code = s.next[1];
        s.next += 2;
        if (count == 0) {
            cdul_status status = read_escape(r, image, &s, code, &end);
            if (status != CDUL_OK) return status;
        }
        const uint8_t pattern[1] = {code};
        for (size_t i = 0; i < count; i++)
            put_run(r, image, &s, index_at(r, pattern, r->bits == 8 ? 0 : i % 2));
    }
    return CDUL_OK;
}

cdul_status cdul_decode_bmp(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    reader r = {.data = data, .size = size, .err = err};
    cdul_status status = read_header(&r);
    if (status == CDUL_OK) status = cdul_image_allocate(r.width, r.height, 4, options, out, err);
    if (status != CDUL_OK) return status;
    bool rle = r.compression == RLE8 || r.compression == RLE4;
    status = rle ? read_runs(&r, out) : read_plain(&r, out);
    if (status == CDUL_OK) cdul_image_composite(out, options->background);
    return status;
}
