#include "test.h"

#include "base/bus_error.h"
#include "base/file.h"

#include <sys/wait.h>
#include <unistd.h>

static cdul_error err;

/* Ends by the signal, in a process of its own, whose words go to the pipe. */
static void read_what_is_cut(int words) {
    cdul_mapping map = {0};
    dup2(words, STDERR_FILENO);
    cdul_bus_error_install();
    if (cdul_mapping_open("a file.bin", &map, NULL) != CDUL_OK || truncate("a file.bin", 0) != 0)
        _exit(9);
    _exit(((const volatile unsigned char *)map.data)[map.size - 1] == 0 ? 8 : 7);
}

static void a_file_that_is_cut_while_it_is_read_is_named(void **state) {
    (void)state;
    static const char zeros[10000];
    int words[2], status = 0;
    char said[1000] = "";
    assert_ok(cdul_file_write_all("a file.bin", zeros, sizeof zeros, &err));
    assert_int_equal(pipe(words), 0);
    pid_t child = fork();
    if (child == 0) read_what_is_cut(words[1]);
    close(words[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_true(read(words[0], said, sizeof said - 1) > 0);
    close(words[0]);
    assert_int_equal(strncmp(said, "test_bus_error: /", strlen("test_bus_error: /")), 0);
    assert_non_null(
        strstr(said, "/a file.bin: was cut short while it was being read, or its disk fails: run "
                     "the same command again\n"));
    unlink("a file.bin");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_cut_while_it_is_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
