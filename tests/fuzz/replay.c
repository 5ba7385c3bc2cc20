/* Runs a fuzz target on the files of folders, once each: what is in the corpora stays good with
 * every compiler. In place of libFuzzer's main. fuzz_json FOLDER... */
#include "input.h"

#include <dirent.h>

static void replay(const char *path) {
    struct stat info;
    FILE *file = fopen(path, "rb");
    CLAIM(file && fstat(fileno(file), &info) == 0);
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size ? size : 1); /* of just that size, for sanitizers */
    CLAIM(data && fread(data, 1, size, file) == size);
    fclose(file);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv) {
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) fprintf(stderr, "%s: no such folder\n", argv[i]);
        if (!folder) return 1;
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_type == DT_DIR || entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            replay(path);
            count++;
        }
        closedir(folder);
    }
    printf("%zu inputs\n", count);
    return count == 0;
}
