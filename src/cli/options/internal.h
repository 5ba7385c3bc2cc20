/* What the files options*.c share; nobody else includes this. */
#ifndef CDUL_CLI_OPTIONS_INTERNAL_H
#define CDUL_CLI_OPTIONS_INTERNAL_H

#include "cli/options/options.h"

#include <cjson/cJSON.h>

#define CDUL_MAX_INT                                                                               \
    9007199254740992.0 /* 2^53: above it a double, hence a JSON number, skips integers */

struct cdul_parsed {
    const cdul_program *program;
    void *options;
    cdul_common *common;
    cdul_strings texts; /* owns what STRING fields point to */
    bool *given; /* one per option of the program */
    /* the same: a STRINGS list was begun on the command line, so the next one is added */
    bool *appending;
};

/* Room for a value of any type: where keys of other programs' sections are parsed and forgotten. */
typedef union cdul_option_field {
    bool flag;
    long long integer;
    double real;
    const char *string;
    cdul_strings strings;
    int choice;
} cdul_option_field;

/* --- Values (options_value.c). `where` names the option in errors: "--epochs", "voc.json:
 * train.epochs" --- */

cdul_status cdul_option_store_default(cdul_parsed *parsed, const cdul_option *option, void *field,
                                      cdul_error *err) CDUL_MUST_CHECK;
/* FLAG: "true" or "false". STRINGS: adds `text` to the list. */
cdul_status cdul_option_store_text(cdul_parsed *parsed, const cdul_option *option, void *field,
                                   const char *text, const char *where,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* STRINGS: replaces the list. */
cdul_status cdul_option_store_json(cdul_parsed *parsed, const cdul_option *option, void *field,
                                   const cJSON *json, const char *where,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* NULL: out of memory. */
cJSON *cdul_option_to_json(const cdul_option *option, const void *field);
/* The shortest decimal text that reads back as the same double, with a point in every locale. */
void cdul_real_format(double value, char *out, size_t size);
/* "0 to 1", "at least 1", "" if unlimited. */
void cdul_option_range(const cdul_option *option, char *out, size_t size);
/* Splits "a|b|c" and writes "a, b or c". */
cdul_status cdul_option_choices(const cdul_option *option, cdul_strings *out,
                                cdul_error *err) CDUL_MUST_CHECK;

/* --- Names --- */

/* "head-lr" -> "head_lr". */
void cdul_option_key(const char *name, char *out, size_t size);
/* A flag that is also a config key has a --no- form. */
bool cdul_option_negatable(const cdul_option *option);
size_t cdul_options_count(const cdul_option *options);
/* -c, --set, ... --help: a table like a program's. */
extern const cdul_option cdul_common_options[];

/* --- Config (options_config.c) --- */

cdul_status cdul_config_read(cdul_parsed *parsed, const cdul_program *const *all, const char *path,
                             cdul_error *err) CDUL_MUST_CHECK;
/* `text` is the argument of --set: "label.grid=2x2". */
cdul_status cdul_config_set(cdul_parsed *parsed, const cdul_program *const *all, const char *text,
                            cdul_error *err) CDUL_MUST_CHECK;

/* --- Text for people and shells (options_text.c, options_man.c, options_complete.c) --- */

void cdul_options_write_help(const cdul_program *program, FILE *out);
cdul_status cdul_options_write_version(const cdul_program *program, const void *options, FILE *out,
                                       cdul_error *err);
void cdul_options_write_man(const cdul_program *program, FILE *out);
void cdul_options_write_bash(const cdul_program *program, FILE *out);
void cdul_options_write_zsh(const cdul_program *program, FILE *out);
void cdul_options_write_fish(const cdul_program *program, FILE *out);
/* Sets one paragraph of at most `width` columns, starting in `column`; lines after the first begin
 * at `indent`. `broken` ends a line that goes on: "" in prose, a backslash in a command. */
void cdul_text_wrap(const char *text, size_t column, size_t indent, size_t width,
                    const char *broken, FILE *out);
/* The brackets after an option's help: "(0 to 1; default 0.1)"; "" if there is nothing to say. */
void cdul_option_facts(const cdul_option *option, char *out, size_t size);
/* Placeholder of the argument: "FILE"; NULL for flags. */
const char *cdul_option_argument(const cdul_option *option);

#endif
