#include "encoder/tower.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cdul_status cdul_tower_find(const char *folder, const char *name, char **path, cdul_error *err) {
    static const char *const places[] = {"onnx/", ""};
    *path = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char relative[128];
        snprintf(relative, sizeof relative, "%s%s", places[i], name);
        *path = cdul_path_join(folder, relative);
        if (!*path) return cdul_fail_memory(err, "path");
        if (cdul_path_exists(*path)) return CDUL_OK;
        free(*path);
        *path = NULL;
    }
    return CDUL_OK;
}

void cdul_tower_close(cdul_tower *tower) {
    cdul_session_close(tower->session);
    *tower = (cdul_tower){0};
}

/* --- Choosing ports --- */

/* The embedding is the output of that name; else, for SigLIP, the pooled output, which is in the common space
 * there; else the only output of two dimensions. CLIP's pooler_output is not: it lacks the projection, which
 * the check of widths against the text side finds. */
static cdul_status choose_output(cdul_tower *tower, const char *name, const char *model_type,
                                 cdul_error *err) {
    const char *path = cdul_session_path(tower->session);
    size_t count = 0, matrices = 0;
    const cdul_port *outputs = cdul_session_outputs(tower->session, &count), *only = NULL;
    char list[400] = "";
    for (size_t i = 0; i < count; i++) {
        char text[120];
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? "; " : "",
                 cdul_port_describe(&outputs[i], text, sizeof text));
        if (outputs[i].rank != 2 || outputs[i].element == CDUL_ELEMENT_OTHER) continue;
        only = &outputs[i];
        matrices++;
    }
    tower->chosen = "by name";
    tower->output = cdul_session_output(tower->session, name);
    if (!tower->output && model_type && strncmp(model_type, "siglip", 6) == 0) {
        tower->chosen = "SigLIP's embedding is its pooled output";
        tower->output = cdul_session_output(tower->session, "pooler_output");
    }
    if (!tower->output && matrices == 1) {
        tower->chosen = "the only output [B, D]";
        tower->output = only;
    }
    if (!tower->output)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no output %s, and none other can be told for it; outputs: %s", path, name,
                         list);
    if (tower->output->rank != 2 || tower->output->element == CDUL_ELEMENT_OTHER)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: output %s is not a matrix [B, D] of numbers; outputs: %s",
                         path, tower->output->name, list);
    return CDUL_OK;
}

static cdul_status open_session(cdul_tower *tower, const char *path, const cdul_session_options *options,
                                cdul_error *err) {
    *tower = (cdul_tower){0};
    return cdul_session_open(path, options, &tower->session, err);
}

static cdul_status refuse_input(const cdul_tower *tower, const cdul_port *port, const char *wanted,
                                cdul_error *err) {
    char text[120];
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: input %s: expected %s", cdul_session_path(tower->session),
                     cdul_port_describe(port, text, sizeof text), wanted);
}

cdul_status cdul_tower_open_vision(cdul_tower *tower, const char *path, const cdul_session_options *options,
                                   const char *model_type, cdul_error *err) {
    cdul_status status = open_session(tower, path, options, err);
    if (status != CDUL_OK) return status;
    size_t count = 0;
    const cdul_port *input = tower->input = cdul_session_inputs(tower->session, &count);
    if (count != 1) {
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu inputs, where an image tower has one, the pixels",
                           path, count);
    } else if (input->rank != 4 ||
               (input->element != CDUL_ELEMENT_F32 && input->element != CDUL_ELEMENT_F16)) {
        status = refuse_input(tower, input, "float pixels [B, 3, H, W]", err);
    } else if (input->dims[1] >= 0 && input->dims[1] != 3) {
        status = refuse_input(
            tower, input,
            input->dims[3] == 3 ? "[B, 3, H, W]; export it with channels first" : "three channels", err);
    } else {
        tower->batch = input->dims[0] > 0 ? (size_t)input->dims[0] : 0;
        status = choose_output(tower, "image_embeds", model_type, err);
    }
    if (status != CDUL_OK) cdul_tower_close(tower);
    return status;
}

static cdul_status choose_text_inputs(cdul_tower *tower, cdul_error *err) {
    size_t count = 0;
    const cdul_port *inputs = cdul_session_inputs(tower->session, &count);
    for (size_t i = 0; i < count; i++) {
        bool ids = count == 1 || strcmp(inputs[i].name, "input_ids") == 0;
        if (!ids && strcmp(inputs[i].name, "attention_mask") != 0)
            return refuse_input(tower, &inputs[i], "only input_ids and attention_mask", err);
        if (inputs[i].rank != 2 ||
            (inputs[i].element != CDUL_ELEMENT_I64 && inputs[i].element != CDUL_ELEMENT_I32))
            return refuse_input(tower, &inputs[i], "integers [B, L]", err);
        if (ids)
            tower->input = &inputs[i];
        else
            tower->mask = &inputs[i];
    }
    if (!tower->input)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no input input_ids", cdul_session_path(tower->session));
    tower->batch = tower->input->dims[0] > 0 ? (size_t)tower->input->dims[0] : 0;
    return CDUL_OK;
}

cdul_status cdul_tower_open_text(cdul_tower *tower, const char *path, const cdul_session_options *options,
                                 const char *model_type, cdul_error *err) {
    cdul_status status = open_session(tower, path, options, err);
    if (status == CDUL_OK) status = choose_text_inputs(tower, err);
    if (status == CDUL_OK) status = choose_output(tower, "text_embeds", model_type, err);
    if (status != CDUL_OK) cdul_tower_close(tower);
    return status;
}

/* --- Running --- */

cdul_status cdul_tower_run(cdul_tower *tower, const float *pixels, const int64_t *ids, const int64_t *mask,
                           const int64_t *dims, size_t rank, size_t width, float *out, cdul_error *err) {
    cdul_feed feeds[2] = {{.name = tower->input->name, .f32 = pixels, .i64 = ids, .rank = rank}};
    memcpy(feeds[0].dims, dims, rank * sizeof *dims);
    size_t n_feeds = 1;
    if (tower->mask) {
        feeds[1] = feeds[0];
        feeds[1].name = tower->mask->name;
        feeds[1].i64 = mask;
        n_feeds = 2;
    }
    cdul_fetch fetch = {.name = tower->output->name};
    cdul_status status = cdul_session_run(tower->session, feeds, n_feeds, &fetch, 1, err);
    if (status != CDUL_OK) return status;
    if (fetch.rank != 2 || fetch.dims[0] != dims[0] || fetch.dims[1] != (int64_t)width)
        status =
            cdul_fail(err, CDUL_ERR_RUNTIME, "%s: output %s has %lld x %lld numbers, expected %lld x %zu",
                      cdul_session_path(tower->session), fetch.name, (long long)fetch.dims[0],
                      (long long)fetch.dims[1], (long long)dims[0], width);
    else
        memcpy(out, fetch.values, fetch.count * sizeof *out);
    free(fetch.values);
    return status;
}
