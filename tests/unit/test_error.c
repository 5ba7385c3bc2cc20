#include "test.h"

#include <errno.h>

static cdul_error err;

static void a_message_is_one_line(void **state) {
    (void)state;
    assert_int_equal(cdul_fail(&err, CDUL_ERR_INPUT, "%s: line %d", "bad\nname\x7f\t.txt", 3),
                     CDUL_ERR_INPUT);
    assert_string_equal(err.message, "bad name  .txt: line 3");
}

static void errno_is_said_in_words(void **state) {
    (void)state;
    errno = ENOENT;
    assert_int_equal(cdul_fail_errno(&err, "%s: cannot be opened", "x"), CDUL_ERR_IO);
    assert_string_equal(err.message, "x: cannot be opened: No such file or directory");
}

static void prefixes_are_put_before(void **state) {
    (void)state;
    assert_int_equal(cdul_fail_memory(&err, "labels"), CDUL_ERR_MEMORY);
    cdul_error_prefix(&err, "%s: image %d\n", "list.txt", 7);
    assert_string_equal(err.message, "list.txt: image 7 : out of memory: labels");
}

static void long_messages_are_cut_at_the_end(void **state) {
    (void)state;
    char name[3000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(cdul_fail(&err, CDUL_ERR_INPUT, "%s: end", name), CDUL_ERR_INPUT);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    cdul_error_prefix(&err, "start");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, "start: nnn", 10);
    cdul_error_prefix(&err, "%s", name);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    errno = ENOSPC;
    assert_int_equal(cdul_fail_errno(&err, "%s", name), CDUL_ERR_IO);
    /* the reason survives a long name */
    assert_non_null(strstr(err.message, ": No space left on device"));
}

static void no_error_wanted_is_no_error_written(void **state) {
    (void)state;
    assert_int_equal(cdul_fail(NULL, CDUL_ERR_USAGE, "x"), CDUL_ERR_USAGE);
    assert_int_equal(cdul_fail_errno(NULL, "x"), CDUL_ERR_IO);
    assert_int_equal(cdul_fail_memory(NULL, "x"), CDUL_ERR_MEMORY);
    cdul_error_prefix(NULL, "x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_line),
        cmocka_unit_test(errno_is_said_in_words),
        cmocka_unit_test(prefixes_are_put_before),
        cmocka_unit_test(long_messages_are_cut_at_the_end),
        cmocka_unit_test(no_error_wanted_is_no_error_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
