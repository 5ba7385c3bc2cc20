#include "report/evaluation.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define WIDTH  80
#define MARGIN 16 /* of the measures' names */
#define COLUMN 13 /* narrowest column of a file: five beside the margin */

/* Files that fit side by side, and how wide each column is then. */
static size_t columns_that_fit(size_t count, int margin, int *width) {
    size_t most = (size_t)(WIDTH - margin) / COLUMN, fit = count < most ? count : most;
    int each = (WIDTH - margin) / (int)fit;
    *width = each < 26 ? each : 26;
    return fit;
}

/* `text` in `width` cells; what does not fit loses its middle, where file names differ least. */
static void print_fitted(FILE *stream, const char *text, int width, bool left) {
    size_t cells = cdul_utf8_cells(text), room = (size_t)width;
    int padding = cells < room ? (int)(room - cells) : 0;
    if (!left) fprintf(stream, "%*s", padding, "");
    if (cells <= room) {
        fputs(text, stream);
    } else {
        size_t head = (room - 2) / 2, tail = room - 2 - head;
        fwrite(text, 1, cdul_utf8_prefix(text, head), stream);
        fputs("..", stream);
        fputs(text + cdul_utf8_prefix(text, cells - tail), stream);
    }
    if (left) fprintf(stream, "%*s", padding, "");
}

/* One measure of one file. */
typedef double read_measure(const cdul_evaluation *evaluation);

static double map(const cdul_evaluation *e) {
    return 100 * e->metrics.map;
}
static double cf1(const cdul_evaluation *e) {
    return 100 * e->metrics.at_threshold.cf1;
}
static double of1(const cdul_evaluation *e) {
    return 100 * e->metrics.at_threshold.of1;
}
static double top_cf1(const cdul_evaluation *e) {
    return 100 * e->metrics.at_top.cf1;
}
static double top_of1(const cdul_evaluation *e) {
    return 100 * e->metrics.at_top.of1;
}
static double bce(const cdul_evaluation *e) {
    return e->metrics.bce;
}
static double brier(const cdul_evaluation *e) {
    return e->metrics.brier;
}
static double ece(const cdul_evaluation *e) {
    return e->metrics.ece;
}
static double mass(const cdul_evaluation *e) {
    return e->metrics.mass;
}
static double truth_mass(const cdul_evaluation *e) {
    return e->metrics.truth_mass;
}
static double images(const cdul_evaluation *e) {
    return (double)e->metrics.images;
}

static void print_value(FILE *stream, double value, int width, int digits) {
    if (isnan(value))
        fprintf(stream, "%*s", width, "-");
    else
        fprintf(stream, "%*.*f", width, digits, value);
}

static void print_row(FILE *stream, const char *name, read_measure *measure, int digits,
                      const cdul_evaluation *evaluations, size_t count, int width) {
    fprintf(stream, "%-*s", MARGIN, name);
    for (size_t i = 0; i < count; i++) print_value(stream, measure(&evaluations[i]), width, digits);
    putc('\n', stream);
}

static void print_names(FILE *stream, const cdul_evaluation *evaluations, size_t count,
                        size_t first, size_t end, int width) {
    for (size_t i = first; i < end; i++) {
        putc(' ', stream);
        print_fitted(stream, cdul_evaluation_name(evaluations, count, i), width - 1, false);
    }
    putc('\n', stream);
}

static void print_measures(FILE *stream, const cdul_evaluation_context *context,
                           const cdul_evaluation *shown, size_t count, int width) {
    const struct {
        const char *name;
        read_measure *measure;
        int digits;
    } rows[] = {{"images", images, 0},
                {"mAP %", map, 1},
                {"BCE", bce, 4},
                {"Brier", brier, 4},
                {"ECE", ece, 4},
                {"mass", mass, 2},
                {"mass of truth", truth_mass, 2}};
    char name[MARGIN + 16];
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        print_row(stream, rows[r].name, rows[r].measure, rows[r].digits, shown, count, width);
    snprintf(name, sizeof name, "CF1 at %.3g %%", context->options.threshold);
    print_row(stream, name, cf1, 1, shown, count, width);
    snprintf(name, sizeof name, "OF1 at %.3g %%", context->options.threshold);
    print_row(stream, name, of1, 1, shown, count, width);
    snprintf(name, sizeof name, "CF1 top %zu %%", context->options.top);
    print_row(stream, name, top_cf1, 1, shown, count, width);
    snprintf(name, sizeof name, "OF1 top %zu %%", context->options.top);
    print_row(stream, name, top_of1, 1, shown, count, width);
}

/* --- Per class --- */

/* Position of class `name` in evaluation `e`: nearly always the same in all. */
static size_t find_class(const cdul_evaluation *e, const char *name, size_t guess) {
    const cdul_strings *classes = &e->scores.classes;
    if (guess < classes->count && strcmp(classes->items[guess], name) == 0) return guess;
    for (size_t c = 0; c < classes->count; c++)
        if (strcmp(classes->items[c], name) == 0) return c;
    return CDUL_NOT_FOUND;
}

/* Average precision of the first file's classes in all files; positives are the first file's. */
static void print_classes(FILE *stream, const cdul_evaluation *evaluations, size_t count) {
    const cdul_evaluation *lead = &evaluations[0];
    const int name_width = 20, positives_width = 10, margin = name_width + positives_width;
    int width;
    size_t fit = columns_that_fit(count, margin, &width);
    for (size_t first = 0; first < count; first += fit) {
        size_t end = first + fit < count ? first + fit : count;
        fprintf(stream, "\n%-*s%*s", name_width, "AP %", positives_width, "positives");
        print_names(stream, evaluations, count, first, end, width);
        for (size_t c = 0; c < lead->metrics.classes; c++) {
            const char *name = lead->scores.classes.items[c];
            print_fitted(stream, name, name_width, true);
            fprintf(stream, "%*zu", positives_width, lead->metrics.per_class[c].positives);
            for (size_t i = first; i < end; i++) {
                size_t at = find_class(&evaluations[i], name, c);
                print_value(stream,
                            at == CDUL_NOT_FOUND ? NAN
                                                 : 100 * evaluations[i].metrics.per_class[at].ap,
                            width, 1);
            }
            putc('\n', stream);
        }
    }
}

/* --- What the reader must know --- */

static void print_notes(FILE *stream, const cdul_evaluation *e, const char *name) {
    const cdul_matched *a = &e->matched;
    size_t all = e->scores.images.count * e->scores.classes.count;
    const struct {
        size_t count;
        const char *noun, *rest;
    } notes[] = {
        {a->without_truth, "image", "without ground truth left out"},
        {a->ambiguous, "image", "left out, as base names are not unique"},
        {a->without_scores, "image", "of the ground truth not in it"},
        {a->unused_classes, "class", "of the ground truth not in it"},
        {e->metrics.classes - e->metrics.classes_with_positives, "class",
         "without a positive left out of mAP and CF1"},
    };
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        size_t n = notes[i].count;
        if (n == 0) continue;
        const char *many = notes[i].noun[0] == 'c' ? "es" : "s";
        fprintf(stream, "%s: %zu %s%s %s\n", name, n, notes[i].noun, n == 1 ? "" : many,
                notes[i].rest);
    }
    if (e->given < all)
        fprintf(stream,
                "%s: holds %.3g %% of the scores; the others count as 0, which lowers mAP\n", name,
                100.0 * (double)e->given / (double)all);
}

static bool same_images(const cdul_evaluation *a, const cdul_evaluation *b) {
    if (a->matched.images != b->matched.images) return false;
    return cdul_strings_equal(&a->scores.images, &b->scores.images) ||
           (a->matched.without_scores == b->matched.without_scores &&
            a->matched.without_scores == 0);
}

static void print_truth(FILE *stream, const cdul_evaluation_context *context,
                        const cdul_evaluation *first) {
    static const char *const protocols[] = {"area under the precision-recall steps",
                                            "area under the interpolated curve (VOC 2010)",
                                            "11-point interpolated (VOC 2007)"};
    static const char *const treatments[] = {"ignored", "counted as positive",
                                             "counted as negative"};
    const cdul_truth *truth = context->truth;
    size_t difficult = 0;
    for (size_t i = 0; i < first->matched.images * first->matched.classes; i++)
        difficult += first->matched.values[i] == CDUL_DIFFICULT;
    fprintf(stream, "truth  %s\n       %s; %zu images, %zu classes\n", context->truth_path,
            cdul_truth_describe(truth->kind), truth->images.count, truth->classes.count);
    if (difficult)
        fprintf(stream, "       %zu difficult %s %s\n", difficult,
                difficult == 1 ? "entry" : "entries", treatments[context->options.difficult]);
    if (context->drop_empty) fprintf(stream, "       images without any class left out\n");
    fprintf(stream, "AP     %s\n", protocols[context->options.ap]);
}

void cdul_evaluation_print(FILE *stream, const cdul_evaluation_context *context,
                           const cdul_evaluation *evaluations, size_t count, bool per_class) {
    int width;
    size_t fit = columns_that_fit(count, MARGIN, &width);
    bool same = true;
    print_truth(stream, context, &evaluations[0]);
    for (size_t first = 0; first < count; first += fit) {
        size_t end = first + fit < count ? first + fit : count;
        fprintf(stream, "\n%*s", MARGIN, "");
        print_names(stream, evaluations, count, first, end, width);
        print_measures(stream, context, evaluations + first, end - first, width);
    }
    if (per_class) print_classes(stream, evaluations, count);
    putc('\n', stream);
    for (size_t i = 0; i < count; i++) {
        print_notes(stream, &evaluations[i], cdul_evaluation_name(evaluations, count, i));
        same = same && same_images(&evaluations[0], &evaluations[i]);
    }
    if (!same) fprintf(stream, "The files were judged on different images: compare with care.\n");
}
