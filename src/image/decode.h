/* The decoders of the formats, one of which decode.c chooses, and what they share. */
#pragma once

#include "cdul/image.h"

/* Longest side of an image in any format, pixels: libpng's own limit, set for all. */
#define CDUL_MAX_SIDE 1000000

/* One file that is decoded. */
typedef struct cdul_decoding {
    const uint8_t *data;
    size_t size;
    cdul_decode_options options; /* max_pixels is not 0 */
    cdul_image *out; /* on failure it may hold pixels, which the caller frees */
    int orientation; /* EXIF tag 0x0112, 1..8; left alone if the file has none */
    cdul_error *err;
    /* What decode_stb.c finds in a header. */
    bool opaque; /* the fourth channel, if there is one, is no alpha */
    unsigned maximum; /* PNM: the sample that stands for 255; 255 at first */
} cdul_decoding;

typedef cdul_status cdul_decoder(cdul_decoding *d);

/* The last reads BMP, GIF, TGA, PNM and PSD. */
cdul_decoder cdul_decode_jpeg, cdul_decode_png, cdul_decode_webp, cdul_decode_stb;

/* TGA has no magic bytes: true if the header is consistent. */
bool cdul_looks_like_tga(const uint8_t *data, size_t size);

/* --- decode.c --- */

/* Takes pixels from the gate, waiting until they are free; gives them back. Takes NULL. */
void cdul_decode_gate_take(cdul_decode_gate *gate, size_t pixels);
void cdul_decode_gate_give(cdul_decode_gate *gate, size_t pixels);

/* Checks a size and keeps it in d->out. Decoders allocate nothing of the image's size before, which
 * keeps decompression bombs out. */
cdul_status cdul_image_check_size(cdul_decoding *d, size_t width, size_t height) CDUL_MUST_CHECK;
/* Does so and allocates [height, width, channels], 3 or 4 channels. */
cdul_status cdul_image_allocate(cdul_decoding *d, size_t width, size_t height,
                                size_t channels) CDUL_MUST_CHECK;

/* Composites [H, W, 4] (alpha not premultiplied) on `background` into [H, W, 3], in place. Rounds
 * to nearest, as Pillow's alpha_composite does on an opaque background. */
void cdul_image_composite(cdul_image *image, const uint8_t background[3]);

/* Numbers of 2 and 4 bytes; `big`: their highest byte comes first. */
static inline size_t cdul_get16(const uint8_t *p, bool big) {
    return (size_t)(big ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

static inline size_t cdul_get32(const uint8_t *p, bool big) {
    return cdul_get16(p, big) << (big ? 16 : 0) | cdul_get16(p + 2, big) << (big ? 0 : 16);
}

/* --- exif.c --- */

/* The orientation 1..8 in an EXIF block (TIFF structure, "Exif\0\0" in front or not). 0 if there is
 * none or the block is damaged, which is no error. */
int cdul_exif_orientation(const uint8_t *data, size_t size);
/* Rotates and mirrors so that the image is upright. Orientations other than 2..8 change nothing. */
cdul_status cdul_image_orient(cdul_image *image, int orientation, cdul_error *err) CDUL_MUST_CHECK;
