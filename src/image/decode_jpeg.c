/* JPEG through libjpeg-turbo: grey, colour and CMYK; baseline, progressive and arithmetic. */
#include "image/decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* Each scan is a pass over the whole image, for which a few bytes are enough. Real progressive
 * files have 10 to 20. */
#define MAX_SCANS 500

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    cdul_decoding *d;
    cdul_status status;
} reader;

static void fail_with_message(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    r->errors.format_message(jpeg, text);
    r->status = r->errors.msg_code == JERR_OUT_OF_MEMORY
                    ? cdul_fail_memory(r->d->err, "JPEG decoder")
                    : cdul_fail(r->d->err, CDUL_ERR_INPUT, "%s", text);
    longjmp(r->jump, 1);
}

/* After damage libjpeg warns, goes on and fills the rest with grey. Warnings that mean lost pixels
 * are errors here; harmless ones (stray bytes between segments, odd progression) are not. */
static void judge_warning(j_common_ptr jpeg, int level) {
    if (level >= 0) return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        fail_with_message(jpeg);
    }
}

static void count_scans(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MAX_SCANS) return;
    r->status = cdul_fail(r->d->err, CDUL_ERR_INPUT, "more than %d scans", MAX_SCANS);
    longjmp(r->jump, 1);
}

/* By which factor the image may be decoded smaller: 1, 2, 4 or 8. */
static unsigned reduction(const reader *r) {
    const cdul_decode_options *o = &r->d->options;
    if (o->least_width == 0 || o->least_height == 0) return 1;
    /* Orientations 5 to 8 swap width and height. */
    bool turned = o->exif && r->d->orientation >= 5;
    size_t width = turned ? r->jpeg.image_height : r->jpeg.image_width;
    size_t height = turned ? r->jpeg.image_width : r->jpeg.image_height;
    unsigned by = 1;
    while (by < 8 && width / (2 * by) >= o->least_width && height / (2 * by) >= o->least_height)
        by *= 2;
    return by;
}

/* Everything that may longjmp is in here. No local is used after a jump. */
static cdul_status read_pixels(reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    cdul_image *out = r->d->out;
    if (setjmp(r->jump)) return r->status;
    jpeg_create_decompress(jpeg);
    jpeg->client_data = r;
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, r->d->data, (unsigned long)r->d->size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->data_length >= 6 && memcmp(m->data, "Exif\0\0", 6) == 0) {
            r->d->orientation = cdul_exif_orientation(m->data, m->data_length);
            break;
        }

    bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    size_t channels = cmyk ? 4 : 3;
    cdul_status status = cdul_image_check_size(r->d, jpeg->image_width, jpeg->image_height);
    if (status != CDUL_OK) return status;
    jpeg->scale_num = 1;
    jpeg->scale_denom = reduction(r);
    jpeg_calc_output_dimensions(jpeg);
    status = cdul_image_allocate(r->d, jpeg->output_width, jpeg->output_height, channels);
    if (status != CDUL_OK) return status;

    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = out->pixels + (size_t)jpeg->output_scanline * out->width * channels;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    /* CMYK as Photoshop stores it: inverted, so that 255 means no ink, and K acts like alpha on
     * black. Like Pillow, every CMYK JPEG is read so, whether Adobe marked it or not. */
    if (cmyk) cdul_image_composite(out, (const uint8_t[3]){0, 0, 0});
    return CDUL_OK;
}

cdul_status cdul_decode_jpeg(cdul_decoding *d) {
    reader r = {.d = d};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = fail_with_message;
    r.errors.emit_message = judge_warning;
    r.progress.progress_monitor = count_scans;
    cdul_status status = read_pixels(&r);
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}
