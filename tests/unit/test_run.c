#include "test.h"

#include "base/progress.h"
#include "cli/programs.h"
#include "cli/run.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the work was asked to do is its first positional argument. */
static cdul_status work(const void *options, cdul_cli *cli, cdul_error *err) {
    const cdul_eval_cli *eval = options;
    const char *what = cli->parsed->positional.items[0];
    cdul_cli_say(cli, "threshold %g", eval->how.metrics.threshold);
    if (strcmp(what, "skip") == 0) cli->skipped = true;
    if (strcmp(what, "fail") == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "x.csv: line 3: no number");
    if (strcmp(what, "interrupt") == 0) {
        cdul_progress_begin(cli->callbacks, "eval", 10);
        raise(SIGTERM);
        if (cdul_stopped(cli->callbacks))
            return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted; run again to go on");
    }
    printf("result\n");
    return CDUL_OK;
}

static void defaults(void *options) { ((cdul_eval_cli *)options)->how.metrics.threshold = 0.5; }

static void versions(FILE *out) { fputs("library 1.2\n", out); }

typedef struct outcome {
    int code;
    char out[20000], err[2000];
} outcome;

static void read_file(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* Runs the program in a child process with its output in files. */
static outcome run_with(const char *first, const char *second, const char *out_path) {
    outcome result;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen(out_path, "w", stdout) || !freopen("err", "w", stderr)) _exit(99);
        char *argv[] = {(char *)"cdul-eval", (char *)first, (char *)second, NULL};
        int code =
            cdul_cli_main(&cdul_program_eval, defaults, versions, work, second ? 3 : 2, argv);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    result.code = WEXITSTATUS(status);
    read_file("err", result.err, sizeof result.err);
    if (strcmp(out_path, "out") == 0) read_file("out", result.out, sizeof result.out);
    return result;
}

static void success_is_0_with_results_on_stdout_and_words_on_stderr(void **state) {
    (void)state;
    outcome r = run_with("--threshold=0.25", "done", "out");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "result\n");
    assert_string_equal(r.err, "threshold 0.25\n");
}

static void skipped_inputs_are_3(void **state) {
    (void)state;
    assert_int_equal(run_with("-q", "skip", "out").code, 3);
}

static void failure_is_1_and_one_line(void **state) {
    (void)state;
    outcome r = run_with("-q", "fail", "out");
    assert_int_equal(r.code, 1);
    assert_string_equal(r.err, "cdul-eval: x.csv: line 3: no number\n");
}

static void wrong_usage_is_2_and_one_line(void **state) {
    (void)state;
    outcome r = run_with("--treshold=1", "done", "out");
    assert_int_equal(r.code, 2);
    assert_string_equal(r.out, "");
    assert_string_equal(
        r.err, "cdul-eval: unknown option --treshold; did you mean --threshold? (try --help)\n");
}

static void interruption_is_130_with_the_progress_line_before_the_message(void **state) {
    (void)state;
    outcome r = run_with("--threshold=0.5", "interrupt", "out");
    assert_int_equal(r.code, 130);
    assert_non_null(strstr(r.err, "eval  0/10  0 %"));
    assert_non_null(strstr(r.err, "\ncdul-eval: interrupted; run again to go on\n"));
}

static void versions_of_libraries_are_added_to_the_programs(void **state) {
    (void)state;
    outcome r = run_with("--version", NULL, "out");
    assert_int_equal(r.code, 0);
    assert_int_equal(strncmp(r.out, "cdul-eval ", 10), 0);
    assert_non_null(strstr(r.out, "\nlibrary 1.2\n"));
}

static void a_full_disk_behind_stdout_is_a_failure(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0) skip();
    outcome r = run_with("-q", "done", "/dev/full");
    assert_int_equal(r.code, 1);
    assert_string_equal(r.err,
                        "cdul-eval: cannot write to standard output: No space left on device\n");
    assert_int_equal(run_with("--help", NULL, "/dev/full").code, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_0_with_results_on_stdout_and_words_on_stderr),
        cmocka_unit_test(skipped_inputs_are_3),
        cmocka_unit_test(failure_is_1_and_one_line),
        cmocka_unit_test(wrong_usage_is_2_and_one_line),
        cmocka_unit_test(interruption_is_130_with_the_progress_line_before_the_message),
        cmocka_unit_test(versions_of_libraries_are_added_to_the_programs),
        cmocka_unit_test(a_full_disk_behind_stdout_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
