/* The inputs that a run passed over: collects them and writes their list. */
#include "cdul/skipped.h"

#include "base/csv.h"
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

cdul_status cdul_skipped_add(cdul_skipped *skipped, const char *path, const char *reason,
                             cdul_error *err) {
    size_t length = strlen(path);
    if (strncmp(reason, path, length) == 0 && strncmp(reason + length, ": ", 2) == 0)
        reason += length + 2;
    cdul_status status = cdul_strings_add(&skipped->paths, path, err);
    if (status == CDUL_OK) status = cdul_strings_add(&skipped->reasons, reason, err);
    return status;
}

cdul_status cdul_skipped_write(const cdul_skipped *skipped, const char *output, char **list,
                               cdul_error *err) {
    cdul_file *file = NULL;
    char *path = NULL;
    *list = NULL;
    /* A name of 255 bytes leaves no room for the ending: it is cut. */
    const char *base = cdul_path_base(output), end[] = ".skipped.csv";
    const int folder = (int)(base - output), room = NAME_MAX + 1 - (int)sizeof end;
    if (asprintf(&path, "%.*s%.*s%s", folder, output, room, base, end) < 0)
        return cdul_fail_memory(err, "name of the skipped list");
    cdul_status status = CDUL_OK;
    if (skipped->paths.count > 0)
        status = cdul_file_create(path, &file, err);
    else if (unlink(path) != 0 && errno != ENOENT)
        status = cdul_fail_errno(err, "%s: cannot be removed, and is of an earlier run", path);
    if (file) {
        FILE *stream = cdul_file_stream(file);
        fputs("path,reason\n", stream);
        for (size_t i = 0; i < skipped->paths.count; i++) {
            cdul_csv_write_field(stream, skipped->paths.items[i]);
            fputc(',', stream);
            cdul_csv_write_field(stream, skipped->reasons.items[i]);
            fputc('\n', stream);
        }
        status = cdul_file_commit(&file, err);
    }
    if (status == CDUL_OK && skipped->paths.count > 0)
        *list = path;
    else
        free(path);
    return status;
}

cdul_status cdul_skipped_fail(const cdul_skipped *skipped, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT, "none of the %zu images could be read; the first, %s: %s",
                     skipped->paths.count, skipped->paths.items[0], skipped->reasons.items[0]);
}

void cdul_skipped_free(cdul_skipped *skipped) {
    if (!skipped) return;
    cdul_strings_free(&skipped->paths);
    cdul_strings_free(&skipped->reasons);
}
