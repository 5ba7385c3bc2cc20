/* Preloaded into a program: makes one call fail, of the calls that the program itself makes or the
 * small C libraries below do for it. ONNX Runtime, libtorch and the C++ library keep theirs: what
 * they do without memory is theirs.
 *
 * A call is known by its kind and by its stack: the places in the program and these libraries that
 * led to it, hashed. From run to run they stay the same, whatever threads do and wherever code is
 * loaded.
 *
 *     FAULT=list                 nothing fails; FAULT_REPORT gets a line for every call: kind and
 * stack FAULT=malloc:STACK:2       the second call of malloc with this stack fails
 *     FAULT=write:STACK:1+       the first, and all of the kind after it, as on a full disk
 *     FAULT_REPORT=FILE          is created when a call was made to fail, and says from where
 *
 * Streams that the program opens are replaced by streams of ours, because stdio's own calls of read
 * and write do not pass here. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- Whose call is it, and is it the one? --- */

typedef enum kind {
    MALLOC,
    OPEN,
    READ,
    WRITE,
    CLOSE,
    FSYNC,
    RENAME,
    UNLINK,
    MKDIR,
    STAT,
    MMAP,
    FLOCK,
    THREAD,
    KINDS
} kind;

static const struct {
    const char *name;
    int code;
} kinds[KINDS] = {
    [MALLOC] = {"malloc", ENOMEM}, [OPEN] = {"open", EIO},     [READ] = {"read", EIO},
    [WRITE] = {"write", ENOSPC},   [CLOSE] = {"close", EIO},   [FSYNC] = {"fsync", EIO},
    [RENAME] = {"rename", EIO},    [UNLINK] = {"unlink", EIO}, [MKDIR] = {"mkdir", ENOSPC},
    [STAT] = {"stat", EIO},        [MMAP] = {"mmap", ENOMEM},  [FLOCK] = {"flock", ENOLCK},
    [THREAD] = {"thread", EAGAIN}};

static const char *const libraries[] = {"libcjson", "libjpeg",  "libpng",
                                        "libwebp",  "libexpat", "libxxhash"};

#define RANGES 16
#define FRAMES 128

static struct {
    bool lists;
    kind which;
    uint64_t stack;
    unsigned long at; /* 0: nothing fails */
    bool all_after;
    const char *report;
    size_t n_ranges;
    struct {
        uintptr_t first, end, base;
    } ranges[RANGES];
} plan;

static atomic_ulong calls;

static bool is_counted(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!*path) return true; /* the program itself */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strncmp(name, libraries[i], strlen(libraries[i])) == 0) return true;
    return false;
}

static int add_ranges(struct dl_phdr_info *info, size_t size, void *user) {
    (void)size, (void)user;
    for (int i = 0; is_counted(info->dlpi_name) && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || plan.n_ranges == RANGES) continue;
        plan.ranges[plan.n_ranges].base = info->dlpi_addr;
        plan.ranges[plan.n_ranges].first = info->dlpi_addr + part->p_vaddr;
        plan.ranges[plan.n_ranges++].end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void read_plan(void) {
    const char *text = getenv("FAULT");
    if (!text) return;
    void *none;
    backtrace(&none, 1); /* the first call loads a library */
    plan.report = getenv("FAULT_REPORT");
    plan.lists = strcmp(text, "list") == 0;
    dl_iterate_phdr(add_ranges, NULL);
    for (int i = 0; i < KINDS; i++) {
        size_t length = strlen(kinds[i].name);
        if (strncmp(text, kinds[i].name, length) != 0 || text[length] != ':') continue;
        char *end = NULL;
        plan.which = (kind)i;
        plan.stack = strtoull(text + length + 1, &end, 16);
        if (*end != ':') abort();
        plan.at = strtoul(end + 1, &end, 10);
        plan.all_after = *end == '+';
    }
    if (!plan.report || plan.lists == (plan.at > 0)) abort();
}

static bool is_ours(void *caller, uintptr_t *base) {
    uintptr_t from = (uintptr_t)caller;
    for (size_t i = 0; i < plan.n_ranges; i++) {
        *base = plan.ranges[i].base;
        if (from >= plan.ranges[i].first && from < plan.ranges[i].end) return true;
    }
    return false;
}

/* FNV-1a of the frames that are ours, each from where its library begins. */
static uint64_t hash_stack(void) {
    void *frames[FRAMES];
    uint64_t hash = 0xcbf29ce484222325;
    int n = backtrace(frames, FRAMES);
    for (int i = 0; i < n; i++) {
        uintptr_t base = 0;
        if (is_ours(frames[i], &base))
            hash = (hash ^ ((uintptr_t)frames[i] - base)) * 0x100000001b3;
    }
    return hash;
}

/* Without stdio and malloc: this may be one of their own calls. */
static void report(const char *what, uint64_t where) {
    char line[64];
    int before = errno,
        length = snprintf(line, sizeof line, "%s %llx\n", what, (unsigned long long)where);
    long fd =
        syscall(SYS_openat, AT_FDCWD, plan.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) abort();
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
    errno = before;
}

static bool fails_at(kind which, uintptr_t from, uintptr_t base) {
    if (plan.lists) report(kinds[which].name, hash_stack());
    if (!plan.at || which != plan.which) return false;
    bool after = plan.all_after && atomic_load(&calls) >= plan.at;
    if (!after) {
        if (hash_stack() != plan.stack || atomic_fetch_add(&calls, 1) + 1 != plan.at) return false;
        report(kinds[which].name, from - base);
    }
    errno = kinds[which].code;
    return true;
}

static bool fails(kind which, void *caller) {
    uintptr_t base = 0;
    return (plan.lists || plan.at) && is_ours(caller, &base) &&
           fails_at(which, (uintptr_t)caller, base);
}

#define CALLER      __builtin_return_address(0)
#define FAILS(kind) fails(kind, CALLER)

/* The function that this one stands in for. */
#define NEXT(type, name, ...)                                                                      \
    static type (*next)(__VA_ARGS__);                                                              \
    if (!next) *(void **)(&next) = dlsym(RTLD_NEXT, #name)

/* --- Memory --- */

/* dlsym itself allocates: glibc's own names need none. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size) { return FAILS(MALLOC) ? NULL : __libc_malloc(size); }

void *calloc(size_t count, size_t size) {
    return FAILS(MALLOC) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return FAILS(MALLOC) ? NULL : __libc_realloc(block, size);
}

char *strdup(const char *text) {
    if (FAILS(MALLOC)) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = __libc_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

char *strndup(const char *text, size_t most) {
    if (FAILS(MALLOC)) return NULL;
    size_t length = strnlen(text, most);
    char *copy = __libc_malloc(length + 1);
    if (!copy) return NULL;
    copy[length] = '\0';
    return memcpy(copy, text, length);
}

int vasprintf(char **out, const char *format, va_list args) {
    NEXT(int, vasprintf, char **, const char *, va_list);
    return FAILS(MALLOC) ? -1 : next(out, format, args);
}

int asprintf(char **out, const char *format, ...) {
    NEXT(int, vasprintf, char **, const char *, va_list);
    if (FAILS(MALLOC)) return -1;
    va_list args;
    va_start(args, format);
    int length = next(out, format, args);
    va_end(args);
    return length;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *user) {
    NEXT(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    return FAILS(THREAD) ? kinds[THREAD].code : next(thread, attributes, start, user);
}

/* --- Streams --- */

#define STREAMS 64

/* An open stream of the program: of a file, or of a text that grows. */
typedef struct stream {
    FILE *file;
    int fd; /* -1: of a text */
    char **text;
    size_t *size;
    uintptr_t opened_from, base;
} stream;

static stream streams[STREAMS];
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t stream_read(void *cookie, char *data, size_t size) {
    stream *s = cookie;
    return fails_at(READ, s->opened_from, s->base) ? -1 : syscall(SYS_read, s->fd, data, size);
}

static ssize_t stream_write(void *cookie, const char *data, size_t size) {
    stream *s = cookie;
    if (s->fd >= 0) {
        if (fails_at(WRITE, s->opened_from, s->base)) return 0; /* of a cookie: not -1 */
        ssize_t written = syscall(SYS_write, s->fd, data, size);
        return written < 0 ? 0 : written;
    }
    char *text = fails_at(MALLOC, s->opened_from, s->base)
                     ? NULL
                     : __libc_realloc(*s->text, *s->size + size + 1);
    if (!text) return 0;
    memcpy(text + *s->size, data, size);
    *s->size += size;
    text[*s->size] = '\0';
    *s->text = text;
    return (ssize_t)size;
}

static int stream_seek(void *cookie, off64_t *offset, int whence) {
    stream *s = cookie;
    off64_t at = s->fd >= 0 ? lseek64(s->fd, *offset, whence) : -1;
    if (at >= 0) *offset = at;
    return at >= 0 ? 0 : -1;
}

static int stream_close(void *cookie) {
    stream *s = cookie;
    int result = 0;
    if (s->fd >= 0) {
        bool failed = fails_at(CLOSE, s->opened_from, s->base);
        result = (int)syscall(SYS_close, s->fd);
        if (failed) errno = kinds[CLOSE].code;
        if (failed) result = -1;
    }
    s->file = NULL;
    return result;
}

static FILE *make_stream(stream like, const char *mode) {
    static const cookie_io_functions_t calls_of = {stream_read, stream_write, stream_seek,
                                                   stream_close};
    pthread_mutex_lock(&streams_lock);
    stream *s = streams;
    while (s < streams + STREAMS && s->file) s++;
    if (s == streams + STREAMS) abort();
    *s = like;
    s->file = fopencookie(s, mode, calls_of);
    FILE *file = s->file;
    pthread_mutex_unlock(&streams_lock);
    return file;
}

int fileno(FILE *file) {
    NEXT(int, fileno, FILE *);
    for (size_t i = 0; i < STREAMS; i++)
        if (file && streams[i].file == file) return streams[i].fd;
    return next(file);
}

FILE *fdopen(int fd, const char *mode) {
    NEXT(FILE *, fdopen, int, const char *);
    uintptr_t base = 0;
    if (!is_ours(CALLER, &base)) return next(fd, mode);
    if (FAILS(OPEN)) return NULL;
    return make_stream((stream){.fd = fd, .opened_from = (uintptr_t)CALLER, .base = base}, mode);
}

FILE *fopen(const char *path, const char *mode) {
    NEXT(FILE *, fopen, const char *, const char *);
    uintptr_t base = 0;
    if (!is_ours(CALLER, &base)) return next(path, mode);
    if (FAILS(OPEN)) return NULL;
    int flags = O_CLOEXEC | (*mode == 'r'   ? O_RDONLY
                             : *mode == 'w' ? O_WRONLY | O_CREAT | O_TRUNC
                                            : O_WRONLY | O_CREAT | O_APPEND);
    if (strchr(mode, 'x')) flags |= O_EXCL;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
    if (fd < 0) return NULL;
    return make_stream((stream){.fd = fd, .opened_from = (uintptr_t)CALLER, .base = base}, mode);
}

FILE *open_memstream(char **text, size_t *size) {
    NEXT(FILE *, open_memstream, char **, size_t *);
    uintptr_t base = 0;
    if (!is_ours(CALLER, &base)) return next(text, size);
    if (FAILS(MALLOC) || !(*text = __libc_calloc(1, 1))) return NULL;
    *size = 0;
    return make_stream(
        (stream){
            .fd = -1, .text = text, .size = size, .opened_from = (uintptr_t)CALLER, .base = base},
        "w");
}

/* --- Files --- */

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    va_list args;
    va_start(args, flags);
    if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(args, mode_t);
    va_end(args);
    return FAILS(OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

DIR *opendir(const char *path) {
    NEXT(DIR *, opendir, const char *);
    return FAILS(OPEN) ? NULL : next(path);
}

struct dirent *readdir(DIR *folder) {
    NEXT(struct dirent *, readdir, DIR *);
    return FAILS(READ) ? NULL : next(folder);
}

ssize_t read(int fd, void *data, size_t size) {
    return FAILS(READ) ? -1 : syscall(SYS_read, fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    return FAILS(WRITE) ? -1 : syscall(SYS_write, fd, data, size);
}

int close(int fd) {
    bool failed = FAILS(CLOSE);
    int result = (int)syscall(SYS_close, fd);
    if (!failed) return result;
    errno = kinds[CLOSE].code;
    return -1;
}

int fsync(int fd) { return FAILS(FSYNC) ? -1 : (int)syscall(SYS_fsync, fd); }

int rename(const char *from, const char *to) {
    return FAILS(RENAME) ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path) { return FAILS(UNLINK) ? -1 : unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return FAILS(UNLINK) ? -1 : unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    return FAILS(MKDIR) ? -1 : mkdirat(AT_FDCWD, path, mode);
}

int stat(const char *restrict path, struct stat *restrict out) {
    return FAILS(STAT) ? -1 : fstatat(AT_FDCWD, path, out, 0);
}

int fstat(int fd, struct stat *out) {
    return FAILS(STAT) ? -1 : fstatat(fd, "", out, AT_EMPTY_PATH);
}

int statvfs(const char *restrict path, struct statvfs *restrict out) {
    NEXT(int, statvfs, const char *, struct statvfs *);
    return FAILS(STAT) ? -1 : next(path, out);
}

char *realpath(const char *restrict path, char *restrict out) {
    NEXT(char *, realpath, const char *, char *);
    return FAILS(STAT) ? NULL : next(path, out);
}

int fchmod(int fd, mode_t mode) { return FAILS(STAT) ? -1 : (int)syscall(SYS_fchmod, fd, mode); }

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    return FAILS(MMAP) ? MAP_FAILED
                       : (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int flock(int fd, int operation) {
    return FAILS(FLOCK) ? -1 : (int)syscall(SYS_flock, fd, operation);
}
