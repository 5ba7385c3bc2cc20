/* Atomic output, locks, whole files as input, and paths. */
#include "base/file.h"

#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536 /* bytes that a read asks for at least, and one for the NUL */

/* --- Atomic output --- */

struct cdul_file {
    FILE *stream;
    char *path; /* as the caller named it, for messages */
    char *target; /* what the rename replaces: `path` with links followed */
    char *temporary; /* NULL: standard output, a device or a pipe, not renamed */
};

/* Opens ".<base>.<pid>[-n].tmp" beside the target; -1 with errno set. A long base is cut to leave
 * room; n steps over what a killed process with the same pid left behind. */
static int open_temporary(cdul_file *file) {
    const char *base = cdul_path_base(file->target);
    int folder = (int)(base - file->target);
    size_t size = (size_t)folder + 256;
    file->temporary = malloc(size);
    if (!file->temporary) return -1;
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < 100; attempt++) {
        /* "%.0d" of 0 is nothing. */
        snprintf(file->temporary, size, "%.*s.%.200s.%ld%s%.0d.tmp", folder, file->target, base,
                 (long)getpid(), attempt ? "-" : "", attempt);
        fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) {
        free(file->temporary);
        file->temporary = NULL;
    }
    return fd;
}

/* Replaces a file, or writes into what is there if that is a device or a pipe. Returns a
 * descriptor, or -1 with errno set. */
static int open_output(cdul_file *file) {
    struct stat there;
    if (stat(file->path, &there) != 0) {
        /* A name that is too long is found here, not after hours of work. */
        if (errno != ENOENT) return -1;
        file->target = strdup(file->path);
        return file->target ? open_temporary(file) : -1;
    }
    if (S_ISDIR(there.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (!S_ISREG(there.st_mode)) return open(file->path, O_WRONLY | O_CLOEXEC);
    /* A link stays a link; the file that it names is replaced. */
    file->target = realpath(file->path, NULL);
    int fd = file->target ? open_temporary(file) : -1;
    if (fd >= 0 && fchmod(fd, there.st_mode & 0777) != 0 && errno != EPERM) {
        close(fd);
        return -1;
    }
    return fd;
}

cdul_status cdul_file_create(const char *path, cdul_file **out, cdul_error *err) {
    cdul_file *file = calloc(1, sizeof *file);
    if (!file) return cdul_fail_memory(err, path);
    cdul_status status = CDUL_OK;
    file->path = strdup(path);
    if (!file->path) {
        status = cdul_fail_memory(err, path);
    } else if (strcmp(path, "-") == 0) {
        file->stream = stdout;
    } else if (*cdul_path_base(path) == '\0') {
        status =
            cdul_fail(err, CDUL_ERR_USAGE, "%s: cannot be written: the name of a file is missing",
                      *path ? path : "\"\"");
    } else {
        int fd = open_output(file);
        file->stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
        if (!file->stream) status = cdul_fail_errno(err, "%s: cannot be written", path);
        if (!file->stream && fd >= 0) close(fd);
    }
    if (status == CDUL_OK)
        *out = file;
    else
        cdul_file_discard(&file);
    return status;
}

FILE *cdul_file_stream(cdul_file *file) { return file->stream; }

/* Some file systems cannot sync (pipes, some network and FUSE mounts); that is no failed write. */
static int sync_descriptor(int fd) {
    if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP) return 0;
    return -1;
}

/* The caller's to free; NULL: no memory. */
static char *folder_of(const char *path) {
    size_t length = (size_t)(cdul_path_base(path) - path);
    return length ? strndup(path, length) : strdup(".");
}

/* Makes the rename itself durable. */
static int sync_folder_of(const char *path) {
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    /* A folder that cannot be read cannot be synced; the file itself is in place and whole. */
    int result = fd >= 0 ? sync_descriptor(fd) : folder && errno == EACCES ? 0 : -1;
    if (fd >= 0) close(fd);
    free(folder);
    return result;
}

static cdul_status finish(cdul_file *file, cdul_error *err) {
    FILE *stream = file->stream;
    if (ferror(stream))
        return cdul_fail(err, CDUL_ERR_IO, "%s: a write failed; is the disk full?", file->path);
    bool written = fflush(stream) == 0;
    if (written && stream != stdout) {
        written = sync_descriptor(fileno(stream)) == 0;
        if (written) file->stream = NULL;
        written = written && fclose(stream) == 0;
    }
    if (!written) return cdul_fail_errno(err, "%s: cannot be written", file->path);
    if (!file->temporary) return CDUL_OK;
    if (rename(file->temporary, file->target) != 0)
        return cdul_fail_errno(err, "%s: cannot be put in place", file->path);
    free(file->temporary);
    file->temporary = NULL;
    if (sync_folder_of(file->target) != 0)
        return cdul_fail_errno(err, "%s: its folder cannot be synced", file->path);
    return CDUL_OK;
}

cdul_status cdul_file_commit(cdul_file **file, cdul_error *err) {
    cdul_status status = finish(*file, err);
    cdul_file_discard(file);
    return status;
}

void cdul_file_discard(cdul_file **handle) {
    cdul_file *file = handle ? *handle : NULL;
    if (!file) return;
    if (file->temporary) unlink(file->temporary);
    if (file->stream && file->stream != stdout) fclose(file->stream);
    free(file->path);
    free(file->target);
    free(file->temporary);
    free(file);
    *handle = NULL;
}

cdul_status cdul_file_check(const char *path, cdul_error *err) {
    cdul_file *file = NULL;
    cdul_status status = cdul_file_create(path, &file, err);
    cdul_file_discard(&file);
    return status;
}

cdul_status cdul_file_write_all(const char *path, const void *data, size_t size, cdul_error *err) {
    cdul_file *file = NULL;
    cdul_status status = cdul_file_create(path, &file, err);
    if (status == CDUL_OK && size && fwrite(data, 1, size, file->stream) != size)
        status = cdul_fail_errno(err, "%s: cannot be written", path);
    if (status == CDUL_OK) status = cdul_file_commit(&file, err);
    cdul_file_discard(&file);
    return status;
}

/* A file without a name; where the file system has none, one that loses its name at once. */
static int open_unnamed(const char *folder) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
    char *name = cdul_path_join(folder, ".cdul.XXXXXX");
    fd = name ? mkostemp(name, O_CLOEXEC) : -1;
    if (fd >= 0 && unlink(name) != 0) {
        close(fd);
        fd = -1;
    }
    free(name);
    return fd;
}

cdul_status cdul_file_unnamed(const char *path, FILE **out, cdul_error *err) {
    char *folder = folder_of(path);
    int fd = folder ? open_unnamed(folder) : -1;
    *out = fd >= 0 ? fdopen(fd, "w+b") : NULL;
    cdul_status status =
        *out ? CDUL_OK : cdul_fail_errno(err, "%s: no file can be created beside it", path);
    if (!*out && fd >= 0) close(fd);
    free(folder);
    return status;
}

/* ".name.1234.tmp", ".name.1234-1.tmp": the process that was writing it; 0: no such name. */
static pid_t writer_of(const char *name) {
    const char *end = strrchr(name, '.'), *at = end;
    if (*name != '.' || strcmp(end, ".tmp") != 0) return 0;
    while (at > name && strchr("0123456789-", at[-1])) at--;
    return at > name + 1 && at[-1] == '.' ? (pid_t)strtol(at, NULL, 10) : 0;
}

void cdul_file_sweep(const char *folder) {
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        pid_t pid = writer_of(entry->d_name);
        if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH) continue;
        unlinkat(dirfd(stream), entry->d_name, 0);
    }
    if (stream) closedir(stream);
}

/* --- Locks --- */

/* Whoever holds a lock may remove its file, and a lock on a removed file keeps nobody out. */
static bool still_named(int fd, const char *path) {
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

cdul_status cdul_lock_try(const char *folder, int *lock, cdul_error *err) {
    cdul_status status = CDUL_OK;
    *lock = -1;
    char *path = cdul_path_join(folder, "lock");
    if (!path) return cdul_fail_memory(err, "path");
    while (status == CDUL_OK && *lock < 0) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        bool taken = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        bool busy = fd >= 0 && !taken && errno == EWOULDBLOCK;
        if (!taken && !busy)
            status = cdul_fail_errno(err, fd < 0 ? "%s: cannot be written" : "%s: cannot be locked",
                                     path);
        if (taken && still_named(fd, path)) *lock = fd;
        if (fd >= 0 && *lock < 0) close(fd);
        if (busy) break;
    }
    free(path);
    return status;
}

void cdul_lock_release(int *lock) {
    if (*lock >= 0) close(*lock);
    *lock = -1;
}

/* --- Whole-file input --- */

static cdul_status read_descriptor(int fd, const char *path, char **data, size_t *size,
                                   cdul_error *err) {
    char *buffer = NULL;
    size_t capacity = 0, used = 0;
    ssize_t got = -1;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && got != 0) {
        status = cdul_grow(&buffer, used + READ_STEP, &capacity, 1, path, err);
        if (status != CDUL_OK) break;
        got = read(fd, buffer + used, capacity - used - 1);
        if (got > 0) used += (size_t)got;
        if (got < 0 && errno != EINTR) status = cdul_fail_errno(err, "%s: cannot be read", path);
    }
    if (status != CDUL_OK) {
        free(buffer);
        return status;
    }
    buffer[used] = '\0';
    *data = buffer;
    *size = used;
    return CDUL_OK;
}

cdul_status cdul_file_read_all(const char *path, char **data, size_t *size, cdul_error *err) {
    if (strcmp(path, "-") == 0)
        return read_descriptor(STDIN_FILENO, "standard input", data, size, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cdul_fail_errno(err, "%s: cannot be opened", path);
    cdul_status status = read_descriptor(fd, path, data, size, err);
    close(fd);
    return status;
}

/* What is no regular file fails with the status `otherwise`. *fd is the caller's to close, after a
 * failure as well. O_NONBLOCK: opening a pipe must not wait for a writer. */
static cdul_status open_regular(const char *path, cdul_status otherwise, int *fd, struct stat *info,
                                cdul_error *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return cdul_fail_errno(err, "%s: cannot be opened", path);
    if (fstat(*fd, info) != 0) return cdul_fail_errno(err, "%s: cannot be read", path);
    if (!S_ISREG(info->st_mode))
        return cdul_fail(err, otherwise, "%s: is not a regular file", path);
    return CDUL_OK;
}

cdul_status cdul_file_read_regular(const char *path, char **data, size_t *size, cdul_error *err) {
    struct stat info;
    int fd = -1;
    cdul_status status = open_regular(path, CDUL_ERR_INPUT, &fd, &info, err);
    if (status == CDUL_OK && (uintmax_t)info.st_size > CDUL_REGULAR_BYTES)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %jd bytes are too many: at most %zu are read",
                           path, (intmax_t)info.st_size, CDUL_REGULAR_BYTES);
    if (status == CDUL_OK) status = read_descriptor(fd, path, data, size, err);
    if (fd >= 0) close(fd);
    return status;
}

cdul_status cdul_mapping_open(const char *path, cdul_mapping *map, cdul_error *err) {
    struct stat info;
    int fd = -1;
    *map = (cdul_mapping){0};
    cdul_status status = open_regular(path, CDUL_ERR_IO, &fd, &info, err);
    if (status == CDUL_OK && info.st_size > 0) { /* mmap refuses length 0 */
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = cdul_fail_errno(err, "%s: cannot be mapped into memory", path);
        else
            *map = (cdul_mapping){.data = data, .size = (size_t)info.st_size};
    }
    if (fd >= 0) close(fd);
    return status;
}

void cdul_mapping_release(const cdul_mapping *map) {
    /* Only advice: a failure does not matter. */
    if (map->data) madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED);
}

void cdul_mapping_close(cdul_mapping *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (cdul_mapping){0};
}

/* --- Paths --- */

char *cdul_path_join(const char *folder, const char *name) {
    if (!folder || !*folder || *name == '/') return strdup(name);
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    char *path = NULL;
    return asprintf(&path, "%s%s%s", folder, slash, name) >= 0 ? path : NULL;
}

const char *cdul_path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *cdul_path_extension(const char *path) {
    const char *base = cdul_path_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? dot : base + strlen(base); /* ".profile" is a name */
}

bool cdul_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cdul_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

cdul_status cdul_path_make_folder(const char *path, cdul_error *err) {
    if (!*path)
        return cdul_fail(err, CDUL_ERR_USAGE, "\"\": folder cannot be made: its name is missing");
    char *part = strdup(path);
    if (!part) return cdul_fail_memory(err, path);
    cdul_status status = CDUL_OK;
    for (size_t i = 1, length = strlen(part); i <= length && status == CDUL_OK; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char kept = part[i];
        part[i] = '\0';
        /* mkdir on a read-only file system fails for folders that are there, too. */
        if (!cdul_path_is_folder(part) && mkdir(part, 0777) != 0 &&
            (errno != EEXIST || !cdul_path_is_folder(part)))
            status = cdul_fail_errno(err, "%s: folder cannot be made", part);
        part[i] = kept;
    }
    free(part);
    return status;
}
