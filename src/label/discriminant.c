/* Keeps the surest views of each class, and fits the Gaussian discriminant to them. */
#include "label/discriminant.h"

#include "base/map.h"
#include "base/maths.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct view {
    double entropy;
    size_t order; /* views looked at before */
    float p; /* of the class that it is kept for */
    float *vector; /* [D] */
} view;

/* The views of a class, a heap with the least sure on top; and one where the class is likeliest,
 * for want of others. */
typedef struct kept {
    view *views;
    size_t count, capacity;
    view likeliest;
} kept;

struct cdul_discriminant {
    size_t c, d, most;
    size_t looked; /* at so many views */
    kept *classes; /* [C] */
    double *p; /* [C] scratch */
};

cdul_status cdul_discriminant_new(size_t c, size_t d, size_t most, cdul_discriminant **out,
                                  cdul_error *err) {
    cdul_discriminant *new = calloc(1, sizeof *new);
    if (!new) return cdul_fail_memory(err, "discriminant");
    *new = (cdul_discriminant){.c = c, .d = d, .most = most};
    new->classes = calloc(c, sizeof *new->classes);
    new->p = malloc(c * sizeof *new->p);
    if (!new->classes || !new->p) {
        cdul_discriminant_free(new);
        return cdul_fail_memory(err, "discriminant");
    }
    *out = new;
    return CDUL_OK;
}

void cdul_discriminant_free(cdul_discriminant *discriminant) {
    if (!discriminant) return;
    for (size_t i = 0; discriminant->classes && i < discriminant->c; i++) {
        kept *class = &discriminant->classes[i];
        for (size_t k = 0; k < class->count; k++) free(class->views[k].vector);
        free(class->views);
        free(class->likeliest.vector);
    }
    free(discriminant->classes);
    free(discriminant->p);
    free(discriminant);
}

/* --- Looking --- */

/* p = softmax(z), z the standardised cosines; returns its entropy in nats. */
static double probabilities(const float *cosines, size_t c, double *p) {
    double mean, deviation, total = 0, entropy = 0;
    cdul_mean_deviation(cosines, c, &mean, &deviation);
    /* |z| is at most sqrt(C): no overflow */
    for (size_t i = 0; i < c; i++) total += p[i] = exp(cdul_z_score(cosines[i], mean, deviation));
    for (size_t i = 0; i < c; i++) entropy -= cdul_x_log_x(p[i] /= total);
    return entropy;
}

static bool less_sure(const view *a, const view *b) {
    return a->entropy > b->entropy || (a->entropy == b->entropy && a->order > b->order);
}

/* Moves views[at] down to where no child is less sure. */
static void sink_down(view *views, size_t count, size_t at) {
    for (;;) {
        size_t top = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (less_sure(&views[child], &views[top])) top = child;
        if (top == at) return;
        view swapped = views[at];
        views[at] = views[top];
        views[at = top] = swapped;
    }
}

static void rise(view *views, size_t at) {
    for (; at > 0 && less_sure(&views[at], &views[(at - 1) / 2]); at = (at - 1) / 2) {
        view swapped = views[at];
        views[at] = views[(at - 1) / 2];
        views[(at - 1) / 2] = swapped;
    }
}

/* Replaces what `to` holds; its vector's memory is used again. */
static cdul_status copy_view(view *to, const view *from, size_t d, cdul_error *err) {
    float *vector = to->vector ? to->vector : malloc(d * sizeof *vector);
    if (!vector) return cdul_fail_memory(err, "views of the discriminant");
    memcpy(vector, from->vector, d * sizeof *vector);
    *to = *from;
    to->vector = vector;
    return CDUL_OK;
}

static cdul_status keep(kept *class, const view *found, size_t most, size_t d, cdul_error *err) {
    if (class->count == most) {
        if (!less_sure(&class->views[0], found)) return CDUL_OK;
        cdul_status status = copy_view(&class->views[0], found, d, err);
        if (status == CDUL_OK) sink_down(class->views, class->count, 0);
        return status;
    }
    cdul_status status = cdul_grow(&class->views, class->count + 1, &class->capacity,
                                   sizeof *class->views, "views of the discriminant", err);
    if (status != CDUL_OK) return status;
    class->views[class->count] = (view){0};
    status = copy_view(&class->views[class->count], found, d, err);
    if (status == CDUL_OK) rise(class->views, class->count++);
    return status;
}

cdul_status cdul_discriminant_look(cdul_discriminant *discriminant, const float *vector,
                                   const float *cosines, cdul_error *err) {
    const size_t c = discriminant->c, d = discriminant->d;
    double *p = discriminant->p;
    view found = {.entropy = probabilities(cosines, c, p),
                  .order = discriminant->looked++,
                  .vector = (float *)(uintptr_t)vector};
    size_t likeliest = 0;
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < c && status == CDUL_OK; i++) {
        view *best = &discriminant->classes[i].likeliest;
        found.p = (float)p[i];
        if (p[i] > p[likeliest]) likeliest = i;
        if (!best->vector || found.p > best->p) status = copy_view(best, &found, d, err);
    }
    found.p = (float)p[likeliest];
    return status == CDUL_OK
               ? keep(&discriminant->classes[likeliest], &found, discriminant->most, d, err)
               : status;
}

/* --- Fitting --- */

/* The views that class `i` is fitted to. */
static const view *views_of(const cdul_discriminant *discriminant, size_t i, size_t *count) {
    const kept *class = &discriminant->classes[i];
    *count = class->count ? class->count : 1;
    return class->count ? class->views : &class->likeliest;
}

/* means [C, D]: sum p f / sum p. */
static void fit_means(const cdul_discriminant *discriminant, double *means) {
    const size_t d = discriminant->d;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < discriminant->c; i++) {
        size_t count;
        const view *views = views_of(discriminant, i, &count);
        double *mean = means + i * d, mass = 0;
        memset(mean, 0, d * sizeof *mean);
        for (size_t k = 0; k < count; k++) {
            mass += views[k].p;
            for (size_t j = 0; j < d; j++) mean[j] += (double)views[k].p * views[k].vector[j];
        }
        for (size_t j = 0; j < d; j++) mean[j] /= mass;
    }
}

/* Adds rows' rows to the lower triangle of a [D, D]. A few rows of `a` stay in the cache while all
 * deviations [n, D] pass. */
enum { STRIP = 8 };

static void add_scatter(const float *deviations, size_t n, size_t d, double *a) {
#pragma omp parallel for schedule(dynamic)
    for (size_t first = 0; first < d; first += STRIP) {
        const size_t end = first + STRIP < d ? first + STRIP : d;
        for (size_t k = 0; k < n; k++) {
            const float *row = deviations + k * d;
            for (size_t i = first; i < end; i++)
                for (size_t j = 0; j < end; j++) a[i * d + j] += (double)row[i] * row[j];
        }
    }
}

/* A = (n - 1) S + trace(S) I in the lower triangle of a [D, D], all zero before. */
static cdul_status fit_scatter(const cdul_discriminant *discriminant, const double *means,
                               double *a, cdul_error *err) {
    const size_t d = discriminant->d;
    size_t n = 0;
    float *deviations = malloc((discriminant->most + 1) * d * sizeof *deviations);
    if (!deviations) return cdul_fail_memory(err, "discriminant");
    for (size_t i = 0; i < discriminant->c; i++) {
        size_t count;
        const view *views = views_of(discriminant, i, &count);
        for (size_t k = 0; k < count; k++)
            for (size_t j = 0; j < d; j++)
                deviations[k * d + j] = (float)(views[k].vector[j] - means[i * d + j]);
        add_scatter(deviations, count, d, a);
        n += count;
    }
    free(deviations);
    double trace = 0;
    for (size_t j = 0; j < d; j++) trace += a[j * d + j];
    /* views that do not differ within their classes leave the means to decide */
    const double ridge = n > 1 && trace > 0 ? trace / (double)(n - 1) : 1;
    for (size_t j = 0; j < d; j++) a[j * d + j] += ridge;
    return CDUL_OK;
}

static double dot(const double *x, const double *y, size_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < n; j++) sum += x[j] * y[j];
    return sum;
}

/* Cholesky: A = L L', in the lower triangle in place. The ridge keeps A positive definite. */
static void factorise(double *a, size_t d) {
    for (size_t j = 0; j < d; j++) {
        double *row = a + j * d;
        row[j] = sqrt(row[j] - dot(row, row, j));
#pragma omp parallel for schedule(static)
        for (size_t i = j + 1; i < d; i++)
            a[i * d + j] = (a[i * d + j] - dot(a + i * d, row, j)) / row[j];
    }
}

/* x [D] <- A^-1 x by the factor L. */
static void solve(const double *l, size_t d, double *x) {
    for (size_t i = 0; i < d; i++) x[i] = (x[i] - dot(l + i * d, x, i)) / l[i * d + i];
    for (size_t i = d; i-- > 0;) {
        x[i] /= l[i * d + i];
        for (size_t j = 0; j < i; j++) x[j] -= x[i] * l[i * d + j];
    }
}

cdul_status cdul_discriminant_fit(const cdul_discriminant *discriminant, float *w, float *b,
                                  cdul_error *err) {
    const size_t c = discriminant->c, d = discriminant->d;
    double *means = malloc(2 * c * d * sizeof *means), *a = calloc(d * d, sizeof *a);
    cdul_status status =
        means && a ? CDUL_OK : cdul_fail_memory(err, "the discriminant's covariance");
    if (status == CDUL_OK) {
        fit_means(discriminant, means);
        status = fit_scatter(discriminant, means, a, err);
    }
    if (status == CDUL_OK) {
        factorise(a, d);
        double *solved = means + c * d;
        memcpy(solved, means, c * d * sizeof *solved);
#pragma omp parallel for schedule(dynamic)
        for (size_t i = 0; i < c; i++) {
            double *x = solved + i * d;
            solve(a, d, x);
            for (size_t j = 0; j < d; j++) w[i * d + j] = (float)x[j];
            b[i] = (float)(-0.5 * dot(means + i * d, x, d));
        }
    }
    free(means);
    free(a);
    return status;
}
