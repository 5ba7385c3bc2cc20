/* What a table says of itself, to people and to shells. */
#pragma once

#include "table.h"

/* --help, set to fit 79 columns, and the man page, in troff with the man macros. `defaults` is the
 * program's struct. */
void cdul_help_write(const cdul_program *program, const void *defaults, FILE *out);
void cdul_man_write(const cdul_program *program, const void *defaults, FILE *out);
/* Completion scripts. */
void cdul_bash_write(const cdul_program *program, FILE *out);
void cdul_zsh_write(const cdul_program *program, FILE *out);
void cdul_fish_write(const cdul_program *program, FILE *out);

/* What --help and the man page say of an option: its help, then the brackets with range, choices
 * and default, "number of coats (1 to 9; default 2)". `defaults` is the program's struct. */
void cdul_option_describe(const cdul_option *option, const void *defaults, char *out, size_t size);
/* Sets text to at most `width` columns, starting in `column`; lines after the first begin at
 * `indent`, paragraphs after the first, which an empty line parts, at 0. `broken` ends a line that
 * goes on: "" in prose, a backslash in a command. */
void cdul_text_wrap(const char *text, size_t column, size_t indent, size_t width,
                    const char *broken, FILE *out);
