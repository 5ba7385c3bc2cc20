/* The grid of patch tokens that a graph with dense output says it has. */
#include "encoder/encoder_internal.h"

#include <stdlib.h>

#define MAX_PATCHES 4096 /* as many as crops: a ViT-L/14 at 896 pixels */

/* Reads "RxC"; false if it is something else. */
static bool read_grid(const char *text, cdul_patches *out) {
    size_t sides[2];
    for (size_t i = 0; i < 2; i++) {
        char *end;
        if (*text < '1' || *text > '9') return false;
        sides[i] = strtoul(text, &end, 10);
        if (sides[i] > MAX_PATCHES || *end != (i == 0 ? 'x' : '\0')) return false;
        text = end + 1;
    }
    *out = (cdul_patches){.rows = sides[0], .columns = sides[1]};
    return sides[0] * sides[1] <= MAX_PATCHES;
}

cdul_status cdul_encoder_patches(const cdul_encoder *e, cdul_patches *out, cdul_error *err) {
    const cdul_session *session = e->vision.session;
    const size_t width = e->width;
    const char *path = cdul_session_path(session);
    const char *grid = cdul_session_metadata(session, "dense_grid");
    const cdul_port *port = cdul_session_output(session, CDUL_DENSE_OUTPUT);
    char text[120];
    *out = (cdul_patches){0};
    if (!port)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no output " CDUL_DENSE_OUTPUT
                         ", so no patch tokens; export the model with export_clip.py --dense of "
                         "cdul's sources: docs/encoders.md",
                         path);
    cdul_port_describe(port, text, sizeof text);
    if (port->element == CDUL_ELEMENT_OTHER || port->rank != 3 ||
        (port->dims[2] >= 0 && (size_t)port->dims[2] != width))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s: expected numbers [B, P, %zu], a patch token as wide as "
                         "the whole image's",
                         path, text, width);
    if (!grid || !read_grid(grid, out))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s: metadata dense_grid is %s%s%s where the grid of its "
                         "patches should be, such as 7x7 (rows x columns, at most %d patches)",
                         path, text, grid ? "\"" : "", grid ? grid : "missing", grid ? "\"" : "",
                         MAX_PATCHES);
    size_t patches = out->rows * out->columns, size = 0;
    if ((port->dims[1] >= 0 && (size_t)port->dims[1] != patches) ||
        __builtin_mul_overflow((1 + patches) * sizeof(float), width, &size))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s does not hold the %zu patches of dense_grid %s", path, text,
                         patches, grid);
    return CDUL_OK;
}
