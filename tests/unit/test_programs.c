#include "test.h"

#include "cli/options/parse.h"
#include "cli/programs.h"

#include <ctype.h>

#define EACH_PROGRAM(program)                                                                      \
    for (const cdul_program *const *each = cdul_programs, *program = *each; program;               \
         program = *++each)
#define EACH_OPTION(option, program)                                                               \
    for (const cdul_option *option = (program)->options; option->name; option++)

/* Parses `words` (NULL-terminated) and returns what was written; the caller frees. */
static char *ask(const cdul_program *program, const char *const *words) {
    char *argv[8] = {(char *)program->name}, *text = NULL;
    int argc = 1;
    for (; words[argc - 1]; argc++) argv[argc] = (char *)words[argc - 1];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    cdul_parsed parsed;
    cdul_error err;
    assert_ok(cdul_options_parse(program, cdul_programs, argc, argv, out, &parsed, &err));
    assert_true(parsed.done);
    cdul_parsed_free(&parsed);
    fclose(out);
    return text;
}

#define ASK(program, ...) ask(program, (const char *const[]){__VA_ARGS__, NULL})

static void names_and_letters_are_not_used_twice(void **state) {
    (void)state;
    static const char taken[] = "cjvqhV"; /* by the options that all programs have */
    EACH_PROGRAM(program) EACH_OPTION(a, program) {
        if (a->letter && strchr(taken, a->letter)) fail_msg("%s -%c", program->name, a->letter);
        for (const cdul_option *b = a + 1; b->name; b++) {
            assert_string_not_equal(a->name, b->name);
            if (a->letter && a->letter == b->letter) fail_msg("%s -%c", program->name, a->letter);
        }
    }
}

static void fields_do_not_overlap_and_have_the_size_of_their_type(void **state) {
    (void)state;
    static const size_t sizes[] = {sizeof(bool),      sizeof(size_t),       sizeof(double),
                                   sizeof(char *),    sizeof(cdul_strings), sizeof(int),
                                   sizeof(uint8_t[3])};
    EACH_PROGRAM(program) EACH_OPTION(a, program) {
        bool whole = a->type == CDUL_OPTION_SIZE && a->size == sizeof(uint32_t);
        bool either = a->type == CDUL_OPTION_CHOICE && a->size == sizeof(bool);
        if (a->size != sizes[a->type] && !whole && !either)
            fail_msg("%s: --%s", program->name, a->name);
        for (const cdul_option *b = a + 1; b->name; b++)
            if (a->offset < b->offset + b->size && b->offset < a->offset + a->size)
                fail_msg("%s: --%s and --%s", program->name, a->name, b->name);
    }
}

static void numbers_have_a_range_and_choices_their_words(void **state) {
    (void)state;
    EACH_PROGRAM(program) EACH_OPTION(option, program) {
        bool number = option->type == CDUL_OPTION_SIZE || option->type == CDUL_OPTION_REAL;
        if (number && !(option->minimum < option->maximum))
            fail_msg("%s --%s", program->name, option->name);
        assert_int_equal(option->choices != NULL, option->type == CDUL_OPTION_CHOICE);
        assert_int_equal(option->argument != NULL, option->type != CDUL_OPTION_FLAG);
    }
}

/* One style in all tables. */
static void help_is_a_phrase_in_lower_case_without_a_full_stop(void **state) {
    (void)state;
    EACH_PROGRAM(program) {
        assert_true(islower((unsigned char)program->summary[0]));
        assert_non_null(program->options[0].group);
        EACH_OPTION(option, program) {
            const char *help = option->help;
            /* "CF1", "JSON" are names. */
            if (isupper((unsigned char)help[0]) && islower((unsigned char)help[1]))
                fail_msg("--%s", option->name);
            size_t n = strlen(help);
            if (help[n - 1] == '.' && strcmp(help + n - 3, "...") != 0)
                fail_msg("--%s", option->name);
        }
    }
}

static void help_fits_79_columns_and_is_ascii(void **state) {
    (void)state;
    EACH_PROGRAM(program) {
        char *text = ASK(program, "--help");
        size_t column = 0;
        for (const char *at = text; *at; at++) {
            column = *at == '\n' ? 0 : column + 1;
            if (column > 79) fail_msg("%s: %.60s", program->name, at - 79);
            assert_true((unsigned char)*at < 0x7f);
        }
        free(text);
    }
}

static void examples_use_options_that_exist(void **state) {
    (void)state;
    EACH_PROGRAM(program) {
        for (size_t i = 0; program->examples[i]; i += 2)
            for (const char *at = program->examples[i + 1]; (at = strstr(at, " --")); at += 3) {
                char name[64];
                size_t n = strspn(at + 3, "abcdefghijklmnopqrstuvwxyz0123456789-");
                snprintf(name, sizeof name, "%.*s", (int)n, at + 3);
                bool known = strcmp(name, "config") == 0 || strcmp(name, "set") == 0;
                EACH_OPTION(option, program) {
                    known |= strcmp(option->name, name) == 0;
                    known |= strncmp(name, "no-", 3) == 0 && strcmp(option->name, name + 3) == 0;
                }
                if (!known)
                    fail_msg("%s: --%s in %s", program->name, name, program->examples[i + 1]);
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_letters_are_not_used_twice),
        cmocka_unit_test(fields_do_not_overlap_and_have_the_size_of_their_type),
        cmocka_unit_test(numbers_have_a_range_and_choices_their_words),
        cmocka_unit_test(help_is_a_phrase_in_lower_case_without_a_full_stop),
        cmocka_unit_test(help_fits_79_columns_and_is_ascii),
        cmocka_unit_test(examples_use_options_that_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
