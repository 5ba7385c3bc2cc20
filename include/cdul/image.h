/* Images: finding, decoding, resizing, cropping, and turning pixels into a network's input, in the
 * same way for labelling, training and prediction. */
#pragma once

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
    /* Where width x height pixels are given back; NULL = nowhere. */
    cdul_decode_gate *gate;
} cdul_image;

typedef struct cdul_decode_options {
    /* Apply the EXIF orientation (tag 0x0112). Default true. */
    bool exif;
    /* RGB under transparent pixels. Default white. */
    uint8_t background[3];
    /* Larger images are refused undecoded. 0, the default, = cdul_decode_most_pixels(). */
    size_t max_pixels;
    /* A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is faster, as long as the upright
     * image is still this wide and high. 0 (default) = at its full size. */
    size_t least_width, least_height;
    /* Shared by threads, borrowed. NULL = each thread takes the memory that it needs. */
    cdul_decode_gate *gate;
} cdul_decode_options;

cdul_decode_options cdul_decode_defaults(void);

/* A max_pixels that fits the memory: half of what this process may use, at 24 bytes a pixel, which
 * is more than any file needs. At least 25 million, at most 179 million as in Pillow. */
size_t cdul_decode_most_pixels(void);

/* At most `pixels` are decoded at the same time (0 = as many as fit into half of the memory). An
 * image waits until there is room, or until it is the only one. Free the gate after the images. */
cdul_status cdul_decode_gate_new(size_t pixels, cdul_decode_gate **out,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Takes NULL. */
void cdul_decode_gate_free(cdul_decode_gate *gate);

/* Reads JPEG, PNG, WebP, GIF, BMP, TGA, PNM (P5, P6) and PSD; of animations the first frame. The
 * kind is found from the content, not from the name. Colour profiles and gamma are ignored. Pixels
 * are Pillow's; docs/formats.md lists the kinds of each format and the few differences.
 * `options` NULL = defaults. Free `out` with cdul_image_free.
 * CDUL_ERR_INPUT: no image, or a kind that is not read; more than max_pixels, or a side over
 * 1,000,000, before anything of that size is allocated; a damaged file. A truncated file is damaged
 * too, but counts as whole if it is a GIF, or a run-length TGA or PSD. */
cdul_status cdul_image_decode(const void *data, size_t size, const cdul_decode_options *options,
                              cdul_image *out, cdul_error *err) CDUL_MUST_CHECK;

/* The same of a file. CDUL_ERR_IO: it cannot be opened or read. CDUL_ERR_INPUT also: not a regular
 * file; more bytes than 8 for each of max_pixels and 64 MiB. */
cdul_status cdul_image_decode_file(const char *path, const cdul_decode_options *options,
                                   cdul_image *out, cdul_error *err) CDUL_MUST_CHECK;

/* Frees the pixels and gives them back to the gate. Takes NULL and an empty image. */
void cdul_image_free(cdul_image *image);

/* --- Resizing --- */

/* Pillow's filters by Pillow's numbers (preprocessor_config.json: "resample"). All but NEAREST
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

/* Resizes the part `rect` of `image` (NULL = all of it) to the caller's `out` [height, width, 3],
 * equal to Pillow 13's Image.crop(rect).resize((width, height), filter) to the last bit. Values are
 * rounded and clipped between the two passes, so their order shows: Pillow up to 12 resizes the
 * width first, Pillow 13 the height if that loses more than twice as many pixels.
 * CDUL_ERR_USAGE: rect is not inside the image, the size is 0, no such filter. */
cdul_status cdul_image_resize(const cdul_image *image, const cdul_rect *rect, size_t width,
                              size_t height, cdul_filter filter, uint8_t *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* --- Crops: the local views of the method (section 3.1 of the paper: "snippets") --- */

/* The S views of an image besides the whole. */
typedef struct cdul_crops {
    size_t count;
    /* [S, 4]: left, top, right, bottom as fractions of width and height. */
    double *boxes;
} cdul_crops;

/* Reads a grid:
 *     "3x3"          3 rows x 3 columns of tiles that cover the image
 *     "3x3:0.5"      3 x 3 windows of half the image's width and height, evenly spread
 *     "1x1+2x2+3x3"  all of these
 * CDUL_ERR_USAGE for anything else, a side over 64, or more than 4,096 crops. */
cdul_status cdul_crops_parse(const char *grid, cdul_crops *out, cdul_error *err) CDUL_MUST_CHECK;
/* Takes NULL. */
void cdul_crops_free(cdul_crops *crops);
/* Crop s of a width x height image: edges rounded to the nearest pixel, at least 1 x 1. */
cdul_rect cdul_crops_rect(const cdul_crops *crops, size_t s, size_t width, size_t height);

/* --- Preprocessing: pixels to network input --- */

/* How the whole image becomes the input. */
typedef enum cdul_resize_mode {
    /* The shorter side to `shortest`, then a centre crop (CLIP's way). */
    CDUL_RESIZE_SHORTEST,
    /* Both sides, whatever the aspect ratio; then a centre crop, if squash_width is set. */
    CDUL_RESIZE_SQUASH,
    /* The whole image inside the input, centred, padded with `fill` (open_clip's way). */
    CDUL_RESIZE_LONGEST,
} cdul_resize_mode;

typedef struct cdul_preprocess {
    /* W and H of the network's input, pixels. */
    size_t width, height;
    /* SHORTEST: the shorter side before the centre crop. An image that is then smaller than the
     * input is padded with black. 0 = as small as covers the input. */
    size_t shortest;
    /* SQUASH: the size before the centre crop, padded likewise. 0 = the input's size, no crop. */
    size_t squash_width, squash_height;
    cdul_resize_mode mode;
    cdul_filter filter;
    /* uint8 to float, usually 1/255. */
    float scale;
    /* RGB: out = (pixel * scale - mean) / std. */
    float mean[3], std[3];
    /* LONGEST: the padding. */
    uint8_t fill[3];
    /* Odd margins of a centre crop. true: halved down, and padding up (transformers with Pillow).
     * false: to the even neighbour, and padding down (torchvision, open_clip). */
    bool crop_floor;
} cdul_preprocess;

/* Writes one view as planes [3, H, W]. `rect` NULL: the whole image, by `mode`. A rect is a crop:
 * it is squashed to the input, whatever the mode, so that no part of it is lost. `scratch` holds
 * H x W x 3 bytes. CDUL_ERR_USAGE: the input's size is 0, scale, mean or std are not finite, or std
 * is not over 0. */
cdul_status cdul_preprocess_apply(const cdul_preprocess *preprocess, const cdul_image *image,
                                  const cdul_rect *rect, uint8_t *scratch, float *out,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* Its first step: the view as pixels [H, W, 3], which the caller may change. */
cdul_status cdul_preprocess_pixels(const cdul_preprocess *preprocess, const cdul_image *image,
                                   const cdul_rect *rect, uint8_t *pixels,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* Its second step: pixels [H, W, 3] to planes [3, H, W]. */
void cdul_preprocess_planes(const cdul_preprocess *preprocess, const uint8_t *pixels, float *out);

/* --- Listing --- */

typedef struct cdul_list_options {
    /* Paths in lists are relative to this folder. NULL = the current one. */
    const char *root;
    /* Entries of lists end in NUL instead of a newline. */
    bool nul_separated;
} cdul_list_options;

/* Expands arguments into `paths` to open and `names` for outputs, in the same order. An argument is
 *     a file       kept, whatever its extension
 *     a folder     searched recursively, sorted by bytes; without hidden files, links back to a
 *                  folder above, and files that are no images by their extension
 *     @list.txt    a list of files, one a line
 *     -            such a list on standard input
 * A name is the path in the list, or the path below the folder.
 * CDUL_ERR_IO: a path does not exist or cannot be read. CDUL_ERR_INPUT: no images, two files with
 * one name, a folder in a list. Free both lists with cdul_strings_free. */
cdul_status cdul_list_images(const char *const *arguments, size_t count,
                             const cdul_list_options *options, cdul_strings *paths,
                             cdul_strings *names, cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
