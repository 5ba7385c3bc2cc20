/* Images: finding, decoding, resizing, cropping, and turning pixels into a network's input. The
 * same functions serve label, train and predict, so that a picture looks the same to every
 * network. */
#ifndef CDUL_IMAGE_H
#define CDUL_IMAGE_H

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Decoding --- */

/* Bounds the memory of threads that decode at once. */
typedef struct cdul_decode_gate cdul_decode_gate;

/* 8-bit sRGB, pixels [H, W, 3], row-major, no padding. Start from {0}. */
typedef struct cdul_image {
    size_t width, height;
    uint8_t *pixels;
    cdul_decode_gate *gate; /* of which it has width x height pixels, or NULL */
} cdul_image;

typedef struct cdul_decode_options {
    bool exif; /* apply EXIF orientation (tag 0x0112); default true */
    uint8_t background[3]; /* RGB under transparent pixels; default white */
    size_t max_pixels; /* larger images are refused before decoding; 0 = 179 million, as Pillow */
    /* A JPEG is decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as it is still
     * this wide and high as it will be shown. 0, the default: in full. */
    size_t least_width, least_height;
    cdul_decode_gate *gate; /* shared by threads, borrowed; NULL = each takes what it needs */
} cdul_decode_options;

cdul_decode_options cdul_decode_defaults(void);
/* A max_pixels from memory: what half of that which this process may have holds of the worst files.
 * Not above 179 million, nor below 25 million. */
size_t cdul_decode_most_pixels(void);
/* A gate for the images of all threads together: half of the memory likewise, without a limit
 * above. An image waits until there is room, or until it is the only one. Free it after the
 * images. */
cdul_status cdul_decode_gate_new(cdul_decode_gate **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_decode_gate_free(cdul_decode_gate *gate);
/* "RRGGBB" in hexadecimal, for `background`. CDUL_ERR_USAGE for anything else. */
cdul_status cdul_colour_parse(const char *text, uint8_t out[3], cdul_error *err) CDUL_MUST_CHECK;

/* JPEG (grey, YCbCr, RGB, CMYK, YCCK), PNG (palette, 16-bit, alpha, interlaced), WebP and GIF
 * (first frame of an animation), BMP, TGA, PNM (P1 to P6). The kind is found from the content, not
 * from the name. Pixels are Pillow's, but that 16-bit grey keeps its high byte (Pillow clips it to
 * white). Colour profiles and gamma are ignored. A truncated or damaged file, one that is no image,
 * and one with more than max_pixels or a side over 1,000,000 are CDUL_ERR_INPUT. Nothing of the
 * image's size is allocated before these limits are checked. The caller frees with cdul_image_free.
 * `options` NULL: defaults. */
cdul_status cdul_image_decode_file(const char *path, const cdul_decode_options *options,
                                   cdul_image *out, cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_image_decode(const void *data, size_t size, const cdul_decode_options *options,
                              cdul_image *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_image_free(cdul_image *image);

/* --- Resizing --- */

/* Pillow's filters by Pillow's numbers (preprocessor_config.json "resample"). All but NEAREST
 * antialias. */
typedef enum cdul_filter {
    CDUL_NEAREST = 0,
    CDUL_LANCZOS = 1,
    CDUL_BILINEAR = 2,
    CDUL_BICUBIC = 3,
    CDUL_BOX = 4,
    CDUL_HAMMING = 5,
} cdul_filter;

/* A rectangle of whole pixels: columns x .. x + width - 1, rows y .. y + height - 1. */
typedef struct cdul_rect {
    size_t x, y, width, height;
} cdul_rect;

/* Resizes the part `rect` of `image` (NULL = all) to [height, width, 3] in `out`, which the caller
 * owns. Pixels outside rect are not looked at. Equal to Pillow 13's Image.crop(rect).resize((width,
 * height), filter) to the last bit. (Pillow up to 12 resizes the width first in every case, 13 the
 * height if that loses more than twice as many pixels: rounding and clipping between the passes
 * then differ.) CDUL_ERR_USAGE: rect not inside the image, size 0, no such filter. */
cdul_status cdul_image_resize(const cdul_image *image, const cdul_rect *rect, size_t width,
                              size_t height, cdul_filter filter, uint8_t *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* --- Crops: the local views of the method (section 3.1 of the paper: "snippets") --- */

/* A list of views of an image besides the whole: "3x3" (R rows x C columns of tiles that cover it),
 * "3x3:0.5" (R x C windows of half the image's width and height, evenly spread, overlapping),
 * "1x1+2x2+3x3" (all of them). */
typedef struct cdul_crops {
    size_t count; /* S */
    double *boxes; /* [S, 4]: left, top, right, bottom as fractions of width and height */
} cdul_crops;

cdul_status cdul_crops_parse(const char *grid, cdul_crops *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_crops_free(cdul_crops *crops);
/* Crop s of a width x height image in pixels: edges rounded to the nearest pixel, at least 1 x
 * 1. */
cdul_rect cdul_crops_rect(const cdul_crops *crops, size_t s, size_t width, size_t height);

/* --- Preprocessing: pixels to network input --- */

typedef enum cdul_resize_mode {
    CDUL_RESIZE_SHORTEST, /* shorter side to `shortest`, then centre crop (CLIP's) */
    /* both sides, aspect ratio not kept; then centre crop, if squash_width is set */
    CDUL_RESIZE_SQUASH,
    /* the whole image inside the input, centred, padded with `fill` (open_clip's) */
    CDUL_RESIZE_LONGEST,
} cdul_resize_mode;

typedef struct cdul_preprocess {
    size_t width, height; /* of the network's input, pixels */
    /* SHORTEST: the side before the centre crop (an image that is then smaller than the input is
     * padded with black); 0 = as small as covers the input */
    size_t shortest;
    /* SQUASH: the size before a centre crop, likewise; 0 = the input's */
    size_t squash_width, squash_height;
    cdul_resize_mode mode;
    cdul_filter filter;
    float scale; /* uint8 to float: 1/255 */
    float mean[3], std[3]; /* RGB: out = (pixel * scale - mean) / std */
    uint8_t fill[3]; /* LONGEST: padding */
    /* a centre crop halves odd margins down and odd padding up (transformers with Pillow); false =
     * margins to the even neighbour, padding down (torchvision, open_clip) */
    bool crop_floor;
} cdul_preprocess;

/* Writes one view as planes [3, height, width]. `rect` NULL: the whole image in the reference's own
 * way (`mode`). A rect is a crop: it is squashed to the input, whatever the mode, so that no part
 * of it is lost. `scratch` holds height x width x 3 bytes. */
cdul_status cdul_preprocess_apply(const cdul_preprocess *preprocess, const cdul_image *image,
                                  const cdul_rect *rect, uint8_t *scratch, float *out,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* Its two steps, for who changes pixels in between: the view as pixels [height, width, 3], */
cdul_status cdul_preprocess_pixels(const cdul_preprocess *preprocess, const cdul_image *image,
                                   const cdul_rect *rect, uint8_t *pixels,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* and pixels to planes. */
void cdul_preprocess_planes(const cdul_preprocess *preprocess, const uint8_t *pixels, float *out);

/* --- Listing --- */

typedef struct cdul_list_options {
    const char *root; /* paths in lists are relative to it; NULL = current folder */
    bool nul_separated; /* lists are separated by NUL instead of newline */
} cdul_list_options;

/* Expands what the user named (files; folders, searched recursively, sorted by bytes; "@list.txt";
 * "-" = a list on standard input) into paths to open, and the names that outputs use for them
 * (relative to the folder or root they came from). Both lists have the same order and length.
 * Hidden files, symlink loops and files that are not images by extension are left out of folders;
 * files named directly are always kept. A path that does not exist, an empty result, or two files
 * with one name are errors. */
cdul_status cdul_list_images(const char *const *arguments, size_t count,
                             const cdul_list_options *options, cdul_strings *paths,
                             cdul_strings *names, cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
