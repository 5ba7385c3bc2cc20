/* What the fuzz targets share: the input as memory, as a file, as the files of a folder. Each is
 * used as hostile bytes reach the reader in the programs, with as little between as possible. */
#ifndef CDUL_TESTS_FUZZ_INPUT_H
#define CDUL_TESTS_FUZZ_INPUT_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the reader that does not hold is a finding, as a crash is. */
#define CLAIM(property)                                                                            \
    do {                                                                                           \
        if (!(property)) {                                                                         \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads every byte, for the sanitizers to see. */
static inline void look_at(const void *data, size_t size) {
    const volatile unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) (void)bytes[i];
}

/* --- In memory --- */

#define GUARDED_BYTES ((size_t)1 << 20) /* longest input */

/* A copy that ends where a page begins that may not be touched: a library that was built without
 * sanitizers is caught as well if it reads too far. Valid until the next call. */
static inline char *guarded(const uint8_t *data, size_t size) {
    static char *end;
    if (!end) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *pages = mmap(NULL, GUARDED_BYTES + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CLAIM(pages != MAP_FAILED);
        end = pages + GUARDED_BYTES;
        CLAIM(mprotect(end, page, PROT_NONE) == 0);
    }
    CLAIM(size <= GUARDED_BYTES);
    if (size) memcpy(end - size, data, size);
    return end - size;
}

/* --- As files --- */

static char input_folder_path[64];

static inline void remove_input_folder(void) {
    char command[sizeof input_folder_path + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", input_folder_path);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", input_folder_path);
}

/* A folder of this process's own, in memory; removed at exit, but not after a crash. */
static inline const char *input_folder(void) {
    if (!*input_folder_path) {
        snprintf(input_folder_path, sizeof input_folder_path, "/dev/shm/cdul-fuzz-XXXXXX");
        CLAIM(mkdtemp(input_folder_path));
        atexit(remove_input_folder);
    }
    return input_folder_path;
}

static inline void input_path(const char *name, char *path, size_t size) {
    CLAIM((size_t)snprintf(path, size, "%s/%s", input_folder(), name) < size);
}

/* Writes a file of the folder. */
static inline void input_file(const char *name, const uint8_t *data, size_t size) {
    char path[400];
    input_path(name, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CLAIM(fd >= 0);
    CLAIM(write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* Where the next part of the input begins: parts are divided by a line "%%". *size is that of the
 * part at `data`. NULL: it was the last. */
static inline const uint8_t *next_part(const uint8_t *data, const uint8_t *end, size_t *size) {
    static const char mark[] = "\n%%\n";
    const uint8_t *at =
        end > data ? memmem(data, (size_t)(end - data), mark, sizeof mark - 1) : NULL;
    *size = (size_t)((at ? at : end) - data);
    return at ? at + sizeof mark - 1 : NULL;
}

/* Makes `names` the files of the folder, a part of the input each, the last the rest. An empty
 * part, or one that is missing, is no file. */
static inline void input_files(const uint8_t *data, size_t size, const char *const *names,
                               size_t count) {
    const uint8_t *end = data + size;
    for (size_t i = 0; i < count; i++) {
        size_t part = 0;
        const uint8_t *next = data && i + 1 < count ? next_part(data, end, &part) : NULL;
        if (data && i + 1 == count) part = (size_t)(end - data);
        if (part) {
            input_file(names[i], data, part);
        } else {
            char path[400];
            input_path(names[i], path, sizeof path);
            unlink(path);
        }
        data = next;
    }
}

#endif
