/* Completion scripts for bash, zsh and fish. What an argument completes to follows from its
 * placeholder: DIR is a folder, a choice one of its words, anything else a file. */
#include "table.h"

#include <string.h>

/* `prefix` is "no-" for the form that turns a flag off, else "". */
typedef void write_one(const cdul_program *program, const cdul_option *option, const char *prefix,
                       FILE *out);

static void each(const cdul_program *program, write_one *write, FILE *out) {
    const cdul_option *const tables[] = {program->options, cdul_common_of(program)};
    for (size_t i = 0; i < 2; i++)
        for (const cdul_option *option = tables[i]; option->name; option++) {
            write(program, option, "", out);
            if (cdul_option_negatable(option)) write(program, option, "no-", out);
        }
}

static bool is_folder(const cdul_option *option) {
    return option->argument && strcmp(option->argument, "DIR") == 0;
}

static void write_words(const char *const *choices, FILE *out) {
    for (size_t i = 0; choices[i]; i++) fprintf(out, "%s%s", i ? " " : "", choices[i]);
}

/* --- bash --- */

static void bash_name(const cdul_program *program, const cdul_option *option, const char *prefix,
                      FILE *out) {
    (void)program;
    fprintf(out, "--%s%s ", prefix, option->name);
}

/* Arguments that are files need no line: completion falls back to file names. */
static void bash_argument(const cdul_program *program, const cdul_option *option,
                          const char *prefix, FILE *out) {
    (void)program, (void)prefix;
    if (!option->choices && !is_folder(option)) return;
    fputs("    ", out);
    if (option->letter) fprintf(out, "-%c | ", option->letter);
    fprintf(out, "--%s) %s", option->name, option->choices ? "words='" : "folders=yes");
    if (option->choices) write_words(option->choices, out);
    fputs(option->choices ? "' ;;\n" : " ;;\n", out);
}

void cdul_bash_write(const cdul_program *program, FILE *out) {
    char name[64];
    cdul_option_key(program->name, name, sizeof name);
    fprintf(out, "# bash completion for %s\n_%s", program->name, name);
    fputs("() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} "
          "words='' folders=''\n    # \"=\" is a word of its own: --option=value is three.\n    if "
          "[[ $cur == = ]]; then\n        cur=''\n    elif [[ $prev == = ]]; then\n        "
          "prev=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n    case $prev in\n",
          out);
    each(program, bash_argument, out);
    fputs("    *)\n        [[ $cur == -* ]] || return\n        words='", out);
    each(program, bash_name, out);
    fputs("'\n        ;;\n    esac\n    if [[ $folders ]]; then\n        compopt -o filenames\n    "
          "    mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n    else\n        mapfile -t "
          "COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n    fi\n}\n# An empty answer falls "
          "back to file names.\n",
          out);
    fprintf(out, "complete -o default -F _%s %s\n", name, program->name);
}

/* --- zsh --- */

/* Inside '...[help]': quotes, brackets and colons have a meaning. */
static void zsh_help(const char *text, FILE *out) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_option(const cdul_program *program, const cdul_option *option, const char *prefix,
                       FILE *out) {
    (void)program;
    const char *name = option->name;
    char letter = prefix[0] ? '\0' : option->letter;
    bool repeats = option->type == CDUL_OPTION_STRINGS;
    fputs("    ", out);
    if (letter && !repeats) fprintf(out, "'(-%c --%s)'", letter, name);
    if (repeats) fputs("'*'", out);
    if (letter)
        fprintf(out, "{-%c,--%s}'", letter, name);
    else
        fprintf(out, "'--%s%s", prefix, name);
    fputc('[', out);
    zsh_help(option->help, out);
    fputc(']', out);
    if (option->argument) {
        fputc(':', out);
        zsh_help(option->argument, out);
        fputc(':', out);
    }
    if (option->choices) {
        fputc('(', out);
        write_words(option->choices, out);
        fputc(')', out);
    } else if (option->argument) {
        fputs(is_folder(option) ? "_files -/" : "_files", out);
    }
    fputs("' \\\n", out);
}

void cdul_zsh_write(const cdul_program *program, FILE *out) {
    fprintf(out, "#compdef %s\n_arguments -s -S \\\n", program->name);
    each(program, zsh_option, out);
    fputs("    '*:file:_files'\n", out);
}

/* --- fish --- */

static void fish_option(const cdul_program *program, const cdul_option *option, const char *prefix,
                        FILE *out) {
    fprintf(out, "complete -c %s -l %s%s", program->name, prefix, option->name);
    if (option->letter && !prefix[0]) fprintf(out, " -s %c", option->letter);
    if (option->choices) {
        fputs(" -x -a '", out);
        write_words(option->choices, out);
        fputc('\'', out);
    } else if (is_folder(option)) {
        fputs(" -x -a '(__fish_complete_directories)'", out);
    } else if (option->type != CDUL_OPTION_FLAG) {
        fputs(" -r", out);
    }
    fputs(" -d '", out);
    for (const char *at = option->help; *at; at++) {
        if (*at == '\'' || *at == '\\') fputc('\\', out);
        fputc(*at, out);
    }
    fputs("'\n", out);
}

void cdul_fish_write(const cdul_program *program, FILE *out) { each(program, fish_option, out); }
