/* Any bytes as the text files of an encoder folder, and as the names of the graphs in it. */
#include "input.h"

#include "encoder/encoder_internal.h"

#include <dirent.h>
#include <math.h>

/* The last part: a name a line. Those of the last input are removed. */
static void make_graphs(const uint8_t *names, size_t size) {
    static char graphs[32][256];
    static size_t count;
    char path[400];
    for (; count > 0; count--) {
        input_path(graphs[count - 1], path, sizeof path);
        unlink(path);
    }
    for (const uint8_t *end = names + size, *stop; names < end && count < 32; names = stop + 1) {
        if (!(stop = memchr(names, '\n', (size_t)(end - names)))) stop = end;
        size_t length = (size_t)(stop - names);
        if (length == 0 || length > 255 || memchr(names, '/', length) || memchr(names, 0, length))
            continue;
        snprintf(graphs[count], 256, "%.*s", (int)length, (const char *)names);
        input_path(graphs[count], path, sizeof path);
        /* not the text files, nor . and .. */
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fd < 0) continue;
        close(fd);
        count++;
    }
}

static void find_layout(const char *variant) {
    cdul_layout layout = {0};
    cdul_error err = {{0}};
    char *int8 = NULL;
    cdul_status status = cdul_layout_find(input_folder(), variant, &layout, &err);
    CLAIM(status == CDUL_OK ? layout.vision && layout.tokenizer
                            : status == CDUL_ERR_INPUT && err.message[0]);
    cdul_layout_free(&layout);
    if (cdul_layout_int8(input_folder(), &int8, &err) == CDUL_OK) free(int8);
}

static void read_preprocess(const cdul_input_size *known) {
    cdul_preprocess p;
    cdul_strings notes = {0};
    cdul_error err = {{0}};
    cdul_status status = cdul_preprocess_read(input_folder(), known, &p, &notes, &err);
    cdul_strings_free(&notes);
    if (status != CDUL_OK) {
        CLAIM(status == CDUL_ERR_INPUT && err.message[0]);
        return;
    }
    char text[256];
    cdul_preprocess_text(&p, text, sizeof text);
    CLAIM(p.width > 0 && p.height > 0 && p.std[0] > 0 && p.std[1] > 0 && p.std[2] > 0);
    if (p.width > 64 || p.height > 64 || p.shortest > 64 || p.squash_width > 64 ||
        p.squash_height > 64)
        return;
    uint8_t pixels[5 * 3 * 3], *scratch = malloc(p.width * p.height * 3);
    float *out = malloc(p.width * p.height * 3 * sizeof *out);
    CLAIM(scratch && out);
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 5);
    const cdul_image image = {5, 3, pixels, NULL};
    CLAIM(cdul_preprocess_apply(&p, &image, NULL, scratch, out, &err) == CDUL_OK);
    free(scratch);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"config.json", "preprocessor_config.json",
                                        "open_clip_config.json", "cdul.json"};
    const uint8_t *graphs = data, *end = data + size;
    size_t part = 0;
    for (size_t i = 0; i < 4 && graphs; i++) graphs = next_part(graphs, end, &part);
    make_graphs(graphs ? graphs : end, graphs ? (size_t)(end - graphs) : 0);
    input_files(data, graphs ? (size_t)(graphs - data) - strlen("\n%%\n") : size, names, 4);
    cdul_encoder_config config;
    cdul_error err = {{0}};
    cdul_status status = cdul_encoder_config_read(input_folder(), &config, &err);
    CLAIM(status == CDUL_OK || (status == CDUL_ERR_INPUT && err.message[0]));
    if (status == CDUL_OK) CLAIM(isnan(config.logit_scale) || isfinite(config.logit_scale));
    cdul_encoder_config_free(&config);
    read_preprocess(&(cdul_input_size){0});
    read_preprocess(&(cdul_input_size){.height = 32, .width = 32});
    find_layout(NULL);
    find_layout("fp16");
    return 0;
}
