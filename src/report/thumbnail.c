/* Shrinks images and encodes them as JPEG, for the report. */
#include "report/markup.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* libjpeg reports errors to a callback that must not return. */
typedef struct failure {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back its address */
    jmp_buf place;
    char message[JMSG_LENGTH_MAX];
} failure;

static void on_error(j_common_ptr info) {
    failure *f = (failure *)info->err;
    info->err->format_message(info, f->message);
    longjmp(f->place, 1);
}

static cdul_status encode(const unsigned char *pixels, int quality, cdul_thumbnail *out,
                          cdul_error *err) {
    struct jpeg_compress_struct jpeg;
    failure f;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&f.manager);
    f.manager.error_exit = on_error;
    jpeg_create_compress(&jpeg);
    if (setjmp(f.place)) {
        jpeg_destroy_compress(&jpeg);
        return cdul_fail(err, CDUL_ERR_RUNTIME, "thumbnail: %s", f.message);
    }
    jpeg_mem_dest(&jpeg, &out->jpeg, &size);
    jpeg.image_width = (JDIMENSION)out->width;
    jpeg.image_height = (JDIMENSION)out->height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + (size_t)jpeg.next_scanline * out->width * 3);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    out->size = size;
    return CDUL_OK;
}

/* One side at `scale`, at least one pixel. */
static size_t scaled(size_t pixels, double scale) {
    size_t result = (size_t)((double)pixels * scale + 0.5);
    return result ? result : 1;
}

cdul_status cdul_thumbnail_make(const cdul_image *image, size_t side, int quality,
                                cdul_thumbnail **out, cdul_error *err) {
    cdul_thumbnail *thumbnail = calloc(1, sizeof *thumbnail);
    if (!thumbnail) return cdul_fail_memory(err, "thumbnail");
    size_t longer = image->width > image->height ? image->width : image->height;
    double scale = longer > side ? (double)side / (double)longer : 1.0;
    thumbnail->width = scaled(image->width, scale);
    thumbnail->height = scaled(image->height, scale);
    unsigned char *pixels = malloc(thumbnail->width * thumbnail->height * 3);
    cdul_status status = pixels ? CDUL_OK : cdul_fail_memory(err, "thumbnail");
    if (status == CDUL_OK)
        status = cdul_image_resize(image, NULL, thumbnail->width, thumbnail->height, CDUL_BICUBIC,
                                   pixels, err);
    if (status == CDUL_OK) status = encode(pixels, quality, thumbnail, err);
    free(pixels);
    if (status == CDUL_OK)
        *out = thumbnail;
    else
        cdul_thumbnail_free(thumbnail);
    return status;
}

void cdul_thumbnail_free(cdul_thumbnail *thumbnail) {
    if (!thumbnail) return;
    free(thumbnail->jpeg);
    free(thumbnail);
}
