/* PNM: PBM, PGM and PPM, as text (P1, P2, P3) or binary (P4, P5, P6). Reference: the Netpbm manual
 * pages pbm(5), pgm(5), ppm(5). A maxval other than 255 is scaled to 255 and rounded to nearest. Of
 * a file with several images the first is read. */
#include "image/decode.h"

#include <string.h>

typedef struct reader {
    const uint8_t *next, *end;
    cdul_error *err;
} reader;

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(reader *r) {
    while (r->next < r->end) {
        if (*r->next == '#') {
            while (r->next < r->end && *r->next != '\n') r->next++;
        } else if (is_space(*r->next)) {
            r->next++;
        } else {
            return;
        }
    }
}

static cdul_status read_number(reader *r, unsigned limit, const char *what, unsigned *out) {
    skip_space(r);
    if (r->next == r->end)
        return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated in %s", what);
    unsigned value = 0;
    const uint8_t *start = r->next;
    for (; r->next < r->end && *r->next >= '0' && *r->next <= '9'; r->next++) {
        value = value * 10 + (*r->next - '0');
        if (value > limit) return cdul_fail(r->err, CDUL_ERR_INPUT, "%s exceeds %u", what, limit);
    }
    if (r->next == start) return cdul_fail(r->err, CDUL_ERR_INPUT, "%s: expected a number", what);
    *out = value;
    return CDUL_OK;
}

/* One digit a sample, which may stand without space between; 1 is black. */
static cdul_status read_text_bits(reader *r, uint8_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        skip_space(r);
        if (r->next == r->end) return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
        if (*r->next != '0' && *r->next != '1')
            return cdul_fail(r->err, CDUL_ERR_INPUT, "sample %zu: expected 0 or 1", i);
        out[i] = *r->next++ == '1' ? 0 : 255;
    }
    return CDUL_OK;
}

static cdul_status read_binary_bits(reader *r, uint8_t *out, size_t width, size_t height) {
    size_t stride = (width + 7) / 8;
    if (stride * height > (size_t)(r->end - r->next))
        return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            *out++ = r->next[y * stride + x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    return CDUL_OK;
}

static uint8_t scale(unsigned value, unsigned maximum) {
    if (value > maximum) value = maximum;
    return (uint8_t)((value * 255 + maximum / 2) / maximum);
}

static cdul_status read_text(reader *r, uint8_t *out, size_t count, unsigned maximum) {
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        cdul_status status = read_number(r, 65535, "sample", &value);
        if (status != CDUL_OK) return status;
        out[i] = scale(value, maximum);
    }
    return CDUL_OK;
}

static cdul_status read_binary(reader *r, uint8_t *out, size_t count, unsigned maximum) {
    size_t bytes = maximum > 255 ? 2 : 1;
    if (count > (size_t)(r->end - r->next) / bytes)
        return cdul_fail(r->err, CDUL_ERR_INPUT, "file is truncated");
    if (maximum == 255) {
        memcpy(out, r->next, count);
        return CDUL_OK;
    }
    for (size_t i = 0; i < count; i++, r->next += bytes)
        out[i] = scale(bytes == 2 ? (unsigned)r->next[0] << 8 | r->next[1] : r->next[0], maximum);
    return CDUL_OK;
}

static cdul_status read_samples(reader *r, char kind, unsigned maximum, cdul_image *image) {
    size_t channels = kind == '3' || kind == '6' ? 3 : 1;
    size_t count = image->width * image->height * channels;
    /* Grey samples go to the end of the buffer, from where they are spread out forwards. */
    uint8_t *samples = image->pixels + image->width * image->height * (3 - channels);
    cdul_status status;
    switch (kind) {
    case '1':
        status = read_text_bits(r, samples, count);
        break;
    case '4':
        status = read_binary_bits(r, samples, image->width, image->height);
        break;
    case '2':
    case '3':
        status = read_text(r, samples, count, maximum);
        break;
    default:
        status = read_binary(r, samples, count, maximum);
        break;
    }
    if (status != CDUL_OK || channels == 3) return status;
    for (size_t i = 0; i < count; i++) {
        uint8_t grey = samples[i];
        memset(image->pixels + 3 * i, grey, 3);
    }
    return CDUL_OK;
}

cdul_status cdul_decode_pnm(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    (void)orientation;
    reader r = {data + 2, data + size, err};
    char kind = (char)data[1];
    unsigned width, height, maximum = 1;
    cdul_status status = read_number(&r, CDUL_MAX_SIDE, "width", &width);
    if (status == CDUL_OK) status = read_number(&r, CDUL_MAX_SIDE, "height", &height);
    if (status == CDUL_OK && kind != '1' && kind != '4')
        status = read_number(&r, 65535, "maxval", &maximum);
    if (status != CDUL_OK) return status;
    if (maximum == 0) return cdul_fail(err, CDUL_ERR_INPUT, "maxval is 0");
    if (r.next == r.end || !is_space(*r.next))
        return cdul_fail(err, CDUL_ERR_INPUT, "header: expected white space before the samples");
    r.next++;
    status = cdul_image_allocate(width, height, 3, options, out, err);
    return status == CDUL_OK ? read_samples(&r, kind, maximum, out) : status;
}
