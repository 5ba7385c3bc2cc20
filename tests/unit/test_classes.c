#include "test.h"

#include "base/file.h"
#include "cdul/encoder.h"

static cdul_error err;

static cdul_status parse(const char *text, size_t size, cdul_classes *out) {
    return cdul_classes_parse(text, size, "classes.txt", out, &err);
}

#define assert_refused(text, message)                                                              \
    do {                                                                                           \
        cdul_classes refused;                                                                      \
        assert_fails(parse(text, sizeof(text) - 1, &refused), CDUL_ERR_INPUT, message);            \
        assert_int_equal(refused.names.count, 0);                                                  \
        assert_null(refused.words);                                                                \
    } while (0)

static void a_line_is_a_name_with_or_without_words(void **state) {
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "dining table\r\ntvmonitor\ttelevision,  computer monitor \r\n\r\n  "
                               "caf\xc3\xa9 \n\nfork,knife";
    cdul_classes classes;
    assert_ok(parse(text, sizeof text - 1, &classes));
    assert_int_equal(classes.names.count, 4);
    assert_string_equal(classes.names.items[0], "dining table");
    assert_int_equal(classes.words[0].count, 1);
    assert_string_equal(classes.words[0].items[0], "dining table");
    assert_string_equal(classes.names.items[1], "tvmonitor");
    assert_int_equal(classes.words[1].count, 2);
    assert_string_equal(classes.words[1].items[0], "television");
    assert_string_equal(classes.words[1].items[1], "computer monitor");
    assert_string_equal(classes.names.items[2], "caf\xc3\xa9");
    /* commas separate words, not names */
    assert_string_equal(classes.names.items[3], "fork,knife");
    cdul_classes_free(&classes);
}

static void a_file_is_read_like_its_text(void **state) {
    (void)state;
    cdul_classes classes;
    assert_ok(cdul_file_write_all("classes.txt", "cat\ndog\n", 8, &err));
    assert_ok(cdul_classes_read("classes.txt", &classes, &err));
    assert_int_equal(classes.names.count, 2);
    cdul_classes_free(&classes);
    assert_int_equal(cdul_classes_read("none.txt", &classes, &err), CDUL_ERR_IO);
}

static void mistakes_are_named_with_line_and_byte(void **state) {
    (void)state;
    assert_refused("", "no classes in it");
    assert_refused("\n \n", "no classes in it");
    assert_refused("cat\ndog\n\ncat\n", "line 4, byte 1: class 'cat' is on line 1 already");
    assert_refused("cat\n\twords\n", "line 2, byte 1: the class has no name");
    assert_refused("cat\ndog\t\n", "line 2, byte 5: a prompt word is empty");
    assert_refused("dog\ta,,b\n", "line 1, byte 7: a prompt word is empty");
    assert_refused("cat\nna\xefve\n", "line 2, byte 3: not UTF-8");
    assert_refused("cat\nd\0g\n", "line 2, byte 2: a NUL byte");
    assert_refused("ok\ncut \xf0\x9f\x90", "line 2, byte 5: not UTF-8");
}

static void names_that_an_encoder_reads_alike_are_named_with_both_lines(void **state) {
    (void)state;
    assert_refused("Cat\ndog\n\ncat\n",
                   "classes.txt: line 4, byte 1: class 'cat' has the prompts of 'Cat' on line 1");
    assert_refused("dining  table\ndining\xc2\xa0table\n",
                   "on line 1, as an encoder sees neither case nor spacing");
    assert_refused("CAF\xc3\x89\ncafe\xcc\x81\n",
                   "line 2, byte 1: class 'cafe\xcc\x81' has the prompts of");
    assert_refused("Cat\tkitten, Tom\ncat\tKitten,tom\n", "line 2, byte 1");
    assert_refused("cat\tkitten\ncat\ttom\n", "class 'cat' is on line 1 already");
}

static void names_in_other_case_with_words_of_their_own_are_two_classes(void **state) {
    (void)state;
    static const char text[] =
        "polish\tshoe polish\nPolish\tPolish person\nMouse\nmouse\tcomputer mouse\n"
        "bird\tcrane, Crane\ncrane\n";
    cdul_classes classes;
    assert_ok(parse(text, sizeof text - 1, &classes));
    assert_int_equal(classes.names.count, 6);
    assert_int_equal(classes.words[4].count, 2); /* a word counts as often as it stands there */
    cdul_classes_free(&classes);
}

/* Reads `text` as background words of `classes`. */
static cdul_status add(cdul_classes *classes, const char *text) {
    assert_ok(cdul_file_write_all("background.txt", text, strlen(text), &err));
    return cdul_classes_read_background("background.txt", classes, &err);
}

static void background_words_come_behind_the_classes(void **state) {
    (void)state;
    cdul_classes classes;
    assert_ok(parse("cat\ndog\tdog, puppy\n", 19, &classes));
    assert_ok(add(&classes, "sky\nfield\tgrass, meadow\n"));
    assert_int_equal(classes.names.count, 4);
    assert_int_equal(classes.background, 2);
    assert_string_equal(classes.names.items[2], "sky");
    assert_string_equal(classes.words[2].items[0], "sky");
    assert_string_equal(classes.words[3].items[1], "meadow");
    cdul_classes_free(&classes);
    assert_ok(add(&classes, "sky\n")); /* without classes, for a file of vectors that has its own */
    assert_int_equal(classes.names.count, 1);
    assert_int_equal(classes.background, 1);
    cdul_classes_free(&classes);
}

static void background_words_that_mean_a_class_are_named_with_their_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"sky\n\ncat\n",
         "background.txt: line 3: background word 'cat' is a name or word of class 'cat'"},
        {"sky\nCat\n", "line 2: background word 'Cat'"},
        {"puppy\n", "line 1: background word 'puppy' is a name or word of class 'dog'"},
        {"animals\tbird, puppy\n", "line 1: background word 'puppy'"},
        {"sky\nsky\n", "line 2, byte 1: class 'sky' is on line 1 already"},
        {"sky\nSky\n", "line 2, byte 1: class 'Sky' has the prompts of 'sky' on line 1"},
        {"\tsky\n", "line 1, byte 1: the class has no name"},
        {"sky\t\n", "line 1, byte 5: a prompt word is empty"},
        {"", "no classes in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cdul_classes classes;
        assert_ok(parse("cat\ndog\tdog, puppy\n", 19, &classes));
        assert_fails(add(&classes, cases[i].text), CDUL_ERR_INPUT, cases[i].message);
        assert_int_equal(classes.names.count, 2);
        assert_int_equal(classes.background, 0);
        cdul_classes_free(&classes);
    }
}

static void ten_thousand_classes_are_read(void **state) {
    (void)state;
    size_t size = 0;
    char *text = malloc(200000);
    for (int i = 0; i < 10000; i++) size += (size_t)sprintf(text + size, "class %d\n", i);
    cdul_classes classes;
    assert_ok(parse(text, size, &classes));
    assert_int_equal(classes.names.count, 10000);
    assert_string_equal(classes.words[9999].items[0], "class 9999");
    cdul_classes_free(&classes);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_name_with_or_without_words),
        cmocka_unit_test(a_file_is_read_like_its_text),
        cmocka_unit_test(mistakes_are_named_with_line_and_byte),
        cmocka_unit_test(names_that_an_encoder_reads_alike_are_named_with_both_lines),
        cmocka_unit_test(names_in_other_case_with_words_of_their_own_are_two_classes),
        cmocka_unit_test(background_words_come_behind_the_classes),
        cmocka_unit_test(background_words_that_mean_a_class_are_named_with_their_line),
        cmocka_unit_test(ten_thousand_classes_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
