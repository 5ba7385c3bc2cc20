/* Expands what the user named (files, folders, lists) into paths to open and names to print. */
#include "cdul/image.h"

#include "base/file.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
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

/* --- Folders --- */

/* The chain of folders down to the one being read: a link to one of them would be a loop. */
typedef struct level {
    const struct level *above;
    dev_t device;
    ino_t inode;
} level;

typedef struct walk {
    const char *folder; /* the argument */
    cdul_strings *found; /* image names relative to it */
    cdul_error *err;
} walk;

typedef enum kind { KIND_OTHER, KIND_FILE, KIND_FOLDER } kind;

/* Follows links; a dangling one is neither file nor folder. */
static kind kind_of(const char *path, unsigned char type) {
    if (type == DT_REG) return KIND_FILE;
    if (type == DT_DIR) return KIND_FOLDER;
    struct stat info;
    if ((type != DT_LNK && type != DT_UNKNOWN) || stat(path, &info) != 0) return KIND_OTHER;
    return S_ISDIR(info.st_mode) ? KIND_FOLDER : S_ISREG(info.st_mode) ? KIND_FILE : KIND_OTHER;
}

/* Adds one entry of the folder at `path` to the images found or to the folders to visit next. */
static cdul_status sort_entry(walk *w, const char *path, const char *relative,
                              const struct dirent *entry, cdul_strings *folders) {
    if (entry->d_name[0] == '.') return CDUL_OK;
    char *below = cdul_path_join(relative, entry->d_name);
    char *full = cdul_path_join(path, entry->d_name);
    cdul_status status = below && full ? CDUL_OK : cdul_fail_memory(w->err, "image list");
    if (status == CDUL_OK) {
        kind k = kind_of(full, entry->d_type);
        if (k == KIND_FOLDER)
            status = cdul_strings_add(folders, below, w->err);
        else if (k == KIND_FILE && is_image_name(entry->d_name))
            status = cdul_strings_add(w->found, below, w->err);
    }
    free(below);
    free(full);
    return status;
}

/* Reads a folder and closes it before its subfolders are read: deep trees need no more files. */
static cdul_status read_folder(walk *w, const char *path, const char *relative,
                               cdul_strings *folders) {
    DIR *stream = opendir(path);
    if (!stream) return cdul_fail_errno(w->err, "%s: cannot read folder", path);
    cdul_status status = CDUL_OK;
    const struct dirent *entry;
    while (status == CDUL_OK && (errno = 0, entry = readdir(stream)))
        status = sort_entry(w, path, relative, entry, folders);
    if (status == CDUL_OK && errno)
        status = cdul_fail_errno(w->err, "%s: cannot read folder", path);
    closedir(stream);
    return status;
}

static cdul_status walk_folder(walk *w, const char *relative, const level *above) {
    cdul_strings folders = {0};
    struct stat info = {0};
    char *path = *relative ? cdul_path_join(w->folder, relative) : strdup(w->folder);
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(w->err, "image list");
    if (status == CDUL_OK && stat(path, &info) != 0) status = cdul_fail_errno(w->err, "%s", path);
    bool loop = false;
    for (const level *l = above; l && !loop; l = l->above)
        loop = l->device == info.st_dev && l->inode == info.st_ino;
    const level here = {above, info.st_dev, info.st_ino};
    if (status == CDUL_OK && !loop) status = read_folder(w, path, relative, &folders);
    for (size_t i = 0; status == CDUL_OK && i < folders.count; i++)
        status = walk_folder(w, folders.items[i], &here);
    cdul_strings_free(&folders);
    free(path);
    return status;
}

/* --- Gathering --- */

typedef struct gatherer {
    const cdul_list_options *options;
    cdul_strings *paths, *names;
    cdul_error *err;
} gatherer;

static cdul_status add(gatherer *g, const char *path, const char *name) {
    /* A file named "-" in a list: the bare name would be read as standard input. */
    cdul_status status = cdul_strings_add(g->paths, strcmp(path, "-") == 0 ? "./-" : path, g->err);
    return status == CDUL_OK ? cdul_strings_add(g->names, name, g->err) : status;
}

static cdul_status add_folder(gatherer *g, const char *folder) {
    cdul_strings found = {0};
    walk w = {folder, &found, g->err};
    cdul_status status = walk_folder(&w, "", NULL);
    if (status == CDUL_OK) cdul_strings_sort(&found);
    for (size_t i = 0; status == CDUL_OK && i < found.count; i++) {
        char *path = cdul_path_join(folder, found.items[i]);
        status = path ? add(g, path, found.items[i]) : cdul_fail_memory(g->err, "image list");
        free(path);
    }
    cdul_strings_free(&found);
    return status;
}

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
        char *next = stop + 1;
        *stop = '\0'; /* even at the end: cdul_file_read_all leaves a byte for it */
        if (separator == '\n' && strlen(at) != (size_t)(stop - at))
            status =
                cdul_fail(g->err, CDUL_ERR_INPUT,
                          "%s: line %zu holds a NUL byte: is the list NUL-separated?", where, line);
        if (separator == '\n' && stop > at && stop[-1] == '\r') stop[-1] = '\0';
        if (status == CDUL_OK && *at) status = add_line(g, where, line, at);
        at = next;
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

/* --- Names identify images in all outputs, so they must be distinct --- */

static cdul_status check_names(const gatherer *g) {
    cdul_names seen = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0, first = 0; i < g->names->count && status == CDUL_OK; i++) {
        status = cdul_names_get(&seen, g->names->items[i], &first, g->err);
        if (status == CDUL_OK && first != i)
            status = cdul_fail(g->err, CDUL_ERR_INPUT,
                               "two images have the name %s (%s and %s): name each file once, or "
                               "the folder above both",
                               g->names->items[i], g->paths->items[first], g->paths->items[i]);
    }
    cdul_names_free(&seen);
    return status;
}

cdul_status cdul_list_images(const char *const *arguments, size_t count,
                             const cdul_list_options *options, cdul_strings *paths,
                             cdul_strings *names, cdul_error *err) {
    const cdul_list_options none = {0};
    gatherer g = {options ? options : &none, paths, names, err};
    *paths = (cdul_strings){0};
    *names = (cdul_strings){0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < count && status == CDUL_OK; i++) status = add_argument(&g, arguments[i]);
    if (status == CDUL_OK && names->count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no images found",
                           count ? arguments[0] : "no arguments");
    if (status == CDUL_OK) status = check_names(&g);
    if (status != CDUL_OK) {
        cdul_strings_free(paths);
        cdul_strings_free(names);
    }
    return status;
}
