/* Gives standardised scores the scale of the encoder's own probabilities. */
#include "base/maths.h"
#include "label/pipeline.h"

#include <math.h>
#include <stdlib.h>

/* Two numbers are fitted: more rows would not change them. */
enum { MOST_ROWS = 65536 };

cdul_status cdul_reference_open(cdul_reference *reference, size_t n, size_t c, cdul_error *err) {
    if (isnan(reference->options.temperature)) return CDUL_OK;
    reference->every = (n + MOST_ROWS - 1) / MOST_ROWS;
    reference->rows = calloc(n / reference->every + 1, c * sizeof *reference->rows);
    return reference->rows ? CDUL_OK : cdul_fail_memory(err, "labels to calibrate with");
}

void cdul_reference_free(cdul_reference *reference) { free(reference->rows); }

void cdul_reference_row(const cdul_reference *reference, size_t i, const float *cosines, size_t s,
                        size_t columns, float *scratch) {
    if (!reference->rows || i % reference->every != 0) return;
    const size_t c = columns - reference->options.background;
    cdul_aggregate(&reference->options, cosines, s, columns, scratch,
                   reference->rows + i / reference->every * c);
}

/* A step of Newton's method for the logistic regression of the targets on the logits of `labels`:
 * changes a and b, returns by how much. */
static double step(const cdul_reference *reference, const float *labels, size_t n, size_t c,
                   double *a, double *b) {
    double ga = 0, gb = 0, haa = 0, hab = 0, hbb = 0;
#pragma omp parallel for reduction(+ : ga, gb, haa, hab, hbb) schedule(static)
    for (size_t i = 0; i < n; i += reference->every)
        for (size_t j = 0; j < c; j++) {
            const double z = cdul_logit(labels[i * c + j], 1e-7);
            const double p = cdul_sigmoid(*a * z + *b), w = p * (1 - p);
            const double g = p - reference->rows[i / reference->every * c + j];
            ga += g * z;
            gb += g;
            haa += w * z * z;
            hab += w * z;
            hbb += w;
        }
    const double determinant = haa * hbb - hab * hab;
    if (!(determinant > 0)) return *a = 0; /* all logits are equal */
    const double da = (hbb * ga - hab * gb) / determinant, db = (haa * gb - hab * ga) / determinant;
    *a -= da;
    *b -= db;
    return fabs(da) + fabs(db);
}

void cdul_reference_calibrate(const cdul_reference *reference, float *labels, size_t n, size_t c,
                              double *scale) {
    double a = 0, b = 0, sum = 0, rows = 0;
    for (size_t i = 0; i < n; i += reference->every, rows++)
        for (size_t j = 0; j < c; j++) sum += reference->rows[i / reference->every * c + j];
    b = cdul_logit(sum / (rows * (double)c), 1e-7);
    for (int i = 0; i < 50 && step(reference, labels, n, c, &a, &b) > 1e-9; i++) continue;
    *scale = isfinite(a) && isfinite(b) ? a : 0;
    if (!(*scale > 0)) return;
    for (size_t i = 0; i < n * c; i++)
        labels[i] = (float)cdul_sigmoid(a * cdul_logit(labels[i], 1e-7) + b);
}
