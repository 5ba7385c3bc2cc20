/* Crops of an image: parses grids such as "3x3:0.5" into boxes, and turns a box into pixels. */
#include "cdul/image.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#define MAX_SIDE_OF_GRID 64
#define MAX_CROPS        4096

typedef struct grid {
    size_t rows, columns;
    double window; /* side of a window as a fraction of the image's; 0: tiles without overlap */
} grid;

static bool read_count(const char **text, size_t *out) {
    if (!isdigit((unsigned char)**text)) return false;
    *out = strtoul(*text, (char **)text, 10);
    return *out >= 1 && *out <= MAX_SIDE_OF_GRID;
}

/* Not strtod, which expects a comma in some locales. */
static bool read_fraction(const char **text, double *out) {
    double value = 0, unit = 1;
    const char *start = *text;
    bool after_point = false;
    for (; isdigit((unsigned char)**text) || (**text == '.' && !after_point); ++*text)
        if (**text == '.') {
            after_point = true;
        } else {
            value = value * 10 + (**text - '0');
            if (after_point) unit *= 10;
        }
    *out = value / unit;
    return *text != start && *out > 0 && *out <= 1;
}

/* Reads "RxC" or "RxC:f" and moves *text behind it. */
static bool read_grid(const char **text, grid *out) {
    out->window = 0;
    if (!read_count(text, &out->rows) || *(*text)++ != 'x' || !read_count(text, &out->columns))
        return false;
    if (**text != ':') return true;
    (*text)++;
    return read_fraction(text, &out->window);
}

/* Where window `i` of `n` along one side starts and ends, as fractions of the side. */
static void place(const grid *g, size_t i, size_t n, double *start, double *end) {
    if (g->window == 0) {
        *start = (double)i / (double)n;
        *end = (double)(i + 1) / (double)n;
        return;
    }
    double room = 1 - g->window;
    *start = n > 1 ? room * (double)i / (double)(n - 1) : room / 2;
    *end = *start + g->window;
}

static cdul_status append(cdul_crops *crops, const grid *g, cdul_error *err) {
    size_t count = crops->count + g->rows * g->columns;
    double *boxes = realloc(crops->boxes, count * 4 * sizeof *boxes);
    if (!boxes) return cdul_fail_memory(err, "crops");
    crops->boxes = boxes;
    double *box = boxes + crops->count * 4;
    for (size_t row = 0; row < g->rows; row++)
        for (size_t column = 0; column < g->columns; column++, box += 4) {
            place(g, column, g->columns, &box[0], &box[2]);
            place(g, row, g->rows, &box[1], &box[3]);
        }
    crops->count = count;
    return CDUL_OK;
}

cdul_status cdul_crops_parse(const char *text, cdul_crops *out, cdul_error *err) {
    *out = (cdul_crops){0};
    const char *at = text;
    cdul_status status;
    do {
        grid g;
        if (read_grid(&at, &g) && (*at == '\0' || *at == '+'))
            status = append(out, &g, err);
        else
            status = cdul_fail(
                err, CDUL_ERR_USAGE,
                "grid \"%s\": expected ROWSxCOLUMNS with an optional :FRACTION (over 0, at most "
                "1), each side 1 to %d, joined by +, such as 3x3, 3x3:0.5 or 1x1+2x2",
                text, MAX_SIDE_OF_GRID);
        if (status == CDUL_OK && out->count > MAX_CROPS)
            status =
                cdul_fail(err, CDUL_ERR_USAGE, "grid \"%s\": more than %d crops", text, MAX_CROPS);
    } while (status == CDUL_OK && *at++ == '+');
    if (status != CDUL_OK) cdul_crops_free(out);
    return status;
}

void cdul_crops_free(cdul_crops *crops) {
    if (!crops) return;
    free(crops->boxes);
    *crops = (cdul_crops){0};
}

cdul_rect cdul_crops_rect(const cdul_crops *crops, size_t s, size_t width, size_t height) {
    const double *box = crops->boxes + s * 4;
    const size_t sides[2] = {width, height};
    size_t from[2], to[2];
    for (size_t i = 0; i < 2; i++) {
        from[i] = (size_t)floor(box[i] * (double)sides[i] + 0.5);
        to[i] = (size_t)floor(box[i + 2] * (double)sides[i] + 0.5);
        if (to[i] > sides[i]) to[i] = sides[i];
        if (from[i] >= sides[i]) from[i] = sides[i] - 1;
        if (to[i] <= from[i]) to[i] = from[i] + 1;
    }
    return (cdul_rect){from[0], from[1], to[0] - from[0], to[1] - from[1]};
}
