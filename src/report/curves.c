/* Draws the curves of an evaluation as self-contained SVG files. */
#include "base/file.h"
#include "report/evaluation.h"
#include "report/markup.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* --- SVG --- */

/* Okabe and Ito's colours (2008), which colour-blind readers can tell apart. More files repeat them
 * with dashed lines. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#e69f00", "#56b4e9"};
enum { COLOURS = sizeof colours / sizeof colours[0] };

/* Begins a document with its title and style sheet (light and dark); write_file ends it. */
static void begin_svg(FILE *stream, double width, double height, const char *title) {
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
            "height=\"%.0f\" role=\"img\">\n<title>",
            width, height, width, height);
    cdul_markup_text(stream, title, SIZE_MAX);
    fputs("</title>\n<style>\nsvg{background:#fff;font:12px "
          "system-ui,sans-serif;fill:#222}\n.title{font-size:16px;font-weight:600}.small{font-size:"
          "10px}.quiet{fill:#666}\n.frame{fill:none;stroke:#888}.grid{stroke:#ddd;stroke-width:.7}."
          "diagonal{stroke:#999;stroke-dasharray:4 "
          "4}\n.line{fill:none;stroke-width:2;stroke-linejoin:round}.thin{stroke-width:1.2}.bar{"
          "opacity:.35}\n",
          stream);
    for (size_t i = 0; i < COLOURS; i++)
        fprintf(stream, ".s%zu{stroke:%s}.f%zu{fill:%s;stroke:none}\n", i, colours[i], i,
                colours[i]);
    fputs(".again{stroke-dasharray:6 "
          "3}\n@media(prefers-color-scheme:dark){svg{background:#16181c;fill:#e6e6e6}.quiet{fill:#"
          "9a9a9a}.grid{stroke:#333}.frame{stroke:#777}}\n</style>\n",
          stream);
}

/* `anchor` is "start", "middle" or "end", `css` a class of the style sheet. Cuts text longer than
 * `cells` characters. */
static void write_text(FILE *stream, double x, double y, const char *anchor, const char *css,
                       size_t cells, const char *text) {
    fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
            css);
    cdul_markup_text(stream, text, cells);
    fputs("</text>\n", stream);
}

/* A square plot; both axes run from 0 to 1. */
typedef struct plot_area {
    FILE *stream;
    double left, top, size; /* in the drawing's units */
} plot_area;

/* Frame, grid lines every `step`, and numbers at them if `numbers`. */
static void draw_axes(const plot_area *plot, double step, bool numbers) {
    FILE *stream = plot->stream;
    double bottom = plot->top + plot->size, right = plot->left + plot->size;
    for (double t = 0; t < 1 + step / 2; t += step) {
        double x = plot->left + t * plot->size, y = bottom - t * plot->size;
        fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>\n", x,
                plot->top, bottom, plot->left, y, right);
        if (!numbers) continue;
        char label[16];
        snprintf(label, sizeof label, "%.1f", t);
        write_text(stream, x, bottom + 16, "middle", "small quiet", 8, label);
        write_text(stream, plot->left - 6, y + 4, "end", "small quiet", 8, label);
    }
    fprintf(stream,
            "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            plot->left, plot->top, plot->size, plot->size);
}

/* A line through n points in data units; without x they are spread evenly. `series` chooses the
 * colour; `css` adds classes. */
static void draw_line(const plot_area *plot, const double *x, const double *y, size_t n,
                      size_t series, const char *css) {
    if (n == 0) return;
    fprintf(plot->stream, "<path class=\"line s%zu%s%s%s\" d=\"", series % COLOURS,
            series >= COLOURS ? " again" : "", *css ? " " : "", css);
    for (size_t i = 0; i < n; i++)
        fprintf(plot->stream, "%c%.1f %.1f", i ? 'L' : 'M',
                plot->left + (x ? x[i] : (double)i / (double)(n - 1)) * plot->size,
                plot->top + (1 - y[i]) * plot->size);
    fputs("\"/>\n", plot->stream);
}

/* --- What is drawn --- */

#define STEPS 101 /* recall 0, 0.01, ... 1, as COCO samples its curves */

/* Interpolated precision of class c (the best at this recall or a higher one) at recall t / 100. */
static cdul_status sample_class(const cdul_judged *file, size_t c, cdul_difficult difficult,
                                double *precision, cdul_error *err) {
    cdul_curve curve = {0};
    cdul_status status =
        cdul_curve_compute(file->scores.values, &file->matched, c, difficult, &curve, err);
    if (status != CDUL_OK) return status;
    double best = 0;
    size_t i = curve.count;
    for (size_t t = STEPS; t-- > 0;) {
        double recall = (double)t / (STEPS - 1);
        for (; i > 0 && curve.points[i - 1].recall >= recall - 1e-12; i--)
            best = fmax(best, curve.points[i - 1].precision);
        precision[t] = best;
    }
    cdul_curve_free(&curve);
    return CDUL_OK;
}

/* A line of the legend for each file, with `factor` times the number at `offset` in its metrics. */
static void legend(const cdul_evaluation *e, FILE *stream, double left, double top,
                   const char *measure, size_t offset, double factor) {
    for (size_t i = 0; i < e->count; i++) {
        const double y[] = {1, 1};
        const plot_area mark = {stream, left, top + 20 * (double)i - 4, 26};
        const char *metrics = (const char *)&e->files[i].metrics;
        double value = factor * *(const double *)(metrics + offset);
        char number[32];
        draw_line(&mark, NULL, y, 2, i, "");
        write_text(stream, left + 34, top + 20 * (double)i, "start", "", 44,
                   cdul_evaluation_name(e, i));
        snprintf(number, sizeof number, "%s %.*f", measure, value < 1 ? 4 : 1, value);
        write_text(stream, left + 420, top + 20 * (double)i, "end", "quiet", 30, number);
    }
}

static void axis_titles(FILE *stream, const plot_area *plot, const char *x, const char *y) {
    double middle = plot->top + plot->size / 2;
    write_text(stream, plot->left + plot->size / 2, plot->top + plot->size + 36, "middle", "", 60,
               x);
    fprintf(stream, "<g transform=\"rotate(-90 %.1f %.1f)\">", plot->left - 38, middle);
    write_text(stream, plot->left - 38, middle, "middle", "", 60, y);
    fputs("</g>\n", stream);
}

/* --- Precision and recall, mean over classes --- */

static cdul_status draw_mean(const cdul_evaluation *e, FILE *stream, cdul_error *err) {
    const plot_area plot = {stream, 60, 50, 420};
    begin_svg(stream, 500, 540 + 20 * (double)e->count, "Precision and recall, mean over classes");
    write_text(stream, 60, 30, "start", "title", 60, "Precision and recall, mean over classes");
    draw_axes(&plot, 0.2, true);
    axis_titles(stream, &plot, "recall", "precision (interpolated)");
    for (size_t i = 0; i < e->count; i++) {
        const cdul_judged *file = &e->files[i];
        double mean[STEPS] = {0}, one[STEPS];
        for (size_t c = 0; c < file->metrics.classes; c++) {
            if (file->metrics.per_class[c].positives == 0) continue;
            cdul_status status = sample_class(file, c, e->options.metrics.difficult, one, err);
            if (status != CDUL_OK) return status;
            for (size_t t = 0; t < STEPS; t++)
                mean[t] += one[t] / (double)file->metrics.classes_with_positives;
        }
        draw_line(&plot, NULL, mean, STEPS, i, "");
    }
    legend(e, stream, 60, 530, "mAP", offsetof(cdul_metrics, map), 100);
    return CDUL_OK;
}

/* --- Precision and recall of each class --- */

#define PANEL   130.0
#define PITCH_X 150.0
#define PITCH_Y 176.0

static cdul_status draw_panel(const cdul_evaluation *e, FILE *stream, size_t c,
                              const plot_area *plot, cdul_error *err) {
    const cdul_judged *lead = &e->files[0];
    const char *name = lead->scores.classes.items[c];
    char text[64];
    write_text(stream, plot->left, plot->top - 6, "start", "", 15, name);
    if (lead->metrics.per_class[c].positives == 0)
        snprintf(text, sizeof text, "no positive");
    else
        snprintf(text, sizeof text, "AP %.1f", 100 * lead->metrics.per_class[c].ap);
    write_text(stream, plot->left + plot->size, plot->top + plot->size + 13, "end", "small quiet",
               20, text);
    snprintf(text, sizeof text, "%zu", lead->metrics.per_class[c].positives);
    write_text(stream, plot->left, plot->top + plot->size + 13, "start", "small quiet", 20, text);
    draw_axes(plot, 0.5, false);
    for (size_t i = 0; i < e->count; i++) {
        const cdul_judged *file = &e->files[i];
        size_t at = cdul_judged_class(file, name, c);
        double precision[STEPS];
        if (at == CDUL_NOT_FOUND || file->metrics.per_class[at].positives == 0) continue;
        cdul_status status = sample_class(file, at, e->options.metrics.difficult, precision, err);
        if (status != CDUL_OK) return status;
        draw_line(plot, NULL, precision, STEPS, i, "thin");
    }
    return CDUL_OK;
}

static cdul_status draw_classes(const cdul_evaluation *e, FILE *stream, cdul_error *err) {
    size_t classes = e->files[0].metrics.classes, columns = classes < 6 ? classes : 6;
    if (columns < 3) columns = 3; /* the legend needs the width */
    size_t rows = (classes + columns - 1) / columns;
    double head = 70 + 20 * (double)e->count;
    begin_svg(stream, 30 + PITCH_X * (double)columns, head + PITCH_Y * (double)rows + 10,
              "Precision and recall of each class");
    write_text(stream, 20, 30, "start", "title", 60, "Precision and recall of each class");
    legend(e, stream, 20, 56, "mAP", offsetof(cdul_metrics, map), 100);
    for (size_t c = 0; c < classes; c++) {
        const plot_area plot = {stream, 20 + PITCH_X * (double)(c % columns),
                                head + PITCH_Y * (double)(c / columns), PANEL};
        cdul_status status = draw_panel(e, stream, c, &plot, err);
        if (status != CDUL_OK) return status;
    }
    write_text(stream, 20, head + PITCH_Y * (double)rows, "start", "small quiet", 120,
               "horizontal: recall 0 to 1; vertical: precision 0 to 1; below: positives, AP of the "
               "first file");
    return CDUL_OK;
}

/* --- Reliability --- */

/* How many scores lie in each bin, on a logarithmic scale, as most lie in the first. */
static void draw_counts(const cdul_evaluation *e, FILE *stream, const plot_area *plot, double top,
                        double height) {
    double slot = plot->size / CDUL_ECE_BINS, bar = slot * 0.8 / (double)e->count;
    for (size_t i = 0; i < e->count; i++)
        for (size_t b = 0; b < CDUL_ECE_BINS; b++) {
            const cdul_metrics *m = &e->files[i].metrics;
            double part = log10(1 + (double)m->bins[b].count) / log10(1 + (double)m->entries);
            fprintf(
                stream,
                "<rect class=\"bar f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                i % COLOURS, plot->left + slot * ((double)b + 0.1) + bar * (double)i,
                top + height * (1 - part), bar, height * part);
        }
    fprintf(stream, "<path class=\"frame\" d=\"M%.1f %.1fh%.1f\"/>\n", plot->left, top + height,
            plot->size);
    write_text(stream, plot->left + plot->size, top + height + 14, "end", "small quiet", 60,
               "scores in each bin, logarithmic");
}

static cdul_status draw_reliability(const cdul_evaluation *e, FILE *stream, cdul_error *err) {
    (void)err;
    const plot_area plot = {stream, 60, 50, 420};
    begin_svg(stream, 500, 640 + 20 * (double)e->count, "Reliability");
    write_text(stream, 60, 30, "start", "title", 60, "Reliability: how often a score is right");
    draw_axes(&plot, 0.2, true);
    axis_titles(stream, &plot, "mean score", "share of positives");
    fprintf(stream, "<path class=\"diagonal\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", plot.left,
            plot.top + plot.size, plot.left + plot.size, plot.top);
    for (size_t i = 0; i < e->count; i++) {
        double x[CDUL_ECE_BINS], y[CDUL_ECE_BINS];
        size_t n = 0;
        for (size_t b = 0; b < CDUL_ECE_BINS; b++) {
            const cdul_bin *bin = &e->files[i].metrics.bins[b];
            if (bin->count == 0) continue;
            x[n] = bin->score_sum / (double)bin->count;
            y[n++] = (double)bin->positives / (double)bin->count;
        }
        draw_line(&plot, x, y, n, i, "");
        for (size_t k = 0; k < n; k++)
            fprintf(stream, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                    i % COLOURS, plot.left + x[k] * plot.size, plot.top + (1 - y[k]) * plot.size);
    }
    draw_counts(e, stream, &plot, 526, 70);
    legend(e, stream, 60, 634, "ECE", offsetof(cdul_metrics, ece), 1);
    return CDUL_OK;
}

/* --- Files --- */

typedef cdul_status draw(const cdul_evaluation *e, FILE *stream, cdul_error *err);

static cdul_status write_file(const cdul_evaluation *e, const char *folder, const char *name,
                              draw *how, cdul_error *err) {
    cdul_file *file = NULL;
    char *path = cdul_path_join(folder, name);
    cdul_status status = path ? cdul_file_create(path, &file, err) : cdul_fail_memory(err, folder);
    if (status == CDUL_OK) status = how(e, cdul_file_stream(file), err);
    if (status == CDUL_OK) fputs("</svg>\n", cdul_file_stream(file));
    if (status == CDUL_OK) status = cdul_file_commit(&file, err);
    cdul_file_discard(&file);
    free(path);
    return status;
}

cdul_status cdul_evaluation_draw(const cdul_evaluation *e, const char *folder, cdul_error *err) {
    cdul_status status = cdul_path_make_folder(folder, err);
    if (status == CDUL_OK) status = write_file(e, folder, "precision-recall.svg", draw_mean, err);
    if (status == CDUL_OK)
        status = write_file(e, folder, "precision-recall-classes.svg", draw_classes, err);
    if (status == CDUL_OK) status = write_file(e, folder, "reliability.svg", draw_reliability, err);
    return status;
}
