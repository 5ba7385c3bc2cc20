/* Pillow's resampling of 8-bit images, to the last bit. Reference: python-pillow/Pillow,
 * src/libImaging/Resample.c (separable, fixed-point coefficients, rounded to 8 bits between the
 * passes) and Geometry.c (nearest). Both passes multiply long runs of bytes by one coefficient. */
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* --- The inner loop: weighted sums of samples, rounded to samples --- */

/* Coefficients are scaled by 2^22: of 32 bits, 8 hold the sample and 2 the overshoot of the sum. */
#define PRECISION_BITS (32 - 8 - 2)
#define ONE_HALF       (1 << (PRECISION_BITS - 1))

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2")))

/* Sixteen sums to sixteen bytes; the packing instructions clip. */
AVX2 static inline void store(__m256i low, __m256i high, uint8_t *out) {
    low = _mm256_srai_epi32(low, PRECISION_BITS);
    high = _mm256_srai_epi32(high, PRECISION_BITS);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i packed =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, packed);
}

/* 8 samples a register: all sums stay in registers while the coefficients are walked. */
AVX2 static inline __attribute__((always_inline)) void sums_of(int registers, const uint8_t *from,
                                                               size_t stride,
                                                               const int32_t *coefficients,
                                                               size_t count, uint8_t *out) {
    __m256i sum[6];
    for (int r = 0; r < registers; r++) sum[r] = _mm256_set1_epi32(ONE_HALF);
    for (size_t t = 0; t < count; t++, from += stride) {
        const __m256i coefficient = _mm256_set1_epi32(coefficients[t]);
        for (int r = 0; r < registers; r++) {
            __m256i samples =
                _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + 8 * r)));
            sum[r] = _mm256_add_epi32(sum[r], _mm256_mullo_epi32(coefficient, samples));
        }
    }
    for (int r = 0; r < registers; r += 2) store(sum[r], sum[r + 1], out + 8 * r);
}

/* How many of the bytes it has done: all but less than 16. */
AVX2 static size_t sums_avx2(const uint8_t *from, size_t stride, const int32_t *coefficients,
                             size_t count, size_t bytes, uint8_t *out) {
    size_t j = 0;
    for (; j + 48 <= bytes; j += 48) sums_of(6, from + j, stride, coefficients, count, out + j);
    for (; j + 16 <= bytes; j += 16) sums_of(2, from + j, stride, coefficients, count, out + j);
    return j;
}
#endif

void cdul_resize_sums(const uint8_t *from, size_t stride, const int32_t *coefficients, size_t count,
                      size_t bytes, uint8_t *out) {
    size_t j = 0;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        j = sums_avx2(from, stride, coefficients, count, bytes, out);
#endif
    for (; j < bytes; j++) {
        int32_t sum = ONE_HALF;
        for (size_t t = 0; t < count; t++) sum += coefficients[t] * from[t * stride + j];
        sum >>= PRECISION_BITS;
        out[j] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

/* --- Filters: in Pillow's order of operations, on which the last bit depends --- */

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Keys's cubic with a = -1/2. */
static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static double sinc(double x) {
    if (x == 0) return 1;
    x *= M_PI;
    return sin(x) / x;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0 || x >= 1) return x == 0;
    /* single precision, as in Pillow */
    return sinc(x) * (0.54f + 0.46f * cos(x * M_PI));
}

static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

typedef struct kernel {
    double (*value)(double x);
    double support; /* half width, in pixels of the coarser of input and output */
} kernel;

static const kernel kernels[] = {
    [CDUL_NEAREST] = {NULL, 0},  [CDUL_LANCZOS] = {lanczos, 3}, [CDUL_BILINEAR] = {triangle, 1},
    [CDUL_BICUBIC] = {cubic, 2}, [CDUL_BOX] = {box, 0.5},       [CDUL_HAMMING] = {hamming, 1},
};

/* --- Coefficients of one axis --- */

typedef struct span {
    size_t first, count; /* input pixels that make this output pixel */
} span;

typedef struct axis {
    size_t count; /* output pixels, from the window's first */
    size_t stride; /* coefficients from one output pixel to the next */
    span *spans; /* [count] */
    int32_t *coefficients; /* [count, stride] */
} axis;

static void free_axis(axis *a) {
    free(a->spans);
    free(a->coefficients);
}

/* Coefficients of output pixel `i`, stored at `at`, over an input of `in` pixels: normalised, fixed
 * point. `weights` is scratch for `a->stride` numbers. */
static void fill_pixel(axis *a, size_t at, const kernel *k, double in, double scale, size_t i,
                       double *weights) {
    double wide = scale < 1 ? 1 : scale;
    double support = k->support * wide;
    double center = ((double)i + 0.5) * scale;
    double low = center - support + 0.5, high = center + support + 0.5;
    size_t first = low < 0 ? 0 : (size_t)low;
    size_t last = high > in ? (size_t)in : (size_t)high;
    size_t count = last > first ? last - first : 0;
    if (count > a->stride) count = a->stride;

    double sum = 0;
    double per_pixel = 1 / wide;
    for (size_t t = 0; t < count; t++) {
        weights[t] = k->value(((double)t + (double)first - center + 0.5) * per_pixel);
        sum += weights[t];
    }
    int32_t *to = a->coefficients + at * a->stride;
    for (size_t t = 0; t < count; t++) {
        double w = (sum != 0 ? weights[t] / sum : weights[t]) * (1 << PRECISION_BITS);
        to[t] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    a->spans[at] = (span){first, count};
}

/* One input pixel for each output pixel. As in Pillow the step is added up, not multiplied, which
 * rounds differently. */
static void fill_nearest(axis *a, size_t in, double scale, size_t first) {
    double at = scale * 0.5;
    for (size_t i = 0; i < first; i++) at += scale;
    for (size_t i = 0; i < a->count; i++, at += scale) {
        a->spans[i] = (span){(size_t)at < in ? (size_t)at : in - 1, 1};
        a->coefficients[i] = 1 << PRECISION_BITS;
    }
}

/* Coefficients of output pixels first .. first + count - 1 of `out`. Equal sizes copy pixels. */
static cdul_status make_axis(size_t in, size_t out, size_t first, size_t count, cdul_filter filter,
                             axis *a, cdul_error *err) {
    const kernel *k = &kernels[in == out ? CDUL_NEAREST : filter];
    double scale = (double)in / (double)out;
    double support = k->support * (scale < 1 ? 1 : scale);
    a->count = count;
    a->stride = (size_t)ceil(support) * 2 + 1;
    if (a->stride > in) a->stride = in;
    a->spans = calloc(count, sizeof *a->spans);
    a->coefficients = calloc(count, a->stride * sizeof *a->coefficients);
    double *weights = calloc(a->stride, sizeof *weights);
    cdul_status status = CDUL_OK;
    if (!a->spans || !a->coefficients || !weights)
        status = cdul_fail_memory(err, "resize");
    else if (!k->value)
        fill_nearest(a, in, scale, first);
    else
        for (size_t i = 0; i < count; i++)
            fill_pixel(a, i, k, (double)in, scale, first + i, weights);
    free(weights);
    return status;
}

/* The input pixels that the output pixels of the window need together. */
static span reach(const axis *a) {
    size_t first = a->spans[0].first;
    const span *last = &a->spans[a->count - 1];
    return (span){first, last->first + last->count - first};
}

/* --- Columns --- */

/* Sixteen rows are resized at a time. For each input column the block holds 3 x 16 bytes (channel,
 * row), so that one coefficient multiplies 48 neighbouring bytes. */
#define ROWS  16
#define LANES (3 * ROWS)

static void load_block(const uint8_t *from, size_t stride, size_t rows, size_t columns,
                       uint8_t *block) {
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *in = from + r * stride;
        uint8_t *to = block + r;
        for (size_t x = 0; x < columns; x++, in += 3, to += LANES)
            for (size_t c = 0; c < 3; c++) to[c * ROWS] = in[c];
    }
}

/* `from` [rows, *, 3] begins at the first column that `a` needs; `out` is [rows, a->count, 3]. */
static cdul_status resize_columns(const uint8_t *from, size_t stride, size_t rows, const axis *a,
                                  uint8_t *out, size_t out_stride, cdul_error *err) {
    span needed = reach(a);
    /* Zeroed, as lanes beyond the last row are summed but not used. */
    uint8_t *block = calloc(needed.count, LANES);
    if (!block) return cdul_fail_memory(err, "resize");
    for (size_t y = 0; y < rows; y += ROWS) {
        size_t n = rows - y < ROWS ? rows - y : ROWS;
        load_block(from + y * stride, stride, n, needed.count, block);
        for (size_t x = 0; x < a->count; x++) {
            uint8_t pixels[LANES];
            cdul_resize_sums(block + (a->spans[x].first - needed.first) * LANES, LANES,
                             a->coefficients + x * a->stride, a->spans[x].count, LANES, pixels);
            uint8_t *to = out + y * out_stride + x * 3;
            for (size_t r = 0; r < n; r++, to += out_stride)
                for (size_t c = 0; c < 3; c++) to[c] = pixels[c * ROWS + r];
        }
    }
    free(block);
    return CDUL_OK;
}

/* --- Rows --- */

/* `from` [*, bytes] begins at the first row that `a` needs; its rows are `stride` bytes apart. */
static void resize_rows(const uint8_t *from, size_t stride, size_t bytes, const axis *a,
                        uint8_t *out, size_t out_stride) {
    size_t first = a->spans[0].first;
    for (size_t y = 0; y < a->count; y++)
        cdul_resize_sums(from + (a->spans[y].first - first) * stride, stride,
                         a->coefficients + y * a->stride, a->spans[y].count, bytes,
                         out + y * out_stride);
}

/* --- Both --- */

/* Which pass comes first, as in Pillow 13: rows if the height loses more than twice as many pixels
 * as the width. The order shows in the last bits, as values are rounded between the passes. */
static bool rows_first(const cdul_rect *part, const cdul_window *to) {
    if (to->height >= part->height) return false;
    return to->width >= part->width || part->height - to->height > 2 * (part->width - to->width);
}

/* The first pass computes only what the second needs. */
static cdul_status resize(const cdul_image *image, const cdul_rect *part, const axis *across,
                          const axis *down, const cdul_window *to, cdul_error *err) {
    const size_t in_stride = image->width * 3;
    const bool swap = rows_first(part, to);
    span columns = reach(across), rows = reach(down);
    size_t stride = (swap ? columns.count : across->count) * 3;
    size_t lines = swap ? down->count : rows.count;
    uint8_t *middle = reallocarray(NULL, lines, stride);
    if (!middle) return cdul_fail_memory(err, "resize");
    const uint8_t *from =
        image->pixels + (part->y + rows.first) * in_stride + (part->x + columns.first) * 3;
    cdul_status status = CDUL_OK;
    if (swap) {
        resize_rows(from, in_stride, stride, down, middle, stride);
        status = resize_columns(middle, stride, down->count, across, to->out, to->stride, err);
    } else {
        status = resize_columns(from, in_stride, rows.count, across, middle, stride, err);
        if (status == CDUL_OK) resize_rows(middle, stride, stride, down, to->out, to->stride);
    }
    free(middle);
    return status;
}

static bool inside(const cdul_rect *r, size_t width, size_t height) {
    return r->width >= 1 && r->height >= 1 && r->x < width && r->y < height &&
           r->width <= width - r->x && r->height <= height - r->y;
}

cdul_status cdul_image_resize_window(const cdul_image *image, const cdul_rect *rect,
                                     cdul_filter filter, const cdul_window *window,
                                     cdul_error *err) {
    const cdul_rect all = {0, 0, image->width, image->height}, *w = &window->rect;
    const cdul_rect *part = rect ? rect : &all;
    if (!inside(part, image->width, image->height))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "resize: crop %zu x %zu at %zu, %zu is not inside %zu x %zu", part->width,
                         part->height, part->x, part->y, image->width, image->height);
    if (!inside(w, window->width, window->height))
        return cdul_fail(err, CDUL_ERR_USAGE, "resize: impossible output of %zu x %zu",
                         window->width, window->height);
    if ((int)filter < CDUL_NEAREST || (int)filter > CDUL_HAMMING)
        return cdul_fail(err, CDUL_ERR_USAGE, "resize: no filter %d: 0 to 5", (int)filter);
    axis across = {0}, down = {0};
    cdul_status status =
        make_axis(part->width, window->width, w->x, w->width, filter, &across, err);
    if (status == CDUL_OK)
        status = make_axis(part->height, window->height, w->y, w->height, filter, &down, err);
    if (status == CDUL_OK) status = resize(image, part, &across, &down, window, err);
    free_axis(&across);
    free_axis(&down);
    return status;
}

cdul_status cdul_image_resize(const cdul_image *image, const cdul_rect *rect, size_t width,
                              size_t height, cdul_filter filter, uint8_t *out, cdul_error *err) {
    cdul_window whole = {width, height, {0, 0, width, height}, out, width * 3};
    return cdul_image_resize_window(image, rect, filter, &whole, err);
}
