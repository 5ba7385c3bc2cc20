#include "options_fixture.h"

static void defaults_fill_the_struct(void **state) {
    (void)state;
    parse_result r;
    assert_int_equal(parse(&r, (const char *const[]){NULL}), CDUL_OK);
    assert_true(r.options->gloss);
    assert_false(r.options->dry);
    assert_int_equal(r.options->coats, 2);
    assert_int_equal(r.options->drops, 0);
    assert_true(r.options->thinner == 0.1);
    assert_true(isnan(r.options->heat));
    assert_null(r.options->colour);
    assert_string_equal(r.options->output, "-");
    assert_int_equal(r.options->layer.count, 0);
    assert_int_equal(r.options->finish, 1);
    assert_int_equal(r.options->tool, BY_HAND);
    assert_int_equal(r.parsed.level, CDUL_NORMAL);
    assert_int_equal(r.parsed.progress, CDUL_PROGRESS_AUTO);
    assert_int_equal(r.parsed.positional.count, 0);
    assert_false(r.parsed.done);
    assert_false(cdul_parsed_given(&r.parsed, "coats"));
    release(&r);
}

static void options_set_fields_and_the_rest_is_positional(void **state) {
    (void)state;
    parse_result r;
    parses(r, "wall", "--no-gloss", "-n3", "--thinner=1e-1", "--drying-heat", "-4.5", "-o", "out",
           "--finish", "mirror", "door", "--tool=spray", "--drops=9007199254740992", "--",
           "--coats", "-");
    assert_false(r.options->gloss);
    assert_int_equal(r.options->coats, 3);
    assert_true(r.options->thinner == 0.1);
    assert_true(r.options->heat == -4.5);
    assert_true(r.options->drops == 9007199254740992);
    assert_string_equal(r.options->output, "out");
    assert_int_equal(r.options->finish, 2);
    assert_int_equal(r.options->tool, 1);
    assert_int_equal(r.parsed.positional.count, 4);
    assert_string_equal(r.parsed.positional.items[0], "wall");
    assert_string_equal(r.parsed.positional.items[1], "door");
    assert_string_equal(r.parsed.positional.items[2], "--coats");
    assert_string_equal(r.parsed.positional.items[3], "-");
    assert_true(cdul_parsed_given(&r.parsed, "coats"));
    assert_true(cdul_parsed_given(&r.parsed, "gloss"));
    assert_false(cdul_parsed_given(&r.parsed, "colour"));
    release(&r);
}

static void every_use_of_a_list_adds_to_it(void **state) {
    (void)state;
    parse_result r;
    parses(r, "-l", "one", "--layer", "two", "--brush=", "-l", "three");
    assert_int_equal(r.options->layer.count, 3);
    assert_string_equal(r.options->layer.items[0], "one");
    assert_string_equal(r.options->layer.items[2], "three");
    assert_int_equal(r.options->brush.count, 1);
    assert_string_equal(r.options->brush.items[0], "");
    release(&r);
}

static void what_has_no_use_in_a_kind_of_run_is_found_if_it_is_not_as_by_default(void **state) {
    (void)state;
    parse_result r;
    parses(r, "-n", "2", "--finish=satin", "--gloss");
    assert_null(cdul_parsed_idle(&r.parsed, 1 | 2));
    release(&r);
    parses(r, "--finish=matt", "-n3");
    assert_string_equal(cdul_parsed_idle(&r.parsed, 1)->name, "coats");
    assert_string_equal(cdul_parsed_idle(&r.parsed, 2)->name, "finish");
    release(&r);
    parses(r, "-l", "a", "--colour", "");
    assert_string_equal(cdul_parsed_idle(&r.parsed, 1)->name, "layer");
    assert_string_equal(cdul_parsed_idle(&r.parsed, 2)->name, "colour");
    release(&r);
}

static void long_options_may_be_abbreviated(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--coa", "4", "--no-g", "--drying=1");
    assert_int_equal(r.options->coats, 4);
    assert_false(r.options->gloss);
    assert_true(r.options->heat == 1);
    release(&r);
}

static void the_last_of_several_wins(void **state) {
    (void)state;
    parse_result r;
    parses(r, "-n", "3", "-n", "4", "--no-gloss", "-g", "-v", "-q", "-v", "-j", "7",
           "--progress=never");
    assert_int_equal(r.options->coats, 4);
    assert_true(r.options->gloss);
    assert_int_equal(r.parsed.level, CDUL_VERBOSE);
    assert_int_equal(r.parsed.threads, 7);
    assert_int_equal(r.parsed.progress, CDUL_PROGRESS_NEVER);
    release(&r);
}

static void letters_may_be_clustered(void **state) {
    (void)state;
    parse_result r;
    parses(r, "-vvvqgqn5");
    assert_int_equal(r.parsed.level, CDUL_QUIET);
    assert_int_equal(r.options->coats, 5);
    release(&r);
}

static void the_number_of_threads_is_the_librarys_choice_by_default(void **state) {
    (void)state;
    parse_result r;
    parses(r, "wall");
    assert_int_equal(r.parsed.threads, 0);
    release(&r);
}

static void every_mistake_is_one_line_that_names_it(void **state) {
    (void)state;
    refuses("unknown option --coast; did you mean --coats? (try --help)", "--coast", "3");
    refuses("unknown option --coast; did you mean --coats? (try --help)", "--coast=3");
    refuses("unknown option --no-glas; did you mean --no-gloss? (try --help)", "--no-glas");
    refuses("unknown option --quartz (try --help)", "wall", "--quartz");
    refuses("unknown option --no-dry (try --help)", "--no-dry");
    refuses("unknown option --no-quiet; did you mean --quiet? (try --help)", "--no-quiet");
    refuses("unknown option -x (try --help)", "-gx");
    refuses("option --dr is ambiguous: it could be --dry, --drops, --drying-heat", "--dr");
    refuses("option --coats needs an argument: --coats N", "--coats");
    refuses("option --output needs an argument: --output FILE", "wall", "-o");
    refuses("option --gloss takes no argument: --gloss=1", "--gloss=1");
    refuses("option --no-gloss takes no argument: --no-gloss=1", "--no-gloss=1");
}

static void help_is_answered_before_mistakes_that_follow(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--help", "--coast");
    assert_true(r.parsed.done);
    assert_non_null(strstr(r.text, "Usage: cdul-paint"));
    release(&r);
}

static void exit_codes_tell_wrong_usage_failure_and_interruption_apart(void **state) {
    (void)state;
    assert_int_equal(cdul_exit_code(CDUL_OK), 0);
    assert_int_equal(cdul_exit_code(CDUL_ERR_INPUT), 1);
    assert_int_equal(cdul_exit_code(CDUL_ERR_IO), 1);
    assert_int_equal(cdul_exit_code(CDUL_ERR_MEMORY), 1);
    assert_int_equal(cdul_exit_code(CDUL_ERR_RUNTIME), 1);
    assert_int_equal(cdul_exit_code(CDUL_ERR_USAGE), 2);
    assert_int_equal(cdul_exit_code(CDUL_ERR_CANCELLED), 130);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_the_struct),
        cmocka_unit_test(options_set_fields_and_the_rest_is_positional),
        cmocka_unit_test(every_use_of_a_list_adds_to_it),
        cmocka_unit_test(what_has_no_use_in_a_kind_of_run_is_found_if_it_is_not_as_by_default),
        cmocka_unit_test(long_options_may_be_abbreviated),
        cmocka_unit_test(the_last_of_several_wins),
        cmocka_unit_test(letters_may_be_clustered),
        cmocka_unit_test(the_number_of_threads_is_the_librarys_choice_by_default),
        cmocka_unit_test(every_mistake_is_one_line_that_names_it),
        cmocka_unit_test(help_is_answered_before_mistakes_that_follow),
        cmocka_unit_test(exit_codes_tell_wrong_usage_failure_and_interruption_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
