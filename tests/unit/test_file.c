#include "test.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static cdul_error err;

/* Every test runs in an empty folder of its own. */
static int setup(void **state) {
    char *name = strdup("file.XXXXXX");
    *state = name;
    return name && mkdtemp(name) && chdir(name) == 0 ? 0 : -1;
}

static int drop(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int teardown(void **state) {
    int status = chdir("..");
    if (status == 0) status = nftw(*state, drop, 4, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return status;
}

static size_t files_here(void) {
    size_t count = 0;
    DIR *folder = opendir(".");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

static void assert_holds(const char *path, const char *want) {
    char *data = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(path, &data, &size, &err));
    assert_int_equal(size, strlen(want));
    assert_string_equal(data, want);
    free(data);
}

static cdul_status write_text(const char *path, const char *text) {
    return cdul_file_write_all(path, text, strlen(text), &err);
}

static void a_reader_sees_the_old_file_until_commit(void **state) {
    (void)state;
    cdul_file *file = NULL;
    assert_ok(write_text("out", "old"));
    assert_ok(cdul_file_create("out", &file, &err));
    fputs("new", cdul_file_stream(file));
    fflush(cdul_file_stream(file));
    assert_holds("out", "old");
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".out.%ld.tmp", (long)getpid());
    assert_holds(temporary, "new");
    assert_ok(cdul_file_commit(&file, &err));
    assert_null(file);
    assert_holds("out", "new");
    assert_int_equal(files_here(), 1);
}

static void discard_leaves_no_trace(void **state) {
    (void)state;
    cdul_file *file = NULL;
    assert_ok(write_text("out", "old"));
    assert_ok(cdul_file_create("out", &file, &err));
    fputs("new", cdul_file_stream(file));
    cdul_file_discard(&file);
    cdul_file_discard(&file);
    cdul_file_discard(NULL);
    assert_holds("out", "old");
    assert_int_equal(files_here(), 1);
}

static void a_failed_write_surfaces_at_commit(void **state) {
    (void)state;
    cdul_file *file = NULL;
    assert_ok(cdul_file_create("/dev/full", &file, &err));
    fputs("x", cdul_file_stream(file));
    assert_fails(cdul_file_commit(&file, &err), CDUL_ERR_IO,
                 "/dev/full: cannot be written: No space left");
    assert_null(file);
    assert_ok(cdul_file_create("/dev/full", &file, &err));
    fputs("x", cdul_file_stream(file));
    fflush(cdul_file_stream(file)); /* the failure lies behind us and must not be forgotten */
    assert_fails(cdul_file_commit(&file, &err), CDUL_ERR_IO,
                 "/dev/full: a write failed; is the disk full?");
    char megabyte[1 << 20] = {0};
    assert_fails(cdul_file_write_all("/dev/full", megabyte, sizeof megabyte, &err), CDUL_ERR_IO,
                 "No space left");
}

static void a_full_disk_keeps_the_old_file(void **state) {
    (void)state;
    struct rlimit before, limit;
    char megabyte[1 << 20] = {0};
    assert_ok(write_text("out", "old"));
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    cdul_status status = cdul_file_write_all("out", megabyte, sizeof megabyte, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_fails(status, CDUL_ERR_IO, "out: cannot be written: File too large");
    assert_holds("out", "old");
    assert_int_equal(files_here(), 1);
}

static void devices_and_pipes_are_written_to_and_not_replaced(void **state) {
    (void)state;
    struct stat info;
    assert_ok(write_text("/dev/null", "gone"));
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(mkfifo("pipe", 0600), 0);
    int fd = open("pipe", O_RDWR); /* holds both ends, so that nobody waits */
    char got[3];
    assert_ok(write_text("pipe", "abc"));
    assert_int_equal(read(fd, got, 3), 3);
    assert_memory_equal(got, "abc", 3);
    close(fd);
}

static void mode_follows_umask_or_the_file_that_is_replaced(void **state) {
    (void)state;
    struct stat info;
    mode_t mask = umask(027);
    assert_ok(write_text("new", ""));
    assert_int_equal(stat("new", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(chmod("new", 0600), 0);
    assert_ok(write_text("new", "again"));
    assert_int_equal(stat("new", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    umask(mask);
}

static void a_link_stays_and_its_file_is_replaced(void **state) {
    (void)state;
    struct stat info;
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_ok(write_text("folder/real", "old"));
    assert_int_equal(symlink("folder/real", "link"), 0);
    assert_ok(write_text("link", "new"));
    assert_int_equal(lstat("link", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_holds("folder/real", "new");
    assert_int_equal(files_here(), 2);
}

static void left_over_temporary_files_are_stepped_over(void **state) {
    (void)state;
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".out.%ld.tmp", (long)getpid());
    assert_ok(write_text(temporary, "of a killed process"));
    cdul_file *first = NULL, *second = NULL;
    assert_ok(cdul_file_create("out", &first, &err));
    assert_ok(cdul_file_create("out", &second, &err));
    fputs("first", cdul_file_stream(first));
    fputs("second", cdul_file_stream(second));
    assert_ok(cdul_file_commit(&second, &err));
    assert_ok(cdul_file_commit(&first, &err));
    assert_holds("out", "first");
    assert_holds(temporary, "of a killed process");
    assert_int_equal(files_here(), 2);
}

static void files_of_dead_processes_are_swept_and_no_others(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    char dead[2][64], kept[4][64];
    snprintf(dead[0], sizeof dead[0], ".out.%ld.tmp", (long)child);
    snprintf(dead[1], sizeof dead[1], ".a.b.%ld-3.tmp", (long)child);
    snprintf(kept[0], sizeof kept[0], ".out.%ld.tmp", (long)getpid());
    snprintf(kept[1], sizeof kept[1], "out.%ld.tmp", (long)child);
    snprintf(kept[2], sizeof kept[2], ".%ld.tmp", (long)child);
    snprintf(kept[3], sizeof kept[3], ".out.%ldx.tmp", (long)child);
    for (size_t i = 0; i < 2; i++) assert_ok(write_text(dead[i], ""));
    for (size_t i = 0; i < 4; i++) assert_ok(write_text(kept[i], ""));
    cdul_file_sweep(".");
    for (size_t i = 0; i < 2; i++) assert_false(cdul_path_exists(dead[i]));
    for (size_t i = 0; i < 4; i++) assert_true(cdul_path_exists(kept[i]));
    cdul_file_sweep("none");
}

/* Starts a process that takes the lock of the current folder; it ends when the returned pipe is
 * closed. */
static pid_t hold_lock(int *until) {
    int ready[2], end[2];
    char byte = 0;
    assert_int_equal(pipe(ready) + pipe(end), 0);
    pid_t child = fork();
    if (child == 0) {
        int lock = -1;
        close(end[1]);
        if (cdul_lock_try(".", &lock, &err) != CDUL_OK || lock < 0) _exit(1);
        if (write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0) _exit(1);
        _exit(0); /* and with it the lock */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]), close(ready[1]), close(end[0]);
    *until = end[1];
    return child;
}

static void a_lock_is_one_process_s_and_ends_with_it(void **state) {
    (void)state;
    int until = -1, lock = -1, status = -1;
    pid_t child = hold_lock(&until);
    assert_ok(cdul_lock_try(".", &lock, &err));
    assert_int_equal(lock, -1);
    close(until);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(cdul_lock_try(".", &lock, &err));
    assert_true(lock >= 0);
    assert_int_equal(unlink("lock"), 0); /* as a run that ends does: the next one has its own */
    int next = -1;
    assert_ok(cdul_lock_try(".", &next, &err));
    assert_true(next >= 0);
    cdul_lock_release(&lock);
    cdul_lock_release(&next);
    assert_int_equal(next, -1);
    assert_fails(cdul_lock_try("none", &lock, &err), CDUL_ERR_IO,
                 "none/lock: cannot be written: No such file");
}

static void names_of_255_bytes_work_and_longer_ones_fail_at_once(void **state) {
    (void)state;
    char name[257] = "";
    cdul_file *file = NULL;
    memset(name, 'n', 255);
    assert_ok(write_text(name, "x"));
    assert_holds(name, "x");
    name[255] = 'n';
    assert_fails(cdul_file_create(name, &file, &err), CDUL_ERR_IO, "File name too long");
    assert_int_equal(files_here(), 1);
}

static void impossible_outputs_fail_at_create(void **state) {
    (void)state;
    cdul_file *file = NULL;
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_fails(cdul_file_create("folder", &file, &err), CDUL_ERR_IO,
                 "folder: cannot be written: Is a directory");
    assert_fails(cdul_file_create("folder/", &file, &err), CDUL_ERR_USAGE,
                 "folder/: cannot be written: the name");
    assert_fails(cdul_file_create("", &file, &err), CDUL_ERR_USAGE, "\"\": cannot be written");
    assert_fails(cdul_file_create("missing/out", &file, &err), CDUL_ERR_IO,
                 "missing/out: cannot be written: No such");
    assert_null(file);
}

static void dash_is_standard_output(void **state) {
    (void)state;
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    assert_non_null(freopen("captured", "wb", stdout));
    cdul_status status = write_text("-", "to stdout\n");
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    assert_ok(status);
    assert_holds("captured", "to stdout\n");
}

static void whole_files_and_pipes_are_read(void **state) {
    (void)state;
    char *data = NULL, *big = malloc(300000);
    size_t size = 0;
    for (size_t i = 0; i < 300000; i++) big[i] = (char)(i * 7);
    assert_ok(cdul_file_write_all("big", big, 300000, &err));
    assert_ok(cdul_file_read_all("big", &data, &size, &err));
    assert_int_equal(size, 300000);
    assert_memory_equal(data, big, size);
    assert_int_equal(data[size], '\0');
    free(data);
    int kept = dup(STDIN_FILENO), fds[2];
    FILE *feed = popen("cat big > twice; cat big >> twice", "w");
    pclose(feed);
    assert_int_equal(pipe(fds), 0);
    if (fork() == 0) {
        close(fds[0]);
        dup2(fds[1], STDOUT_FILENO);
        execlp("cat", "cat", "twice", (char *)NULL);
        _exit(1);
    }
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    assert_ok(cdul_file_read_all("-", &data, &size, &err));
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_int_equal(size, 600000);
    assert_memory_equal(data, big, 300000);
    assert_memory_equal(data + 300000, big, 300000);
    free(data);
    free(big);
    assert_ok(write_text("empty", ""));
    assert_holds("empty", "");
    assert_fails(cdul_file_read_all("missing", &data, &size, &err), CDUL_ERR_IO,
                 "missing: cannot be opened: No such");
    assert_fails(cdul_file_read_all(".", &data, &size, &err), CDUL_ERR_IO,
                 ".: cannot be read: Is a directory");
}

static void mappings_show_the_file(void **state) {
    (void)state;
    cdul_mapping map = {0};
    assert_ok(write_text("in", "mapped"));
    assert_ok(cdul_mapping_open("in", &map, &err));
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "mapped", 6);
    assert_ok(write_text("in", "another")); /* the map keeps the file that it opened */
    assert_memory_equal(map.data, "mapped", 6);
    cdul_mapping_release(&map);
    assert_memory_equal(map.data, "mapped", 6);
    cdul_mapping_close(&map);
    cdul_mapping_close(&map);
    cdul_mapping_release(&map);
    assert_ok(write_text("in", ""));
    assert_ok(cdul_mapping_open("in", &map, &err));
    assert_int_equal(map.size, 0);
    cdul_mapping_close(&map);
    assert_fails(cdul_mapping_open(".", &map, &err), CDUL_ERR_IO, ".: is not a regular file");
    assert_fails(cdul_mapping_open("missing", &map, &err), CDUL_ERR_IO,
                 "missing: cannot be opened");
}

/* A folder from elsewhere may hold links to devices, pipes, and files without end. */
static void only_regular_files_of_bounded_size_are_taken_from_folders(void **state) {
    (void)state;
    char *data = NULL;
    size_t size = 0;
    assert_ok(write_text("plain", "text"));
    assert_ok(cdul_file_read_regular("plain", &data, &size, &err));
    assert_int_equal(size, 4);
    assert_string_equal(data, "text");
    free(data);
    assert_int_equal(symlink("/dev/zero", "endless"), 0);
    assert_fails(cdul_file_read_regular("endless", &data, &size, &err), CDUL_ERR_INPUT,
                 "endless: is not a regular file");
    assert_int_equal(mkfifo("fifo", 0600), 0); /* nobody will write to it */
    assert_fails(cdul_file_read_regular("fifo", &data, &size, &err), CDUL_ERR_INPUT,
                 "fifo: is not a regular file");
    cdul_mapping map = {0};
    assert_int_equal(cdul_mapping_open("fifo", &map, &err), CDUL_ERR_IO);
    assert_fails(cdul_file_read_regular(".", &data, &size, &err), CDUL_ERR_INPUT,
                 "not a regular file");
    assert_int_equal(truncate("plain", (off_t)CDUL_REGULAR_BYTES + 1), 0);
    assert_fails(cdul_file_read_regular("plain", &data, &size, &err), CDUL_ERR_INPUT,
                 "plain: 268435457 bytes are too many");
    assert_fails(cdul_file_read_regular("none", &data, &size, &err), CDUL_ERR_IO,
                 "none: cannot be opened");
}

static void assert_joined(const char *folder, const char *name, const char *want) {
    char *path = cdul_path_join(folder, name);
    assert_string_equal(path, want);
    free(path);
}

static void paths_are_taken_apart_and_joined(void **state) {
    (void)state;
    assert_joined("a", "b", "a/b");
    assert_joined("a/", "b", "a/b");
    assert_joined("/", "b", "/b");
    assert_joined("a", "/b", "/b");
    assert_joined("", "b", "b");
    assert_joined(NULL, "b", "b");
    assert_string_equal(cdul_path_base("a/b.jpg"), "b.jpg");
    assert_string_equal(cdul_path_base("b"), "b");
    assert_string_equal(cdul_path_base("a/"), "");
    assert_string_equal(cdul_path_extension("a.b/c.tar.gz"), ".gz");
    assert_string_equal(cdul_path_extension("a.b/c"), "");
    assert_string_equal(cdul_path_extension("a/.hidden"), "");
    assert_string_equal(cdul_path_extension("dot."), ".");
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    assert_ok(cdul_path_make_folder("a/b//c/", &err));
    assert_true(cdul_path_is_folder("a/b/c"));
    assert_ok(cdul_path_make_folder("a/b/c", &err));
    assert_ok(cdul_path_make_folder("/", &err));
    assert_ok(write_text("a/file", ""));
    assert_true(cdul_path_exists("a/file") && !cdul_path_is_folder("a/file"));
    assert_false(cdul_path_exists("a/none"));
    assert_fails(cdul_path_make_folder("a/file", &err), CDUL_ERR_IO,
                 "a/file: folder cannot be made: File exists");
    assert_fails(cdul_path_make_folder("a/file/x", &err), CDUL_ERR_IO,
                 "a/file: folder cannot be made");
    assert_fails(cdul_path_make_folder("", &err), CDUL_ERR_USAGE, "name is missing");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_reader_sees_the_old_file_until_commit),
        TEST(discard_leaves_no_trace),
        TEST(a_failed_write_surfaces_at_commit),
        TEST(a_full_disk_keeps_the_old_file),
        TEST(devices_and_pipes_are_written_to_and_not_replaced),
        TEST(mode_follows_umask_or_the_file_that_is_replaced),
        TEST(a_link_stays_and_its_file_is_replaced),
        TEST(left_over_temporary_files_are_stepped_over),
        TEST(files_of_dead_processes_are_swept_and_no_others),
        TEST(a_lock_is_one_process_s_and_ends_with_it),
        TEST(names_of_255_bytes_work_and_longer_ones_fail_at_once),
        TEST(impossible_outputs_fail_at_create),
        TEST(dash_is_standard_output),
        TEST(whole_files_and_pipes_are_read),
        TEST(mappings_show_the_file),
        TEST(only_regular_files_of_bounded_size_are_taken_from_folders),
        TEST(paths_are_taken_apart_and_joined),
        TEST(folders_are_made_with_their_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
