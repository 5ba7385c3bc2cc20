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
    cdul_decoding *d;
    size_t at; /* the next byte of the file */
    cdul_status status;
} reader;

static void fail_with_message(png_structp png, png_const_charp text) {
    reader *r = png_get_error_ptr(png);
    r->status = strstr(text, "emory") ? cdul_fail_memory(r->d->err, "PNG decoder")
                                      : cdul_fail(r->d->err, CDUL_ERR_INPUT, "%s", text);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void take_bytes(png_structp png, png_bytep into, size_t count) {
    reader *r = png_get_io_ptr(png);
    if (count > r->d->size - r->at) png_error(png, "file is truncated");
    memcpy(into, r->d->data + r->at, count);
    r->at += count;
}

/* Everything that may longjmp is in here. No local is used after a jump. */
static cdul_status read_pixels(reader *r) {
    const png_structp png = r->png;
    const png_infop info = r->info;
    const cdul_image *out = r->d->out;
    if (setjmp(png_jmpbuf(png))) return r->status;
    png_set_read_fn(png, r, take_bytes);
    /* Skips chunks that do not change pixels: compressed text and profiles can be bombs. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_set_user_limits(png, CDUL_MAX_SIDE, CDUL_MAX_SIDE);
    png_read_info(png, info);
    int color = png_get_color_type(png, info);
    bool alpha = (color & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
    png_set_expand(png);
    png_set_strip_16(png);
    if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);

    size_t channels = alpha ? 4 : 3;
    cdul_status status = cdul_image_allocate(r->d, png_get_image_width(png, info),
                                             png_get_image_height(png, info), channels);
    if (status != CDUL_OK) return status;
    size_t stride = out->width * channels;
    if (png_get_rowbytes(png, info) != stride) png_error(png, "unexpected row length");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < out->height; y++) png_read_row(png, out->pixels + y * stride, NULL);
    png_read_end(png, info);
    png_bytep exif = NULL;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(png, info, &size, &exif))
        r->d->orientation = cdul_exif_orientation(exif, size);
    if (alpha) cdul_image_composite(r->d->out, r->d->options.background);
    return CDUL_OK;
}

cdul_status cdul_decode_png(cdul_decoding *d) {
    reader r = {.d = d};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail_with_message, ignore_warning);
    if (!r.png) return cdul_fail_memory(d->err, "PNG decoder");
    r.info = png_create_info_struct(r.png);
    cdul_status status = r.info ? read_pixels(&r) : cdul_fail_memory(d->err, "PNG decoder");
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return status;
}
