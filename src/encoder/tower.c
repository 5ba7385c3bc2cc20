/* What an ONNX graph of an encoder takes and gives, found by names and shapes, and running it. */
#include "encoder/tower.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cdul_tower_close(cdul_tower *tower) {
    if (!tower->borrowed) cdul_session_close(tower->session);
    free(tower->numbers);
    *tower = (cdul_tower){0};
}

/* --- The embedding --- */

/* "image_embeds float32 [?, 512]; pooler_output ..." for messages. */
static void list_ports(const cdul_port *ports, size_t count, char *list, size_t size) {
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char text[120];
        size_t used = strlen(list);
        snprintf(list + used, size - used, "%s%s", i ? "; " : "",
                 cdul_port_describe(&ports[i], text, sizeof text));
    }
}

/* The only output that is a matrix of numbers, of that width (0: of any); NULL if there is none or
 * another. */
static const cdul_port *only_matrix(const cdul_session *session, size_t width) {
    size_t count = 0, matrices = 0;
    const cdul_port *outputs = cdul_session_outputs(session, &count), *only = NULL;
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].rank != 2 || outputs[i].element == CDUL_ELEMENT_OTHER) continue;
        if (width && outputs[i].dims[1] != (int64_t)width) continue;
        only = &outputs[i];
        matrices++;
    }
    return matrices == 1 ? only : NULL;
}

static bool type_begins(const cdul_encoder_config *config, const char *prefix) {
    return config->model_type && strncmp(config->model_type, prefix, strlen(prefix)) == 0;
}

/* The embedding is the output of one of the names; else, for SigLIP, the pooled output, which is in
 * the common space there; else the only matrix that is as wide as config.json says; else the only
 * matrix. In a graph of both towers a matrix may be anybody's: names alone count. */
static const char by_name[] = "by name";

static const cdul_port *find_output(cdul_tower *tower, const char *const *names,
                                    const cdul_encoder_config *config) {
    const cdul_port *found = NULL;
    for (tower->chosen = by_name; *names; names++)
        if ((found = cdul_session_output(tower->session, *names))) return found;
    if (tower->both) return NULL;
    tower->chosen = "SigLIP's embedding is its pooled output";
    if (type_begins(config, "siglip") &&
        (found = cdul_session_output(tower->session, "pooler_output")))
        return found;
    tower->chosen = "the only output [B, D]";
    if ((found = only_matrix(tower->session, 0))) return found;
    tower->chosen = "the only output as wide as config.json says";
    return config->projection ? only_matrix(tower->session, config->projection) : NULL;
}

/* The trap of exports of CLIPVisionModel and CLIPTextModel: their pooled state is in a space of its
 * own. */
static cdul_status check_projection(const cdul_tower *tower, const cdul_encoder_config *config,
                                    cdul_error *err) {
    static const char *const unprojected[] = {"clip", "chinese_clip", "metaclip_2", "altclip"};
    const char *path = cdul_session_path(tower->session), *name = tower->output->name;
    bool pooled = strcmp(name, "pooler_output") == 0;
    int64_t width = tower->output->dims[1];
    for (size_t i = 0; pooled && i < sizeof unprojected / sizeof *unprojected; i++)
        if (type_begins(config, unprojected[i]))
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: pooler_output of model_type %s is what comes before the projection: this "
                "export lacks the projection; export the model with image_embeds and text_embeds",
                path, config->model_type);
    if (tower->chosen != by_name && config->projection && width > 0 &&
        width != (int64_t)config->projection)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: %s is %lld wide and config.json's projection_dim is %zu: this export "
                         "lacks the projection; export the model with image_embeds and text_embeds",
                         path, name, (long long)width, config->projection);
    return CDUL_OK;
}

static cdul_status choose_output(cdul_tower *tower, const char *const *names,
                                 const cdul_encoder_config *config, cdul_error *err) {
    char list[400];
    size_t count = 0;
    const char *path = cdul_session_path(tower->session);
    const cdul_port *outputs = cdul_session_outputs(tower->session, &count);
    list_ports(outputs, count, list, sizeof list);
    tower->output = find_output(tower, names, config);
    if (!tower->output)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no output %s, and none other can be told for it; outputs: %s", path,
                         names[0], list);
    if (tower->output->rank != 2 || tower->output->element == CDUL_ELEMENT_OTHER)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: output %s is not a matrix [B, D] of numbers; outputs: %s", path,
                         tower->output->name, list);
    return check_projection(tower, config, err);
}

static const char *const image_names[] = {"image_embeds", "image_features", NULL};
static const char *const text_names[] = {"text_embeds", "text_features", NULL};

/* --- Inputs --- */

/* Of one port and row: keeps all later products of sizes in range. */
#define MOST_NUMBERS ((int64_t)1 << 31)

static cdul_status check_ports(const cdul_tower *tower, cdul_error *err) {
    size_t inputs = 0, outputs = 0;
    const cdul_port *in = cdul_session_inputs(tower->session, &inputs);
    const cdul_port *out = cdul_session_outputs(tower->session, &outputs);
    for (size_t i = 0; i < inputs + outputs; i++) {
        const cdul_port *port = i < inputs ? &in[i] : &out[i - inputs];
        int64_t numbers = 1;
        char text[120];
        for (size_t k = 0; k < port->rank && k < CDUL_PORT_RANK; k++)
            if (port->dims[k] > 0 && (__builtin_mul_overflow(numbers, port->dims[k], &numbers) ||
                                      numbers > MOST_NUMBERS))
                return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: too large; is the graph damaged?",
                                 cdul_session_path(tower->session),
                                 cdul_port_describe(port, text, sizeof text));
    }
    return CDUL_OK;
}

/* ONNX Runtime names the file that is missing somewhere in its message; here it comes first. */
static cdul_status open_session(cdul_tower *tower, const char *path,
                                const cdul_session_options *options, cdul_error *err) {
    static const char missing[] = "External data path does not exist: ",
                      beyond[] = "External initializer";
    *tower = (cdul_tower){0};
    cdul_status status = cdul_session_open(path, options, &tower->session, err);
    if (status == CDUL_OK) return check_ports(tower, err);
    if (!err) return status;
    const char *at = strstr(err->message, missing);
    char file[400] = "";
    if (at) sscanf(at + sizeof missing - 1, "%*[\"]%399[^\"]", file);
    if (file[0])
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: its weights are in another file, %s, which is not there: copy it beside the graph",
            path, cdul_path_base(file));
    if (strstr(err->message, beyond))
        cdul_error_prefix(err, "the graph's weights are in another file, which is cut short");
    return status;
}

static cdul_status refuse_input(const cdul_tower *tower, const cdul_port *port, const char *wanted,
                                cdul_error *err) {
    char text[120];
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: input %s: expected %s",
                     cdul_session_path(tower->session), cdul_port_describe(port, text, sizeof text),
                     wanted);
}

static bool is_integer(const cdul_port *port) {
    return port->element == CDUL_ELEMENT_I64 || port->element == CDUL_ELEMENT_I32;
}

static bool is_float(const cdul_port *port) {
    return port->element == CDUL_ELEMENT_F32 || port->element == CDUL_ELEMENT_F16;
}

static size_t fixed(int64_t dim) { return dim > 0 ? (size_t)dim : 0; }

/* The first input of that rank and kind, or NULL. */
static const cdul_port *find_input(const cdul_session *session, size_t rank,
                                   bool (*is_kind)(const cdul_port *port)) {
    size_t count = 0;
    const cdul_port *inputs = cdul_session_inputs(session, &count);
    for (size_t i = 0; i < count; i++)
        if (inputs[i].rank == rank && is_kind(&inputs[i])) return &inputs[i];
    return NULL;
}

static cdul_status choose_pixels(cdul_tower *tower, bool combined, cdul_error *err) {
    size_t count = 0;
    const cdul_port *input = cdul_session_inputs(tower->session, &count);
    const cdul_port *pixels = find_input(tower->session, 4, is_float);
    if (combined && pixels && find_input(tower->session, 2, is_integer)) {
        tower->both = true;
        input = pixels;
    } else if (count != 1) {
        char list[400] = "";
        list_ports(input, count, list, sizeof list);
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: %zu inputs, where an image tower has one, the pixels: %s",
                         cdul_session_path(tower->session), count, list);
    }
    if (input->rank == 4 && input->dims[3] == 3 && input->dims[1] != 3)
        return refuse_input(tower, input, "[B, 3, H, W]; export it with channels first", err);
    if (input->rank != 4 || !is_float(input))
        return refuse_input(tower, input, "float pixels [B, 3, H, W]", err);
    if (input->dims[1] >= 0 && input->dims[1] != 3)
        return refuse_input(tower, input, "three channels", err);
    tower->input = input;
    tower->batch = fixed(input->dims[0]);
    return CDUL_OK;
}

/* Where the tower keeps a text input that is not the ids; NULL: there is no such input. */
static const cdul_port **text_input(cdul_tower *tower, const char *name) {
    if (strcmp(name, "attention_mask") == 0) return &tower->mask;
    if (strcmp(name, "token_type_ids") == 0) return &tower->token_types;
    if (strcmp(name, "position_ids") == 0) return &tower->positions;
    return NULL;
}

/* Of a graph of both towers, all inputs but the pixels. */
static cdul_status choose_tokens(cdul_tower *tower, cdul_error *err) {
    size_t count = 0, pixels = tower->both ? 1 : 0;
    const cdul_port *inputs = cdul_session_inputs(tower->session, &count);
    for (size_t i = 0; i < count; i++) {
        if (tower->both && inputs[i].rank == 4 && is_float(&inputs[i])) continue;
        bool ids = count == 1 + pixels || strcmp(inputs[i].name, "input_ids") == 0;
        const cdul_port **place = ids ? &tower->input : text_input(tower, inputs[i].name);
        if (!place)
            return refuse_input(tower, &inputs[i],
                                "only input_ids, attention_mask, token_type_ids and position_ids",
                                err);
        if (inputs[i].rank != 2 || !is_integer(&inputs[i]))
            return refuse_input(tower, &inputs[i], "integers [B, L]", err);
        *place = &inputs[i];
    }
    if (!tower->input)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no input input_ids",
                         cdul_session_path(tower->session));
    tower->batch = fixed(tower->input->dims[0]);
    return CDUL_OK;
}

/* --- Opening --- */

cdul_status cdul_tower_open_vision(cdul_tower *tower, const char *path, bool combined,
                                   const cdul_session_options *options,
                                   const cdul_encoder_config *config, cdul_error *err) {
    cdul_status status = open_session(tower, path, options, err);
    if (status == CDUL_OK) status = choose_pixels(tower, combined, err);
    if (status == CDUL_OK) status = choose_output(tower, image_names, config, err);
    if (status != CDUL_OK) cdul_tower_close(tower);
    return status;
}

cdul_status cdul_tower_open_text(cdul_tower *tower, const cdul_tower *vision, const char *path,
                                 const cdul_session_options *options,
                                 const cdul_encoder_config *config, cdul_error *err) {
    cdul_status status = CDUL_OK;
    if (vision->both)
        *tower = (cdul_tower){.session = vision->session, .borrowed = true, .both = true};
    else
        status = open_session(tower, path, options, err);
    if (status == CDUL_OK) status = choose_tokens(tower, err);
    if (status == CDUL_OK) status = choose_output(tower, text_names, config, err);
    if (status != CDUL_OK) cdul_tower_close(tower);
    return status;
}

/* --- Running --- */

/* What texts are fed besides their ids and mask: zeros, positions 0 .. L - 1, and ones, each [rows,
 * length]. */
static int64_t *make_constants(size_t rows, size_t length) {
    size_t count = 0;
    if (__builtin_mul_overflow(rows, length, &count)) return NULL;
    int64_t *numbers = count <= SIZE_MAX / 3 ? calloc(3 * count, sizeof *numbers) : NULL;
    for (size_t i = 0; numbers && i < count; i++) {
        numbers[count + i] = (int64_t)(i % length);
        numbers[2 * count + i] = 1;
    }
    return numbers;
}

/* The input itself and, of a text tower, what else its graph takes. Returns how many feeds these
 * are. */
static size_t all_inputs(const cdul_tower *tower, const cdul_feed *input, const int64_t *mask,
                         const int64_t *constants, cdul_feed *feeds) {
    const size_t count = (size_t)(input->dims[0] * input->dims[1]);
    const cdul_port *ports[] = {tower->mask, tower->token_types, tower->positions};
    const int64_t *values[] = {mask, constants, constants ? constants + count : NULL};
    size_t n = 0;
    feeds[n++] = *input;
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        if (!ports[i]) continue;
        feeds[n] = *input;
        feeds[n].name = ports[i]->name;
        feeds[n].i64 = values[i];
        /* one row for all */
        if (ports[i] != tower->mask && ports[i]->dims[0] == 1) feeds[n].dims[0] = 1;
        n++;
    }
    return n;
}

static cdul_status run(cdul_tower *tower, const cdul_feed *input, const int64_t *mask,
                       cdul_fetch *fetches, size_t n_fetches, cdul_error *err) {
    cdul_feed feeds[8];
    int64_t *constants = NULL;
    if (tower->token_types || tower->positions) {
        constants = make_constants((size_t)input->dims[0], (size_t)input->dims[1]);
        if (!constants) return cdul_fail_memory(err, "network input");
    }
    size_t n_feeds = all_inputs(tower, input, mask, constants, feeds);
    for (size_t i = 0; i < tower->n_filler; i++) feeds[n_feeds++] = tower->filler[i];
    cdul_status status = cdul_session_run(tower->session, feeds, n_feeds, fetches, n_fetches, err);
    free(constants);
    return status;
}

/* A black picture for the input `port`, of height x width where the graph leaves them free, and as
 * many rows as it takes. The caller frees the pixels; NULL: no memory. */
static float *make_picture(const cdul_port *port, size_t height, size_t width, cdul_feed *feed) {
    const size_t free_dims[4] = {1, 3, height, width};
    size_t count = 1;
    *feed = (cdul_feed){.name = port->name, .rank = 4};
    for (size_t i = 0; i < 4; i++) {
        size_t dim = fixed(port->dims[i]) ? fixed(port->dims[i]) : free_dims[i];
        feed->dims[i] = (int64_t)dim;
        if (__builtin_mul_overflow(count, dim, &count)) return NULL;
    }
    float *pixels = calloc(count, sizeof *pixels);
    feed->f32 = pixels;
    return pixels;
}

/* Runs an image tower once on black pictures. The caller frees fetch->values. */
static cdul_status run_blank(cdul_tower *tower, size_t height, size_t width, cdul_fetch *fetch,
                             cdul_error *err) {
    cdul_feed feed;
    float *pixels = make_picture(tower->input, height, width, &feed);
    if (!pixels) return cdul_fail_memory(err, "network input");
    *fetch = (cdul_fetch){.name = tower->output->name};
    cdul_status status = run(tower, &feed, NULL, fetch, 1, err);
    free(pixels);
    return status;
}

cdul_status cdul_tower_width(cdul_tower *tower, size_t height, size_t width, size_t *out,
                             cdul_error *err) {
    cdul_fetch fetch;
    *out = fixed(tower->output->dims[1]);
    if (*out) return CDUL_OK;
    cdul_status status = run_blank(tower, height, width, &fetch, err);
    if (status != CDUL_OK) return status;
    if (fetch.rank != 2 || fetch.dims[1] <= 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: output %s is not a matrix [B, D]",
                           cdul_session_path(tower->session), fetch.name);
    else
        *out = (size_t)fetch.dims[1];
    free(fetch.values);
    return status;
}

/* Sizes that the graph leaves free are known only now, and it may be wrong about the others. */
static cdul_status check_sizes(const cdul_tower *tower, const cdul_fetch *fetch,
                               const int64_t *want, size_t rank, cdul_error *err) {
    if (fetch->rank == rank && memcmp(fetch->dims, want, rank * sizeof *want) == 0) return CDUL_OK;
    cdul_port got = {.name = (char *)(uintptr_t)fetch->name, .rank = fetch->rank}, wanted = got;
    char got_text[120], wanted_text[120];
    memcpy(got.dims, fetch->dims, sizeof got.dims);
    wanted.rank = rank;
    memcpy(wanted.dims, want, rank * sizeof *want);
    return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the network gave %s, expected %s",
                     cdul_session_path(tower->session),
                     cdul_port_describe(&got, got_text, sizeof got_text),
                     cdul_port_describe(&wanted, wanted_text, sizeof wanted_text));
}

cdul_status cdul_tower_run(cdul_tower *tower, const cdul_feed *input, const int64_t *mask,
                           size_t width, size_t patches, float *out, cdul_error *err) {
    cdul_fetch fetches[2] = {{.name = tower->output->name}, {.name = CDUL_DENSE_OUTPUT}};
    cdul_status status = run(tower, input, mask, fetches, patches ? 2 : 1, err);
    if (status != CDUL_OK) return status;
    const int64_t rows = input->dims[0], whole[2] = {rows, (int64_t)width},
                  dense[3] = {rows, (int64_t)patches, (int64_t)width};
    if (fetches[0].rank == 2 && fetches[0].dims[0] == rows && fetches[0].dims[1] != (int64_t)width)
        status = cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: output %s is %lld wide, the other tower's %zu: an export lacks the projection",
            cdul_session_path(tower->session), fetches[0].name, (long long)fetches[0].dims[1],
            width);
    else
        status = check_sizes(tower, &fetches[0], whole, 2, err);
    if (status == CDUL_OK && patches) status = check_sizes(tower, &fetches[1], dense, 3, err);
    for (size_t i = 0; status == CDUL_OK && i < (size_t)rows; i++, out += (1 + patches) * width) {
        memcpy(out, fetches[0].values + i * width, width * sizeof *out);
        if (patches)
            memcpy(out + width, fetches[1].values + i * patches * width,
                   patches * width * sizeof *out);
    }
    free(fetches[0].values);
    free(fetches[1].values);
    return status;
}

/* --- What fills the other tower of a graph of both --- */

/* Token 0, and a mask of ones: a row that lets nothing through may give NaN. */
static cdul_status fill_text(cdul_tower *tower, const cdul_tower *text, size_t length,
                             cdul_error *err) {
    const size_t rows = text->batch ? text->batch : 1;
    free(tower->numbers);
    int64_t *numbers = make_constants(rows, length);
    tower->numbers = numbers;
    if (!numbers) return cdul_fail_memory(err, "network input");
    const cdul_feed ids = {.name = text->input->name,
                           .i64 = numbers,
                           .rank = 2,
                           .dims = {(int64_t)rows, (int64_t)length}};
    tower->n_filler = all_inputs(text, &ids, numbers + 2 * rows * length, numbers, tower->filler);
    return CDUL_OK;
}

#define SHORT_TEXT 2 /* tokens: as many as start and end */

cdul_status cdul_tower_fill_other(cdul_tower *tower, size_t height, size_t width, size_t context,
                                  cdul_error *err) {
    if (tower->input->rank == 2) { /* this is the text tower */
        const cdul_port *pixels = find_input(tower->session, 4, is_float);
        tower->numbers = make_picture(pixels, height, width, &tower->filler[0]);
        tower->n_filler = 1;
        return tower->numbers ? CDUL_OK : cdul_fail_memory(err, "network input");
    }
    cdul_tower text = {.session = tower->session, .both = true};
    cdul_status status = choose_tokens(&text, err);
    if (status != CDUL_OK) return status;
    size_t length = fixed(text.input->dims[1]);
    status = fill_text(tower, &text, length ? length : SHORT_TEXT, err);
    if (status != CDUL_OK || length) return status;
    cdul_fetch fetch;
    cdul_error why;
    /* a graph may say that it takes any length, and not do so; another cause will show again */
    if (run_blank(tower, height, width, &fetch, &why) != CDUL_OK)
        return fill_text(tower, &text, context, err);
    free(fetch.values);
    return CDUL_OK;
}
