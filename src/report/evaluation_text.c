/* Prints an evaluation as a table for people. */
#include "report/evaluation.h"

#include "base/utf8.h"

#include <math.h>
#include <stddef.h>

#define WIDTH  80
#define MARGIN 16 /* width of the measures' names */
#define COLUMN 13 /* least width of a file's column: five fit */
/* Widths of the first two columns of the table of classes. */
enum { NAME = 20, POSITIVES = 10 };

/* Prints `text` in `width` cells. Longer text loses its middle, where file names differ least. */
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

static void print_value(FILE *stream, double value, int width, int digits) {
    if (isnan(value))
        fprintf(stream, "%*s", width, "-");
    else
        fprintf(stream, "%*.*f", width, digits, value);
}

/* The files first .. end - 1 stand side by side, in columns of `width` cells. */
typedef struct columns {
    FILE *stream;
    const cdul_evaluation *e;
    size_t first, end;
    int width;
} columns;

static void print_names(const columns *c) {
    for (size_t i = c->first; i < c->end; i++) {
        putc(' ', c->stream);
        print_fitted(c->stream, cdul_evaluation_name(c->e, i), c->width - 1, false);
    }
    putc('\n', c->stream);
}

/* The double at `offset` in the metrics of each file. */
static void print_row(const columns *c, const char *name, size_t offset, double factor,
                      int digits) {
    fprintf(c->stream, "%-*s", MARGIN, name);
    for (size_t i = c->first; i < c->end; i++) {
        const char *metrics = (const char *)&c->e->files[i].metrics;
        print_value(c->stream, factor * *(const double *)(metrics + offset), c->width, digits);
    }
    putc('\n', c->stream);
}

static void print_measures(const columns *c) {
    static const struct {
        const char *name;
        size_t offset;
        double factor;
        int digits;
    } rows[] = {{"mAP %", offsetof(cdul_metrics, map), 100, 1},
                {"BCE", offsetof(cdul_metrics, bce), 1, 4},
                {"Brier", offsetof(cdul_metrics, brier), 1, 4},
                {"ECE", offsetof(cdul_metrics, ece), 1, 4},
                {"mass", offsetof(cdul_metrics, mass), 1, 2},
                {"mass of truth", offsetof(cdul_metrics, truth_mass), 1, 2}};
    const cdul_metrics_options *options = &c->e->options.metrics;
    char name[MARGIN + 16];
    fprintf(c->stream, "\n%*s", MARGIN, "");
    print_names(c);
    fprintf(c->stream, "%-*s", MARGIN, "images");
    for (size_t i = c->first; i < c->end; i++)
        fprintf(c->stream, "%*zu", c->width, c->e->files[i].metrics.images);
    putc('\n', c->stream);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        print_row(c, rows[r].name, rows[r].offset, rows[r].factor, rows[r].digits);
    snprintf(name, sizeof name, "CF1 at %.3g %%", options->threshold);
    print_row(c, name, offsetof(cdul_metrics, at_threshold.cf1), 100, 1);
    snprintf(name, sizeof name, "OF1 at %.3g %%", options->threshold);
    print_row(c, name, offsetof(cdul_metrics, at_threshold.of1), 100, 1);
    snprintf(name, sizeof name, "CF1 top %zu %%", options->top);
    print_row(c, name, offsetof(cdul_metrics, at_top.cf1), 100, 1);
    snprintf(name, sizeof name, "OF1 top %zu %%", options->top);
    print_row(c, name, offsetof(cdul_metrics, at_top.of1), 100, 1);
}

/* Average precision of each class of the first file, whose positives are counted too. */
static void print_classes(const columns *c) {
    const cdul_judged *lead = &c->e->files[0];
    fprintf(c->stream, "\n%-*s%*s", NAME, "AP %", POSITIVES, "positives");
    print_names(c);
    for (size_t k = 0; k < lead->metrics.classes; k++) {
        const char *name = lead->scores.classes.items[k];
        print_fitted(c->stream, name, NAME, true);
        fprintf(c->stream, "%*zu", POSITIVES, lead->metrics.per_class[k].positives);
        for (size_t i = c->first; i < c->end; i++) {
            const cdul_judged *file = &c->e->files[i];
            size_t at = cdul_judged_class(file, name, k);
            print_value(c->stream,
                        at == CDUL_NOT_FOUND ? NAN : 100 * file->metrics.per_class[at].ap, c->width,
                        1);
        }
        putc('\n', c->stream);
    }
}

/* Prints one table below the other until all files had a column. */
static void print_tables(FILE *stream, const cdul_evaluation *e, int margin,
                         void (*print)(const columns *)) {
    size_t most = (size_t)(WIDTH - margin) / COLUMN, fit = e->count < most ? e->count : most;
    int width = (WIDTH - margin) / (int)fit;
    columns c = {.stream = stream, .e = e, .width = width < 26 ? width : 26};
    for (; c.first < e->count; c.first += fit) {
        c.end = c.first + fit < e->count ? c.first + fit : e->count;
        print(&c);
    }
}

/* --- Notes: what was left out, and how it was measured --- */

static void print_notes(FILE *stream, const cdul_judged *e, const char *name) {
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

static bool same_images(const cdul_judged *a, const cdul_judged *b) {
    if (a->matched.images != b->matched.images) return false;
    return cdul_strings_equal(&a->scores.images, &b->scores.images) ||
           (a->matched.without_scores == b->matched.without_scores &&
            a->matched.without_scores == 0);
}

static void print_truth(FILE *stream, const cdul_evaluation *e) {
    static const char *const protocols[] = {"area under the precision-recall steps",
                                            "area under the interpolated curve (VOC 2010)",
                                            "11-point interpolated (VOC 2007)"};
    static const char *const treatments[] = {"ignored", "counted as positive",
                                             "counted as negative"};
    const cdul_matched *first = &e->files[0].matched;
    size_t difficult = 0;
    for (size_t i = 0; i < first->images * first->classes; i++)
        difficult += first->values[i] == CDUL_DIFFICULT;
    fprintf(stream, "truth  %s\n       %s; %zu images, %zu classes\n", e->truth_path,
            cdul_truth_describe(e->truth.kind), e->truth.images.count, e->truth.classes.count);
    if (difficult)
        fprintf(stream, "       %zu difficult %s %s\n", difficult,
                difficult == 1 ? "entry" : "entries", treatments[e->options.metrics.difficult]);
    if (e->options.drop_empty) fprintf(stream, "       images without any class left out\n");
    fprintf(stream, "AP     %s\n", protocols[e->options.metrics.ap]);
}

void cdul_evaluation_print(const cdul_evaluation *e, bool per_class, FILE *stream) {
    bool same = true;
    print_truth(stream, e);
    print_tables(stream, e, MARGIN, print_measures);
    if (per_class) print_tables(stream, e, NAME + POSITIVES, print_classes);
    putc('\n', stream);
    for (size_t i = 0; i < e->count; i++) {
        print_notes(stream, &e->files[i], cdul_evaluation_name(e, i));
        same = same && same_images(&e->files[0], &e->files[i]);
    }
    if (!same) fprintf(stream, "The files were judged on different images: compare with care.\n");
}
