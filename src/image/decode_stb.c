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

static size_t get16(const uint8_t *p) { return cdul_get16(p, false); }

static size_t get32(const uint8_t *p) { return cdul_get32(p, false); }

static cdul_status fail_truncated(const cdul_decoding *d) {
    return cdul_fail(d->err, CDUL_ERR_INPUT, "file is truncated");
}

static cdul_status fail_kind(const cdul_decoding *d, const char *kind) {
    return cdul_fail(d->err, CDUL_ERR_INPUT, "%s is not read: convert it to PNG", kind);
}

static cdul_status check_length(const cdul_decoding *d, size_t least) {
    return d->size < least ? fail_truncated(d) : CDUL_OK;
}

/* --- BMP: Microsoft's documentation of BITMAPINFOHEADER and BITMAPV5HEADER --- */

/* Refuses palette indices beyond the palette, for which stb_image reads stale memory. */
static cdul_status check_colors(const cdul_decoding *d, size_t pixels, size_t stride, size_t bits,
                                size_t colors) {
    for (size_t y = 0; colors < (size_t)1 << bits && y < d->out->height; y++) {
        const uint8_t *row = d->data + pixels + y * stride;
        for (size_t x = 0; x < d->out->width; x++) {
            size_t shift = 8 - bits - x * bits % 8; /* the highest bits come first */
            if (((size_t)row[x * bits / 8] >> shift & (((size_t)1 << bits) - 1)) >= colors)
                return cdul_fail(d->err, CDUL_ERR_INPUT,
                                 "pixel of a colour that is not in the palette of %zu", colors);
        }
    }
    return CDUL_OK;
}

static cdul_status check_bmp(cdul_decoding *d) {
    const uint8_t *p = d->data;
    if (d->size < 26) return fail_truncated(d);
    size_t header = get32(p + 14), pixels = get32(p + 10);
    bool old = header == 12; /* OS/2 */
    if (!old && d->size < 54) return fail_truncated(d);
    size_t width = old ? get16(p + 18) : get32(p + 18);
    size_t height = old ? get16(p + 20) : get32(p + 22);
    if (!old && height >> 31) height = ((size_t)1 << 32) - height; /* negative: from the top down */
    size_t bits = get16(p + (old ? 24 : 28)), kind = old ? 0 : get32(p + 30);
    if (kind == 1 || kind == 2) return fail_kind(d, "run-length BMP");
    if (old && bits < 24) return fail_kind(d, "OS/2 BMP with a palette");
    cdul_status status = cdul_image_check_size(d, width, height);
    if (status != CDUL_OK) return status;
    d->opaque = kind == 0; /* without masks there is no alpha */
    /* The padding of the last row is often missing. */
    size_t stride = (width * bits + 31) / 32 * 4;
    status = check_length(d, pixels + stride * (height - 1) + (width * bits + 7) / 8);
    if (status != CDUL_OK || bits > 8) return status;
    size_t before = 14 + header, colors = pixels > before ? (pixels - before) / 4 : 0;
    if (colors == 0 || (bits != 1 && bits != 4 && bits != 8))
        return cdul_fail(d->err, CDUL_ERR_INPUT, "%zu bits a pixel and %zu colours", bits, colors);
    return check_colors(d, pixels, stride, bits, colors);
}

/* --- GIF: GIF89a specification, CompuServe 1990 --- */

static cdul_status check_gif(cdul_decoding *d) {
    if (d->size < 13) return fail_truncated(d);
    cdul_status status = cdul_image_check_size(d, get16(d->data + 6), get16(d->data + 8));
    /* Codes behind the last pixel would still cost time. No frame needs more bytes than this. */
    size_t most = 2 * d->out->width * d->out->height + OTHER_BYTES;
    if (status == CDUL_OK && d->size > most) d->size = most;
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

static cdul_status check_tga(cdul_decoding *d) {
    const uint8_t *p = d->data;
    if (p[1] == 1 && get16(p + 3) > 0) return fail_kind(d, "TGA with a part of a colour map");
    if (p[17] & 0x10) return fail_kind(d, "TGA with rows from right to left");
    cdul_status status = cdul_image_check_size(d, get16(p + 12), get16(p + 14));
    if (status != CDUL_OK) return status;
    d->opaque = (p[17] & 15) == 0; /* bits of alpha */
    size_t map = p[1] ? get16(p + 5) * ((p[7] + 7u) / 8) : 0;
    size_t pixels = p[2] & 8 ? 0 : d->out->width * d->out->height * ((p[16] + 7u) / 8);
    return check_length(d, 18 + (size_t)p[0] + map + pixels);
}

/* --- PNM: the Netpbm manual pages pgm(5), ppm(5) --- */

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Reads the number at *at, after white space and comments. */
static cdul_status read_number(const cdul_decoding *d, size_t *at, size_t limit, const char *what,
                               size_t *out) {
    const uint8_t *p = d->data;
    bool comment = false;
    for (; *at < d->size && (comment || is_space(p[*at]) || p[*at] == '#'); ++*at)
        comment = (comment || p[*at] == '#') && p[*at] != '\n' && p[*at] != '\r';
    if (*at == d->size) return cdul_fail(d->err, CDUL_ERR_INPUT, "file is truncated in %s", what);
    size_t start = *at;
    for (*out = 0; *at < d->size && p[*at] >= '0' && p[*at] <= '9'; ++*at) {
        *out = *out * 10 + (size_t)(p[*at] - '0');
        if (*out > limit) return cdul_fail(d->err, CDUL_ERR_INPUT, "%s exceeds %zu", what, limit);
    }
    return *at > start ? CDUL_OK : cdul_fail(d->err, CDUL_ERR_INPUT, "%s: expected a number", what);
}

static cdul_status check_pnm(cdul_decoding *d) {
    const uint8_t *p = d->data;
    if (p[1] == '1' || p[1] == '4') return fail_kind(d, "one-bit PNM (P1, P4)");
    if (p[1] == '2' || p[1] == '3') return fail_kind(d, "PNM as text (P2, P3)");
    size_t at = 2, width = 0, height = 0, maximum = 0;
    cdul_status status = read_number(d, &at, CDUL_MAX_SIDE, "width", &width);
    if (status == CDUL_OK) status = read_number(d, &at, CDUL_MAX_SIDE, "height", &height);
    if (status == CDUL_OK) status = read_number(d, &at, 65535, "maxval", &maximum);
    if (status != CDUL_OK) return status;
    if (maximum == 0) return cdul_fail(d->err, CDUL_ERR_INPUT, "maxval is 0");
    if (maximum > 255) return fail_kind(d, "PNM of 16 bits a sample");
    if (at == d->size || !is_space(p[at]))
        return cdul_fail(d->err, CDUL_ERR_INPUT, "header: expected white space before the samples");
    d->maximum = (unsigned)maximum;
    status = cdul_image_check_size(d, width, height);
    if (status != CDUL_OK) return status;
    return check_length(d, at + 1 + width * height * (p[1] == '6' ? 3 : 1));
}

/* --- PSD: Adobe Photoshop file formats specification --- */

static cdul_status check_psd(cdul_decoding *d) {
    const uint8_t *p = d->data;
    if (d->size < 26) return fail_truncated(d);
    size_t channels = cdul_get16(p + 12, true), bits = cdul_get16(p + 22, true), at = 26;
    if (cdul_get16(p + 4, true) != 1) return fail_kind(d, "PSB");
    /* With alpha, stb_image removes a white background, and its arithmetic is undefined in C. */
    if (cdul_get16(p + 24, true) != 3 || channels != 3 || (bits != 8 && bits != 16))
        return fail_kind(d, "Photoshop file that is not RGB of 8 or 16 bits without alpha");
    cdul_status status =
        cdul_image_check_size(d, cdul_get32(p + 18, true), cdul_get32(p + 14, true));
    if (status != CDUL_OK) return status;
    for (int section = 0; section < 3; section++) { /* colours, resources, layers */
        if (d->size - at < 4 || d->size - at - 4 < cdul_get32(p + at, true))
            return fail_truncated(d);
        at += 4 + cdul_get32(p + at, true);
    }
    if (d->size - at < 2) return fail_truncated(d);
    size_t compression = cdul_get16(p + at, true);
    if (compression > 1) return fail_kind(d, "Photoshop file with this compression");
    if (compression == 1 && bits == 16) return fail_kind(d, "run-length Photoshop file of 16 bits");
    size_t samples = channels * d->out->width * d->out->height * bits / 8;
    return check_length(d, at + 2 + (compression ? channels * d->out->height * 2 : samples));
}

/* --- Decoding --- */

/* The second byte tells the formats apart: BM, GIF, 8BPS, TGA's colour map type, P5 or P6. */
static cdul_status check_header(cdul_decoding *d) {
    const uint8_t second = d->data[1];
    if (second == 'M') return check_bmp(d);
    if (second == 'I') return check_gif(d);
    if (second == 'B') return check_psd(d);
    return second <= 1 ? check_tga(d) : check_pnm(d);
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
    cdul_status status = check_header(d);
    if (status != CDUL_OK) return status;
    if (d->size > INT_MAX) return fail_kind(d, "a file over 2 GiB of this format");
    const size_t count = d->out->width * d->out->height;
    most_bytes = 4 * count + OTHER_BYTES;
    int width = 0, height = 0, channels = 0;
    cdul_decode_gate_take(d->options.gate, count);
    uint8_t *pixels = stbi_load_from_memory(d->data, (int)d->size, &width, &height, &channels, 4);
    *d->out = (cdul_image){d->out->width, d->out->height, pixels, d->options.gate};
    if (!pixels) return fail_stb(d->err);
    if ((size_t)width != d->out->width || (size_t)height != d->out->height)
        return cdul_fail(d->err, CDUL_ERR_INPUT, "header can be read in two ways");
    /* An alpha channel that is 0 everywhere is unused: such images are opaque. */
    bool alpha = false;
    for (size_t i = 0; i < count && !d->opaque && !alpha; i++) alpha = pixels[4 * i + 3] > 0;
    for (size_t i = 0; i < count && !alpha; i++) pixels[4 * i + 3] = 255;
    cdul_image_composite(d->out, d->options.background);
    if (d->maximum != 255) scale_samples(d->out, d->maximum);
    return CDUL_OK;
}
