/* Drawing axes and lines as SVG text. One plot is a square of `size` units whose data run from 0 to
 * 1 both ways. */
#ifndef CDUL_REPORT_SVG_H
#define CDUL_REPORT_SVG_H

#include <stddef.h>
#include <stdio.h>

typedef struct cdul_plot {
    FILE *stream;
    double left, top, size; /* of the square, in the drawing's units */
} cdul_plot;

/* The document's start with its style sheet (light and dark) and title; ends with cdul_svg_end. */
void cdul_svg_begin(FILE *stream, double width, double height, const char *title);
void cdul_svg_end(FILE *stream);

/* `anchor`: "start", "middle", "end"; `css`: class of the style sheet. Text longer than `cells` is
 * cut. */
void cdul_svg_text(FILE *stream, double x, double y, const char *anchor, const char *css,
                   size_t cells, const char *text);

/* Frame, grid lines every `step`, and numbers at them if `numbers`. */
void cdul_plot_axes(const cdul_plot *plot, double step, int numbers);
/* A line through n points in data units; `series` chooses the colour, `css` more classes ("" =
 * none). */
void cdul_plot_line(const cdul_plot *plot, const double *x, const double *y, size_t n,
                    size_t series, const char *css);

#endif
