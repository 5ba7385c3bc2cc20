#include "report/svg.h"

#include "report/markup.h"

#include <stdint.h>

/* Okabe and Ito's colours (2008), which colour-blind readers can tell apart; the last ones repeat
 * dashed. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#e69f00", "#56b4e9"};
#define COLOURS (sizeof colours / sizeof colours[0])

void cdul_svg_begin(FILE *stream, double width, double height, const char *title) {
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
            "height=\"%.0f\" "
            "role=\"img\">\n<title>",
            width, height, width, height);
    cdul_markup_text(stream, title, SIZE_MAX);
    fputs("</title>\n<style>\n"
          "svg{background:#fff;font:12px system-ui,sans-serif;fill:#222}\n"
          ".title{font-size:16px;font-weight:600}.small{font-size:10px}.quiet{fill:#666}\n"
          ".frame{fill:none;stroke:#888}.grid{stroke:#ddd;stroke-width:.7}.diagonal{stroke:#999;"
          "stroke-"
          "dasharray:4 4}\n"
          ".line{fill:none;stroke-width:2;stroke-linejoin:round}.thin{stroke-width:1.2}.bar{"
          "opacity:.35}\n",
          stream);
    for (size_t i = 0; i < COLOURS; i++)
        fprintf(stream, ".s%zu{stroke:%s}.f%zu{fill:%s;stroke:none}\n", i, colours[i], i,
                colours[i]);
    fputs(
        ".again{stroke-dasharray:6 3}\n"
        "@media(prefers-color-scheme:dark){svg{background:#16181c;fill:#e6e6e6}.quiet{fill:#9a9a9a}"
        ".grid{stroke:#333}.frame{stroke:#777}}\n</style>\n",
        stream);
}

void cdul_svg_end(FILE *stream) {
    fputs("</svg>\n", stream);
}

void cdul_svg_text(FILE *stream, double x, double y, const char *anchor, const char *css,
                   size_t cells, const char *text) {
    fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
            css);
    cdul_markup_text(stream, text, cells);
    fputs("</text>\n", stream);
}

void cdul_plot_axes(const cdul_plot *plot, double step, int numbers) {
    FILE *stream = plot->stream;
    double bottom = plot->top + plot->size, right = plot->left + plot->size;
    for (double t = 0; t < 1 + step / 2; t += step) {
        double x = plot->left + t * plot->size, y = bottom - t * plot->size;
        fprintf(stream, "<path class=\"grid\" d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>\n", x,
                plot->top, bottom, plot->left, y, right);
        if (!numbers) continue;
        char label[16];
        snprintf(label, sizeof label, "%.1f", t);
        cdul_svg_text(stream, x, bottom + 16, "middle", "small quiet", 8, label);
        cdul_svg_text(stream, plot->left - 6, y + 4, "end", "small quiet", 8, label);
    }
    fprintf(stream,
            "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            plot->left, plot->top, plot->size, plot->size);
}

void cdul_plot_line(const cdul_plot *plot, const double *x, const double *y, size_t n,
                    size_t series, const char *css) {
    if (n == 0) return;
    fprintf(plot->stream, "<path class=\"line s%zu%s%s%s\" d=\"", series % COLOURS,
            series >= COLOURS ? " again" : "", *css ? " " : "", css);
    for (size_t i = 0; i < n; i++)
        fprintf(plot->stream, "%c%.1f %.1f", i ? 'L' : 'M', plot->left + x[i] * plot->size,
                plot->top + (1 - y[i]) * plot->size);
    fputs("\"/>\n", plot->stream);
}
