/* --help and --version. Text is set to fit 79 columns on any terminal. */
#include "cli/options/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WIDTH       79
#define HELP_COLUMN 26 /* where the descriptions of options start */

/* --- Facts about an option, shared with the man page --- */

const char *cdul_option_argument(const cdul_option *option) {
    if (option->type == CDUL_OPTION_FLAG) return NULL;
    return option->argument ? option->argument : "VALUE";
}

void cdul_option_facts(const cdul_option *option, char *out, size_t size) {
    char values[400] = "";
    if (option->type == CDUL_OPTION_INT || option->type == CDUL_OPTION_REAL)
        cdul_option_range(option, values, sizeof values);
    for (const char *at = option->choices ? option->choices : ""; *at; at++) {
        size_t used = strlen(values);
        snprintf(values + used, sizeof values - used, *at == '|' ? ", " : "%c", *at);
    }
    const char *fallback = option->fallback;
    if (fallback && option->type == CDUL_OPTION_FLAG) fallback = fallback[0] == 't' ? "on" : NULL;
    /* Quotes show where a default with spaces begins and ends. */
    const char *quote = fallback && (strchr(fallback, ' ') || !*fallback) ? "\"" : "";
    snprintf(out, size, "%s%s%s%s%s%s%s%s", values[0] || fallback ? "(" : "", values,
             values[0] && fallback ? "; " : "", fallback ? "default " : "", quote,
             fallback ? fallback : "", quote, values[0] || fallback ? ")" : "");
}

/* --- Setting of text --- */

/* Length of the next word; a space inside quotes belongs to it, so that a command is not broken
 * there. */
static size_t word_length(const char *text) {
    char quote = 0;
    size_t n = 0;
    for (; text[n] && (quote || (text[n] != ' ' && text[n] != '\n')); n++) {
        bool opens = text[n] == '"' || (text[n] == '\'' && n == 0);
        if (quote)
            quote = text[n] == quote ? 0 : quote;
        else if (opens && strchr(text + n + 1, text[n]))
            quote = text[n];
    }
    return n;
}

/* An option of a command stays with its argument. */
static size_t command_word_length(const char *text) {
    size_t n = word_length(text);
    if (text[0] != '-' || text[n] != ' ' || text[n + 1] == '-') return n;
    return n + 1 + word_length(text + n + 1);
}

void cdul_text_wrap(const char *text, size_t column, size_t indent, size_t width,
                    const char *broken, FILE *out) {
    size_t room = width - strlen(broken);
    bool first = true;
    while (*text) {
        size_t n = broken[0] ? command_word_length(text) : word_length(text);
        if (!first && column + 1 + n > room) {
            fprintf(out, "%s\n%*s", broken, (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)n, text);
        column += n;
        text += n;
        while (*text == ' ' || *text == '\n') text++;
        first = false;
    }
    fputc('\n', out);
}

static void wrap(const char *text, size_t column, size_t indent, const char *broken, FILE *out) {
    cdul_text_wrap(text, column, indent, WIDTH, broken, out);
}

/* Paragraphs are separated by an empty line. */
static void write_paragraphs(const char *text, FILE *out) {
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        char *paragraph = strndup(text, n);
        if (!paragraph) return;
        fputc('\n', out);
        wrap(paragraph, 0, 0, "", out);
        free(paragraph);
        text += end ? n + 2 : n;
    }
}

static void write_option(const cdul_option *option, FILE *out) {
    char left[100], facts[500], text[1200];
    const char *argument = cdul_option_argument(option);
    char letter[8] = "    ";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    int used = snprintf(left, sizeof left, "  %s--%s%s%s%s", letter,
                        cdul_option_negatable(option) ? "[no-]" : "", option->name,
                        argument ? " " : "", argument ? argument : "");
    cdul_option_facts(option, facts, sizeof facts);
    snprintf(text, sizeof text, "%s%s%s", option->help, facts[0] ? " " : "", facts);
    if (used + 2 > HELP_COLUMN)
        fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, left);
    wrap(text, HELP_COLUMN, HELP_COLUMN, "", out);
}

static void write_options(const cdul_option *options, FILE *out) {
    for (; options->name; options++) {
        if (options->group) fprintf(out, "\n%s:\n", options->group);
        write_option(options, out);
    }
}

/* --- Requests --- */

/* A key to show how options become keys: one with a dash, if there is one. */
static const cdul_option *sample_key(const cdul_program *program) {
    const cdul_option *sample = program->options;
    for (const cdul_option *option = program->options; option->name; option++) {
        if (option->command_only) continue;
        if (strchr(option->name, '-')) return option;
        sample = option;
    }
    return sample;
}

void cdul_options_write_help(const cdul_program *program, FILE *out) {
    for (size_t i = 0; program->usage[i]; i++) {
        fprintf(out, "%s ", i ? "      " : "Usage:");
        wrap(program->usage[i], 7, 11, "", out);
    }
    fputc('\n', out);
    fputc(toupper((unsigned char)program->summary[0]), out);
    wrap(program->summary + 1, 1, 0, "", out);
    write_paragraphs(program->description, out);
    write_options(program->options, out);
    write_options(cdul_common_options, out);

    char key[64], text[400];
    const cdul_option *sample = sample_key(program);
    cdul_option_key(sample->name, key, sizeof key);
    snprintf(text, sizeof text,
             "Options are also keys of a JSON config: --%s is \"%s.%s\". --print-config shows them "
             "all. The "
             "command line wins over -c FILE, and that over the defaults.",
             sample->name, program->section, key);
    write_paragraphs(text, out);
    if (program->examples[0]) fputs("\nExamples:\n", out);
    for (size_t i = 0; program->examples[i] && program->examples[i + 1]; i += 2) {
        fputs("  # ", out);
        wrap(program->examples[i], 4, 4, "", out);
        fputs("  ", out);
        wrap(program->examples[i + 1], 2, 6, " \\", out);
    }
    write_paragraphs(
        "Exit status: 0 done; 1 failed; 2 wrong usage; 3 done, but some inputs were skipped; 130 "
        "interrupted, work kept.",
        out);
}

cdul_status cdul_options_write_version(const cdul_program *program, const void *options, FILE *out,
                                       cdul_error *err) {
#if defined(__clang__)
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    char *more = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&more, &size); /* a failure leaves `out` empty */
    if (!lines) return cdul_fail_memory(err, "versions");
    cdul_status status = program->versions ? program->versions(options, lines, err) : CDUL_OK;
    bool failed = ferror(lines) != 0;
    failed = fclose(lines) != 0 || failed;
    if (failed && status == CDUL_OK) status = cdul_fail_memory(err, "versions");
    const unsigned xxhash = XXH_versionNumber();
    if (status == CDUL_OK)
        fprintf(out, "%s %s\ncompiler %.*s\ncJSON %s\nxxHash %u.%u.%u\n%s", program->name,
                CDUL_VERSION, (int)strcspn(compiler, "("), compiler, cJSON_Version(),
                xxhash / 10000, xxhash / 100 % 100, xxhash % 100, more);
    free(more);
    return status;
}
