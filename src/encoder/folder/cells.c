#include "encoder/encoder_internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CELLS 4096 /* as many as crops: a ViT-L/14 at 896 pixels */

/* Reads "RxC"; false if it is something else. */
static bool read_grid(const char *text, cdul_cells *out) {
    size_t sides[2];
    for (size_t i = 0; i < 2; i++) {
        char *end;
        if (*text < '1' || *text > '9') return false;
        sides[i] = strtoul(text, &end, 10);
        if (sides[i] > MAX_CELLS || *end != (i == 0 ? 'x' : '\0')) return false;
        text = end + 1;
    }
    *out = (cdul_cells){.rows = sides[0], .columns = sides[1]};
    return sides[0] * sides[1] <= MAX_CELLS;
}

cdul_status cdul_encoder_cells(const cdul_encoder *e, cdul_cells *out, cdul_error *err) {
    const char *path = cdul_session_path(e->vision.session);
    const char *grid = cdul_session_metadata(e->vision.session, "dense_grid");
    const cdul_port *port = cdul_session_output(e->vision.session, CDUL_DENSE_OUTPUT);
    char text[120];
    *out = (cdul_cells){0};
    if (!port)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: no output " CDUL_DENSE_OUTPUT
            ", so no vectors of cells; export the model with scripts/export_clip.py --dense",
            path);
    cdul_port_describe(port, text, sizeof text);
    if (port->element == CDUL_ELEMENT_OTHER || port->rank != 3 ||
        (port->dims[2] >= 0 && (size_t)port->dims[2] != e->width))
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: output %s: expected numbers [B, P, %zu], a vector a cell as wide as the whole "
            "image's",
            path, text, e->width);
    if (!grid || !read_grid(grid, out))
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: output %s: metadata dense_grid is %s%s%s where the grid of its cells should "
            "be, such as 7x7 (rows x columns, at most %d cells)",
            path, text, grid ? "\"" : "", grid ? grid : "missing", grid ? "\"" : "", MAX_CELLS);
    size_t cells = out->rows * out->columns, size = 0;
    if ((port->dims[1] >= 0 && (size_t)port->dims[1] != cells) ||
        __builtin_mul_overflow((1 + cells) * sizeof(float), e->width, &size))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s does not hold the %zu cells of dense_grid %s", path, text,
                         cells, grid);
    return CDUL_OK;
}
