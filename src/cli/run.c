/* What the four main() functions share. */
#include "run.h"

#include "programs.h"

#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Results go to stdout through a buffer: a full disk may show only here. */
static cdul_status flush_output(cdul_error *err) {
    if (fflush(stdout) != 0) return cdul_fail_errno(err, "cannot write to standard output");
    return ferror(stdout) ? cdul_fail(err, CDUL_ERR_IO, "cannot write to standard output")
                          : CDUL_OK;
}

static void show(void *reporter, const cdul_event *event) { cdul_reporter_event(reporter, event); }

static bool is_interrupted(void *user) {
    (void)user;
    return cdul_interrupted();
}

static cdul_status work(cdul_cli_run *run, cdul_cli *cli, cdul_error *err) {
    const cdul_parsed *parsed = cli->parsed;
    cdul_callbacks callbacks = {show, is_interrupted, NULL};
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

/* ONNX Runtime reads this once, when a network is opened: see cdul/provider.h. There is no second
 * thread yet. */
static void report_nothing(void) { setenv("ORT_DISABLE_TELEMETRY", "1", 1); }

int cdul_cli_main(const cdul_cli_program *program, int argc, char **argv) {
    cdul_program self = *program->table;
    self.defaults = program->defaults;
    self.versions = program->versions;
    cdul_error err;
    cdul_parsed parsed = {0};
    cdul_cli cli = {.program = &self, .parsed = &parsed};
    cdul_status status;
    keep_memory();
    report_nothing();
    if (argc < 2)
        status = cdul_fail(&err, CDUL_ERR_USAGE, "nothing to do: %s --help says how it is used",
                           self.name);
    else
        status = cdul_options_parse(&self, cdul_programs, argc, argv, stdout, &parsed, &err);
    if (status == CDUL_OK && !parsed.done) status = work(program->run, &cli, &err);
    if (status == CDUL_OK) status = flush_output(&err);
    if (status != CDUL_OK) fprintf(stderr, "%s: %s\n", self.name, err.message);
    cdul_parsed_free(&parsed);
    return status == CDUL_OK && cli.skipped ? CDUL_EXIT_SKIPPED : cdul_exit_code(status);
}
