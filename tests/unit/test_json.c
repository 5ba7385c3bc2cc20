#include "test.h"

#include "base/file.h"
#include "base/json.h"

#include <sys/mman.h>
#include <unistd.h>

static cdul_error err;

static cdul_status parse(const char *text, cJSON **out) {
    return cdul_json_parse(text, strlen(text), "f.json", out, &err);
}

static void assert_refused(const char *text, const char *message) {
    cJSON *json = NULL;
    assert_fails(parse(text, &json), CDUL_ERR_INPUT, message);
    assert_null(json);
}

static void values_and_white_space_are_read(void **state) {
    (void)state;
    cJSON *json = NULL;
    assert_ok(
        parse(" \t\r\n{\"a\": [1, -2.5e3, true, null, \"\\u00e9\\ud83d\\ude00\"]}\r\n ", &json));
    const cJSON *list = cJSON_GetObjectItem(json, "a");
    assert_true(cJSON_GetArrayItem(list, 1)->valuedouble == -2500);
    assert_string_equal(cJSON_GetArrayItem(list, 4)->valuestring, "\xc3\xa9\xf0\x9f\x98\x80");
    cJSON_Delete(json);
    assert_ok(cdul_json_parse("7 garbage", 1, "f.json", &json, &err)); /* `size` bounds the text */
    cJSON_Delete(json);
}

static void mistakes_are_shown_with_their_line(void **state) {
    (void)state;
    assert_refused("", "f.json: is empty");
    assert_refused("  \n ", "f.json: line 2: not JSON here");
    assert_refused("{\n \"a\": 1,\n \"b\": oops\n}", "f.json: line 3: not JSON here: oops");
    assert_refused("{\"a\": 1", "f.json: line 1");
    assert_refused("[1, 2,]", "f.json: line 1: not JSON here: ]");
    assert_refused("{} {}", "f.json: line 1: not JSON here: {}");
    assert_refused("[1]\n\nx", "f.json: line 3: not JSON here: x");
    assert_refused("'a'", "not JSON here");
    assert_refused("\"a", "not JSON here");
    assert_refused("[1] abcdefghijklmnopqrstuvwxyz", "not JSON here: abcdefghijklmnopqrst");
    assert_null(strchr(err.message, 'u')); /* twenty characters of it */
}

static void numbers_must_be_finite(void **state) {
    (void)state;
    assert_refused("NaN", "not JSON here: NaN");
    assert_refused("{\"x\": Infinity}", "not JSON here: Infinity");
    assert_refused("[-Infinity]", "not JSON here");
    assert_refused("{\"lr\": 1e999}", "f.json: lr: the number is not finite or too large");
    assert_refused("[[-1e999]]", "an element: the number is not finite");
}

static void keys_must_not_occur_twice(void **state) {
    (void)state;
    cJSON *json = NULL;
    assert_refused("{\"a\": 1, \"b\": 2, \"a\": 3}", "f.json: key \"a\" occurs twice");
    assert_refused("[{\"x\": {\"k\": 1, \"\\u006b\": 2}}]", "key \"k\" occurs twice");
    /* in other objects, in other case: fine */
    assert_ok(parse("{\"a\": {\"a\": 1}, \"A\": 2}", &json));
    cJSON_Delete(json);
}

static void nul_characters_are_refused_rather_than_cut(void **state) {
    (void)state;
    cJSON *json = NULL;
    assert_refused("{\n\"a\": \"x\\u0000y\"}", "f.json: line 2: a NUL character");
    assert_fails(cdul_json_parse("[\"a\0b\"]", 7, "f.json", &json, &err), CDUL_ERR_INPUT,
                 "a NUL character");
    assert_ok(parse("[\"\\\\u0000\"]", &json)); /* a backslash and letters */
    assert_string_equal(cJSON_GetArrayItem(json, 0)->valuestring, "\\u0000");
    cJSON_Delete(json);
    assert_refused("\"\\", "not JSON here");
    assert_refused("\"\\u0000", "a NUL character"); /* the text ends there */
}

static void deep_nesting_is_an_error(void **state) {
    (void)state;
    static char text[200001];
    memset(text, '[', sizeof text - 1);
    assert_refused(text, "not JSON here");
}

static void a_million_keys_take_no_million_squared(void **state) {
    (void)state;
    size_t n = 1000000, size = 0;
    char *text = malloc(n * 14 + 2);
    cJSON *json = NULL;
    text[size++] = '{';
    for (size_t i = 0; i < n; i++)
        size += (size_t)sprintf(text + size, "%s\"%zu\":0", i ? "," : "", i);
    text[size++] = '}';
    assert_ok(cdul_json_parse(text, size, "f.json", &json, &err));
    cJSON_Delete(json);
    free(text);
}

static void members_have_types(void **state) {
    (void)state;
    cJSON *json = NULL;
    double number = 5;
    bool flag = true, found = true;
    const char *text = "as it was";
    assert_ok(parse("{\"n\": 0.1, \"b\": false, \"s\": \"x\", \"z\": null}", &json));
    assert_ok(cdul_json_number(json, "n", "f.json", &number, NULL, &err));
    assert_true(number == 0.1);
    assert_ok(cdul_json_bool(json, "b", "f.json", &flag, &found, &err));
    assert_true(found && !flag);
    assert_ok(cdul_json_string(json, "s", "f.json", &text, NULL, &err));
    assert_string_equal(text, "x");

    assert_ok(cdul_json_number(json, "N", "f.json", &number, &found, &err));
    assert_true(!found && number == 0.1);
    assert_fails(cdul_json_number(json, "gone", "f.json", &number, NULL, &err), CDUL_ERR_INPUT,
                 "f.json: gone: missing");
    assert_fails(cdul_json_number(json, "s", "f.json", &number, &found, &err), CDUL_ERR_INPUT,
                 "f.json: s: expected a number");
    assert_fails(cdul_json_bool(json, "n", "f.json", &flag, NULL, &err), CDUL_ERR_INPUT,
                 "f.json: n: expected true or false");
    assert_fails(cdul_json_string(json, "z", "f.json", &text, NULL, &err), CDUL_ERR_INPUT,
                 "f.json: z: expected a string");
    assert_fails(cdul_json_string(cJSON_GetObjectItem(json, "s"), "k", "f.json", &text, NULL, &err),
                 CDUL_ERR_INPUT, "expected an object");
    assert_fails(cdul_json_string(NULL, "k", "f.json", &text, &found, &err), CDUL_ERR_INPUT,
                 "expected an object");
    cJSON_Delete(json);
}

static void lists_of_numbers_are_as_long_as_asked_and_finite(void **state) {
    (void)state;
    cJSON *json = NULL;
    float out[3];
    assert_ok(parse("{\"mean\": [0.5, -2, 1e3], \"std\": 1, \"odd\": [1, \"2\"], "
                    "\"huge\": [1, 1e39]}",
                    &json));
    const cJSON *mean = cJSON_GetObjectItem(json, "mean");
    assert_ok(cdul_json_numbers(mean, "mean", "f.json", 3, out, &err));
    assert_true(out[0] == 0.5f && out[1] == -2 && out[2] == 1000);
    assert_fails(cdul_json_numbers(mean, "mean", "f.json", 2, out, &err), CDUL_ERR_INPUT,
                 "f.json: mean: expected a list of 2 numbers");
    assert_fails(cdul_json_numbers(cJSON_GetObjectItem(json, "std"), "std", "f.json", 0, out, &err),
                 CDUL_ERR_INPUT, "f.json: std: expected a list of 0 numbers");
    assert_fails(cdul_json_numbers(NULL, "std", "f.json", 3, out, &err), CDUL_ERR_INPUT,
                 "f.json: std: expected a list of 3 numbers");
    assert_fails(cdul_json_numbers(cJSON_GetObjectItem(json, "odd"), "odd", "f.json", 2, out, &err),
                 CDUL_ERR_INPUT, "f.json: odd: item 1 is not a number");
    /* More than a float32 holds. */
    assert_fails(
        cdul_json_numbers(cJSON_GetObjectItem(json, "huge"), "huge", "f.json", 2, out, &err),
        CDUL_ERR_INPUT, "f.json: huge: item 1 is not a number");
    cJSON_Delete(json);
}

static void written_json_is_read_again(void **state) {
    (void)state;
    cJSON *json = NULL, *again = NULL;
    char *text = NULL;
    size_t size = 0;
    assert_ok(parse("{\"a\": [1, 0.1, 1e-300, \"x\\n\\\"\\u0001\"], \"b\": {}}", &json));
    assert_ok(cdul_json_write("out.json", json, &err));
    assert_ok(cdul_json_read("out.json", &again, &err));
    assert_true(cJSON_Compare(json, again, true));
    assert_ok(cdul_file_read_all("out.json", &text, &size, &err));
    assert_int_equal(text[size - 1], '\n');
    free(text);
    cJSON_Delete(again);

    cJSON_AddNumberToObject(json, "loss", 0.0 / 0.0 * -1.0);
    assert_fails(cdul_json_write("out.json", json, &err), CDUL_ERR_INPUT,
                 "out.json: loss: the number is not finite");
    assert_ok(cdul_json_read("out.json", &again, &err)); /* the old file stays */
    cJSON_Delete(again);
    cJSON_Delete(json);
    assert_fails(cdul_json_read("missing.json", &again, &err), CDUL_ERR_IO,
                 "missing.json: cannot be opened");
}

static void strings_of_any_bytes_survive_both_ways(void **state) {
    (void)state;
    const char *names[] = {
        "plain",  "", "\"\\/", "\b\f\n\r\t\x01\x1f\x7f", "caf\xc3\xa9", "\xff\xfe not UTF-8",
        "\\u0041"};
    cdul_strings list = {0}, again = {0};
    char *text = NULL;
    for (int i = 0; i < 7; i++) assert_ok(cdul_strings_add(&list, names[i], &err));
    assert_ok(cdul_json_from_strings(&list, &text, &err));
    /* As Python's json.dumps(list, ensure_ascii=False, separators=(",", ":")) has it for the valid
     * ones. */
    assert_string_equal(
        text, "[\"plain\",\"\",\"\\\"\\\\/\",\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\",\"caf\xc3\xa9\","
              "\"\xff\xfe not UTF-8\",\"\\\\u0041\"]");
    assert_ok(cdul_json_to_strings(text, strlen(text), "list", &again, &err));
    assert_true(cdul_strings_equal(&list, &again));
    free(text);
    cdul_strings_free(&list);
    assert_ok(cdul_json_from_strings(&list, &text, &err));
    assert_string_equal(text, "[]");
    assert_ok(cdul_json_to_strings(text, 2, "list", &again, &err));
    assert_int_equal(again.count, 0);
    free(text);
    cdul_strings_free(&again);
}

/* Text in a mapped file may end where its last page does: what cJSON reads behind it must be
 * ours. */
static void nothing_is_read_behind_the_text(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"1\":1,", "[1,2", "{\"a\":\"b",   "[\"\\",         "tru",
                                        "-",         "1",    "\xef\xbb\xbf", "{\"a\":\"\\u00"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size = strlen(texts[i]);
        cJSON *json = NULL;
        char *text = memcpy(pages + page - size, texts[i], size);
        if (cdul_json_parse(text, size, "x", &json, &err) == CDUL_OK) cJSON_Delete(json);
    }
    munmap(pages, 2 * page);
}

static void more_values_than_memory_is_for_are_refused(void **state) {
    (void)state;
    enum { MOST = 1 << 24 };
    size_t size = 2 * (size_t)MOST + 1;
    char *text = malloc(size);
    cJSON *json = NULL;
    assert_non_null(text);
    for (size_t i = 0; i < size; i++) text[i] = i % 2 ? '0' : ',';
    text[0] = '[';
    text[size - 1] = ']';
    assert_fails(cdul_json_parse(text, size, "header", &json, &err), CDUL_ERR_INPUT,
                 "header: JSON of more than 16777216 values");
    text[1] = text[size - 2] = '"'; /* commas in a string are no values */
    assert_ok(cdul_json_parse(text, size, "header", &json, &err));
    cJSON_Delete(json);
    /* A comma stands before each value but the first: just as many as there may be. */
    memset(text, ',', MOST - 1);
    assert_fails(cdul_json_parse(text, MOST - 1, "header", &json, &err), CDUL_ERR_INPUT,
                 "not JSON here");
    text[MOST - 1] = ',';
    assert_fails(cdul_json_parse(text, MOST, "header", &json, &err), CDUL_ERR_INPUT,
                 "header: JSON of more than 16777216 values");
    free(text);
}

static void lists_hold_strings_only(void **state) {
    (void)state;
    cdul_strings list = {0};
    assert_ok(cdul_strings_add(&list, "kept", &err));
    assert_fails(cdul_json_to_strings("[\"a\",1]", 7, "x: classes", &list, &err), CDUL_ERR_INPUT,
                 "x: classes: entry 2: expected a string");
    assert_fails(cdul_json_to_strings("{}", 2, "x: classes", &list, &err), CDUL_ERR_INPUT,
                 "x: classes: expected a list of strings");
    assert_fails(cdul_json_to_strings("", 0, "x: classes", &list, &err), CDUL_ERR_INPUT,
                 "x: classes: is empty");
    assert_int_equal(list.count, 1);
    cdul_strings_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_white_space_are_read),
        cmocka_unit_test(mistakes_are_shown_with_their_line),
        cmocka_unit_test(numbers_must_be_finite),
        cmocka_unit_test(keys_must_not_occur_twice),
        cmocka_unit_test(nul_characters_are_refused_rather_than_cut),
        cmocka_unit_test(deep_nesting_is_an_error),
        cmocka_unit_test(a_million_keys_take_no_million_squared),
        cmocka_unit_test(members_have_types),
        cmocka_unit_test(lists_of_numbers_are_as_long_as_asked_and_finite),
        cmocka_unit_test(written_json_is_read_again),
        cmocka_unit_test(strings_of_any_bytes_survive_both_ways),
        cmocka_unit_test(nothing_is_read_behind_the_text),
        cmocka_unit_test(more_values_than_memory_is_for_are_refused),
        cmocka_unit_test(lists_hold_strings_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
