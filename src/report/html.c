/* Writes the HTML report: the style, body and script of page/, with images and classes as JSON. */
#include "base/file.h"
#include "base/json.h"
#include "report/markup.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BINS   25 /* of each class's histogram */
#define STATED 40 /* scores of an image in the page, besides those of picked classes */

struct cdul_html {
    cdul_file *file;
    FILE *stream;
    cdul_html_options options;
    const cdul_strings *classes;
    size_t added, shown, labels; /* labels: picked classes of all images */
    size_t *picked; /* [C]: images in which the class was picked */
    size_t *bins; /* [C, BINS]: scores of all images */
    size_t *order; /* [C]: scratch of choose_classes */
};

cdul_html_options cdul_html_defaults(void) {
    return (cdul_html_options){.title = "cdul", .most_shown = 2000, .side = 224, .quality = 78};
}

/* --- Start --- */

static void write_head(cdul_html *html) {
    FILE *stream = html->stream;
    /* The security policy lets the page load nothing from outside. */
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
          "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
          "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
          "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<meta name=\"generator\" "
          "content=\"cdul\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
          stream);
    cdul_markup_text(stream, html->options.title, SIZE_MAX);
    fputs("</title>\n<style>\n", stream);
    fwrite(cdul_page_style, 1, sizeof cdul_page_style, stream);
    fputs("</style>\n</head>\n<body>\n<header>\n<h1>", stream);
    cdul_markup_text(stream, html->options.title, SIZE_MAX);
    fputs("</h1>\n", stream);
    if (html->options.subtitle) {
        fputs("<p class=\"subtitle\">", stream);
        cdul_markup_text(stream, html->options.subtitle, SIZE_MAX);
        fputs("</p>\n", stream);
    }
    fwrite(cdul_page_body, 1, sizeof cdul_page_body, stream);
    fputs("<script type=\"application/json\" id=\"images\">[\n", stream);
}

cdul_status cdul_html_open(const char *path, const cdul_html_options *options,
                           const cdul_strings *classes, cdul_html **out, cdul_error *err) {
    size_t c = classes->count ? classes->count : 1;
    cdul_html *html = calloc(1, sizeof *html);
    if (!html) return cdul_fail_memory(err, path);
    html->options = *options;
    html->classes = classes;
    html->picked = calloc(c, sizeof *html->picked);
    html->bins = calloc(c, BINS * sizeof *html->bins);
    html->order = calloc(c, sizeof *html->order);
    cdul_status status = html->picked && html->bins && html->order
                             ? cdul_file_create(path, &html->file, err)
                             : cdul_fail_memory(err, path);
    if (status != CDUL_OK) {
        cdul_html_discard(&html);
        return status;
    }
    html->stream = cdul_file_stream(html->file);
    write_head(html);
    *out = html;
    return CDUL_OK;
}

/* --- Images --- */

/* Whether image i is shown in the page; the others are only counted. */
static bool shows(const cdul_html *html, size_t i) {
    size_t n = html->options.images, most = html->options.most_shown;
    if (n <= most) return true;
    /* Evenly spread: where i * most / n takes a new whole value. In doubles, against overflow. */
    double step = (double)most / (double)n;
    return floor((double)(i + 1) * step) > floor((double)i * step);
}

cdul_status cdul_html_thumbnail(const cdul_html *html, size_t i, const cdul_image *image,
                                cdul_thumbnail **out, cdul_error *err) {
    const cdul_html_options *o = &html->options;
    *out = NULL;
    return shows(html, i) ? cdul_thumbnail_make(image, o->side, o->quality, out, err) : CDUL_OK;
}

/* Binary entropy of the scores, summed over classes, in bits. */
static double uncertainty(const float *scores, size_t classes) {
    double bits = 0;
    for (size_t c = 0; c < classes; c++) {
        double p = (double)scores[c];
        if (p > 0 && p < 1) bits -= p * log2(p) + (1 - p) * log2(1 - p);
    }
    return bits;
}

/* The classes whose scores the page gives for an image: picked and best others, best first. */
static size_t choose_classes(cdul_html *html, const float *scores, const bool *picked) {
    size_t count = 0, others = 0,
           ranked = cdul_rank(scores, NULL, html->classes->count, html->order);
    for (size_t i = 0; i < ranked; i++) {
        size_t c = html->order[i];
        bool stated = picked[c] || (scores[c] >= 0.0005f && others < STATED); /* else 0.000 */
        others += stated && !picked[c];
        if (stated) html->order[count++] = c;
    }
    return count;
}

/* [name, width, height, JPEG, uncertainty, [class, thousandths, picked, ...]] */
static void write_image(cdul_html *html, const char *image, const cdul_thumbnail *thumbnail,
                        const float *scores, const bool *picked) {
    FILE *stream = html->stream;
    fputs(html->shown ? ",\n[" : "[", stream);
    cdul_json_write_string(stream, image, true);
    fprintf(stream, ",%zu,%zu,\"", thumbnail ? thumbnail->width : 0,
            thumbnail ? thumbnail->height : 0);
    if (thumbnail) cdul_markup_base64(stream, thumbnail->jpeg, thumbnail->size);
    fprintf(stream, "\",%.3f,[", uncertainty(scores, html->classes->count));
    size_t count = choose_classes(html, scores, picked);
    for (size_t i = 0; i < count; i++) {
        size_t c = html->order[i];
        fprintf(stream, "%s%zu,%.0f,%d", i ? "," : "", c, 1000.0 * (double)scores[c], picked[c]);
    }
    fputs("]]", stream);
    html->shown++;
}

void cdul_html_add(cdul_html *html, size_t i, const char *image, const cdul_thumbnail *thumbnail,
                   const float *scores, const bool *picked) {
    for (size_t c = 0; c < html->classes->count; c++) {
        size_t bin = (size_t)((double)scores[c] * BINS);
        html->bins[c * BINS + (bin < BINS ? bin : BINS - 1)]++;
        html->picked[c] += picked[c];
        html->labels += picked[c];
    }
    html->added++;
    if (shows(html, i)) write_image(html, image, thumbnail, scores, picked);
}

/* --- End --- */

static void write_summary(cdul_html *html) {
    FILE *stream = html->stream;
    fprintf(stream,
            "\n]</script>\n<script type=\"application/json\" "
            "id=\"summary\">{\"images\":%zu,\"shown\":%zu,\"labels\":%zu,\"classes\":[\n",
            html->added, html->shown, html->labels);
    for (size_t c = 0; c < html->classes->count; c++) {
        fputs(c ? ",\n{\"name\":" : "{\"name\":", stream);
        cdul_json_write_string(stream, html->classes->items[c], true);
        fprintf(stream, ",\"picked\":%zu", html->picked[c]);
        if (html->options.thresholds)
            fprintf(stream, ",\"threshold\":%.4f", (double)html->options.thresholds[c]);
        fputs(",\"bins\":[", stream);
        for (size_t b = 0; b < BINS; b++)
            fprintf(stream, "%s%zu", b ? "," : "", html->bins[c * BINS + b]);
        fputs("]}", stream);
    }
    fputs("\n]}</script>\n<script>\n", stream);
    fwrite(cdul_page_script, 1, sizeof cdul_page_script, stream);
    fputs("</script>\n</body>\n</html>\n", stream);
}

cdul_status cdul_html_commit(cdul_html **html, cdul_error *err) {
    write_summary(*html);
    cdul_status status = cdul_file_commit(&(*html)->file, err);
    cdul_html_discard(html);
    return status;
}

void cdul_html_discard(cdul_html **html) {
    if (!html || !*html) return;
    cdul_file_discard(&(*html)->file);
    free((*html)->picked);
    free((*html)->bins);
    free((*html)->order);
    free(*html);
    *html = NULL;
}
