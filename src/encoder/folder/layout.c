/* Which files of a folder are the towers. */
#include "encoder/folder/folder.h"

#include "base/file.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum tower_role { IMAGE, TEXT, BOTH } tower_role;

/* A graph of the folder that its name makes a tower. */
typedef struct graph {
    tower_role role;
    char *path; /* within the encoder folder: "onnx/vision_model_fp16.onnx" */
    char *stem; /* the file's name without its extension */
    const char *variant; /* within it: "fp16"; "" = float32 */
} graph;

typedef struct graphs {
    graph *items;
    size_t count, capacity;
} graphs;

static void free_graphs(graphs *g) {
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].path);
        free(g->items[i].stem);
    }
    free(g->items);
}

/* --- Names --- */

/* Where free names end in a precision, after a '-' or '_'; float32's is no variant. */
static const char *const precisions[] = {"fp16",      "float16", "int8", "uint8", "qint8", "quint8",
                                         "quantized", "q4",      "q8",   "q4f16", "bnb4",  "bf16"};

/* "model_fp16" is the base "model" in the variant "fp16". */
static bool has_base(const char *stem, const char *base, const char **variant) {
    size_t length = strlen(base);
    if (strncmp(stem, base, length) != 0) return false;
    if (stem[length] != '\0' && (stem[length] != '_' || stem[length + 1] == '\0')) return false;
    *variant = stem[length] ? stem + length + 1 : "";
    return true;
}

/* "clip-vit-b32-visual-float16": the precision at its end, if it is one. */
static const char *free_variant(const char *stem) {
    const char *last = stem + strlen(stem);
    while (last > stem && last[-1] != '-' && last[-1] != '_') last--;
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++)
        if (strcmp(last, precisions[i]) == 0) return last;
    return "";
}

/* What the file stem of `place` is; false: no tower. `variant` points into `stem`. */
static bool classify(const char *place, const char *stem, tower_role *role, const char **variant) {
    bool visual = strcmp(place, "visual") == 0, textual = strcmp(place, "textual") == 0;
    if (has_base(stem, "model", variant)) {
        *role = visual ? IMAGE : textual ? TEXT : BOTH;
        return true;
    }
    if (visual || textual) return false;
    *role = IMAGE;
    if (has_base(stem, "vision_model", variant)) return true;
    bool free_name = strstr(stem, "visual") != NULL;
    if (!free_name) {
        *role = TEXT;
        if (has_base(stem, "text_model", variant) || has_base(stem, "text", variant)) return true;
        free_name = strstr(stem, "textual") != NULL;
    }
    if (free_name) *variant = free_variant(stem);
    return free_name;
}

/* --- Reading the folder --- */

static cdul_status add_graph(graphs *g, const char *place, const char *name, cdul_error *err) {
    const char *extension = cdul_path_extension(name);
    if (strcmp(extension, ".onnx") != 0) return CDUL_OK;
    graph found = {.path = cdul_path_join(place, name),
                   .stem = strndup(name, (size_t)(extension - name))};
    cdul_status status = found.path && found.stem ? cdul_grow(&g->items, g->count + 1, &g->capacity,
                                                              sizeof *g->items, "file names", err)
                                                  : cdul_fail_memory(err, "file names");
    if (status == CDUL_OK && classify(place, found.stem, &found.role, &found.variant)) {
        g->items[g->count++] = found;
        return CDUL_OK;
    }
    free(found.path);
    free(found.stem);
    return status;
}

static cdul_status list_place(const char *folder, const char *place, graphs *g, cdul_error *err) {
    char *path = cdul_path_join(folder, place);
    if (!path) return cdul_fail_memory(err, "path");
    cdul_status status = CDUL_OK;
    DIR *directory = opendir(path);
    if (!directory && errno != ENOENT && errno != ENOTDIR)
        status = cdul_fail(err, CDUL_ERR_IO, "%s: %s", path, strerror(errno));
    while (status == CDUL_OK && directory) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry && errno) status = cdul_fail_errno(err, "%s: cannot be read", path);
        if (!entry) break;
        status = add_graph(g, place, entry->d_name, err);
    }
    if (directory) closedir(directory);
    free(path);
    return status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const graph *)a)->path, ((const graph *)b)->path);
}

static cdul_status list_graphs(const char *folder, graphs *g, cdul_error *err) {
    static const char *const places[] = {"", "onnx", "visual", "textual"};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < sizeof places / sizeof *places; i++)
        status = list_place(folder, places[i], g, err);
    if (status == CDUL_OK && g->count) qsort(g->items, g->count, sizeof *g->items, by_path);
    return status;
}

/* --- Choosing --- */

/* Appends to a list for people: "a, b, c". */
static void append(char *list, size_t size, const char *item) {
    size_t used = strlen(list);
    if (used + 1 < size) snprintf(list + used, size - used, "%s%s", used ? ", " : "", item);
}

/* The one graph of that role and variant. None: *found is NULL. */
static cdul_status pick(const char *folder, const graphs *g, tower_role role, const char *variant,
                        const graph **found, cdul_error *err) {
    static const char *const names[] = {"image tower", "text tower", "graph of both towers"};
    char list[400] = "";
    size_t count = 0;
    *found = NULL;
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].role != role || strcmp(g->items[i].variant, variant) != 0) continue;
        append(list, sizeof list, g->items[i].path);
        *found = &g->items[i];
        count++;
    }
    if (count < 2) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: more than one %s: %s; leave the one that is meant",
                     folder, names[role], list);
}

/* The variants that there are of text towers, or of graphs that hold an image tower. */
static void list_variants(const graphs *g, bool text, char *list, size_t size) {
    for (size_t i = 0; i < g->count; i++) {
        const char *variant = g->items[i].variant;
        bool skip = (g->items[i].role == TEXT) != text;
        for (size_t k = 0; k < i && !skip; k++)
            skip = (g->items[k].role == TEXT) == text && strcmp(g->items[k].variant, variant) == 0;
        if (!skip) append(list, size, variant[0] ? variant : "float32 (without --variant)");
    }
}

static cdul_status no_image_tower(const char *folder, const graphs *g, const char *variant,
                                  cdul_error *err) {
    char list[400] = "";
    list_variants(g, false, list, sizeof list);
    if (!list[0])
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: not an encoder folder: neither vision_model.onnx (here or in onnx/), "
                         "nor visual/model.onnx, nor *visual*.onnx, nor model.onnx",
                         folder);
    if (!variant[0])
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: no float32 image tower; choose one of its variants with --variant: %s", folder,
            list);
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: no variant '%s' of the image tower; there are: %s",
                     folder, variant, list);
}

/* A text tower that is not of the variant asked for is never chosen in silence: *note says it. */
static cdul_status choose_text(const char *folder, const graphs *g, const char *variant,
                               const graph **text, char **note, cdul_error *err) {
    char list[400] = "";
    int wrote = 0;
    cdul_status status = pick(folder, g, TEXT, variant, text, err);
    if (status != CDUL_OK || *text) return status;
    if (variant[0]) status = pick(folder, g, TEXT, "", text, err);
    if (status != CDUL_OK) return status;
    list_variants(g, true, list, sizeof list);
    if (*text)
        wrote = asprintf(note, "the text tower has no variant '%s': %s, in float32, is used",
                         variant, (*text)->path);
    else if (list[0])
        wrote = asprintf(note, "the text tower is here only in other variants, and is not used: %s",
                         list);
    if (wrote >= 0) return CDUL_OK;
    *note = NULL;
    return cdul_fail_memory(err, "note");
}

/* The text graph's own folder if a tokenizer lies there (immich's textual/), else the encoder's.
 * NULL: no memory. */
static char *tokenizer_folder(const char *folder, const char *text) {
    static const char *const files[] = {"tokenizer.json", "vocab.json"};
    const char *base = text ? cdul_path_base(text) : NULL;
    if (!base || base == text) return strdup(folder);
    char *place = strndup(text, (size_t)(base - text) - 1), *file = place;
    bool there = false;
    for (size_t i = 0; file && !there && i < sizeof files / sizeof *files; i++) {
        file = cdul_path_join(place, files[i]);
        there = file && cdul_path_exists(file);
        free(file);
    }
    if (there) return place;
    free(place);
    return file ? strdup(folder) : NULL;
}

cdul_status cdul_layout_find(const char *folder, const char *variant, cdul_layout *out,
                             cdul_error *err) {
    *out = (cdul_layout){0};
    graphs g = {0};
    const graph *image = NULL, *text = NULL;
    if (!variant) variant = "";
    cdul_status status = list_graphs(folder, &g, err);
    if (status == CDUL_OK) status = pick(folder, &g, IMAGE, variant, &image, err);
    if (status == CDUL_OK && !image) status = pick(folder, &g, BOTH, variant, &image, err);
    if (status == CDUL_OK && !image) status = no_image_tower(folder, &g, variant, err);
    if (status == CDUL_OK) status = choose_text(folder, &g, variant, &text, &out->text_note, err);
    if (status == CDUL_OK) {
        out->combined = image->role == BOTH;
        out->vision = cdul_path_join(folder, image->path);
        out->text = text ? cdul_path_join(folder, text->path) : NULL;
        out->tokenizer = tokenizer_folder(folder, out->text);
        if (!out->vision || (text && !out->text) || !out->tokenizer)
            status = cdul_fail_memory(err, "path");
    }
    free_graphs(&g);
    if (status != CDUL_OK) cdul_layout_free(out);
    return status;
}

cdul_status cdul_layout_int8(const char *folder, char **out, cdul_error *err) {
    static const char *const variants[] = {"int8", "quantized"};
    graphs g = {0};
    const graph *image = NULL;
    *out = NULL;
    cdul_status status = list_graphs(folder, &g, err);
    for (size_t i = 0; status == CDUL_OK && !image && i < sizeof variants / sizeof *variants; i++)
        status = pick(folder, &g, IMAGE, variants[i], &image, err);
    if (status == CDUL_OK && image && !(*out = cdul_path_join(folder, image->path)))
        status = cdul_fail_memory(err, "path");
    free_graphs(&g);
    return status;
}

void cdul_layout_free(cdul_layout *layout) {
    free(layout->vision);
    free(layout->text);
    free(layout->text_note);
    free(layout->tokenizer);
    *layout = (cdul_layout){0};
}
