#include "test.h"

#include "cdul/strings.h"

static cdul_error err;

static void add_keeps_copies_and_lengths(void **state) {
    (void)state;
    cdul_strings list = {0};
    char text[] = "one";
    assert_ok(cdul_strings_add(&list, text, &err));
    text[0] = 'X';
    assert_ok(cdul_strings_add_n(&list, "twofold", 3, &err));
    assert_ok(cdul_strings_add_n(&list, NULL, 0, &err));
    for (int i = 0; i < 1000; i++) assert_ok(cdul_strings_add(&list, "more", &err));
    assert_int_equal(list.count, 1003);
    assert_string_equal(list.items[0], "one");
    assert_string_equal(list.items[1], "two");
    assert_string_equal(list.items[2], "");
    cdul_strings_clear(&list);
    assert_int_equal(list.count, 0);
    assert_ok(cdul_strings_add(&list, "again", &err));
    cdul_strings_free(&list);
    assert_null(list.items);
}

static void copy_and_equal_agree(void **state) {
    (void)state;
    cdul_strings a = {0}, b = {0};
    assert_true(cdul_strings_equal(&a, &b));
    assert_ok(cdul_strings_add(&a, "x", &err));
    assert_false(cdul_strings_equal(&a, &b));
    assert_ok(cdul_strings_add(&b, "y", &err));
    assert_false(cdul_strings_equal(&a, &b));
    assert_ok(cdul_strings_copy(&a, &b, &err));
    assert_true(cdul_strings_equal(&a, &b));
    assert_ok(cdul_strings_copy(&a, &a, &err));
    assert_string_equal(a.items[0], "x");
    cdul_strings_free(&a);
    cdul_strings_free(&b);
}

static void sort_is_by_bytes(void **state) {
    (void)state;
    cdul_strings list = {0};
    const char *in[] = {"b", "\xc3\xa9", "a/b", "B", "a", "a.b", ""};
    const char *want[] = {"", "B", "a", "a.b", "a/b", "b", "\xc3\xa9"};
    cdul_strings_sort(&list);
    for (int i = 0; i < 7; i++) assert_ok(cdul_strings_add(&list, in[i], &err));
    cdul_strings_sort(&list);
    for (int i = 0; i < 7; i++) assert_string_equal(list.items[i], want[i]);
    cdul_strings_free(&list);
}

static void two_strings_are_sorted_too(void **state) {
    (void)state;
    cdul_strings list = {0};
    assert_ok(cdul_strings_add(&list, "b", &err));
    assert_ok(cdul_strings_add(&list, "a", &err));
    cdul_strings_sort(&list);
    assert_string_equal(list.items[0], "a");
    assert_string_equal(list.items[1], "b");
    cdul_strings_free(&list);
}

static void nearest_finds_slips_and_nothing_far(void **state) {
    (void)state;
    const char *const names[] = {"head-lr", "lr", "epochs", "batch", "threads", "threshold"};
    const char *const *n = names;
    assert_string_equal(cdul_strings_nearest("head_lr", n, 6), "head-lr");
    assert_string_equal(cdul_strings_nearest("epoch", n, 6), "epochs");
    assert_string_equal(cdul_strings_nearest("bacth", n, 6), "batch");
    assert_string_equal(cdul_strings_nearest("treads", n, 6), "threads");
    assert_string_equal(cdul_strings_nearest("rl", n, 6), "lr");
    /* A third of the letters, rounded up: one of three, two of four, three of seven and no more. */
    const char *const cat[] = {"cat"}, *const bird[] = {"bird"}, *const giraffe[] = {"giraffe"};
    assert_non_null(cdul_strings_nearest("cut", cat, 1));
    assert_null(cdul_strings_nearest("cup", cat, 1));
    assert_non_null(cdul_strings_nearest("bill", bird, 1));
    assert_null(cdul_strings_nearest("ball", bird, 1));
    assert_non_null(cdul_strings_nearest("gorilfe", giraffe, 1));
    assert_null(cdul_strings_nearest("gorilla", giraffe, 1));
    /* Of equally near candidates the first; one letter inserted, dropped, changed or swapped is one
     * slip. */
    const char *const near[] = {"abcd", "abcx", "abc"};
    assert_string_equal(cdul_strings_nearest("abcz", near, 3), "abcd");
    assert_string_equal(cdul_strings_nearest("bacx", near, 3), "abcx");
    assert_null(cdul_strings_nearest("colour", n, 6));
    assert_null(cdul_strings_nearest("x", n, 6));
    assert_null(cdul_strings_nearest("", n, 6));
    assert_null(cdul_strings_nearest("lr", n, 0));
    char endless[200] = "";
    memset(endless, 'a', sizeof endless - 1);
    assert_null(cdul_strings_nearest(endless, n, 6));
}

/* A word of three letters may be one slip away: a letter too few or too many is one, two are two.
 */
static void each_letter_too_few_or_too_many_is_one_slip(void **state) {
    (void)state;
    const char *const cat[] = {"cat"}, *const cats[] = {"cats"}, *const at[] = {"at"};
    const char *const longer[] = {"catxy"}, *const shorter[] = {"c"};
    assert_non_null(cdul_strings_nearest("cat", cats, 1));
    assert_non_null(cdul_strings_nearest("cat", at, 1));
    assert_null(cdul_strings_nearest("cat", longer, 1));
    assert_null(cdul_strings_nearest("cat", shorter, 1));
    /* What was compared before leaves nothing behind: "x" is three letters from "wyz". */
    const char *const wyz[] = {"wyz"};
    assert_string_equal(cdul_strings_nearest("cat", cat, 1), "cat");
    assert_null(cdul_strings_nearest("x", wyz, 1));
}

static void a_word_that_shares_no_letter_is_not_suggested(void **state) {
    (void)state;
    const char *const y[] = {"y"};
    assert_null(cdul_strings_nearest("x", y, 1));
}

/* 63 letters are the most that are compared, on either side. */
static void words_are_compared_up_to_63_letters(void **state) {
    (void)state;
    char word[65] = "", candidate[65] = "";
    const char *const candidates[] = {candidate};
    memset(word, 'a', 63);
    memset(candidate, 'a', 63);
    candidate[62] = 'b';
    assert_ptr_equal(cdul_strings_nearest(word, candidates, 1), candidate);
    word[63] = 'a';
    assert_null(cdul_strings_nearest(word, candidates, 1));
    word[63] = '\0';
    candidate[63] = 'a';
    assert_null(cdul_strings_nearest(word, candidates, 1));
}

static void index_finds_each_of_many(void **state) {
    (void)state;
    cdul_strings list = {0};
    cdul_index *index = NULL;
    char name[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "images/%06d.jpg", i);
        assert_ok(cdul_strings_add(&list, name, &err));
    }
    assert_ok(cdul_index_new(&list, &index, &err));
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(cdul_index_find(index, list.items[i]), i);
    assert_int_equal(cdul_index_find(index, "images/100000.jpg"), CDUL_NOT_FOUND);
    assert_int_equal(cdul_index_find(index, ""), CDUL_NOT_FOUND);
    cdul_index_free(index);
    cdul_strings_free(&list);
}

static void index_names_what_occurs_twice(void **state) {
    (void)state;
    cdul_strings list = {0};
    cdul_index *index = NULL;
    assert_ok(cdul_index_new(&list, &index, &err));
    assert_int_equal(cdul_index_find(index, "cat"), CDUL_NOT_FOUND);
    cdul_index_free(index);
    const char *names[] = {"cat", "dog", "cat"};
    for (int i = 0; i < 3; i++) assert_ok(cdul_strings_add(&list, names[i], &err));
    assert_fails(cdul_index_new(&list, &index, &err), CDUL_ERR_INPUT,
                 "\"cat\" occurs twice (entries 1 and 3)");
    cdul_index_free(NULL);
    cdul_strings_free(&list);
}

/* The reference vectors of FNV's authors. */
static void hash_is_fnv_1a(void **state) {
    (void)state;
    assert_true(cdul_hash(CDUL_HASH_START, "", 0) == 0xcbf29ce484222325ull);
    assert_true(cdul_hash(CDUL_HASH_START, "a", 1) == 0xaf63dc4c8601ec8cull);
    assert_true(cdul_hash(CDUL_HASH_START, "foobar", 6) == 0x85944171f73967e8ull);
    assert_true(cdul_hash(cdul_hash(CDUL_HASH_START, "foo", 3), "bar", 3) == 0x85944171f73967e8ull);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_keeps_copies_and_lengths),
        cmocka_unit_test(copy_and_equal_agree),
        cmocka_unit_test(sort_is_by_bytes),
        cmocka_unit_test(two_strings_are_sorted_too),
        cmocka_unit_test(nearest_finds_slips_and_nothing_far),
        cmocka_unit_test(each_letter_too_few_or_too_many_is_one_slip),
        cmocka_unit_test(a_word_that_shares_no_letter_is_not_suggested),
        cmocka_unit_test(words_are_compared_up_to_63_letters),
        cmocka_unit_test(index_finds_each_of_many),
        cmocka_unit_test(index_names_what_occurs_twice),
        cmocka_unit_test(hash_is_fnv_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
