/* GIF, the first frame: GIF89a specification, CompuServe 1990. As Pillow shows it: transparent
 * pixels are composited on the background; where the frame does not cover the screen stands the
 * transparent colour or, without one, colour 0. A frame that reaches beyond the screen enlarges it.
 * Frames after the first are not read. */
#include "image/decode.h"

#include <string.h>

#define MAX_CODE_BITS   12
#define MAX_CODES       (1 << MAX_CODE_BITS)
#define NO_CODE         (-1)
#define BLOCK_EXTENSION 0x21
#define BLOCK_IMAGE     0x2c
#define LABEL_CONTROL   0xf9

typedef struct reader {
    const uint8_t *next, *end;
    const cdul_decode_options *options;
    cdul_image *out;
    cdul_error *err;
    size_t screen_width, screen_height;
    const uint8_t *palette; /* [colors, 3] in the file; NULL: grey */
    size_t colors;
    int transparent; /* index or -1 */
    size_t left, top, width, height; /* of the frame */
    bool interlaced;
} reader;

static cdul_status fail_truncated(reader *r) {
    return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
}

static bool has(const reader *r, size_t bytes) {
    return (size_t)(r->end - r->next) >= bytes;
}

static size_t get16(const uint8_t *p) {
    return (size_t)(p[0] | p[1] << 8);
}

static cdul_status read_palette(reader *r, unsigned flags) {
    if (!(flags & 0x80)) return CDUL_OK;
    size_t colors = (size_t)2 << (flags & 7);
    if (!has(r, colors * 3)) return fail_truncated(r);
    r->palette = r->next;
    r->colors = colors;
    r->next += colors * 3;
    return CDUL_OK;
}

static cdul_status read_screen(reader *r) {
    if (!has(r, 13)) return fail_truncated(r);
    const uint8_t *p = r->next;
    r->screen_width = get16(p + 6);
    r->screen_height = get16(p + 8);
    r->next += 13;
    return read_palette(r, p[10]);
}

/* An extension after its 0x21: a label and a chain of sub-blocks. */
static cdul_status read_extension(reader *r) {
    if (!has(r, 2)) return fail_truncated(r);
    bool control = *r->next++ == LABEL_CONTROL;
    for (;;) {
        if (!has(r, 1)) return fail_truncated(r);
        size_t size = *r->next++;
        if (size == 0) return CDUL_OK;
        if (!has(r, size)) return fail_truncated(r);
        if (control && size >= 4) r->transparent = r->next[0] & 1 ? r->next[3] : -1;
        control = false;
        r->next += size;
    }
}

static cdul_status read_descriptor(reader *r) {
    if (!has(r, 9)) return fail_truncated(r);
    const uint8_t *p = r->next;
    r->left = get16(p);
    r->top = get16(p + 2);
    r->width = get16(p + 4);
    r->height = get16(p + 6);
    r->interlaced = p[8] & 0x40;
    r->next += 9;
    if (r->width == 0 || r->height == 0)
        return cdul_fail(r->err, CDUL_ERR_INPUT, "first frame is empty");
    return read_palette(r, p[8]);
}

/* Everything up to the first frame's pixel data. */
static cdul_status read_headers(reader *r) {
    cdul_status status = read_screen(r);
    while (status == CDUL_OK) {
        if (!has(r, 1)) return fail_truncated(r);
        uint8_t block = *r->next++;
        if (block == BLOCK_IMAGE) return read_descriptor(r);
        if (block != BLOCK_EXTENSION)
            return cdul_fail(r->err, CDUL_ERR_INPUT, "no frame: block 0x%02x in its place", block);
        status = read_extension(r);
    }
    return status;
}

/* --- Pixels --- */

static void put(const reader *r, size_t x, size_t y, int index) {
    uint8_t *to = r->out->pixels + (y * r->out->width + x) * 4;
    size_t i = (size_t)index;
    if (!r->palette)
        memset(to, index, 3);
    else if (i < r->colors)
        memcpy(to, r->palette + 3 * i, 3);
    else
        memset(to, 0, 3);
    to[3] = index == r->transparent ? 0 : 255;
}

/* The row that comes after `y` in the file. Interlacing: every 8th from 0, every 8th from 4, every
 * 4th from 2, every 2nd from 1. */
static size_t next_row(const reader *r, size_t y, int *pass) {
    static const size_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    if (!r->interlaced) return y + 1;
    y += steps[*pass];
    while (y >= r->height && *pass < 3) y = starts[++*pass];
    return y;
}

/* Where the next pixel goes. */
typedef struct cursor {
    size_t x, y, left; /* left: pixels still to come */
    int pass;
} cursor;

static void put_next(const reader *r, cursor *c, int index) {
    if (c->left == 0) return;
    put(r, r->left + c->x, r->top + c->y, index);
    c->left--;
    if (++c->x < r->width) return;
    c->x = 0;
    c->y = next_row(r, c->y, &c->pass);
}

/* --- LZW --- */

/* Codes in sub-blocks, lowest bit first. */
typedef struct bits {
    uint32_t value;
    int count;
    size_t block; /* bytes left in the sub-block */
} bits;

/* The next code, NO_CODE at the end of the data. */
static int read_code(reader *r, bits *b, int width) {
    while (b->count < width) {
        if (b->block == 0) {
            if (!has(r, 1) || *r->next == 0) return NO_CODE;
            b->block = *r->next++;
        }
        if (!has(r, 1)) return NO_CODE;
        b->value |= (uint32_t)*r->next++ << b->count;
        b->count += 8;
        b->block--;
    }
    int code = (int)(b->value & ((1u << width) - 1));
    b->value >>= width;
    b->count -= width;
    return code;
}

/* A code stands for the string of code `before` and then `last`. Single pixels stand for
 * themselves. */
typedef struct table {
    int16_t before[MAX_CODES];
    uint8_t last[MAX_CODES], first[MAX_CODES];
    uint8_t stack[MAX_CODES];
    int size, width;
} table;

static void put_string(reader *r, table *t, cursor *c, int code, int roots) {
    size_t depth = 0;
    for (; code >= roots; code = t->before[code]) t->stack[depth++] = t->last[code];
    put_next(r, c, code);
    while (depth > 0) put_next(r, c, t->stack[--depth]);
}

static void add_string(table *t, int before, uint8_t last) {
    if (t->size == MAX_CODES) return;
    t->before[t->size] = (int16_t)before;
    t->last[t->size] = last;
    t->first[t->size] = t->first[before];
    t->size++;
    if (t->size == 1 << t->width && t->width < MAX_CODE_BITS) t->width++;
}

static cdul_status read_pixels(reader *r) {
    if (!has(r, 1)) return fail_truncated(r);
    int root_bits = *r->next++;
    if (root_bits < 1 || root_bits > 8)
        return cdul_fail(r->err, CDUL_ERR_INPUT, "LZW code size %d: expected 1 to 8", root_bits);
    const int clear = 1 << root_bits, stop = clear + 1;
    table t = {.size = stop + 1, .width = root_bits + 1};
    for (int i = 0; i < clear; i++) t.first[i] = (uint8_t)i;
    bits b = {0};
    cursor c = {.left = r->width * r->height};
    int previous = NO_CODE;
    while (c.left > 0) {
        int code = read_code(r, &b, t.width);
        if (code == NO_CODE || code == stop)
            return cdul_fail(r->err, CDUL_ERR_INPUT,
                             "file is truncated: %zu pixels of the first frame lack", c.left);
        if (code == clear) {
            t.size = stop + 1;
            t.width = root_bits + 1;
            previous = NO_CODE;
            continue;
        }
        /* The one code that may be used before it is complete: previous string + its own first
         * pixel. */
        if (code > t.size || (code == t.size && (previous == NO_CODE || t.size == MAX_CODES)))
            return cdul_fail(r->err, CDUL_ERR_INPUT, "damaged LZW data");
        if (previous != NO_CODE)
            add_string(&t, previous, t.first[code == t.size ? previous : code]);
        put_string(r, &t, &c, code, clear);
        previous = code;
    }
    return CDUL_OK;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

cdul_status cdul_decode_gif(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    reader r = {.next = data,
                .end = data + size,
                .options = options,
                .out = out,
                .err = err,
                .transparent = -1};
    cdul_status status = read_headers(&r);
    if (status != CDUL_OK) return status;
    status = cdul_image_allocate(larger(r.screen_width, r.left + r.width),
                                 larger(r.screen_height, r.top + r.height), 4, options, out, err);
    if (status != CDUL_OK) return status;
    int ground = r.transparent >= 0 ? r.transparent : 0;
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++) put(&r, x, y, ground);
    status = read_pixels(&r);
    if (status == CDUL_OK) cdul_image_composite(out, options->background);
    return status;
}
