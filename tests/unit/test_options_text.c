#include "options_fixture.h"

#include <unistd.h>

/* Every option of the fixture, as --help and the man page must name it. */
static const char *const names[] = {
    "gloss",        "dry",     "coats",  "drops", "thinner", "drying-heat", "colour",  "output",
    "layer",        "brush",   "finish", "tool",  "ground",  "config",      "set",     "threads",
    "print-config", "verbose", "quiet",  "help",  "version", "progress",    "generate"};

static void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void help_fits_79_columns(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--help");
    assert_true(r.parsed.done);
    size_t column = 0;
    for (const char *at = r.text; *at; at++) {
        column = *at == '\n' ? 0 : column + 1;
        assert_in_range(column, 0, 79);
        if (*at == '\n' && at > r.text && at[-1] == ' ')
            fail_msg("a line ends in a space:\n%s", r.text);
    }
    release(&r);
}

static void help_shows_groups_ranges_choices_and_defaults(void **state) {
    (void)state;
    parse_result r;
    parses(r, "-h");
    assert_contains(
        r.text, "Usage: cdul-paint [OPTION]... WALLS...\n       cdul-paint --dry\n\nPaint walls\n");
    assert_contains(r.text,
                    "\nPaint:\n  -g, --[no-]gloss        make it shine (default on)\n"
                    "      --dry               wait, don't paint\n"
                    "  -n, --coats N           number of coats (1 to 9; default 2)\n"
                    "      --drops N           drops, by default as they fall (at least 1)\n"
                    "      --thinner SHARE     share of thinner (0 to 1; default 0.1)\n"
                    "\nTools:\n      --drying-heat T     temperature\n");
    assert_contains(r.text, "finish (matt, satin, mirror; default satin)\n");
    assert_contains(r.text, "layer; may be repeated\n");
    assert_contains(r.text, "colour below (default ff800a)\n");
    assert_contains(r.text, "--drying-heat is \"paint.drying_heat\"");
    assert_contains(r.text, "  # Paint it\n  cdul-paint -n 3 -l \"a coat of a {}\" walls/\n");
    release(&r);
}

static void help_man_page_and_completions_know_every_option(void **state) {
    (void)state;
    static const char *const requests[] = {"--help", "--generate=man", "--generate=bash",
                                           "--generate=zsh", "--generate=fish"};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        parse_result r;
        parses(r, requests[i]);
        assert_true(r.parsed.done);
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            /* troff writes a dash that can be copied as "\-". */
            char plain[64], escaped[128] = "";
            bool man = strstr(requests[i], "man") != NULL;
            snprintf(plain, sizeof plain, "%s", names[k]);
            for (const char *at = names[k]; *at; at++)
                snprintf(escaped + strlen(escaped), sizeof escaped - strlen(escaped),
                         man && *at == '-' ? "\\%c" : "%c", *at);
            assert_contains(r.text, escaped);
        }
        release(&r);
    }
}

static void version_names_program_compiler_and_libraries(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--version");
    assert_true(r.parsed.done);
    assert_int_equal(strncmp(r.text, "cdul-paint 0.", 13), 0);
    assert_contains(r.text, "\ncompiler ");
    assert_contains(r.text, "\ncJSON 1.");
    assert_contains(r.text, "\neasel 1.2\n");
    release(&r);
}

static void the_man_page_hides_nothing_from_troff(void **state) {
    (void)state;
    parse_result r;
    parses(r, "--generate", "man");
    assert_int_equal(strncmp(r.text, ".TH CDUL\\-PAINT 1 ", 18), 0);
    assert_contains(r.text, "\n.PP\n\\&.Walls\\eare \\(aqpapered\\(aq first.\n");
    assert_contains(
        r.text,
        "\\fB\\-n\\fR, \\fB\\-\\-coats\\fR \\fIN\\fR\nNumber of coats (1 to 9; default 2).\n");
    assert_contains(r.text, "cdul\\-paint \\-n 3 \\-l \\(dqa coat of a {}\\(dq walls/\n");
    release(&r);
}

/* Runs `command` on the generated text in a file; skipped where the program is missing. */
static void check_with(const char *program, const char *command, const char *what) {
    char line[300];
    snprintf(line, sizeof line, "command -v %s >/dev/null", program);
    if (system(line) != 0) {
        print_message("%s is not installed\n", program);
        skip();
    }
    parse_result r;
    parses(r, "--generate", what);
    FILE *file = fopen("generated", "w");
    assert_non_null(file);
    fputs(r.text, file);
    assert_int_equal(fclose(file), 0);
    release(&r);
    snprintf(line, sizeof line, "test -z \"$(%s 2>&1)\"", command);
    assert_int_equal(system(line), 0);
}

static void groff_finds_nothing_to_warn_of_in_the_man_page(void **state) {
    (void)state;
    check_with("groff", "groff -man -ww -Tutf8 generated 2>&1 >/dev/null", "man");
}

static void mandoc_finds_nothing_to_warn_of_in_the_man_page(void **state) {
    (void)state;
    check_with("mandoc", "mandoc -Tlint generated", "man");
}

static void shellcheck_finds_nothing_in_the_bash_completion(void **state) {
    (void)state;
    check_with("shellcheck", "shellcheck -s bash generated", "bash");
}

static void zsh_understands_its_completion(void **state) {
    (void)state;
    check_with("zsh", "zsh -n generated", "zsh");
}

static void fish_understands_its_completion(void **state) {
    (void)state;
    check_with("fish", "fish -n generated", "fish");
}

/* Completes a command line as readline would split it, in bash itself. */
static void completes_to(const char *words, const char *current, const char *expected) {
    char line[600];
    snprintf(line, sizeof line,
             "bash -c 'compopt() { :; }; . ./generated; COMP_WORDS=(%s); "
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
             " _cdul_paint; echo \"${COMPREPLY[*]}\"' >answer",
             words);
    assert_int_equal(system(line), 0);
    char answer[300] = "";
    FILE *file = fopen("answer", "r");
    assert_non_null(file);
    assert_non_null(fgets(answer, sizeof answer, file));
    fclose(file);
    answer[strcspn(answer, "\n")] = '\0';
    if (strcmp(answer, expected) != 0)
        fail_msg("%s with %s completes to \"%s\", not \"%s\"", words, current, answer, expected);
}

static void bash_completes_options_choices_and_folders(void **state) {
    (void)state;
    if (system("command -v bash >/dev/null") != 0) skip();
    check_with("bash", "bash -n generated", "bash");
    assert_int_equal(system("mkdir -p brushes/fine"), 0);
    completes_to("cdul-paint --fin", "--fin", "--finish");
    completes_to("cdul-paint --no-", "--no-", "--no-gloss");
    completes_to("cdul-paint --finish m", "m", "matt mirror");
    completes_to("cdul-paint --finish = mi", "mi", "mirror");
    completes_to("cdul-paint --finish =", "=", "matt satin mirror");
    completes_to("cdul-paint --brush brushes/f", "brushes/f", "brushes/fine");
    completes_to("cdul-paint wa", "wa", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_fits_79_columns),
        cmocka_unit_test(help_shows_groups_ranges_choices_and_defaults),
        cmocka_unit_test(help_man_page_and_completions_know_every_option),
        cmocka_unit_test(version_names_program_compiler_and_libraries),
        cmocka_unit_test(the_man_page_hides_nothing_from_troff),
        cmocka_unit_test(groff_finds_nothing_to_warn_of_in_the_man_page),
        cmocka_unit_test(mandoc_finds_nothing_to_warn_of_in_the_man_page),
        cmocka_unit_test(shellcheck_finds_nothing_in_the_bash_completion),
        cmocka_unit_test(zsh_understands_its_completion),
        cmocka_unit_test(fish_understands_its_completion),
        cmocka_unit_test(bash_completes_options_choices_and_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
