/* Untrusted text in pages: what must never come through, and what must come through unchanged. */
#include "test.h"

#include "base/json.h"
#include "report/markup.h"

static cdul_error err;

typedef void write_text(FILE *stream, const char *text);

static char *written(write_text *how, const char *text) {
    char *out = NULL;
    size_t size;
    FILE *stream = open_memstream(&out, &size);
    how(stream, text);
    fclose(stream);
    return out;
}

static void as_text(FILE *stream, const char *text) { cdul_markup_text(stream, text, SIZE_MAX); }

static void as_seven_cells(FILE *stream, const char *text) { cdul_markup_text(stream, text, 7); }

static void as_base64(FILE *stream, const char *text) {
    cdul_markup_base64(stream, (const unsigned char *)text, strlen(text));
}

static void expect(write_text *how, const char *text, const char *expected) {
    char *got = written(how, text);
    assert_string_equal(got, expected);
    free(got);
}

#define BAD "\xef\xbf\xbd"

static void text_cannot_become_markup(void **state) {
    (void)state;
    expect(as_text, "<b a=\"1\" c='2'>&amp;", "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
    expect(as_text, "a\tb\nc", "a\tb\nc");
    expect(as_text, "a\x01\x1f", "a" BAD BAD);
    expect(as_text, "", "");
}

static void bytes_that_are_not_utf8_are_replaced(void **state) {
    (void)state;
    expect(as_text, "\xc3\xa4 \xe7\x8a\xac \xf0\x9f\x90\x95",
           "\xc3\xa4 \xe7\x8a\xac \xf0\x9f\x90\x95");
    expect(as_text, "\xff\xfe", BAD BAD);
    expect(as_text, "\xc0\xbc", BAD BAD); /* overlong '<' */
    expect(as_text, "\xe0\x80\xbc", BAD BAD BAD); /* overlong '<' */
    expect(as_text, "\xed\xa0\x80", BAD BAD BAD); /* surrogate */
    expect(as_text, "\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
    expect(as_text, "\xef\xbf\xbe", BAD); /* U+FFFE: not allowed in XML */
    expect(as_text, "a\xe7\x8a", "a" BAD BAD); /* cut at the end */
    expect(as_text, "\xe7<", BAD "&lt;"); /* cut by markup */
}

static void long_text_is_cut_between_characters(void **state) {
    (void)state;
    expect(as_seven_cells, "1234567", "1234567");
    expect(as_seven_cells,
           "123456\xc3\xa4"
           "8",
           "123456\xc3\xa4\xe2\x80\xa6");
}

static void as_script(FILE *stream, const char *text) {
    cdul_json_write_string(stream, text, true);
}

static void json_in_a_script_cannot_end_it(void **state) {
    (void)state;
    expect(as_script, "</script><!--&", "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
    const char *const texts[] = {"plain", "q\"b\\s/", "\n\r\t\b\f\x01\x7f",
                                 "\xe7\x8a\xac\xf0\x9f\x90\x95", "<a href='x'>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *got = written(as_script, texts[i]);
        cJSON *json = NULL;
        assert_ok(cdul_json_parse(got, strlen(got), "got", &json, &err));
        assert_string_equal(json->valuestring, texts[i]);
        cJSON_Delete(json);
        free(got);
    }
}

/* RFC 4648, section 10. */
static void base64_equals_the_published_vectors(void **state) {
    (void)state;
    expect(as_base64, "", "");
    expect(as_base64, "f", "Zg==");
    expect(as_base64, "fo", "Zm8=");
    expect(as_base64, "foo", "Zm9v");
    expect(as_base64, "foob", "Zm9vYg==");
    expect(as_base64, "fooba", "Zm9vYmE=");
    expect(as_base64, "foobar", "Zm9vYmFy");
    expect(as_base64, "\xff\xfb\xf0", "//vw");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_cannot_become_markup),
        cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(json_in_a_script_cannot_end_it),
        cmocka_unit_test(base64_equals_the_published_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
