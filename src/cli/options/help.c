/* --help. Text is set to fit 79 columns on any terminal. */
#include "value.h"

#include <ctype.h>
#include <string.h>

#define WIDTH       79
#define HELP_COLUMN 26 /* where the descriptions of options start */

void cdul_option_describe(const cdul_option *option, const void *defaults, char *out, size_t size) {
    char values[400] = "", room[CDUL_VALUE_ROOM];
    const void *field = (const char *)defaults + option->offset;
    if (option->type == CDUL_OPTION_SIZE || option->type == CDUL_OPTION_REAL)
        cdul_value_range(option, values, sizeof values);
    for (size_t i = 0; option->choices && option->choices[i]; i++) {
        size_t used = strlen(values);
        snprintf(values + used, sizeof values - used, "%s%s", i ? ", " : "", option->choices[i]);
    }
    const char *standard = cdul_value_text(option, field, room);
    if (option->type == CDUL_OPTION_FLAG) standard = *(const bool *)field ? "on" : NULL;
    bool facts = values[0] || standard;
    snprintf(out, size, "%s%s%s%s%s%s%s", option->help, facts ? " (" : "", values,
             values[0] && standard ? "; " : "", standard ? "default " : "",
             standard ? standard : "", facts ? ")" : "");
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

/* Sets text to fit, starting in `column`; lines after the first begin at `indent`, paragraphs after
 * the first, which an empty line parts, at 0. */
static void wrap(const char *text, size_t column, size_t indent, FILE *out) {
    bool first = true;
    while (*text) {
        size_t n = word_length(text);
        if (!first && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)n, text);
        column += n;
        text += n;
        first = strncmp(text, "\n\n", 2) == 0;
        if (first) {
            fputs("\n\n", out);
            column = 0;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

/* After an empty line. */
static void write_paragraphs(const char *text, FILE *out) {
    fputc('\n', out);
    wrap(text, 0, 0, out);
}

static void write_option(const cdul_option *option, const void *defaults, FILE *out) {
    char left[100], text[1200], letter[8] = "    ";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    int used = snprintf(left, sizeof left, "  %s--%s%s%s%s", letter,
                        cdul_option_negatable(option) ? "[no-]" : "", option->name,
                        option->argument ? " " : "", option->argument ? option->argument : "");
    cdul_option_describe(option, defaults, text, sizeof text);
    if (used + 2 > HELP_COLUMN)
        fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, left);
    wrap(text, HELP_COLUMN, HELP_COLUMN, out);
}

static void write_options(const cdul_option *option, const void *defaults, FILE *out) {
    for (; option->name; option++) {
        if (option->group) fprintf(out, "\n%s:\n", option->group);
        write_option(option, defaults, out);
    }
}

/* --- The whole --- */

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

void cdul_help_write(const cdul_program *program, const void *defaults, FILE *out) {
    for (size_t i = 0; program->usage[i]; i++) {
        fprintf(out, "%s ", i ? "      " : "Usage:");
        wrap(program->usage[i], 7, 11, out);
    }
    fprintf(out, "\n%c", toupper((unsigned char)program->summary[0]));
    wrap(program->summary + 1, 1, 0, out);
    write_paragraphs(program->description, out);
    write_options(program->options, defaults, out);
    fputs("\nGeneral:\n", out);
    write_options(cdul_common_of(program), &cdul_common_defaults, out);

    char key[64], text[400];
    const cdul_option *sample = sample_key(program);
    cdul_option_key(sample->name, key, sizeof key);
    snprintf(text, sizeof text,
             "Options are also keys of a JSON config: --%s is \"%s.%s\". --print-config shows them "
             "all. The command line wins over -c FILE, and that over the defaults.",
             sample->name, program->section, key);
    write_paragraphs(text, out);
    if (program->examples[0]) fputs("\nExamples:\n", out);
    for (size_t i = 0; program->examples[i] && program->examples[i + 1]; i += 2) {
        fputs("  # ", out);
        wrap(program->examples[i], 4, 4, out);
        fprintf(out, "  %s\n", program->examples[i + 1]);
    }
    strcpy(text, "Exit status:");
    for (const cdul_exit_meaning *code = cdul_exit_meanings; code->meaning; code++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, " %d %s%s", code->code, code->meaning,
                 code[1].meaning ? ";" : ".");
    }
    write_paragraphs(text, out);
}
