#include "options_fixture.h"

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void a_config_sets_options_by_section_and_key(void **state) {
    (void)state;
    write_file(
        "a.json",
        "{\"description\": \"for people\", \"wash\": {\"soap\": 2, \"towel\": [\"t\"]},"
        " \"paint\": {\"gloss\": false, \"coats\": 3, \"drying_heat\": 1.5, \"colour\": \"red\","
        " \"layer\": [\"x\", \"y\"], \"brush\": \"one\", \"finish\": \"matt\"}}");
    parse_result r;
    parses(r, "wall", "-c", "a.json");
    assert_false(r.options->gloss);
    assert_int_equal(r.options->coats, 3);
    assert_true(r.options->heat == 1.5);
    assert_string_equal(r.options->colour, "red");
    assert_int_equal(r.options->layer.count, 2);
    assert_string_equal(r.options->layer.items[1], "y");
    assert_int_equal(r.options->brush.count, 1);
    assert_string_equal(r.options->brush.items[0], "one");
    assert_int_equal(r.options->finish, 0);
    assert_true(cdul_parsed_given(&r.parsed, "finish"));
    release(&r);
}

static void later_configs_win_and_the_command_line_wins_over_all(void **state) {
    (void)state;
    write_file("a.json", "{\"paint\": {\"coats\": 3, \"colour\": \"red\", \"layer\": [\"a\"]}}");
    write_file("b.json", "{\"paint\": {\"coats\": 4, \"thinner\": 0.5}}");
    parse_result r;
    parses(r, "--thinner=0.7", "-l", "b", "-c", "a.json", "-c", "b.json");
    assert_int_equal(r.options->coats, 4);
    assert_string_equal(r.options->colour, "red");
    assert_true(r.options->thinner == 0.7);
    assert_int_equal(r.options->layer.count, 1);
    assert_string_equal(r.options->layer.items[0], "b");
    release(&r);
}

static void set_and_options_count_in_the_order_given(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--set", "paint.coats=5", "-n", "6");
    assert_int_equal(r.options->coats, 6);
    release(&r);
    parses(r, "-n", "6", "--set", "paint.coats=5");
    assert_int_equal(r.options->coats, 5);
    release(&r);
}

static void set_reads_the_value_by_the_type_of_the_option(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--set", "paint.gloss=false", "--set", "paint.colour=a=b.c", "--set",
           "paint.layer=[\"x\", \"y\"]", "--set", "paint.brush=one two",
           "--set=paint.finish=mirror");
    assert_false(r.options->gloss);
    assert_string_equal(r.options->colour, "a=b.c");
    assert_int_equal(r.options->layer.count, 2);
    assert_int_equal(r.options->brush.count, 1);
    assert_string_equal(r.options->brush.items[0], "one two");
    assert_int_equal(r.options->finish, 2);
    release(&r);
    parses(r, "--drops=3", "--set", "paint.drops=null");
    assert_int_equal(r.options->drops, 0);
    release(&r);
}

static void unknown_names_are_refused_with_the_nearest_one(void **state) {
    (void)state;
    write_file("section.json", "{\"piant\": {}}");
    refuses("section.json: unknown section \"piant\"; did you mean \"paint\"?", "-c",
            "section.json");
    write_file("far.json", "{\"kitchen\": {}}");
    refuses("far.json: unknown section \"kitchen\"; there are paint, wash", "-c", "far.json");
    write_file("key.json", "{\"paint\": {\"drying-heat\": 1}}");
    refuses("key.json: unknown key \"paint.drying-heat\"; did you mean \"paint.drying_heat\"?",
            "-c", "key.json");
    write_file("other.json", "{\"wash\": {\"soup\": 1}}");
    refuses("other.json: unknown key \"wash.soup\"; did you mean \"wash.soap\"?", "-c",
            "other.json");
    refuses("--set: unknown key \"paint.quartz\" (see --print-config for all keys)", "--set",
            "paint.quartz=1");
    refuses("--set: unknown section \"piant\"; did you mean \"paint\"?", "--set", "piant.coats=1");
    refuses("--set coats=1: expected section.key=value, such as paint.coats=1", "--set", "coats=1");
    refuses("--set paint.coats: expected section.key=value, such as paint.key=value", "--set",
            "paint.coats");
    refuses("--set: \"paint.output\" is not a config key; give --output to cdul-paint", "--set",
            "paint.output=x");
}

static void wrong_types_and_ranges_are_refused_with_file_and_key(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"paint\": {\"coats\": \"3\"}}", "paint.coats: expected a number, not a string"},
        {"{\"paint\": {\"coats\": 2.5}}", "paint.coats: expected a whole number, 1 to 9, not 2.5"},
        {"{\"paint\": {\"coats\": 10}}", "paint.coats: expected a whole number, 1 to 9, not 10"},
        {"{\"paint\": {\"coats\": null}}", "paint.coats: expected a number, not null"},
        {"{\"paint\": {\"drops\": 1e300}}",
         "paint.drops: expected a whole number, at least 1, not 1e300"},
        {"{\"paint\": {\"thinner\": true}}", "paint.thinner: expected a number, not true or false"},
        {"{\"paint\": {\"gloss\": 1}}", "paint.gloss: expected true or false, not a number"},
        {"{\"paint\": {\"colour\": []}}", "paint.colour: expected a string, not a list"},
        {"{\"paint\": {\"finish\": {}}}", "paint.finish: expected a string, not an object"},
        {"{\"paint\": {\"layer\": 3}}",
         "paint.layer: expected a string or a list of strings, not a number"},
        {"{\"paint\": {\"layer\": [\"a\", 3]}}", "paint.layer: expected a list of strings"},
        {"{\"wash\": {\"soap\": 6}}", "wash.soap: expected a number, 0 to 5, not 6"},
        {"{\"paint\": 3}", "\"paint\" must be an object of keys"},
        {"{\"description\": 3}", "\"description\" must be a string"},
        {"[]", "a config is an object of sections, such as {\"paint\": {...}}"},
        {"{\"paint\": {\"dry\": true}}",
         "\"paint.dry\" is not a config key; give --dry to cdul-paint"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char message[300];
        write_file("bad.json", cases[i][0]);
        snprintf(message, sizeof message, "bad.json: %s", cases[i][1]);
        refuses(message, "-c", "bad.json");
    }
}

static void text_that_is_not_json_is_wrong_usage_and_a_missing_file_a_failure(void **state) {
    (void)state;
    parse_result r;
    write_file("bad.json", "{\"paint\":\n{\"coats\":}}");
    assert_int_equal(parse(&r, WORDS("-c", "bad.json")), CDUL_ERR_USAGE);
    assert_non_null(strstr(r.err.message, "bad.json: line 2"));
    release(&r);
    write_file("bad.json", "{\"paint\": {\"coats\": 1, \"coats\": 2}}");
    assert_int_equal(parse(&r, WORDS("-c", "bad.json")), CDUL_ERR_USAGE);
    assert_non_null(strstr(r.err.message, "coats"));
    release(&r);
    assert_int_equal(parse(&r, WORDS("-c", "missing.json")), CDUL_ERR_IO);
    assert_non_null(strstr(r.err.message, "missing.json"));
    release(&r);
}

static void a_printed_config_reproduces_the_options(void **state) {
    (void)state;
    parse_result first, second;
    parses(first, "--no-gloss", "-n", "7", "--thinner", "0.30000000000000004",
           "--drying-heat=-1e-7", "--colour", "r\"\\\xc3\xa9", "-l", "a", "-l", "", "--brush", "b",
           "--finish=mirror", "--tool=spray", "--print-config");
    assert_true(first.parsed.done);
    write_file("printed.json", first.text);
    parses(second, "-c", "printed.json", "--print-config");
    assert_string_equal(first.text, second.text);
    assert_true(second.options->thinner == 0.30000000000000004);
    assert_string_equal(second.options->colour, "r\"\\\xc3\xa9");
    assert_true(cdul_strings_equal(&first.options->layer, &second.options->layer));
    assert_int_equal(second.options->tool, 1);
    release(&first);
    release(&second);
}

static void a_printed_config_of_defaults_reproduces_them(void **state) {
    (void)state;
    parse_result first, second;
    parses(first, "--print-config");
    write_file("printed.json", first.text);
    parses(second, "--drops=3", "--print-config", "-c", "printed.json", "--set",
           "paint.drops=null");
    assert_string_equal(first.text, second.text);
    assert_null(second.options->colour);
    assert_true(isnan(second.options->heat));
    release(&first);
    release(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_sets_options_by_section_and_key),
        cmocka_unit_test(later_configs_win_and_the_command_line_wins_over_all),
        cmocka_unit_test(set_and_options_count_in_the_order_given),
        cmocka_unit_test(set_reads_the_value_by_the_type_of_the_option),
        cmocka_unit_test(unknown_names_are_refused_with_the_nearest_one),
        cmocka_unit_test(wrong_types_and_ranges_are_refused_with_file_and_key),
        cmocka_unit_test(text_that_is_not_json_is_wrong_usage_and_a_missing_file_a_failure),
        cmocka_unit_test(a_printed_config_reproduces_the_options),
        cmocka_unit_test(a_printed_config_of_defaults_reproduces_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
