/* PNG through libpng: every colour type and depth, tRNS, interlace. Alpha is composited on the
 * background. Like Pillow it ignores gamma and colour profiles, and keeps the high byte of 16-bit
 * samples. (Pillow clips 16-bit grey at 255 instead, which turns nearly all of it white.) */
#include "image/decode.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

typedef struct reader {
    png_structp png;
    png_infop info;
    cdul_status status;
    cdul_error *err;
    const uint8_t *next, *end;
    const cdul_decode_options *options;
    cdul_image *out;
    int *orientation;
} reader;

static void fail_with_message(png_structp png, png_const_charp text) {
    reader *r = png_get_error_ptr(png);
    r->status = strstr(text, "emory") ? cdul_fail_memory(r->err, "PNG decoder")
                                      : cdul_fail(r->err, CDUL_ERR_INPUT, "%s", text);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void take_bytes(png_structp png, png_bytep into, size_t count) {
    reader *r = png_get_io_ptr(png);
    if (count > (size_t)(r->end - r->next)) png_error(png, "file is truncated");
    memcpy(into, r->next, count);
    r->next += count;
}

/* Skips chunks that do not change pixels: compressed text and profiles can be bombs. */
static void choose_chunks(png_structp png) {
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_set_user_limits(png, CDUL_MAX_SIDE, CDUL_MAX_SIDE);
}

static bool choose_transforms(png_structp png, png_infop info) {
    int color = png_get_color_type(png, info);
    bool alpha = (color & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
    png_set_expand(png);
    png_set_strip_16(png);
    if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    return alpha;
}

static void find_orientation(reader *r) {
    png_bytep exif = NULL;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(r->png, r->info, &size, &exif))
        *r->orientation = cdul_exif_orientation(exif, size);
}

/* Everything that may longjmp is in here. No local is used after a jump. */
static bool read_pixels(reader *r) {
    if (setjmp(png_jmpbuf(r->png))) return false;
    png_set_read_fn(r->png, r, take_bytes);
    choose_chunks(r->png);
    png_read_info(r->png, r->info);
    bool alpha = choose_transforms(r->png, r->info);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);

    size_t channels = alpha ? 4 : 3;
    r->status = cdul_image_allocate(png_get_image_width(r->png, r->info),
                                    png_get_image_height(r->png, r->info), channels, r->options,
                                    r->out, r->err);
    if (r->status != CDUL_OK) return false;
    size_t stride = r->out->width * channels;
    if (png_get_rowbytes(r->png, r->info) != stride) png_error(r->png, "unexpected row length");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < r->out->height; y++)
            png_read_row(r->png, r->out->pixels + y * stride, NULL);
    png_read_end(r->png, r->info);
    find_orientation(r);
    if (alpha) cdul_image_composite(r->out, r->options->background);
    return true;
}

cdul_status cdul_decode_png(const uint8_t *data, size_t size, const cdul_decode_options *options,
                            cdul_image *out, int *orientation, cdul_error *err) {
    reader r = {.next = data,
                .end = data + size,
                .options = options,
                .out = out,
                .orientation = orientation,
                .err = err,
                .status = CDUL_OK};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail_with_message, ignore_warning);
    if (!r.png) return cdul_fail_memory(err, "PNG decoder");
    r.info = png_create_info_struct(r.png);
    if (!r.info) r.status = cdul_fail_memory(err, "PNG decoder");
    bool read = r.info && read_pixels(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return read ? CDUL_OK : r.status;
}
