/* BMP, GIF (the first frame), TGA, PNM (P5, P6) and Photoshop's PSD through stb_image.
 *
 * The header is checked here first: the size before stb_image allocates anything, then the variants
 * of a format that stb_image reads wrongly, which are refused by name. stb_image takes bytes beyond
 * a file's end for zeros, so a file shorter than its header says is refused too. These formats have
 * no EXIF. */
#include "image/decode.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The largest allocation that stb_image may make for the current image, bytes. */
static _Thread_local size_t most_bytes;

/* Zeroed, so that no pixel depends on uninitialised memory. */
static void *zeroed(size_t size) { return size <= most_bytes ? calloc(size, 1) : NULL; }

#define STBI_MALLOC(size)                      zeroed(size)
#define STBI_REALLOC_SIZED(memory, old, bytes) NULL /* only for animations, which are not read */
#define STBI_FREE(memory)                      free(memory)
#define STBI_MAX_DIMENSIONS                    CDUL_MAX_SIDE
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_TGA
#define STBI_ONLY_PNM
#define STBI_ONLY_PSD
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

/* Memory of stb_image besides pixels: the colour map of a TGA, the state of a GIF. */
#define OTHER_BYTES ((size_t)1 << 20)

typedef struct reader {
    cdul_decoding *d;
    size_t width, height; /* as the header states them */
    bool opaque; /* the fourth channel, if there is one, is no alpha */
    unsigned maximum; /* PNM: the sample that stands for 255 */
} reader;

static size_t get16(const uint8_t *p) { return (size_t)(p[0] | p[1] << 8); }

static size_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

static size_t get16_big(const uint8_t *p) { return (size_t)(p[0] << 8 | p[1]); }

static size_t get32_big(const uint8_t *p) { return get16_big(p) << 16 | get16_big(p + 2); }

static cdul_status fail_truncated(const reader *r) {
    return cdul_fail(r->d->err, CDUL_ERR_INPUT, "file is truncated");
}

static cdul_status fail_kind(const reader *r, const char *kind) {
    return cdul_fail(r->d->err, CDUL_ERR_INPUT, "%s is not read: convert it to PNG", kind);
}

static cdul_status check_size(reader *r, size_t width, size_t height) {
    r->width = width;
    r->height = height;
    return cdul_image_check_size(r->d, width, height);
}

static cdul_status check_length(const reader *r, size_t least) {
    return r->d->size < least ? fail_truncated(r) : CDUL_OK;
}

/* --- BMP: Microsoft's documentation of BITMAPINFOHEADER and BITMAPV5HEADER --- */

/* Refuses palette indices beyond the palette, for which stb_image reads stale memory. */
static cdul_status check_colors(const reader *r, size_t pixels, size_t stride, size_t bits,
                                size_t colors) {
    for (size_t y = 0; colors < (size_t)1 << bits && y < r->height; y++) {
        const uint8_t *row = r->d->data + pixels + y * stride;
        for (size_t x = 0; x < r->width; x++) {
            size_t shift = 8 - bits - x * bits % 8; /* the highest bits come first */
            if (((size_t)row[x * bits / 8] >> shift & (((size_t)1 << bits) - 1)) >= colors)
                return cdul_fail(r->d->err, CDUL_ERR_INPUT,
                                 "pixel of a colour that is not in the palette of %zu", colors);
        }
    }
    return CDUL_OK;
}

static cdul_status check_bmp(reader *r) {
    const uint8_t *p = r->d->data;
    if (r->d->size < 26) return fail_truncated(r);
    size_t header = get32(p + 14), pixels = get32(p + 10);
    bool old = header == 12; /* OS/2 */
    if (!old && r->d->size < 54) return fail_truncated(r);
    size_t width = old ? get16(p + 18) : get32(p + 18);
    size_t height = old ? get16(p + 20) : get32(p + 22);
    if (!old && height >> 31) height = ((size_t)1 << 32) - height; /* negative: from the top down */
    size_t bits = get16(p + (old ? 24 : 28)), kind = old ? 0 : get32(p + 30);
    if (kind == 1 || kind == 2) return fail_kind(r, "run-length BMP");
    if (old && bits < 24) return fail_kind(r, "OS/2 BMP with a palette");
    cdul_status status = check_size(r, width, height);
    if (status != CDUL_OK) return status;
    r->opaque = kind == 0; /* without masks there is no alpha */
    /* The padding of the last row is often missing. */
    size_t stride = (width * bits + 31) / 32 * 4;
    status = check_length(r, pixels + stride * (height - 1) + (width * bits + 7) / 8);
    if (status != CDUL_OK || bits > 8) return status;
    size_t before = 14 + header, colors = pixels > before ? (pixels - before) / 4 : 0;
    if (colors == 0 || (bits != 1 && bits != 4 && bits != 8))
        return cdul_fail(r->d->err, CDUL_ERR_INPUT, "%zu bits a pixel and %zu colours", bits,
                         colors);
    return check_colors(r, pixels, stride, bits, colors);
}

/* --- GIF: GIF89a specification, CompuServe 1990 --- */

static cdul_status check_gif(reader *r) {
    if (r->d->size < 13) return fail_truncated(r);
    cdul_status status = check_size(r, get16(r->d->data + 6), get16(r->d->data + 8));
    /* Codes behind the last pixel would still cost time. No frame needs more bytes than this. */
    size_t most = 2 * r->width * r->height + OTHER_BYTES;
    if (status == CDUL_OK && r->d->size > most) r->d->size = most;
    return status;
}

/* --- TGA: Truevision TGA file format specification 2.0, 1991 --- */

static bool is_depth(unsigned bits) { return bits == 15 || bits == 16 || bits == 24 || bits == 32; }

bool cdul_looks_like_tga(const uint8_t *p, size_t size) {
    if (size < 18 || p[1] > 1 || (p[17] & 0xc0)) return false;
    unsigned type = p[2] & ~8u, bits = p[16]; /* 8: run-length */
    if (get16(p + 12) == 0 || get16(p + 14) == 0) return false;
    if (p[1] == 1)
        return type == 1 && get16(p + 5) > 0 && is_depth(p[7]) && (bits == 8 || bits == 16);
    return (type == 2 && is_depth(bits)) || (type == 3 && (bits == 8 || bits == 16));
}

static cdul_status check_tga(reader *r) {
    const uint8_t *p = r->d->data;
    if (p[1] == 1 && get16(p + 3) > 0) return fail_kind(r, "TGA with a part of a colour map");
    if (p[17] & 0x10) return fail_kind(r, "TGA with rows from right to left");
    cdul_status status = check_size(r, get16(p + 12), get16(p + 14));
    if (status != CDUL_OK) return status;
    r->opaque = (p[17] & 15) == 0; /* bits of alpha */
    size_t map = p[1] ? get16(p + 5) * ((p[7] + 7u) / 8) : 0;
    size_t pixels = p[2] & 8 ? 0 : r->width * r->height * ((p[16] + 7u) / 8);
    return check_length(r, 18 + (size_t)p[0] + map + pixels);
}

/* --- PNM: the Netpbm manual pages pgm(5), ppm(5) --- */

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Reads the number at *at, after white space and comments. */
static cdul_status read_number(const reader *r, size_t *at, size_t limit, const char *what,
                               size_t *out) {
    const uint8_t *p = r->d->data;
    while (*at < r->d->size && (is_space(p[*at]) || p[*at] == '#')) {
        if (p[*at] == '#')
            while (*at < r->d->size && p[*at] != '\n' && p[*at] != '\r') ++*at;
        else
            ++*at;
    }
    if (*at == r->d->size)
        return cdul_fail(r->d->err, CDUL_ERR_INPUT, "file is truncated in %s", what);
    size_t start = *at;
    for (*out = 0; *at < r->d->size && p[*at] >= '0' && p[*at] <= '9'; ++*at) {
        *out = *out * 10 + (size_t)(p[*at] - '0');
        if (*out > limit)
            return cdul_fail(r->d->err, CDUL_ERR_INPUT, "%s exceeds %zu", what, limit);
    }
    return *at > start ? CDUL_OK
                       : cdul_fail(r->d->err, CDUL_ERR_INPUT, "%s: expected a number", what);
}

static cdul_status check_pnm(reader *r) {
    const uint8_t *p = r->d->data;
    if (p[1] == '1' || p[1] == '4') return fail_kind(r, "one-bit PNM (P1, P4)");
    if (p[1] == '2' || p[1] == '3') return fail_kind(r, "PNM as text (P2, P3)");
    size_t at = 2, width = 0, height = 0, maximum = 0;
    cdul_status status = read_number(r, &at, CDUL_MAX_SIDE, "width", &width);
    if (status == CDUL_OK) status = read_number(r, &at, CDUL_MAX_SIDE, "height", &height);
    if (status == CDUL_OK) status = read_number(r, &at, 65535, "maxval", &maximum);
    if (status != CDUL_OK) return status;
    if (maximum == 0) return cdul_fail(r->d->err, CDUL_ERR_INPUT, "maxval is 0");
    if (maximum > 255) return fail_kind(r, "PNM of 16 bits a sample");
    if (at == r->d->size || !is_space(p[at]))
        return cdul_fail(r->d->err, CDUL_ERR_INPUT,
                         "header: expected white space before the samples");
    r->maximum = (unsigned)maximum;
    status = check_size(r, width, height);
    if (status != CDUL_OK) return status;
    return check_length(r, at + 1 + width * height * (p[1] == '6' ? 3 : 1));
}

/* --- PSD: Adobe Photoshop file formats specification --- */

static cdul_status check_psd(reader *r) {
    const uint8_t *p = r->d->data;
    if (r->d->size < 26) return fail_truncated(r);
    size_t channels = get16_big(p + 12), bits = get16_big(p + 22), at = 26;
    if (get16_big(p + 4) != 1) return fail_kind(r, "PSB");
    /* With alpha, stb_image removes a white background, and its arithmetic is undefined in C. */
    if (get16_big(p + 24) != 3 || channels != 3 || (bits != 8 && bits != 16))
        return fail_kind(r, "Photoshop file that is not RGB of 8 or 16 bits without alpha");
    cdul_status status = check_size(r, get32_big(p + 18), get32_big(p + 14));
    if (status != CDUL_OK) return status;
    for (int section = 0; section < 3; section++) { /* colours, resources, layers */
        if (r->d->size - at < 4 || r->d->size - at - 4 < get32_big(p + at))
            return fail_truncated(r);
        at += 4 + get32_big(p + at);
    }
    if (r->d->size - at < 2) return fail_truncated(r);
    size_t compression = get16_big(p + at);
    if (compression > 1) return fail_kind(r, "Photoshop file with this compression");
    if (compression == 1 && bits == 16) return fail_kind(r, "run-length Photoshop file of 16 bits");
    size_t samples = channels * r->width * r->height * bits / 8;
    return check_length(r, at + 2 + (compression ? channels * r->height * 2 : samples));
}

/* --- Decoding --- */

/* The second byte tells the formats apart: BM, GIF, 8BPS, TGA's colour map type, P5 or P6. */
static cdul_status check_header(reader *r) {
    const uint8_t second = r->d->data[1];
    if (second == 'M') return check_bmp(r);
    if (second == 'I') return check_gif(r);
    if (second == 'B') return check_psd(r);
    return second <= 1 ? check_tga(r) : check_pnm(r);
}

static cdul_status fail_stb(cdul_error *err) {
    const char *reason = stbi_failure_reason();
    if (reason && strcmp(reason, "outofmem") == 0) return cdul_fail_memory(err, "stb_image");
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "damaged, or of a kind that is not read (%s): convert it to PNG",
                     reason && *reason ? reason : "no picture");
}

/* Samples up to `maximum` to samples up to 255. */
static void scale_samples(cdul_image *image, unsigned maximum) {
    size_t count = image->width * image->height * 3;
    for (size_t i = 0; i < count; i++) {
        unsigned value = image->pixels[i] < maximum ? image->pixels[i] : maximum;
        image->pixels[i] = (uint8_t)((value * 255 + maximum / 2) / maximum);
    }
}

cdul_status cdul_decode_stb(cdul_decoding *d) {
    reader r = {.d = d, .maximum = 255};
    cdul_status status = check_header(&r);
    if (status != CDUL_OK) return status;
    if (d->size > INT_MAX) return fail_kind(&r, "a file over 2 GiB of this format");
    const size_t count = r.width * r.height;
    most_bytes = 4 * count + OTHER_BYTES;
    int width = 0, height = 0, channels = 0;
    cdul_decode_gate_take(d->options.gate, count);
    uint8_t *pixels = stbi_load_from_memory(d->data, (int)d->size, &width, &height, &channels, 4);
    *d->out = (cdul_image){r.width, r.height, pixels, d->options.gate};
    if (!pixels) return fail_stb(d->err);
    if ((size_t)width != r.width || (size_t)height != r.height)
        return cdul_fail(d->err, CDUL_ERR_INPUT, "header can be read in two ways");
    /* An alpha channel that is 0 everywhere is unused: such images are opaque. */
    bool alpha = false;
    for (size_t i = 0; i < count && !r.opaque && !alpha; i++) alpha = pixels[4 * i + 3] > 0;
    for (size_t i = 0; i < count && !alpha; i++) pixels[4 * i + 3] = 255;
    cdul_image_composite(d->out, d->options.background);
    if (r.maximum != 255) scale_samples(d->out, r.maximum);
    return CDUL_OK;
}
