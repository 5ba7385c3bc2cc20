#include "options_fixture.h"

#include <locale.h>

#define NUMBER "--thinner: expected a number, 0 to 1, not "
#define WHOLE  "--coats: expected a whole number, 1 to 9, not "

static void numbers_are_decimal_and_nothing_else(void **state) {
    (void)state;
    refuses(NUMBER "\"0x1\"", "--thinner", "0x1");
    refuses(NUMBER "\"nan\"", "--thinner", "nan");
    refuses(NUMBER "\"inf\"", "--thinner", "inf");
    refuses(NUMBER "\"\"", "--thinner", "");
    refuses(NUMBER "\" 1\"", "--thinner", " 1");
    refuses(NUMBER "\"1 \"", "--thinner", "1 ");
    refuses(NUMBER "\"0.5x\"", "--thinner", "0.5x");
    refuses(NUMBER "\"0,5\"", "--thinner", "0,5");
    refuses(NUMBER "\"1e\"", "--thinner", "1e");
    refuses(NUMBER "\".\"", "--thinner", ".");
    refuses(NUMBER "\"-\"", "--thinner", "-");
    refuses(NUMBER "\"1e999\"", "--thinner", "1e999");
    refuses("--drying-heat: expected a number, not \"1e999\"", "--drying-heat", "1e999");
    refuses(WHOLE "\"2.0\"", "--coats", "2.0");
    refuses(WHOLE "\"1e0\"", "--coats", "1e0");
    refuses(WHOLE "\"two\"", "--coats", "two");
    refuses(WHOLE "\"99999999999999999999999\"", "--coats", "99999999999999999999999");
    parse_result r;
    parses(r, "--thinner", ".5", "--drying-heat=+1.E+2", "--coats=+07");
    assert_true(r.options->thinner == 0.5);
    assert_true(r.options->heat == 100);
    assert_int_equal(r.options->coats, 7);
    release(&r);
}

static void ranges_are_inclusive(void **state) {
    (void)state;
    refuses(NUMBER "\"1.0000001\"", "--thinner", "1.0000001");
    refuses(NUMBER "\"-0.1\"", "--thinner", "-0.1");
    refuses(WHOLE "\"0\"", "--coats", "0");
    refuses(WHOLE "\"10\"", "--coats", "10");
    refuses("--drops: expected a whole number, at least 1, not \"9007199254740994\"", "--drops",
            "9007199254740994");
    parse_result r;
    parses(r, "--thinner=1", "--coats=9");
    release(&r);
    parses(r, "--thinner=0", "--coats=1");
    release(&r);
}

static void choices_are_listed_and_the_nearest_is_suggested(void **state) {
    (void)state;
    refuses("--finish: expected matt, satin or mirror, not \"miror\"; did you mean mirror?",
            "--finish", "miror");
    refuses("--finish: expected matt, satin or mirror, not \"\"", "--finish", "");
    refuses("--finish: expected matt, satin or mirror, not \"matt|satin\"", "--finish",
            "matt|satin");
}

static void colours_are_six_hexadecimal_digits(void **state) {
    (void)state;
    refuses("--ground: expected six hexadecimal digits, as in ffffff, not \"#fff\"", "--ground",
            "#fff");
    refuses("--ground: expected six hexadecimal digits, as in ffffff, not \"0x1234\"", "--ground",
            "0x1234");
    refuses("--ground: expected six hexadecimal digits, as in ffffff, not \"1234567\"", "--ground",
            "1234567");
    parse_result r;
    parses(r, "--ground", "00aBff");
    assert_int_equal(r.options->ground[0], 0);
    assert_int_equal(r.options->ground[1], 0xab);
    assert_int_equal(r.options->ground[2], 0xff);
    release(&r);
}

/* A library or plug-in may have called setlocale. */
static void a_locale_with_a_decimal_comma_changes_nothing(void **state) {
    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) skip();
    parse_result r;
    parses(r, "--thinner", "0.25", "--print-config");
    assert_true(r.options->thinner == 0.25);
    assert_non_null(strstr(r.text, "\"thinner\": 0.25"));
    release(&r);
    refuses(NUMBER "\"0,25\"", "--thinner", "0,25");
    setlocale(LC_ALL, "C");
}

static void printed_numbers_read_back_as_the_same_doubles(void **state) {
    (void)state;
    static const char *const numbers[] = {"0.1",  "1e-5",      "100", "0.30000000000000004",
                                          "1e22", "-2.5e-300", "0"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char expected[80];
        parse_result r;
        parses(r, "--drying-heat", numbers[i], "--print-config");
        snprintf(expected, sizeof expected, "\"drying_heat\": %s,", numbers[i]);
        if (!strstr(r.text, expected)) fail_msg("%s is not in %s", expected, r.text);
        release(&r);
    }
}

static void effective_options_are_json_without_those_of_a_single_run(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--colour", "\"red\"\n", "--drops=9007199254740992", "--dry", "-o", "x");
    char *text = cdul_options_json(&paint, r.options);
    assert_string_equal(text, "{\n  \"paint\": {\n"
                              "    \"gloss\": true,\n"
                              "    \"coats\": 2,\n"
                              "    \"drops\": 9007199254740992,\n"
                              "    \"thinner\": 0.1,\n"
                              "    \"drying_heat\": null,\n"
                              "    \"colour\": \"\\\"red\\\"\\n\",\n"
                              "    \"layer\": [],\n"
                              "    \"brush\": [],\n"
                              "    \"finish\": \"satin\",\n"
                              "    \"tool\": null,\n"
                              "    \"ground\": \"ff800a\"\n"
                              "  }\n}");
    free(text);
    release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_and_nothing_else),
        cmocka_unit_test(ranges_are_inclusive),
        cmocka_unit_test(choices_are_listed_and_the_nearest_is_suggested),
        cmocka_unit_test(colours_are_six_hexadecimal_digits),
        cmocka_unit_test(a_locale_with_a_decimal_comma_changes_nothing),
        cmocka_unit_test(printed_numbers_read_back_as_the_same_doubles),
        cmocka_unit_test(effective_options_are_json_without_those_of_a_single_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
