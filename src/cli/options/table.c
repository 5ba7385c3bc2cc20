/* The names of options, and the options and exit codes that every program has. */
#include "table.h"

void cdul_option_key(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (; *out; out++)
        if (*out == '-') *out = '_';
}

bool cdul_option_negatable(const cdul_option *option) {
    return option->type == CDUL_OPTION_FLAG && !option->command_only;
}

size_t cdul_options_count(const cdul_option *options) {
    size_t n = 0;
    while (options[n].name) n++;
    return n;
}

/* --- What every program has --- */

#define OPTIONS cdul_common_options

/* --progress leads: programs without progress begin with the row after it. */
static const cdul_option table[] = {
    {CHOICE("progress", 0, progress, "WHEN", ONE_OF("auto", "always", "never"),
            "show progress on standard error; auto rewrites one line on a terminal and writes a "
            "line every 30 seconds elsewhere"),
     .command_only = true},
    {STRINGS("config", 'c', config, "FILE",
             "read options from a JSON config; may be repeated, later files win"),
     .command_only = true},
    {STRINGS("set", 0, set, "KEY=VALUE",
             "set one config key, such as train.lr=1e-5; may be repeated"),
     .command_only = true},
    {FLAG("print-config", 0, print_config, "print the effective options as a config and exit"),
     .command_only = true},
    {SIZE("threads", 'j', threads, "N", 1, 4096,
          "number of threads, by default as many as there are processors for this process"),
     .command_only = true},
    {FLAG("verbose", 'v', verbose, "say more on standard error"), .command_only = true},
    {FLAG("quiet", 'q', quiet, "say nothing but warnings and errors"), .command_only = true},
    {CHOICE("generate", 0, generate, "WHAT", ONE_OF("man", "bash", "zsh", "fish"),
            "print the man page or a shell's completion script and exit"),
     .command_only = true},
    {FLAG("help", 'h', help, "print this help and exit"), .command_only = true},
    {FLAG("version", 'V', version,
          "print the versions of the program and of its libraries and exit"),
     .command_only = true},
    {0},
};

const cdul_common_options cdul_common_defaults = {.generate = CDUL_GENERATE_NOTHING};

const cdul_option *cdul_common_of(const cdul_program *program) {
    return program->no_progress ? table + 1 : table;
}

const cdul_exit_meaning cdul_exit_meanings[] = {
    {0, "done", ""},
    {1, "failed", "; one line on standard error says why"},
    {2, "wrong usage", ""},
    {CDUL_EXIT_SKIPPED, "done, but some inputs were skipped", "; they are listed"},
    {130, "interrupted, work kept", " (SIGINT or SIGTERM)"},
    {0, NULL, NULL},
};

int cdul_exit_code(cdul_status status) {
    if (status == CDUL_OK || status == CDUL_ERR_USAGE) return status == CDUL_OK ? 0 : 2;
    return status == CDUL_ERR_CANCELLED ? 130 : 1;
}
