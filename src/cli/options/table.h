/* Options of a program as one table. The table gives the command line, the config keys, --help, the
 * man page, the shell completion and --print-config, so that they cannot disagree. It holds no
 * defaults: these are read from the options struct that the program's `defaults` fills.
 *
 * Every long option `--head-lr` of cdul-train is the config key `train.head_lr`. */
#pragma once

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What a field is, and what it holds where nothing was chosen. Such an option has no default in
 * --help, is null in --print-config, and may be null in a config. */
typedef enum cdul_option_type {
    CDUL_OPTION_FLAG, /* bool; --name, --no-name; config true/false */
    CDUL_OPTION_SIZE, /* unsigned of 4 or 8 bytes, up to 2^53; nothing: less than `minimum` */
    CDUL_OPTION_REAL, /* double; nothing: NAN */
    CDUL_OPTION_STRING, /* const char *, owned by the parser; nothing: NULL */
    /* cdul_strings, owned by the parser, empty by default. Repeatable: on the command line the
     * first use replaces what a config says, and further ones add. In a config a list of strings */
    CDUL_OPTION_STRINGS,
    /* an enum, or a bool: position in `choices`; nothing: a value that is none of these */
    CDUL_OPTION_CHOICE,
    CDUL_OPTION_COLOUR, /* uint8_t[3], as RRGGBB in hexadecimal */
} cdul_option_type;

typedef struct cdul_option {
    const char *group; /* heading in --help, on the first option of a group, else NULL */
    const char *name; /* long name without dashes; NULL ends the table */
    char letter; /* short name, 0 = none */
    cdul_option_type type;
    size_t offset, size; /* of the field in the program's options struct */
    const char *argument; /* placeholder in help: "FILE", "RxC"; NULL for flags */
    const char *const *choices; /* CHOICE only; NULL-terminated */
    /* SIZE and REAL, inclusive; -INFINITY and INFINITY: no limit */
    double minimum, maximum;
    const char *help; /* one sentence, lower case, no final stop; says unit and range */
    /* not a config key: -o, --merge, --resume ...; a flag then has no --no- form */
    bool command_only;
    /* bits, whose meaning the program gives: kinds of run in which the option has no use */
    unsigned idle;
} cdul_option;

typedef struct cdul_program {
    const char *name; /* "cdul-label" */
    const char *section; /* "label": the config section */
    const char *summary; /* one line */
    const char *const *usage; /* synopsis lines, NULL-terminated */
    /* paragraphs for --help and the man page, an empty line between them */
    const char *description;
    const char *const *examples; /* pairs: what it does, the command in lines; NULL ends them */
    const cdul_option *options;
    size_t options_size; /* sizeof the options struct */
    bool no_progress; /* it has no passes over images to show */
    /* Fills the options struct, all zeros before, with the library's defaults. NULL where these
     * are not known: in a program that only checks the other's section of a config. */
    void (*defaults)(void *options);
    void (*versions)(FILE *out); /* more lines for --version, of linked libraries; may be NULL */
} cdul_program;

/* What a row says: {FLAG("exif", 0, exif, "turn images ...")}. Other members may follow, or stand
 * before. `member` is that of the struct that the file of the table calls OPTIONS. */
#define CDUL_ROW(kind, long_name, short_name, member, word, text)                                  \
    .name = long_name, .letter = short_name, .type = CDUL_OPTION_##kind,                           \
    .offset = offsetof(OPTIONS, member), .size = sizeof(((OPTIONS *)0)->member), .argument = word, \
    .help = text
#define FLAG(long_name, short_name, member, text)                                                  \
    CDUL_ROW(FLAG, long_name, short_name, member, NULL, text)
#define SIZE(long_name, short_name, member, word, least, most, text)                               \
    CDUL_ROW(SIZE, long_name, short_name, member, word, text), .minimum = least, .maximum = most
#define REAL(long_name, short_name, member, word, least, most, text)                               \
    CDUL_ROW(REAL, long_name, short_name, member, word, text), .minimum = least, .maximum = most
#define STRING(long_name, short_name, member, word, text)                                          \
    CDUL_ROW(STRING, long_name, short_name, member, word, text)
#define STRINGS(long_name, short_name, member, word, text)                                         \
    CDUL_ROW(STRINGS, long_name, short_name, member, word, text)
#define COLOUR(long_name, short_name, member, word, text)                                          \
    CDUL_ROW(COLOUR, long_name, short_name, member, word, text)
#define CHOICE(long_name, short_name, member, word, list, text)                                    \
    CDUL_ROW(CHOICE, long_name, short_name, member, word, text), .choices = list
/* Texts that a NULL ends; of a CHOICE its words, in the order of its enum. */
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ONE_OF    LIST

/* 2^53: above it JSON numbers, which are doubles, skip integers. */
#define CDUL_MAX_WHOLE 9007199254740992.0

/* "head-lr" -> "head_lr". */
void cdul_option_key(const char *name, char *out, size_t size);
/* A flag that is also a config key has a --no- form. */
bool cdul_option_negatable(const cdul_option *option);
size_t cdul_options_count(const cdul_option *options);

/* --- What every program has --- */

typedef enum cdul_generate {
    CDUL_GENERATE_MAN,
    CDUL_GENERATE_BASH,
    CDUL_GENERATE_ZSH,
    CDUL_GENERATE_FISH,
    CDUL_GENERATE_NOTHING,
} cdul_generate;

typedef struct cdul_common_options {
    cdul_strings config, set;
    bool print_config, verbose, quiet, help, version;
    int progress; /* cdul_progress_mode */
    cdul_generate generate;
    size_t threads; /* 0: as many as this process may use */
} cdul_common_options;

extern const cdul_common_options cdul_common_defaults;
/* Those that have a use in `program`; one without a name ends them. */
const cdul_option *cdul_common_of(const cdul_program *program);

/* How a program ends. */
typedef struct cdul_exit_meaning {
    int code;
    const char *meaning; /* lower case */
    const char *detail; /* what the man page adds */
} cdul_exit_meaning;

#define CDUL_EXIT_SKIPPED 3
/* All of them; a NULL meaning ends the list. */
extern const cdul_exit_meaning cdul_exit_meanings[];
/* The code for a status, of which CDUL_EXIT_SKIPPED is none. */
int cdul_exit_code(cdul_status status);

/* --- What a table says of itself, to people and to shells --- */

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
