#include "torch/norm_relu.h"

#include "base/machine.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rows are worked on in PIECES pieces, by as many threads as there are. Sums of a piece are float32
 * over RUN rows and TILE channels, which stay in the nearest cache, and double beyond. */
#define PIECES 64
#define RUN    64
#define TILE   512

/* --- Elements --- */

/* The compiler makes a loop over float32 and one over bfloat16 of each function that says `INLINE
 * ... bool half`. */
#define INLINE static inline __attribute__((always_inline))

INLINE float get(const void *x, size_t i, bool half) {
    if (!half) return ((const float *)x)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)x)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest, ties to even; NaN stays NaN. */
INLINE uint16_t to_bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, nan = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

INLINE void put(void *x, size_t i, float value, bool half) {
    if (half)
        ((uint16_t *)x)[i] = to_bfloat16(value);
    else
        ((float *)x)[i] = value;
}

/* What ReLU lets through of elements [first, end) of the gradient, or of the sum of two. Without a
 * branch, or the loops stay ones of single elements. */
INLINE void mask(const void *dy, const void *more, const void *y, size_t first, size_t end, void *g,
                 bool half) {
    if (half) {
        for (size_t i = first; i < end; i++) {
            uint16_t through = more ? to_bfloat16(get(dy, i, true) + get(more, i, true))
                                    : ((const uint16_t *)dy)[i];
            uint16_t all = (uint16_t) - (((const int16_t *)y)[i] > 0);
            ((uint16_t *)g)[i] = through & all;
        }
        return;
    }
    for (size_t i = first; i < end; i++) {
        float through = get(dy, i, false);
        if (more) through += get(more, i, false);
        ((float *)g)[i] = ((const float *)y)[i] > 0 ? through : 0;
    }
}

/* --- Pieces --- */

static size_t piece_start(norm_shape shape, size_t piece) {
    return shape.rows / PIECES * piece + shape.rows % PIECES * piece / PIECES;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* --- Sums --- */

/* Of one piece: what is summed, over which rows. */
typedef struct sums_job {
    size_t first, end, channels;
    const void *dy, *more, *y, *x; /* y: NULL without ReLU; then g is dy */
    const float *origin; /* [channels], subtracted from x */
    void *g;
    double *sums; /* [2, channels]: of the value, and of it and x - origin */
} sums_job;

/* The value is x - origin (for the variance), or the gradient. */
INLINE void sum_tile(const sums_job *job, size_t row, size_t rows, size_t c0, size_t count,
                     bool gradient, bool half) {
    float first[TILE] = {0}, second[TILE] = {0};
    for (size_t r = row; r < row + rows; r++) {
        const size_t at = r * job->channels + c0;
        if (gradient && job->y) mask(job->dy, job->more, job->y, at, at + count, job->g, half);
        for (size_t c = 0; c < count; c++) {
            float x = get(job->x, at + c, half) - job->origin[c0 + c];
            float value = gradient ? get(job->g, at + c, half) : x;
            first[c] += value;
            second[c] += value * x;
        }
    }
    for (size_t c = 0; c < count; c++) {
        job->sums[c0 + c] += (double)first[c];
        job->sums[job->channels + c0 + c] += (double)second[c];
    }
}

INLINE void sum_piece(const sums_job *job, bool gradient, bool half) {
    for (size_t row = job->first; row < job->end; row += RUN)
        for (size_t c = 0; c < job->channels; c += TILE)
            sum_tile(job, row, smaller(RUN, job->end - row), c, smaller(TILE, job->channels - c),
                     gradient, half);
}

FOR_AVX512_TOO static void sum_values_half(const sums_job *job) {
    sum_piece(job, false, true);
}
FOR_AVX512_TOO static void sum_values_float(const sums_job *job) {
    sum_piece(job, false, false);
}
FOR_AVX512_TOO static void sum_gradients_half(const sums_job *job) {
    sum_piece(job, true, true);
}
FOR_AVX512_TOO static void sum_gradients_float(const sums_job *job) {
    sum_piece(job, true, false);
}

/* Of all pieces, in their order: out is [2, channels]. */
static bool sum(norm_shape shape, sums_job job, void (*work)(const sums_job *), double *out) {
    const size_t width = 2 * shape.channels;
    double *partial = calloc(PIECES * width, sizeof *partial);
    if (!partial) return false;
    job.channels = shape.channels;
#pragma omp parallel for schedule(static)
    for (size_t piece = 0; piece < PIECES; piece++) {
        sums_job part = job;
        part.first = piece_start(shape, piece);
        part.end = piece_start(shape, piece + 1);
        part.sums = partial + piece * width;
        work(&part);
    }
    memset(out, 0, width * sizeof *out);
    for (size_t piece = 0; piece < PIECES; piece++)
        for (size_t i = 0; i < width; i++) out[i] += partial[piece * width + i];
    free(partial);
    return true;
}

/* Squares are summed about the first row, so that they do not drown in that of the mean. */
bool norm_statistics(norm_shape shape, const void *x, float *mean, float *variance) {
    const size_t channels = shape.channels;
    double *sums = malloc(2 * channels * sizeof *sums);
    float *origin = malloc(channels * sizeof *origin);
    bool made = sums && origin;
    for (size_t c = 0; made && c < channels; c++) origin[c] = get(x, c, shape.bfloat16);
    made = made && sum(shape, (sums_job){.x = x, .origin = origin},
                       shape.bfloat16 ? sum_values_half : sum_values_float, sums);
    for (size_t c = 0; made && c < channels; c++) {
        double shift = sums[c] / (double)shape.rows,
               square = sums[channels + c] / (double)shape.rows;
        mean[c] = (float)((double)origin[c] + shift);
        double spread = square - shift * shift;
        variance[c] = (float)(spread < 0 ? 0 : spread); /* NaN stays */
    }
    free(sums);
    free(origin);
    return made;
}

bool norm_backward_sums(norm_shape shape, const void *dy, const void *more, const void *y,
                        const void *x, const float *mean, void *g, float *sum_g, float *sum_gx) {
    double *sums = malloc(2 * shape.channels * sizeof *sums);
    bool made =
        sums &&
        sum(shape, (sums_job){.dy = dy, .more = more, .y = y, .x = x, .origin = mean, .g = g},
            shape.bfloat16 ? sum_gradients_half : sum_gradients_float, sums);
    for (size_t c = 0; made && c < shape.channels; c++) {
        sum_g[c] = (float)sums[c];
        sum_gx[c] = (float)sums[shape.channels + c];
    }
    free(sums);
    return made;
}

/* --- Element by element --- */

typedef struct map_job {
    size_t first, end, channels; /* rows */
    const void *x, *other; /* other: the residual, or the gradient */
    const void *more; /* of ReLU's gradient */
    const float *mean, *a, *b, *c;
    void *out;
} map_job;

INLINE void forward_rows(const map_job *job, bool relu, bool half) {
    for (size_t r = job->first; r < job->end; r++) {
        const size_t at = r * job->channels;
        for (size_t c = 0; c < job->channels; c++) {
            float y = get(job->x, at + c, half) * job->a[c] + job->b[c];
            if (job->other) y += get(job->other, at + c, half);
            put(job->out, at + c, relu && y < 0 ? 0 : y, half); /* NaN stays */
        }
    }
}

INLINE void backward_rows(const map_job *job, bool half) {
    for (size_t r = job->first; r < job->end; r++) {
        const size_t at = r * job->channels;
        for (size_t c = 0; c < job->channels; c++) {
            float x = get(job->x, at + c, half) - job->mean[c], g = get(job->other, at + c, half);
            put(job->out, at + c, job->a[c] * g + job->b[c] * x + job->c[c], half);
        }
    }
}

FOR_AVX512_TOO static void forward_half(const map_job *job) {
    forward_rows(job, false, true);
}
FOR_AVX512_TOO static void forward_float(const map_job *job) {
    forward_rows(job, false, false);
}
FOR_AVX512_TOO static void forward_relu_half(const map_job *job) {
    forward_rows(job, true, true);
}
FOR_AVX512_TOO static void forward_relu_float(const map_job *job) {
    forward_rows(job, true, false);
}
FOR_AVX512_TOO static void backward_half(const map_job *job) {
    backward_rows(job, true);
}
FOR_AVX512_TOO static void backward_float(const map_job *job) {
    backward_rows(job, false);
}

static void map(norm_shape shape, map_job job, void (*work)(const map_job *)) {
    job.channels = shape.channels;
#pragma omp parallel for schedule(static)
    for (size_t piece = 0; piece < PIECES; piece++) {
        map_job part = job;
        part.first = piece_start(shape, piece);
        part.end = piece_start(shape, piece + 1);
        work(&part);
    }
}

void norm_forward(norm_shape shape, const void *x, const float *scale, const float *shift,
                  const void *residual, bool relu, void *y) {
    void (*const works[2][2])(const map_job *) = {{forward_float, forward_half},
                                                  {forward_relu_float, forward_relu_half}};
    map(shape, (map_job){.x = x, .other = residual, .a = scale, .b = shift, .out = y},
        works[relu][shape.bfloat16]);
}

void norm_backward(norm_shape shape, const void *g, const void *x, const float *mean,
                   const float *a, const float *b, const float *c, void *dx) {
    map(shape, (map_job){.x = x, .other = g, .mean = mean, .a = a, .b = b, .c = c, .out = dx},
        shape.bfloat16 ? backward_half : backward_float);
}

/* As one row of many channels, of which a piece is as many elements. */
INLINE void relu_backward_elements(const map_job *job, bool half) {
    mask(job->other, job->more, job->x, job->first, job->end, job->out, half);
}

FOR_AVX512_TOO static void relu_backward_half(const map_job *job) {
    relu_backward_elements(job, true);
}
FOR_AVX512_TOO static void relu_backward_float(const map_job *job) {
    relu_backward_elements(job, false);
}

void relu_backward(size_t elements, bool bfloat16, const void *dy, const void *more, const void *y,
                   void *g) {
    map((norm_shape){elements, 1, bfloat16}, (map_job){.x = y, .other = dy, .more = more, .out = g},
        bfloat16 ? relu_backward_half : relu_backward_float);
}
