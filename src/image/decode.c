/* Decodes image files: chooses the decoder by the first bytes, limits size and memory, and
 * composites alpha on a background. */
#include "image/decode.h"

#include "base/file.h"
#include "base/machine.h"
#include "cdul/versions.h"

#include <jpeglib.h>
#include <png.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <webp/decode.h>

/* As Pillow, which refuses more than twice its Image.MAX_IMAGE_PIXELS of 1024^3 / 4 / 3. */
#define DEFAULT_MAX_PIXELS ((size_t)2 * (1024 * 1024 * 1024 / 4 / 3))
/* What may be decoded on any machine, however little memory it has: a large photograph. */
#define LEAST_MAX_PIXELS ((size_t)25000000)
/* Most memory that a pixel needs: 12 bytes in a decoder (progressive CMYK JPEG, animated WebP), 8
 * for the file's contents, 4 to spare. */
#define WORST_BYTES 24
/* A file may have 8 bytes a pixel, as in the widest format, and 64 MiB of metadata. */
#define BYTES_PER_PIXEL 8
#define METADATA_BYTES  ((size_t)64 << 20)

cdul_decode_options cdul_decode_defaults(void) {
    return (cdul_decode_options){.exif = true, .background = {255, 255, 255}, .max_pixels = 0};
}

static size_t pixels_in_memory(void) {
    size_t pixels = cdul_memory_limit() / 2 / WORST_BYTES;
    return pixels > LEAST_MAX_PIXELS ? pixels : LEAST_MAX_PIXELS;
}

size_t cdul_decode_most_pixels(void) {
    size_t pixels = pixels_in_memory();
    return pixels < DEFAULT_MAX_PIXELS ? pixels : DEFAULT_MAX_PIXELS;
}

/* --- The gate --- */

/* A budget of pixels. A thread takes those of its image before it allocates them, and waits while
 * too few are left. An image above the whole budget is decoded alone. */
struct cdul_decode_gate {
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    size_t limit, taken;
};

cdul_status cdul_decode_gate_new(size_t pixels, cdul_decode_gate **out, cdul_error *err) {
    cdul_decode_gate *gate = calloc(1, sizeof *gate);
    *out = gate;
    if (!gate) return cdul_fail_memory(err, "decoding");
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->freed, NULL);
    gate->limit = pixels ? pixels : pixels_in_memory();
    return CDUL_OK;
}

void cdul_decode_gate_free(cdul_decode_gate *gate) {
    if (!gate) return;
    pthread_cond_destroy(&gate->freed);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void cdul_decode_gate_take(cdul_decode_gate *gate, size_t pixels) {
    if (!gate) return;
    pthread_mutex_lock(&gate->mutex);
    while (gate->taken > 0 && (gate->taken >= gate->limit || pixels > gate->limit - gate->taken))
        pthread_cond_wait(&gate->freed, &gate->mutex);
    gate->taken += pixels;
    pthread_mutex_unlock(&gate->mutex);
}

void cdul_decode_gate_give(cdul_decode_gate *gate, size_t pixels) {
    if (!gate) return;
    pthread_mutex_lock(&gate->mutex);
    gate->taken -= pixels;
    pthread_cond_broadcast(&gate->freed);
    pthread_mutex_unlock(&gate->mutex);
}

/* --- Images --- */

void cdul_image_free(cdul_image *image) {
    if (!image) return;
    free(image->pixels);
    cdul_decode_gate_give(image->gate, image->width * image->height);
    *image = (cdul_image){0};
}

cdul_status cdul_image_check_size(cdul_decoding *d, size_t width, size_t height) {
    *d->out = (cdul_image){.width = width, .height = height};
    if (width == 0 || height == 0)
        return cdul_fail(d->err, CDUL_ERR_INPUT, "image of %zu x %zu pixels", width, height);
    if (width > CDUL_MAX_SIDE || height > CDUL_MAX_SIDE)
        return cdul_fail(d->err, CDUL_ERR_INPUT, "image of %zu x %zu pixels: no side may exceed %d",
                         width, height, CDUL_MAX_SIDE);
    if (height > d->options.max_pixels / width)
        return cdul_fail(d->err, CDUL_ERR_INPUT,
                         "image of %zu x %zu pixels exceeds the limit of %zu pixels (--max-pixels)",
                         width, height, d->options.max_pixels);
    return CDUL_OK;
}

cdul_status cdul_image_allocate(cdul_decoding *d, size_t width, size_t height, size_t channels) {
    cdul_status status = cdul_image_check_size(d, width, height);
    if (status != CDUL_OK) return status;
    cdul_decode_gate_take(d->options.gate, width * height);
    *d->out =
        (cdul_image){width, height, reallocarray(NULL, width * height, channels), d->options.gate};
    return d->out->pixels ? CDUL_OK : cdul_fail_memory(d->err, "pixels of an image");
}

void cdul_image_composite(cdul_image *image, const uint8_t background[3]) {
    size_t count = image->width * image->height;
    const uint8_t *in = image->pixels;
    uint8_t *out = image->pixels;
    for (size_t i = 0; i < count; i++, in += 4, out += 3) {
        unsigned alpha = in[3];
        for (size_t c = 0; c < 3; c++)
            out[c] = (uint8_t)((in[c] * alpha + background[c] * (255 - alpha) + 127) / 255);
    }
    uint8_t *smaller = realloc(image->pixels, count * 3);
    if (smaller) image->pixels = smaller;
}

/* --- Choosing the decoder --- */

typedef struct format {
    const char *name;
    size_t offset; /* of the magic bytes in the file */
    const char *magic;
    size_t length;
    cdul_decoder *decode; /* NULL: recognised only to name it in the error */
} format;

static const format formats[] = {
    {"JPEG", 0, "\xff\xd8\xff", 3, cdul_decode_jpeg},
    {"PNG", 0, "\x89PNG\r\n\x1a\n", 8, cdul_decode_png},
    {"WebP", 8, "WEBP", 4, cdul_decode_webp},
    {"GIF", 0, "GIF87a", 6, cdul_decode_stb},
    {"GIF", 0, "GIF89a", 6, cdul_decode_stb},
    {"BMP", 0, "BM", 2, cdul_decode_stb},
    {"PNM", 0, "P1", 2, cdul_decode_stb},
    {"PNM", 0, "P2", 2, cdul_decode_stb},
    {"PNM", 0, "P3", 2, cdul_decode_stb},
    {"PNM", 0, "P4", 2, cdul_decode_stb},
    {"PNM", 0, "P5", 2, cdul_decode_stb},
    {"PNM", 0, "P6", 2, cdul_decode_stb},
    {"PSD", 0, "8BPS", 4, cdul_decode_stb},
    {"TIFF", 0, "II*\0", 4, NULL},
    {"TIFF", 0, "MM\0*", 4, NULL},
    {"AVIF", 4, "ftypavif", 8, NULL},
    {"HEIC", 4, "ftyp", 4, NULL},
    {"JPEG XL", 0, "\xff\x0a", 2, NULL},
    {"JPEG XL", 0, "\0\0\0\x0cJXL ", 8, NULL},
    {"JPEG 2000", 0, "\0\0\0\x0cjP  ", 8, NULL},
};

static const format tga = {"TGA", 0, "", 0, cdul_decode_stb};

static const format *find_format(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const format *f = &formats[i];
        if (size >= f->offset + f->length && memcmp(data + f->offset, f->magic, f->length) == 0)
            return f;
    }
    return cdul_looks_like_tga(data, size) ? &tga : NULL;
}

static cdul_decode_options or_defaults(const cdul_decode_options *options) {
    cdul_decode_options set = options ? *options : cdul_decode_defaults();
    if (set.max_pixels == 0) set.max_pixels = cdul_decode_most_pixels();
    return set;
}

cdul_status cdul_image_decode(const void *data, size_t size, const cdul_decode_options *options,
                              cdul_image *out, cdul_error *err) {
    *out = (cdul_image){0};
    if (size == 0) return cdul_fail(err, CDUL_ERR_INPUT, "empty file");
    const format *f = find_format(data, size);
    if (!f)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "not an image: expected JPEG, PNG, WebP, GIF, BMP, TGA, PNM or PSD");
    if (!f->decode)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s images are not supported: convert it to JPEG or PNG", f->name);

    cdul_decoding d = {data, size, or_defaults(options), out, 1, err, false, 255};
    cdul_status status = f->decode(&d);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s", f->name);
    if (status == CDUL_OK && d.options.exif) status = cdul_image_orient(out, d.orientation, err);
    if (status != CDUL_OK) cdul_image_free(out);
    return status;
}

cdul_status cdul_image_decode_file(const char *path, const cdul_decode_options *options,
                                   cdul_image *out, cdul_error *err) {
    *out = (cdul_image){0};
    struct stat info;
    if (stat(path, &info) != 0) return cdul_fail_errno(err, "%s", path);
    /* Reading a pipe could block, and a device might never end. */
    if (!S_ISREG(info.st_mode))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: not a regular file", path);
    const cdul_decode_options set = or_defaults(options);
    if ((uintmax_t)info.st_size > (uintmax_t)set.max_pixels * BYTES_PER_PIXEL + METADATA_BYTES)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: file of %jd bytes: too large for an image of %zu pixels (--max-pixels)", path,
            (intmax_t)info.st_size, set.max_pixels);

    char *data = NULL;
    size_t size = 0;
    cdul_status status = cdul_file_read_all(path, &data, &size, err);
    if (status != CDUL_OK) return status;
    status = cdul_image_decode(data, size, &set, out, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s", path);
    free(data);
    return status;
}

void cdul_image_versions(FILE *out) {
    /* The header's version: the library does not tell its own. */
    const int jpeg = LIBJPEG_TURBO_VERSION_NUMBER;
    const int webp = WebPGetDecoderVersion();
    fprintf(out, "libjpeg-turbo %d.%d.%d\n", jpeg / 1000000, jpeg / 1000 % 1000, jpeg % 1000);
    fprintf(out, "libpng %s\n", png_get_libpng_ver(NULL));
    fprintf(out, "libwebp %d.%d.%d\n", webp >> 16, webp >> 8 & 255, webp & 255);
    fprintf(out, "stb_image %s\n", CDUL_STB_VERSION);
}
