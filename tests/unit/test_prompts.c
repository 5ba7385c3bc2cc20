#include "test.h"

#include "cdul/encoder.h"

static cdul_error err;

static void check(const char *pattern, const char *word, const char *want) {
    char *got = NULL;
    assert_ok(cdul_template_fill(pattern, word, &got, &err));
    assert_string_equal(got, want);
    free(got);
}

static void the_word_takes_the_place_of_either_placeholder(void **state) {
    (void)state;
    check(CDUL_DEFAULT_TEMPLATE, "cat", "a photo of a cat");
    check("{c}", "bird's nest", "bird's nest");
    check("ein Bild: {}!", "\xc3\x84pfel", "ein Bild: \xc3\x84pfel!");
    check("{c in a {} {x}", "{}", "{c in a {} {x}"); /* the word is not looked into */
}

static void a_template_has_exactly_one_placeholder(void **state) {
    (void)state;
    char *got = NULL;
    assert_fails(cdul_template_fill("a photo", "cat", &got, &err), CDUL_ERR_USAGE,
                 "'a photo': no {}");
    assert_fails(cdul_template_fill("{} and {c}", "cat", &got, &err), CDUL_ERR_USAGE,
                 "more than one");
    assert_fails(cdul_template_fill("", "cat", &got, &err), CDUL_ERR_USAGE, "no {}");
}

/* Counts and a fingerprint (FNV-1a over the lines) of the lists as open_clip 3.3.0 has them. */
static void named_sets_are_those_of_clips_authors(void **state) {
    (void)state;
    cdul_strings simple = {0}, eighty = {0};
    assert_ok(cdul_templates_named("simple", &simple, &err));
    assert_ok(cdul_templates_named("openai-80", &eighty, &err));
    assert_int_equal(simple.count, 7);
    assert_int_equal(eighty.count, 80);
    unsigned long long hash = CDUL_HASH_START;
    for (size_t i = 0; i < eighty.count; i++) {
        char *prompt = NULL;
        assert_ok(cdul_template_fill(eighty.items[i], "cat", &prompt, &err));
        hash = cdul_hash(hash, prompt, strlen(prompt));
        hash = cdul_hash(hash, "\n", 1);
        free(prompt);
    }
    assert_int_equal(hash, 0xbfb9eeb321c219f3ull);
    cdul_strings_free(&simple);
    cdul_strings_free(&eighty);
    assert_fails(cdul_templates_named("openai80", &simple, &err), CDUL_ERR_USAGE,
                 "there are: simple, openai-80");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_takes_the_place_of_either_placeholder),
        cmocka_unit_test(a_template_has_exactly_one_placeholder),
        cmocka_unit_test(named_sets_are_those_of_clips_authors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
