/* WebP through libwebp: lossy, lossless, alpha (composited), animation (first frame). */
#include "image/decode.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static cdul_status fail_webp(VP8StatusCode code, cdul_error *err) {
    const char *text = code == VP8_STATUS_NOT_ENOUGH_DATA       ? "file is truncated"
                       : code == VP8_STATUS_UNSUPPORTED_FEATURE ? "unsupported feature"
                       : code == VP8_STATUS_BITSTREAM_ERROR     ? "damaged data"
                                                                : "cannot be decoded";
    if (code == VP8_STATUS_OUT_OF_MEMORY) return cdul_fail_memory(err, "WebP decoder");
    return cdul_fail(err, CDUL_ERR_INPUT, "%s", text);
}

static void find_orientation(const WebPData *file, cdul_decoding *d) {
    WebPDemuxer *demuxer = WebPDemux(file);
    WebPChunkIterator chunk;
    if (!demuxer) return;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        d->orientation = cdul_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
}

static cdul_status decode_first_frame(const WebPData *file, cdul_image *out, cdul_error *err) {
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options))
        return cdul_fail(err, CDUL_ERR_RUNTIME, "libwebp too old");
    options.color_mode = MODE_RGBA;
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(file, &options);
    if (!decoder) return cdul_fail(err, CDUL_ERR_INPUT, "damaged or truncated animation");
    cdul_status status = CDUL_OK;
    WebPAnimInfo info;
    uint8_t *frame = NULL;
    int end_time = 0;
    if (!WebPAnimDecoderGetInfo(decoder, &info) || info.canvas_width != out->width ||
        info.canvas_height != out->height || !WebPAnimDecoderGetNext(decoder, &frame, &end_time))
        status = cdul_fail(err, CDUL_ERR_INPUT, "first frame of the animation is damaged");
    else
        memcpy(out->pixels, frame, out->width * out->height * 4);
    WebPAnimDecoderDelete(decoder);
    return status;
}

cdul_status cdul_decode_webp(cdul_decoding *d) {
    WebPData file = {d->data, d->size};
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return cdul_fail(d->err, CDUL_ERR_RUNTIME, "libwebp too old");
    const WebPBitstreamFeatures *input = &config.input;
    VP8StatusCode code = WebPGetFeatures(d->data, d->size, &config.input);
    if (code != VP8_STATUS_OK) return fail_webp(code, d->err);

    bool rgba = input->has_alpha || input->has_animation;
    cdul_status status =
        cdul_image_allocate(d, (size_t)input->width, (size_t)input->height, rgba ? 4 : 3);
    if (status != CDUL_OK) return status;
    if (input->has_animation) {
        status = decode_first_frame(&file, d->out, d->err);
    } else {
        size_t stride = d->out->width * (rgba ? 4 : 3);
        config.output.colorspace = rgba ? MODE_RGBA : MODE_RGB;
        config.output.is_external_memory = 1;
        config.output.u.RGBA =
            (WebPRGBABuffer){d->out->pixels, (int)stride, stride * d->out->height};
        code = WebPDecode(d->data, d->size, &config);
        WebPFreeDecBuffer(&config.output);
        if (code != VP8_STATUS_OK) status = fail_webp(code, d->err);
    }
    if (status != CDUL_OK) return status;
    if (rgba) cdul_image_composite(d->out, d->options.background);
    find_orientation(&file, d);
    return CDUL_OK;
}
