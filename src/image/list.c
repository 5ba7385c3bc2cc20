/* Expands what the user named (files, folders, lists) into paths to open and names to print. */
#include "cdul/image.h"

#include "base/file.h"
#include "base/map.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool is_image_name(const char *name) {
    static const char *const extensions[] = {".jpg",  ".jpeg", ".jpe", ".jfif", ".png",
                                             ".webp", ".bmp",  ".gif", ".tga",  ".pnm",
                                             ".ppm",  ".pgm",  ".pbm", ".psd"};
    const char *extension = cdul_path_extension(name);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (strcasecmp(extension, extensions[i]) == 0) return true;
    return false;
}

typedef struct gatherer {
    const cdul_list_options *options;
    cdul_strings *paths;
    cdul_names names; /* distinct, as they identify images in all outputs */
    cdul_error *err;
} gatherer;

static cdul_status add(gatherer *g, const char *path, const char *name) {
    /* A file named "-" in a list: the bare name would be read as standard input. */
    if (strcmp(path, "-") == 0) path = "./-";
    size_t position = 0;
    cdul_status status = cdul_names_get(&g->names, name, &position, g->err);
    if (status == CDUL_OK && position < g->paths->count)
        return cdul_fail(g->err, CDUL_ERR_INPUT,
                         "two images have the name %s (%s and %s): name each file once, or "
                         "the folder above both",
                         name, g->paths->items[position], path);
    return status == CDUL_OK ? cdul_strings_add(g->paths, path, g->err) : status;
}

/* --- Folders --- */

/* Adds the image names below the folder, relative to it. Links are followed, but not those back to
 * a folder above (FTS_DC). What has gone since its folder was read is no error. */
static cdul_status walk(const char *folder, cdul_strings *found, cdul_error *err) {
    char *const roots[] = {(char *)folder, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!tree) return cdul_fail_errno(err, "%s: cannot read folder", folder);
    cdul_status status = CDUL_OK;
    FTSENT *entry;
    while (status == CDUL_OK && (errno = 0, entry = fts_read(tree))) {
        const char *name = entry->fts_path + strlen(folder);
        const int info = entry->fts_info;
        if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
            fts_set(tree, entry, FTS_SKIP);
        } else if ((info == FTS_F || info == FTS_NS) && is_image_name(entry->fts_name)) {
            status = cdul_strings_add(found, name + strspn(name, "/"), err);
        } else if ((info == FTS_DNR || info == FTS_ERR || info == FTS_NS) &&
                   entry->fts_errno != ENOENT) {
            errno = entry->fts_errno;
            status = cdul_fail_errno(err, "%s: cannot read folder", entry->fts_path);
        }
    }
    if (status == CDUL_OK && errno) status = cdul_fail_errno(err, "%s: cannot read folder", folder);
    fts_close(tree);
    return status;
}

static cdul_status add_folder(gatherer *g, const char *folder) {
    cdul_strings found = {0};
    cdul_status status = walk(folder, &found, g->err);
    if (status == CDUL_OK) cdul_strings_sort(&found);
    for (size_t i = 0; status == CDUL_OK && i < found.count; i++) {
        char *path = cdul_path_join(folder, found.items[i]);
        status = path ? add(g, path, found.items[i]) : cdul_fail_memory(g->err, "image list");
        free(path);
    }
    cdul_strings_free(&found);
    return status;
}

/* --- Lists --- */

/* One line of list `where`. */
static cdul_status add_line(gatherer *g, const char *where, size_t line, const char *name) {
    char *path = cdul_path_join(g->options->root, name);
    if (!path) return cdul_fail_memory(g->err, "image list");
    cdul_status status;
    struct stat info;
    if (stat(path, &info) != 0)
        status = cdul_fail_errno(g->err, "%s: entry %zu: %s", where, line, path);
    else if (S_ISDIR(info.st_mode))
        status = cdul_fail(g->err, CDUL_ERR_INPUT,
                           "%s: entry %zu: %s is a folder: lists name files", where, line, path);
    else
        status = add(g, path, name);
    free(path);
    return status;
}

static cdul_status add_list(gatherer *g, const char *path) {
    const char *where = strcmp(path, "-") == 0 ? "list on standard input" : path;
    char separator = g->options->nul_separated ? '\0' : '\n';
    char *text = NULL;
    size_t size = 0;
    cdul_status status = cdul_file_read_all(path, &text, &size, g->err);
    if (status != CDUL_OK) return status;
    char *at = text, *end = text + size;
    if (size >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    for (size_t line = 1; status == CDUL_OK && at < end; line++) {
        char *stop = memchr(at, separator, (size_t)(end - at));
        if (!stop) stop = end;
        *stop = '\0'; /* even at the end: cdul_file_read_all leaves a byte for it */
        if (separator == '\n' && strlen(at) != (size_t)(stop - at))
            status =
                cdul_fail(g->err, CDUL_ERR_INPUT,
                          "%s: line %zu holds a NUL byte: is the list NUL-separated?", where, line);
        if (separator == '\n' && stop > at && stop[-1] == '\r') stop[-1] = '\0';
        if (status == CDUL_OK && *at) status = add_line(g, where, line, at);
        at = stop + 1;
    }
    free(text);
    return status;
}

static cdul_status add_argument(gatherer *g, const char *argument) {
    if (strcmp(argument, "-") == 0) return add_list(g, argument);
    if (argument[0] == '@') return add_list(g, argument + 1);
    struct stat info;
    if (stat(argument, &info) != 0) return cdul_fail_errno(g->err, "%s", argument);
    return S_ISDIR(info.st_mode) ? add_folder(g, argument) : add(g, argument, argument);
}

cdul_status cdul_list_images(const char *const *arguments, size_t count,
                             const cdul_list_options *options, cdul_strings *paths,
                             cdul_strings *names, cdul_error *err) {
    const cdul_list_options none = {0};
    gatherer g = {.options = options ? options : &none, .paths = paths, .err = err};
    *paths = (cdul_strings){0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < count && status == CDUL_OK; i++) status = add_argument(&g, arguments[i]);
    if (status == CDUL_OK && paths->count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no images found",
                           count ? arguments[0] : "no arguments");
    cdul_map_free(&g.names.map);
    *names = g.names.list;
    if (status != CDUL_OK) {
        cdul_strings_free(paths);
        cdul_strings_free(names);
    }
    return status;
}
