/* Files and paths. Every output of cdul is written under a temporary name in its own folder, synced
 * and renamed, so that a reader sees the old file or the whole new one. */
#pragma once

#include "cdul/error.h"
#include "cdul/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* --- Atomic output --- */

typedef struct cdul_file cdul_file;

/* Opens a temporary file, ".<name>.<pid>.tmp", beside `path`, with the mode of the file that it
 * will replace, or 0666 less the umask. A link stays, and the file it names is replaced. "-" is
 * standard output; it, devices and pipes are written to as they are. What cannot be written (a
 * folder, a name too long, no permission) fails here and not at commit. */
cdul_status cdul_file_create(const char *path, cdul_file **out, cdul_error *err) CDUL_MUST_CHECK;
FILE *cdul_file_stream(cdul_file *file);
/* Flushes, syncs and renames; earlier write errors surface here. Always frees and clears *file. */
cdul_status cdul_file_commit(cdul_file **file, cdul_error *err) CDUL_MUST_CHECK;
/* Drops the temporary file: the old output stays. Takes NULL and a pointer to NULL. */
void cdul_file_discard(cdul_file **file);
/* create, write, commit for text or bytes that are already in memory. */
cdul_status cdul_file_write_all(const char *path, const void *data, size_t size,
                                cdul_error *err) CDUL_MUST_CHECK;

/* A file without a name on the disk of `path`, to write and read again. Closing it removes it. */
cdul_status cdul_file_unnamed(const char *path, FILE **out, cdul_error *err) CDUL_MUST_CHECK;
/* Removes the temporary files of killed processes. The caller holds a lock on the folder. */
void cdul_file_sweep(const char *folder);

/* --- Locks --- */

/* Takes the file "lock" of the folder for as long as the descriptor is open, at most while this
 * process lives. -1 and no error: another process has it. */
cdul_status cdul_lock_try(const char *folder, int *lock, cdul_error *err) CDUL_MUST_CHECK;
/* Gives the lock up; -1 is none. */
void cdul_lock_release(int *lock);

/* --- Whole-file input --- */

/* cdul_file_read_all for a file that somebody else named: CDUL_ERR_INPUT for anything but a regular
 * file (a pipe might never begin, a device never end) of at most CDUL_REGULAR_BYTES. */
#define CDUL_REGULAR_BYTES ((size_t)256 << 20)
cdul_status cdul_file_read_regular(const char *path, char **data, size_t *size,
                                   cdul_error *err) CDUL_MUST_CHECK;

/* A read-only memory map of a regular file. Start from {0}. An empty file gives data NULL, size 0.
 * Cutting a mapped file short crashes its readers; replacing it as cdul does is harmless. */
typedef struct cdul_mapping {
    const unsigned char *data;
    size_t size;
} cdul_mapping;

cdul_status cdul_mapping_open(const char *path, cdul_mapping *map, cdul_error *err) CDUL_MUST_CHECK;
/* Frees the memory of pages that were read; the map stays valid, and reads them again. */
void cdul_mapping_release(const cdul_mapping *map);
void cdul_mapping_close(cdul_mapping *map);

/* --- Paths --- */

/* "folder/name", the caller's to free; `name` alone if it is absolute or `folder` is empty or NULL.
 * NULL: no memory. */
char *cdul_path_join(const char *folder, const char *name);
/* Pointer into `path`: the part after the last '/'. */
const char *cdul_path_base(const char *path);
/* Pointer into `path`: the extension with its dot, "" if none. */
const char *cdul_path_extension(const char *path);
bool cdul_path_is_folder(const char *path);
/* False only if there is none: opening one that cannot be looked at says why. */
bool cdul_path_exists(const char *path);
/* mkdir -p. */
cdul_status cdul_path_make_folder(const char *path, cdul_error *err) CDUL_MUST_CHECK;
