#include "test.h"

#include "cli/run.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void wait_seconds(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* The child sets up, tells the parent, waits for `signals` and exits with what it saw. */
static int interrupt_child(int first, int second, bool ignored) {
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (ignored) signal(SIGINT, SIG_IGN);
        cdul_interrupt_install();
        if (cdul_interrupted()) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (int i = 0; i < (ignored ? 300 : 10000) && !cdul_interrupted(); i++)
            wait_seconds(0.001);
        if (!cdul_interrupted()) _exit(2);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        if (second) wait_seconds(10);
        _exit(3);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, first);
    if (!ignored) assert_int_equal(read(ready[0], &byte, 1), 1);
    if (second) kill(child, second);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ready[0]);
    close(ready[1]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_first_signal_is_noted_and_the_second_ends_the_process(void **state) {
    (void)state;
    assert_int_equal(interrupt_child(SIGINT, 0, false), 3);
    assert_int_equal(interrupt_child(SIGTERM, 0, false), 3);
    assert_int_equal(interrupt_child(SIGINT, SIGINT, false), 130);
    assert_int_equal(interrupt_child(SIGTERM, SIGINT, false), 130);
}

static void a_step_without_end_is_ended_with_last_words(void **state) {
    (void)state;
    int words[2], status = 0;
    char said[100] = "";
    assert_int_equal(pipe(words), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(words[1], STDERR_FILENO);
        cdul_interrupt_install();
        cdul_interrupt_limit(1, "program: interrupted\n");
        raise(SIGTERM);
        for (;;) wait_seconds(1);
    }
    close(words[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
    assert_true(read(words[0], said, sizeof said - 1) > 0);
    assert_string_equal(said, "program: interrupted\n");
    close(words[0]);
}

static void an_ignored_interrupt_stays_ignored(void **state) {
    (void)state;
    assert_int_equal(interrupt_child(SIGINT, 0, true), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_is_noted_and_the_second_ends_the_process),
        cmocka_unit_test(a_step_without_end_is_ended_with_last_words),
        cmocka_unit_test(an_ignored_interrupt_stays_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
