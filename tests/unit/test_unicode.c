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

static void check_nfc(const char *text, size_t n, const int32_t *want) {
    int32_t *points = NULL;
    size_t count = 0;
    assert_ok(cdul_unicode_nfc(text, strlen(text), &points, &count, &err));
    assert_int_equal(count, n);
    if (n) assert_memory_equal(points, want, n * sizeof *want);
    free(points);
}

static void composition_is_canonical(void **state) {
    (void)state;
    check_nfc("", 0, NULL);
    check_nfc("e\xcc\x81", 1, (int32_t[]){0xe9});
    check_nfc("\xe2\x84\xab", 1, (int32_t[]){0xc5}); /* angstrom sign */
    check_nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", 1, (int32_t[]){0xac01}); /* Hangul */
    check_nfc("a\xcc\x87\xcc\xa3", 2, (int32_t[]){0x1ea1, 0x307}); /* marks in canonical order */
    check_nfc("\xe0\xa5\x98", 2, (int32_t[]){0x915, 0x93c}); /* composition exclusion */
    check_nfc("\xef\xac\x81", 1, (int32_t[]){0xfb01}); /* a ligature is compatible only */
}

static void lower_case_is_that_of_single_characters(void **state) {
    (void)state;
    int32_t out[2];
    assert_int_equal(cdul_unicode_lower('A', out), 1);
    assert_int_equal(out[0], 'a');
    assert_int_equal(cdul_unicode_lower(0x3a3, out), 1); /* capital sigma: never final here */
    assert_int_equal(out[0], 0x3c3);
    assert_int_equal(cdul_unicode_lower(0x1e9e, out), 1); /* capital sharp s */
    assert_int_equal(out[0], 0xdf);
    assert_int_equal(cdul_unicode_lower(0x130, out), 2); /* I with dot */
    assert_int_equal(out[0], 'i');
    assert_int_equal(out[1], 0x307);
    assert_int_equal(cdul_unicode_lower(0x732b, out), 1);
    assert_int_equal(out[0], 0x732b);
}

static void check_fold(const char *text, const char *want) {
    char *folded = NULL;
    size_t size = 0;
    assert_ok(cdul_unicode_fold(text, strlen(text), &folded, &size, &err));
    assert_string_equal(folded, want);
    assert_int_equal(size, strlen(want));
    free(folded);
}

static void folding_takes_away_case_and_spacing(void **state) {
    (void)state;
    check_fold("", "");
    check_fold("Dining \t\xc2\xa0 TABLE ", "dining table ");
    check_fold("CAFE\xcc\x81", "caf\xc3\xa9");
    check_fold("\xc4\xb0", "i\xcc\x87");
}

static void kinds_are_those_of_the_general_category(void **state) {
    (void)state;
    const int32_t letters[] = {'a', 0xe9, 0x732b, 0x2b0, 0x1c5, 0x5d0},
                  numbers[] = {'7', 0x663, 0x2163, 0xbd};
    const int32_t spaces[] = {' ', '\t', '\v', 0x85, 0xa0, 0x3000, 0x2028, 0x205f},
                  others[] = {'!', 0x301, 0x1f431, 0x200b};
    for (size_t i = 0; i < 6; i++) assert_true(cdul_unicode_is_letter(letters[i]));
    for (size_t i = 0; i < 4; i++) assert_true(cdul_unicode_is_number(numbers[i]));
    for (size_t i = 0; i < 8; i++) assert_true(cdul_unicode_is_space(spaces[i]));
    for (size_t i = 0; i < 4; i++)
        assert_false(cdul_unicode_is_letter(others[i]) || cdul_unicode_is_number(others[i]) ||
                     cdul_unicode_is_space(others[i]));
}

static void code_points_survive_the_way_through_utf8(void **state) {
    (void)state;
    for (int32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xd800 && c < 0xe000) continue;
        unsigned char bytes[4];
        int32_t back = -1;
        size_t n = cdul_utf8_put(c, bytes);
        if (cdul_utf8_get((const char *)bytes, n, &back) != n || back != c)
            fail_msg("U+%04X", (unsigned)c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_accepted_only_in_its_shortest_form),
        cmocka_unit_test(composition_is_canonical),
        cmocka_unit_test(lower_case_is_that_of_single_characters),
        cmocka_unit_test(folding_takes_away_case_and_spacing),
        cmocka_unit_test(kinds_are_those_of_the_general_category),
        cmocka_unit_test(code_points_survive_the_way_through_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
