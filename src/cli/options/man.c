/* The man page, in troff with the man macros. */
#include "pages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Prose is broken at the first space from this column on; what people see is filled anew by man. */
#define SOURCE_COLUMN 50
#define COMMAND_WIDTH 64 /* of examples, which are indented twice */

/* What troff shows as the character c; NULL: c itself. A dash that can be copied into a shell is
 * `plain`, others are hyphens. */
static const char *escaped(char c, bool code, bool plain) {
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return code || plain ? "\\-" : NULL;
    case '\'':
        return code ? "\\(aq" : NULL;
    case '"':
        return "\\(dq"; /* a bare one would end a macro's argument */
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

/* Writes text so that troff shows it as it stands; an empty line parts paragraphs. In `code`, and
 * in a word that starts with a dash, every dash is one that can be copied into a shell; elsewhere
 * it is a hyphen. */
static void escape(const char *text, bool code, FILE *out) {
    bool word_start = true, option = false, line_start = true;
    int column = 0;
    for (; *text; text++, column++) {
        bool ends = strncmp(text, "\n\n", 2) == 0;
        if (!code && (ends || (*text == ' ' && column >= SOURCE_COLUMN))) {
            fputs(ends ? "\n.PP\n" : "\n", out);
            text += ends;
            word_start = line_start = true;
            column = ends ? -1 : 0; /* a space is a column of its line */
            continue;
        }
        if (word_start) option = *text == '-' || (*text == '[' && text[1] == '-');
        if (line_start && (*text == '.' || *text == '\'')) fputs("\\&", out);
        line_start = *text == '\n';
        word_start = *text == ' ' || *text == '\n' || *text == '(' || *text == '"';
        const char *as = escaped(*text, code, option);
        if (as)
            fputs(as, out);
        else
            fputc(*text, out);
    }
}

static void line(const char *text, FILE *out) {
    escape(text, false, out);
    fputc('\n', out);
}

static void sentence(char *text, FILE *out) {
    text[0] = (char)toupper((unsigned char)text[0]);
    line(text, out);
}

static void write_option(const cdul_option *option, const void *defaults, FILE *out) {
    char text[1200];
    fputs(".TP\n", out);
    if (option->letter) fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fprintf(out, "\\fB\\-\\-%s", cdul_option_negatable(option) ? "\\fR[\\fBno\\-\\fR]\\fB" : "");
    escape(option->name, true, out);
    fputs("\\fR", out);
    if (option->argument) {
        fputs(" \\fI", out);
        escape(option->argument, true, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    cdul_option_describe(option, defaults, text, sizeof text - 1);
    strcpy(text + strlen(text), ".");
    sentence(text, out);
}

static void write_options(const cdul_option *option, const void *defaults, FILE *out) {
    for (; option->name; option++) {
        if (option->group) {
            fputs(".SS ", out);
            line(option->group, out);
        }
        write_option(option, defaults, out);
    }
}

static void write_synopsis(const cdul_program *program, FILE *out) {
    fputs(".SH SYNOPSIS\n", out);
    for (size_t i = 0; program->usage[i]; i++) {
        const char *usage = program->usage[i];
        size_t name = strlen(program->name);
        if (i) fputs(".br\n", out);
        fputs("\\fB", out);
        escape(program->name, true, out);
        fputs("\\fR", out);
        escape(strncmp(usage, program->name, name) == 0 ? usage + name : usage, true, out);
        fputc('\n', out);
    }
}

static void write_config(const cdul_program *program, FILE *out) {
    fputs(".SH CONFIGURATION\n", out);
    fputs("A config is a JSON object with one section a program; the section of\n.B ", out);
    escape(program->name, true, out);
    fprintf(out, "\nis \\(dq%s\\(dq.\n", program->section);
    fputs("A key is a long option with underscores for dashes.\nUnknown sections and keys are "
          "errors.\nA top-level string \\(dqdescription\\(dq is for people.\nDefaults are "
          "overridden by config files in the order given, and these by\n.B \\-\\-set\nand by "
          "options, in the order given. The keys are:\n.PP\n.RS\n.nf\n",
          out);
    for (const cdul_option *option = program->options; option->name; option++) {
        char key[64];
        if (option->command_only) continue;
        cdul_option_key(option->name, key, sizeof key);
        fprintf(out, "%s.%s\n", program->section, key);
    }
    fputs(".fi\n.RE\n", out);
}

static void write_exit_status(FILE *out) {
    fputs(".SH EXIT STATUS\n", out);
    for (const cdul_exit_meaning *code = cdul_exit_meanings; code->meaning; code++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s.", code->meaning, code->detail);
        fprintf(out, ".TP\n.B %d\n", code->code);
        sentence(text, out);
    }
}

static void write_command(const char *command, FILE *out) {
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return;
    cdul_text_wrap(command, 0, 4, COMMAND_WIDTH, " \\", memory);
    if (fclose(memory) == 0) {
        fputs(".PP\n.RS\n.nf\n", out);
        escape(text, true, out);
        fputs(".fi\n.RE\n", out);
    }
    free(text);
}

static void write_see_also(const cdul_program *program, FILE *out) {
    static const char *const pages[] = {"cdul-label", "cdul-train", "cdul-predict", "cdul-eval"};
    const char *comma = "";
    fputs(".SH SEE ALSO\n", out);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i], program->name) == 0) continue;
        fprintf(out, "%s\\fB", comma);
        escape(pages[i], true, out);
        fputs("\\fR(1)", out);
        comma = ",\n";
    }
    fputc('\n', out);
}

void cdul_man_write(const cdul_program *program, const void *defaults, FILE *out) {
    fputs(".TH ", out);
    for (const char *at = program->name; *at; at++) {
        if (*at == '-') fputc('\\', out);
        fputc(toupper((unsigned char)*at), out);
    }
    fprintf(out, " 1 %s \"cdul %s\"\n", CDUL_DATE, CDUL_VERSION);
    fputs(".nh\n.ad l\n", out); /* names and options are not to be hyphenated or stretched */
    fputs(".SH NAME\n", out);
    escape(program->name, true, out);
    fputs(" \\- ", out);
    line(program->summary, out);
    write_synopsis(program, out);
    fputs(".SH DESCRIPTION\n", out);
    line(program->description, out);
    fputs(".SH OPTIONS\n", out);
    write_options(program->options, defaults, out);
    fputs(".SS General\n", out);
    write_options(cdul_common_of(program), &cdul_common_defaults, out);
    write_config(program, out);
    write_exit_status(out);
    if (program->examples[0]) fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; program->examples[i] && program->examples[i + 1]; i += 2) {
        if (i) fputs(".PP\n", out);
        line(program->examples[i], out);
        write_command(program->examples[i + 1], out);
    }
    write_see_also(program, out);
}
