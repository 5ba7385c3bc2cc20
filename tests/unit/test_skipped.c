#include "test.h"

#include "base/file.h"
#include "cdul/skipped.h"

static cdul_error err;

static void the_list_lies_beside_the_output_and_holds_paths_and_reasons(void **state) {
    (void)state;
    cdul_skipped skipped = {0};
    char *list = NULL, *text = NULL;
    size_t size;
    assert_ok(cdul_skipped_add(&skipped, "a, b.jpg", "a, b.jpg: the file is cut short", &err));
    assert_ok(cdul_skipped_add(&skipped, "c.png", "no \"pixels\"", &err));
    assert_ok(cdul_skipped_add(&skipped, "d", "d.png: another's path stays", &err));
    assert_ok(cdul_skipped_write(&skipped, "out.jsonl", &list, &err));
    assert_string_equal(list, "out.jsonl.skipped.csv");
    assert_ok(cdul_file_read_all(list, &text, &size, &err));
    assert_string_equal(
        text, "path,reason\n\"a, b.jpg\",the file is cut short\nc.png,\"no \"\"pixels\"\"\"\n"
              "d,d.png: another's path stays\n");
    free(text);
    free(list);
    cdul_skipped_free(&skipped);
}

static void with_nothing_skipped_an_old_list_goes(void **state) {
    (void)state;
    cdul_skipped skipped = {0};
    char *list = NULL;
    assert_ok(cdul_file_write_all("out.jsonl.skipped.csv", "path,reason\n", 12, &err));
    assert_ok(cdul_skipped_write(&skipped, "out.jsonl", &list, &err));
    assert_null(list);
    assert_false(cdul_path_exists("out.jsonl.skipped.csv"));
    assert_ok(cdul_skipped_write(&skipped, "out.jsonl", &list, &err));
    cdul_skipped_free(NULL);
}

static void a_list_that_cannot_be_written_is_an_error(void **state) {
    (void)state;
    cdul_skipped skipped = {0};
    char *list = NULL;
    assert_ok(cdul_skipped_add(&skipped, "a.jpg", "gone", &err));
    assert_fails(cdul_skipped_write(&skipped, "no/such/folder/out", &list, &err), CDUL_ERR_IO,
                 "no/such/folder");
    assert_null(list);
    cdul_skipped_free(&skipped);
}

static void the_list_of_an_output_with_the_longest_name_has_one_too(void **state) {
    (void)state;
    cdul_skipped skipped = {0};
    char *list = NULL, output[258];
    snprintf(output, sizeof output, "./%0255d", 0);
    assert_ok(cdul_skipped_write(&skipped, output, &list, &err));
    assert_ok(cdul_skipped_add(&skipped, "a.jpg", "gone", &err));
    assert_ok(cdul_skipped_write(&skipped, output, &list, &err));
    assert_int_equal(strlen(list), strlen(output));
    assert_non_null(strstr(list, "000.skipped.csv"));
    assert_true(cdul_path_exists(list));
    free(list);
    cdul_skipped_free(&skipped);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_lies_beside_the_output_and_holds_paths_and_reasons),
        cmocka_unit_test(with_nothing_skipped_an_old_list_goes),
        cmocka_unit_test(the_list_of_an_output_with_the_longest_name_has_one_too),
        cmocka_unit_test(a_list_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
