/* Cases from the Unicode standard: UnicodeData.txt, SpecialCasing.txt, NormalizationTest.txt,
 * PropList.txt. */
#include "test.h"

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

static cdul_error err;

static void utf8_is_accepted_only_in_its_shortest_form(void **state) {
    (void)state;
    size_t bad = 99;
    assert_true(cdul_utf8_valid("", 0, &bad));
    assert_true(cdul_utf8_valid("a\0b\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb1", 12, &bad));
    assert_false(cdul_utf8_valid("ab\x80", 3, &bad)); /* a lone continuation */
    assert_int_equal(bad, 2);
    assert_false(cdul_utf8_valid("\xc1\xbf", 2, &bad)); /* overlong */
    assert_false(cdul_utf8_valid("x\xe0\x9f\xbf", 4, &bad)); /* overlong */
    assert_false(cdul_utf8_valid("\xed\xbf\xbf", 3, &bad)); /* surrogate */
    assert_false(cdul_utf8_valid("\xf4\x90\x80\x80", 4, &bad)); /* beyond U+10FFFF */
    assert_false(cdul_utf8_valid("\xe2\x82", 2, &bad)); /* cut */
    assert_false(cdul_utf8_valid("\xff", 1, &bad));
}

static void check_fold(const char *text, const char *want) {
    char *folded = NULL;
    size_t size = 0;
    assert_ok(cdul_unicode_fold(text, strlen(text), &folded, &size, &err));
    assert_string_equal(folded, want);
    assert_int_equal(size, strlen(want));
    free(folded);
}

static void composition_is_canonical(void **state) {
    (void)state;
    check_fold("", "");
    check_fold("e\xcc\x81", "\xc3\xa9");
    check_fold("\xe2\x84\xab", "\xc3\xa5"); /* angstrom sign */
    check_fold("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"); /* Hangul */
    /* marks in canonical order */
    check_fold("a\xcc\x87\xcc\xa3", "\xe1\xba\xa1\xcc\x87");
    /* composition exclusion */
    check_fold("\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc");
    check_fold("\xef\xac\x81", "\xef\xac\x81"); /* a ligature is compatible only */
}

static void lower_case_is_that_of_single_characters(void **state) {
    (void)state;
    check_fold("A", "a");
    check_fold("\xce\xa3", "\xcf\x83"); /* capital sigma: never final here */
    check_fold("\xe1\xba\x9e", "\xc3\x9f"); /* capital sharp s */
    check_fold("\xc4\xb0\xc4\xb0", "i\xcc\x87i\xcc\x87"); /* I with dot */
    check_fold("\xc8\xba\xc8\xbe", "\xe2\xb1\xa5\xe2\xb1\xa6"); /* longer than they were */
    check_fold("\xe7\x8c\xab", "\xe7\x8c\xab");
}

static void folding_takes_away_case_and_spacing(void **state) {
    (void)state;
    check_fold("Dining \t\xc2\xa0 TABLE ", "dining table ");
    check_fold("CAFE\xcc\x81", "caf\xc3\xa9");
}

static void check_kinds(cdul_unicode_kind kind, const char *text) {
    size_t bytes = 0;
    for (size_t left = strlen(text); left > 0; text += bytes, left -= bytes) {
        assert_int_equal(cdul_unicode_kind_at(text, left, &bytes), kind);
        assert_in_range(bytes, 1, left);
    }
}

static void kinds_are_those_of_the_general_category(void **state) {
    (void)state;
    check_kinds(CDUL_UNICODE_LETTER, "a\xc3\xa9\xe7\x8c\xab\xca\xb0\xc7\x85\xd7\x90");
    check_kinds(CDUL_UNICODE_NUMBER, "7\xd9\xa3\xe2\x85\xa3\xc2\xbd");
    check_kinds(CDUL_UNICODE_SPACE, " \t\v\xc2\x85\xc2\xa0\xe3\x80\x80\xe2\x80\xa8\xe2\x81\x9f");
    check_kinds(CDUL_UNICODE_OTHER, "!\xcc\x81\xf0\x9f\x90\xb1\xe2\x80\x8b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_accepted_only_in_its_shortest_form),
        cmocka_unit_test(composition_is_canonical),
        cmocka_unit_test(lower_case_is_that_of_single_characters),
        cmocka_unit_test(folding_takes_away_case_and_spacing),
        cmocka_unit_test(kinds_are_those_of_the_general_category),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
