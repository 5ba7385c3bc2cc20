/* Cosines of image embeddings and class vectors (unit vectors all): a matrix product. */
#include "cdul/label.h"

#include "base/machine.h"
#include "cdul/versions.h"

#include <stdlib.h>

/* Four embeddings meet 32 classes (two registers of 16 floats) at a time: eight independent sums.
 * The classes are padded to a multiple of 32, so that the inner loop has no tail. */
enum { LANES = 32, ROWS = 4 };

cdul_status cdul_class_vectors_pack(const float *vectors, size_t c, size_t d,
                                    cdul_class_vectors *out, cdul_error *err) {
    size_t stride = (c + LANES - 1) / LANES * LANES;
    if (c == 0 || d == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "class vectors are empty: [%zu, %zu]", c, d);
    float *transposed = calloc(d, stride * sizeof *transposed);
    if (!transposed) return cdul_fail_memory(err, "class vectors");
    for (size_t i = 0; i < c; i++)
        for (size_t j = 0; j < d; j++) transposed[j * stride + i] = vectors[i * d + j];
    *out = (cdul_class_vectors){.c = c, .d = d, .stride = stride, .transposed = transposed};
    return CDUL_OK;
}

void cdul_class_vectors_free(cdul_class_vectors *vectors) {
    if (!vectors) return;
    free(vectors->transposed);
    *vectors = (cdul_class_vectors){0};
}

/* Cosines of ROWS embeddings and LANES classes. The sums stay in registers, and each class value is
 * loaded once for ROWS products. */
FOR_AVX512_TOO static void block(const cdul_class_vectors *v, const float *const rows[ROWS],
                                 size_t first_class, float out[ROWS][LANES]) {
    float sum[ROWS][LANES] = {{0}};
    const float *column = v->transposed + first_class;
    for (size_t j = 0; j < v->d; j++, column += v->stride)
        for (int r = 0; r < ROWS; r++)
            for (int lane = 0; lane < LANES; lane++) sum[r][lane] += rows[r][j] * column[lane];
    for (int r = 0; r < ROWS; r++)
        for (int lane = 0; lane < LANES; lane++) out[r][lane] = sum[r][lane];
}

void cdul_similarity(const cdul_class_vectors *v, const float *embeddings, size_t m,
                     float *cosines) {
    for (size_t first = 0; first < m; first += ROWS) {
        size_t rows_left = m - first < ROWS ? m - first : ROWS;
        const float *rows[ROWS];
        /* A short last block repeats its last row and drops the result. */
        for (size_t r = 0; r < ROWS; r++)
            rows[r] = embeddings + (first + (r < rows_left ? r : rows_left - 1)) * v->d;
        for (size_t i = 0; i < v->c; i += LANES) {
            float out[ROWS][LANES];
            block(v, rows, i, out);
            size_t lanes = v->c - i < LANES ? v->c - i : LANES;
            for (size_t r = 0; r < rows_left; r++)
                for (size_t lane = 0; lane < lanes; lane++)
                    cosines[(first + r) * v->c + i + lane] = out[r][lane];
        }
    }
}

void cdul_similarity_of_words(float *cosines, size_t m, size_t rows, const size_t *class_of,
                              size_t c) {
    for (size_t i = 0; i < m; i++) {
        const float *from = cosines + i * rows;
        /* In place: c <= rows, so `to` never overtakes what is still to be read. */
        float *to = cosines + i * c;
        for (size_t r = 0; r < rows; r++) {
            bool first = r == 0 || class_of[r] != class_of[r - 1];
            to[class_of[r]] = first || from[r] > to[class_of[r]] ? from[r] : to[class_of[r]];
        }
    }
}

void cdul_label_versions(FILE *out) { fprintf(out, "OpenMP %d\n", _OPENMP); }
