/* Computes the measures of multi-label classification, of each class and over all classes. */
#include "base/machine.h"
#include "cdul/eval.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

cdul_metrics_options cdul_metrics_defaults(void) {
    return (cdul_metrics_options){
        .difficult = CDUL_DIFFICULT_IGNORE, .ap = CDUL_AP_AREA, .threshold = 0.5, .top = 3};
}

/* --- The ranking of one class --- */

/* The bits of the float score, which sort like scores >= 0, above its truth bit. Scores in [0, 1]
 * give 31 bits, which three radix passes of 11 bits sort. */
typedef uint32_t entry;
#define PASSES     3
#define RADIX_BITS 11
#define RADIX      (1u << RADIX_BITS)

static entry entry_make(float score, bool positive) {
    uint32_t bits;
    score += 0.0f; /* turns -0 into +0 */
    memcpy(&bits, &score, sizeof bits);
    return bits << 1 | (positive ? 1u : 0u);
}

static float entry_score(entry e) {
    uint32_t bits = e >> 1;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* Sorts by falling score. `scratch` holds `count` entries as well. */
static void sort_entries(entry *entries, entry *scratch, size_t count) {
    entry *from = entries, *to = scratch;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        unsigned shift = pass * RADIX_BITS;
        size_t place[RADIX] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++) place[(from[i] >> shift) & (RADIX - 1)]++;
        /* The highest digit first, for falling order. */
        for (unsigned digit = RADIX; digit-- > 0;) {
            size_t held = place[digit];
            place[digit] = sum;
            sum += held;
        }
        for (size_t i = 0; i < count; i++) to[place[(from[i] >> shift) & (RADIX - 1)]++] = from[i];
        entry *swap = from;
        from = to;
        to = swap;
    }
    /* After an odd number of passes the result lies in `scratch`. */
    memcpy(entries, from, count * sizeof *entries);
}

/* AP = sum_n (R_n - R_{n-1}) P_n over the distinct scores n. */
static double area(const entry *entries, size_t count, size_t positives) {
    double sum = 0;
    size_t hits = 0;
    for (size_t i = 0; i < count && hits < positives;) {
        size_t before = hits;
        entry score = entries[i] >> 1;
        while (i < count && entries[i] >> 1 == score) hits += entries[i++] & 1u;
        sum += (double)(hits - before) * ((double)hits / (double)i);
    }
    return sum / (double)positives;
}

/* Interpolated precision is the best precision at this recall or a higher one. The distinct scores
 * are walked from the lowest up (falling recall), so `best` is a running maximum. */
static double interpolated(const entry *entries, size_t count, size_t positives, bool eleven) {
    double best = 0, sum = 0;
    size_t point = 11, hits = positives; /* recall points point/10 .. 1 are settled */
    for (size_t end = count; end > 0;) {
        size_t first = end, gained = 0;
        entry score = entries[end - 1] >> 1;
        while (first > 0 && entries[first - 1] >> 1 == score) gained += entries[--first] & 1u;
        /* Points above this recall take the best so far. Compared in whole numbers, as 3/10 must
         * not miss the point 0.3 by rounding. */
        for (; eleven && point > 0 && (point - 1) * positives > hits * 10; point--) sum += best;
        best = fmax(best, (double)hits / (double)end);
        if (!eleven) sum += (double)gained * best;
        hits -= gained;
        end = first;
    }
    if (!eleven) return sum / (double)positives;
    return (sum + (double)point * best) / 11.0;
}

/* Average precision in [0, 1] of sorted entries; equal scores are one step. NaN if none is
 * positive, as there is nothing to rank then. */
static double average_precision(const entry *entries, size_t count, size_t positives, cdul_ap ap) {
    if (positives == 0) return NAN;
    if (ap == CDUL_AP_AREA) return area(entries, count, positives);
    return interpolated(entries, count, positives, ap == CDUL_AP_11POINT);
}

/* --- Scores and truth --- */

/* How a truth value is counted. */
typedef enum judgement { NEGATIVE = 0, POSITIVE = 1, LEFT_OUT } judgement;

typedef struct problem {
    const float *scores;
    const cdul_matched *matched;
    const cdul_metrics_options *options;
} problem;

static float score_at(const problem *p, size_t i, size_t c) {
    return p->scores[p->matched->rows[i] * p->matched->classes + c];
}

static judgement judgement_at(const problem *p, size_t i, size_t c) {
    const uint8_t truth = p->matched->values[i * p->matched->classes + c];
    const cdul_difficult difficult = p->options->difficult;
    if (truth != CDUL_DIFFICULT) return truth == CDUL_PRESENT ? POSITIVE : NEGATIVE;
    if (difficult == CDUL_DIFFICULT_IGNORE) return LEFT_OUT;
    return difficult == CDUL_DIFFICULT_POSITIVE ? POSITIVE : NEGATIVE;
}

/* --- One class --- */

/* Sums -log p as the logarithm of a product, taken every few dozen terms, which is faster. Factors
 * are at least 1e-7, so the product stays far above the smallest double. */
typedef struct log_sum {
    double sum, product;
} log_sum;

static void add_log(log_sum *logs, double score, bool positive) {
    double low = score < CDUL_LOG_CLAMP ? CDUL_LOG_CLAMP : score;
    double p = low > 1.0 - CDUL_LOG_CLAMP ? 1.0 - CDUL_LOG_CLAMP : low;
    logs->product *= positive ? p : 1.0 - p;
    if (logs->product < 1e-250) {
        logs->sum -= log(logs->product);
        logs->product = 1;
    }
}

/* BLOCK classes and CHUNK images are measured at a time, so that the score matrix is read by whole
 * cache lines. */
#define BLOCK 8
#define CHUNK 512

typedef struct running {
    entry *entries; /* [n], for the ranking */
    log_sum logs;
    double squares, total;
} running;

/* Counts images first .. end - 1 for class c; false if a score is not in [0, 1]. */
static bool add_images(const problem *p, size_t c, size_t first, size_t end, running *sums,
                       cdul_class_metrics *out) {
    for (size_t i = first; i < end; i++) {
        float score = score_at(p, i, c);
        if (!(score >= 0.0f && score <= 1.0f)) return false;
        sums->total += (double)score;
        judgement is = judgement_at(p, i, c);
        if (is == LEFT_OUT) continue;
        bool positive = is == POSITIVE, picked = (double)score >= p->options->threshold;
        double error = (double)score - (positive ? 1.0 : 0.0);
        sums->entries[out->entries++] = entry_make(score, positive);
        sums->squares += error * error;
        add_log(&sums->logs, (double)score, positive);
        out->positives += positive;
        out->predicted += picked;
        out->true_positives += picked && positive;
        size_t b = (size_t)((double)score * CDUL_ECE_BINS);
        cdul_bin *bin = &out->bins[b < CDUL_ECE_BINS ? b : CDUL_ECE_BINS - 1];
        bin->count++;
        bin->score_sum += (double)score;
        bin->positives += positive;
    }
    return true;
}

static void finish_class(const problem *p, const running *sums, entry *scratch,
                         cdul_class_metrics *out) {
    out->bce = (sums->logs.sum - log(sums->logs.product)) / (double)out->entries;
    out->brier = sums->squares / (double)out->entries;
    out->mass = sums->total / (double)p->matched->images;
    sort_entries(sums->entries, scratch, out->entries);
    out->ap = average_precision(sums->entries, out->entries, out->positives, p->options->ap);
}

/* Classes first .. end - 1. `memory` holds (BLOCK + 1) x n entries. */
static bool measure_block(const problem *p, size_t first, size_t end, entry *memory,
                          cdul_class_metrics *per_class) {
    size_t n = p->matched->images;
    running sums[BLOCK];
    for (size_t k = 0; k < BLOCK; k++)
        sums[k] = (running){.entries = memory + k * n, .logs = {0, 1}};
    for (size_t i = 0; i < n; i += CHUNK)
        for (size_t c = first; c < end; c++)
            if (!add_images(p, c, i, i + CHUNK < n ? i + CHUNK : n, &sums[c - first],
                            &per_class[c]))
                return false;
    for (size_t c = first; c < end; c++)
        finish_class(p, &sums[c - first], memory + BLOCK * n, &per_class[c]);
    return true;
}

static cdul_status measure_classes(const problem *p, cdul_class_metrics *per_class,
                                   cdul_error *err) {
    size_t n = p->matched->images, classes = p->matched->classes, threads = p->options->threads;
    if (n > UINT32_MAX) return cdul_fail(err, CDUL_ERR_INPUT, "more than 2^32 images");
    entry *memory = calloc(n, threads * (BLOCK + 1) * sizeof *memory);
    if (!memory) return cdul_fail_memory(err, "ranking");
    bool good = true;
#pragma omp parallel for schedule(dynamic) num_threads((int)threads) reduction(&& : good)
    for (size_t first = 0; first < classes; first += BLOCK) {
        entry *own = memory + (size_t)omp_get_thread_num() * (BLOCK + 1) * n;
        size_t end = first + BLOCK < classes ? first + BLOCK : classes;
        good = measure_block(p, first, end, own, per_class) && good;
    }
    free(memory);
    if (good) return CDUL_OK;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < classes; c++)
            if (!(score_at(p, i, c) >= 0.0f && score_at(p, i, c) <= 1.0f))
                return cdul_fail(err, CDUL_ERR_INPUT,
                                 "score %g of image %zu, class %zu is not a number in [0, 1]",
                                 (double)score_at(p, i, c), p->matched->rows[i] + 1, c + 1);
    return CDUL_OK;
}

/* --- The k best of each image --- */

#define NONE UINT32_MAX

/* The k classes of highest score of `scores` [C] into best [k], best first; of equal ones the first
 * class wins. A score of 0 is never picked: files of picked classes have it for all others. */
static void select_top(const float *scores, size_t classes, size_t k, uint32_t *best) {
    size_t held = 0;
    for (size_t c = 0; c < classes; c++) {
        if (scores[c] <= 0.0f || (held == k && scores[c] <= scores[best[k - 1]])) continue;
        size_t at = held < k ? held++ : k - 1;
        for (; at > 0 && scores[c] > scores[best[at - 1]]; at--) best[at] = best[at - 1];
        best[at] = (uint32_t)c;
    }
    while (held < k) best[held++] = NONE;
}

static cdul_status count_top(const problem *p, cdul_class_metrics *per_class, cdul_error *err) {
    size_t n = p->matched->images, classes = p->matched->classes;
    size_t k = p->options->top < classes ? p->options->top : classes;
    if (k == 0) return CDUL_OK;
    uint32_t *best = calloc(n, k * sizeof *best);
    if (!best) return cdul_fail_memory(err, "best classes of each image");
#pragma omp parallel for num_threads((int)p->options->threads)
    for (size_t i = 0; i < n; i++)
        select_top(p->scores + p->matched->rows[i] * classes, classes, k, best + i * k);
    for (size_t i = 0; i < n * k; i++) {
        if (best[i] == NONE) continue;
        judgement is = judgement_at(p, i / k, best[i]);
        if (is == LEFT_OUT) continue;
        per_class[best[i]].top_predicted++;
        per_class[best[i]].top_true_positives += is == POSITIVE;
    }
    free(best);
    return CDUL_OK;
}

/* --- All classes --- */

static double harmonic(double a, double b) { return a + b > 0 ? 2 * a * b / (a + b) : 0; }

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/* CP and CR are means of precision and recall over the classes with a positive (precision 0 if the
 * class is never predicted). OP and OR come from the counts of all classes together. */
static cdul_f1 summarise_f1(const cdul_class_metrics *per_class, size_t classes, bool top) {
    cdul_f1 f1 = {0};
    size_t counted = 0, hits = 0, predicted = 0, positives = 0;
    for (size_t c = 0; c < classes; c++) {
        const cdul_class_metrics *m = &per_class[c];
        size_t class_hits = top ? m->top_true_positives : m->true_positives;
        size_t class_predicted = top ? m->top_predicted : m->predicted;
        hits += class_hits;
        predicted += class_predicted;
        positives += m->positives;
        if (m->positives == 0) continue;
        counted++;
        f1.cp += ratio((double)class_hits, (double)class_predicted);
        f1.cr += ratio((double)class_hits, (double)m->positives);
    }
    f1.cp = ratio(f1.cp, (double)counted);
    f1.cr = ratio(f1.cr, (double)counted);
    f1.cf1 = harmonic(f1.cp, f1.cr);
    f1.op = ratio((double)hits, (double)predicted);
    f1.or_ = ratio((double)hits, (double)positives);
    f1.of1 = harmonic(f1.op, f1.or_);
    return f1;
}

static void summarise(cdul_metrics *m) {
    double ap = 0, bce = 0, squares = 0;
    size_t positives = 0;
    for (size_t c = 0; c < m->classes; c++) {
        const cdul_class_metrics *one = &m->per_class[c];
        m->mass += one->mass;
        m->entries += one->entries;
        positives += one->positives;
        if (one->positives) {
            m->classes_with_positives++;
            ap += one->ap;
        }
        if (one->entries) {
            bce += one->bce * (double)one->entries;
            squares += one->brier * (double)one->entries;
        }
        for (size_t b = 0; b < CDUL_ECE_BINS; b++) {
            m->bins[b].count += one->bins[b].count;
            m->bins[b].score_sum += one->bins[b].score_sum;
            m->bins[b].positives += one->bins[b].positives;
        }
    }
    m->ignored = m->images * m->classes - m->entries;
    m->map = m->classes_with_positives ? ap / (double)m->classes_with_positives : NAN;
    m->bce = bce / (double)m->entries;
    m->brier = squares / (double)m->entries;
    for (size_t b = 0; b < CDUL_ECE_BINS; b++)
        m->ece += fabs(m->bins[b].score_sum - (double)m->bins[b].positives);
    m->ece /= (double)m->entries;
    m->truth_mass = (double)positives / (double)m->images;
    m->at_threshold = summarise_f1(m->per_class, m->classes, false);
    m->at_top = summarise_f1(m->per_class, m->classes, true);
}

cdul_status cdul_metrics_compute(const float *scores, const cdul_matched *matched,
                                 const cdul_metrics_options *options, cdul_metrics *out,
                                 cdul_error *err) {
    if (matched->images == 0 || matched->classes == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "nothing to evaluate: %zu images, %zu classes",
                         matched->images, matched->classes);
    cdul_metrics_options settled = *options;
    settled.threads = cdul_threads(options->threads);
    const problem p = {scores, matched, &settled};
    *out = (cdul_metrics){.images = matched->images, .classes = matched->classes};
    out->per_class = calloc(matched->classes, sizeof *out->per_class);
    cdul_status status = out->per_class ? CDUL_OK : cdul_fail_memory(err, "measures of each class");
    if (status == CDUL_OK) status = measure_classes(&p, out->per_class, err);
    if (status == CDUL_OK) status = count_top(&p, out->per_class, err);
    if (status == CDUL_OK)
        summarise(out);
    else
        cdul_metrics_free(out);
    return status;
}

void cdul_metrics_free(cdul_metrics *metrics) {
    if (!metrics) return;
    free(metrics->per_class);
    *metrics = (cdul_metrics){0};
}

/* --- Curves --- */

cdul_status cdul_curve_compute(const float *scores, const cdul_matched *matched, size_t class_index,
                               cdul_difficult difficult, cdul_curve *out, cdul_error *err) {
    cdul_metrics_options options = cdul_metrics_defaults();
    options.difficult = difficult;
    const problem p = {scores, matched, &options};
    size_t n = matched->images, count = 0, positives = 0, hits = 0;
    entry *entries = calloc(n ? n : 1, 2 * sizeof *entries);
    *out = (cdul_curve){.points = calloc(n ? n : 1, sizeof *out->points)};
    if (!entries || !out->points) {
        free(entries);
        cdul_curve_free(out);
        return cdul_fail_memory(err, "precision-recall curve");
    }
    for (size_t i = 0; i < n; i++) {
        judgement is = judgement_at(&p, i, class_index);
        if (is == LEFT_OUT) continue;
        entries[count++] = entry_make(score_at(&p, i, class_index), is == POSITIVE);
        positives += is == POSITIVE;
    }
    sort_entries(entries, entries + n, count);
    for (size_t i = 0; i < count; i++) {
        hits += entries[i] & 1u;
        if (i + 1 < count && entries[i] >> 1 == entries[i + 1] >> 1) continue;
        out->points[out->count++] =
            (cdul_curve_point){.recall = ratio((double)hits, (double)positives),
                               .precision = (double)hits / (double)(i + 1),
                               .threshold = entry_score(entries[i])};
    }
    free(entries);
    return CDUL_OK;
}

void cdul_curve_free(cdul_curve *curve) {
    if (!curve) return;
    free(curve->points);
    *curve = (cdul_curve){0};
}
