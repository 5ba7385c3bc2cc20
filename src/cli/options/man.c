/* The man page, in troff with the man macros. */
#include "table.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

/* Writes text so that troff shows it as it stands, with every dash one that can be copied into a
 * shell. `prose` is broken at the first space after some 50 columns, as man fills it anew, and an
 * empty line in it parts paragraphs. */
static void escape(const char *text, bool prose, FILE *out) {
    /* A bare quote would end a macro's argument. */
    static const char *const shown[UCHAR_MAX + 1] = {
        ['\\'] = "\\e",  ['-'] = "\\-",   ['\''] = "\\(aq", ['"'] = "\\(dq",
        ['`'] = "\\(ga", ['^'] = "\\(ha", ['~'] = "\\(ti",
    };
    int column = 0;
    for (; *text; text++) {
        bool ends = prose && strncmp(text, "\n\n", 2) == 0;
        if (ends || *text == '\n' || (prose && *text == ' ' && column >= 50)) {
            fputs(ends ? "\n.PP\n" : "\n", out);
            text += ends;
            column = 0;
            continue;
        }
        if (column++ == 0 && *text == '.') fputs("\\&", out);
        const char *as = shown[(unsigned char)*text];
        if (as)
            fputs(as, out);
        else
            fputc(*text, out);
    }
}

static void paragraph(const char *text, FILE *out) {
    escape(text, true, out);
    fputc('\n', out);
}

static void write_option(const cdul_option *option, const void *defaults, FILE *out) {
    char text[1200];
    fputs(".TP\n", out);
    if (option->letter) fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fprintf(out, "\\fB\\-\\-%s", cdul_option_negatable(option) ? "\\fR[\\fBno\\-\\fR]\\fB" : "");
    escape(option->name, false, out);
    fprintf(out, option->argument ? "\\fR \\fI%s\\fR\n" : "\\fR\n", option->argument);
    cdul_option_describe(option, defaults, text, sizeof text - 1);
    text[0] = (char)toupper((unsigned char)text[0]);
    paragraph(strcat(text, "."), out);
}

static void write_options(const cdul_option *option, const void *defaults, FILE *out) {
    for (; option->name; option++) {
        if (option->group) fprintf(out, ".SS %s\n", option->group);
        write_option(option, defaults, out);
    }
}

static void write_config(const cdul_program *program, FILE *out) {
    fprintf(out,
            ".SH CONFIGURATION\nA config is a JSON object with one section a program; the section "
            "of\n.B cdul\\-%s\nis \\(dq%s\\(dq.\nA key is a long option with underscores for "
            "dashes.\nUnknown sections and keys are errors.\nA top-level string "
            "\\(dqdescription\\(dq is for people.\nDefaults are overridden by config files in the "
            "order given, and these by\n.B \\-\\-set\nand by options, in the order given. The keys "
            "are:\n.PP\n.RS\n.nf\n",
            program->section, program->section);
    for (const cdul_option *option = program->options; option->name; option++) {
        char key[64];
        if (option->command_only) continue;
        cdul_option_key(option->name, key, sizeof key);
        fprintf(out, "%s.%s\n", program->section, key);
    }
    fputs(".fi\n.RE\n.SH EXIT STATUS\n", out);
    for (const cdul_exit_meaning *code = cdul_exit_meanings; code->meaning; code++)
        fprintf(out, ".TP\n.B %d\n%c%s%s.\n", code->code, toupper((unsigned char)code->meaning[0]),
                code->meaning + 1, code->detail);
}

void cdul_man_write(const cdul_program *program, const void *defaults, FILE *out) {
    static const char *const all[] = {"label", "train", "predict", "eval"};
    fputs(".TH CDUL\\-", out);
    for (const char *at = program->section; *at; at++) fputc(toupper((unsigned char)*at), out);
    /* Names and options are not to be hyphenated or stretched. */
    fprintf(out, " 1 %s \"cdul %s\"\n.nh\n.ad l\n.SH NAME\ncdul\\-%s \\- ", CDUL_DATE, CDUL_VERSION,
            program->section);
    paragraph(program->summary, out);
    fputs(".SH SYNOPSIS\n", out);
    for (size_t i = 0; program->usage[i]; i++) {
        fprintf(out, "%s\\fBcdul\\-%s\\fR", i ? ".br\n" : "", program->section);
        paragraph(program->usage[i] + strlen(program->name), out);
    }
    fputs(".SH DESCRIPTION\n", out);
    paragraph(program->description, out);
    fputs(".SH OPTIONS\n", out);
    write_options(program->options, defaults, out);
    fputs(".SS General\n", out);
    write_options(cdul_common_of(program), &cdul_common_defaults, out);
    write_config(program, out);
    if (program->examples[0]) fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; program->examples[i] && program->examples[i + 1]; i += 2) {
        if (i) fputs(".PP\n", out);
        paragraph(program->examples[i], out);
        fputs(".PP\n.nf\n", out);
        escape(program->examples[i + 1], false, out);
        fputs("\n.fi\n", out);
    }
    fputs(".SH SEE ALSO\n", out);
    const char *comma = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i], program->section) == 0) continue;
        fprintf(out, "%s.BR cdul\\-%s (1)", comma, all[i]);
        comma = ",\n";
    }
    fputc('\n', out);
}
