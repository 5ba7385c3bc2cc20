/* What the four main() functions share. */
#include "run.h"

#include "programs.h"

#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cdul_program *const cdul_programs[] = {
    &cdul_program_label, &cdul_program_train, &cdul_program_predict, &cdul_program_eval, NULL,
};

void cdul_cli_tell(const cdul_cli *cli, cdul_event_kind kind, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return;
    const cdul_event event = {.kind = kind, .text = text};
    cli->callbacks->on_progress(cli->callbacks->user, &event);
    free(text);
}

char *cdul_cli_share(const char *name, cdul_error *err) {
    char program[PATH_MAX], *path = NULL, *found = NULL;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    if (asprintf(&path, "%s/../share/cdul/%s", program, name) >= 0) found = realpath(path, NULL);
    if (!found && path) (void)cdul_fail(err, CDUL_ERR_USAGE, "%s is not there", path);
    free(path);
    return found;
}

/* --- SIGINT and SIGTERM --- */

/* Set in a signal handler, read from any thread. */
static atomic_bool interrupted;
/* Set before there are threads. */
static unsigned limit_seconds;
static const char *limit_words;

static void on_alarm(int number) {
    (void)number;
    ssize_t written = write(STDERR_FILENO, limit_words, strlen(limit_words));
    (void)written;
    _exit(130);
}

static void on_signal(int number) {
    (void)number;
    if (atomic_exchange(&interrupted, true)) _exit(130);
    if (limit_seconds) alarm(limit_seconds);
}

void cdul_interrupt_install(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    /* A job in the background of a script ignores the terminal's interrupt, and goes on doing
     * so. */
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}

void cdul_interrupt_limit(unsigned seconds, const char *words) {
    struct sigaction action = {.sa_handler = on_alarm};
    sigemptyset(&action.sa_mask);
    limit_words = words;
    limit_seconds = seconds;
    sigaction(SIGALRM, &action, NULL);
}

bool cdul_interrupted(void) { return atomic_load(&interrupted); }

/* --- main --- */

/* Results go to stdout through a buffer: a full disk may show only here. */
static cdul_status flush_output(cdul_error *err) {
    if (fflush(stdout) != 0) return cdul_fail_errno(err, "cannot write to standard output");
    return ferror(stdout) ? cdul_fail(err, CDUL_ERR_IO, "cannot write to standard output")
                          : CDUL_OK;
}

static bool is_interrupted(void *user) {
    (void)user;
    return cdul_interrupted();
}

static cdul_status work(cdul_cli_run *run, cdul_cli *cli, cdul_error *err) {
    const cdul_parsed *parsed = cli->parsed;
    cdul_callbacks callbacks = {cdul_reporter_event, is_interrupted, NULL};
    cdul_reporter *reporter = NULL;
    cdul_interrupt_install();
    cdul_status status = cdul_reporter_new(stderr, parsed->level, parsed->progress, &reporter, err);
    callbacks.user = reporter;
    cli->callbacks = &callbacks;
    if (status == CDUL_OK) status = run(parsed->options, cli, err);
    cdul_reporter_free(reporter); /* the progress line ends before the error is printed */
    cli->callbacks = NULL;
    return status;
}

/* The same large buffers are asked for again and again: by each training step, and while a graph is
 * laid out to run. glibc would give most of them back to the kernel in between, which maps and
 * clears their pages anew: a tenth of the time of a step, a seventh of that of one prediction. */
static void keep_memory(void) {
#ifdef __GLIBC__
    enum { LARGEST_THRESHOLD = 32 << 20 }; /* that glibc takes */
    mallopt(M_MMAP_THRESHOLD, LARGEST_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

int cdul_cli_main(const cdul_program *program, void (*defaults)(void *options),
                  void (*versions)(FILE *out), cdul_cli_run *run, int argc, char **argv) {
    cdul_program self = *program;
    self.defaults = defaults;
    self.versions = versions;
    cdul_error err;
    cdul_parsed parsed = {0};
    cdul_cli cli = {.parsed = &parsed};
    cdul_status status;
    keep_memory();
    /* ONNX Runtime reads this once, when a network is opened: see cdul/provider.h. */
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    if (argc < 2)
        status = cdul_fail(&err, CDUL_ERR_USAGE, "nothing to do: %s --help says how it is used",
                           self.name);
    else
        status = cdul_options_parse(&self, cdul_programs, argc, argv, stdout, &parsed, &err);
    if (status == CDUL_OK && !parsed.done) status = work(run, &cli, &err);
    if (status == CDUL_OK) status = flush_output(&err);
    if (status != CDUL_OK) fprintf(stderr, "%s: %s\n", self.name, err.message);
    cdul_parsed_free(&parsed);
    return status == CDUL_OK && cli.skipped ? CDUL_EXIT_SKIPPED : cdul_exit_code(status);
}
