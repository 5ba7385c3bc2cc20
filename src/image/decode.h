/* What the decoders of the single formats share. decode.c chooses one by the file's first bytes. */
#ifndef CDUL_IMAGE_DECODE_H
#define CDUL_IMAGE_DECODE_H

#include "cdul/image.h"

/* Longest side of an image in any format, pixels: libpng's own limit, set for all. */
#define CDUL_MAX_SIDE 1000000

/* One decoder: fills `out` and `orientation` (EXIF tag 0x0112, 1..8; left alone if the file has
 * none). On failure `out` may hold pixels; the caller frees them. options->max_pixels is never 0
 * here. */
typedef cdul_status cdul_decoder(const uint8_t *data, size_t size,
                                 const cdul_decode_options *options, cdul_image *out,
                                 int *orientation, cdul_error *err);

cdul_decoder cdul_decode_jpeg, cdul_decode_png, cdul_decode_webp;
/* BMP, GIF, TGA, PNM and PSD. */
cdul_decoder cdul_decode_stb;

/* TGA has no magic bytes: true if the header is consistent. */
bool cdul_looks_like_tga(const uint8_t *data, size_t size);

/* --- gate.c --- */

/* A gate of so many pixels. */
cdul_status cdul_decode_gate_of(size_t pixels, cdul_decode_gate **out,
                                cdul_error *err) CDUL_MUST_CHECK;
/* Waits for the pixels, and gives them back. Nothing without a gate. */
void cdul_decode_gate_take(cdul_decode_gate *gate, size_t pixels);
void cdul_decode_gate_give(cdul_decode_gate *gate, size_t pixels);

/* --- decode.c --- */

/* Allocates [height, width, channels] (3 or 4) after checking both sides and the number of pixels:
 * the one gate against decompression bombs, passed before anything of the image's size is
 * allocated. */
cdul_status cdul_image_allocate(size_t width, size_t height, size_t channels,
                                const cdul_decode_options *options, cdul_image *out,
                                cdul_error *err) CDUL_MUST_CHECK;

/* That gate alone. */
cdul_status cdul_image_check_size(size_t width, size_t height, const cdul_decode_options *options,
                                  cdul_error *err) CDUL_MUST_CHECK;

/* Turns [H, W, 4] (alpha not premultiplied) in image->pixels into [H, W, 3] over `background`, in
 * place and rounded to nearest: what Pillow's alpha_composite gives on an opaque ground. */
void cdul_image_composite(cdul_image *image, const uint8_t background[3]);

/* --- exif.c --- */

/* The orientation 1..8 that a TIFF-structured EXIF block states (an "Exif\0\0" in front is
 * allowed); 0 if there is none or the block is damaged: metadata never makes an image
 * unreadable. */
int cdul_exif_orientation(const uint8_t *data, size_t size);
/* Rotates and mirrors so that the image is upright. Orientations other than 2..8 change nothing. */
cdul_status cdul_image_orient(cdul_image *image, int orientation, cdul_error *err) CDUL_MUST_CHECK;

#endif
