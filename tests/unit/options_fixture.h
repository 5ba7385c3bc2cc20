/* A small program with an option of every type, and another whose config section it shares. */
#ifndef CDUL_TESTS_OPTIONS_FIXTURE_H
#define CDUL_TESTS_OPTIONS_FIXTURE_H

#include "test.h"

#include "cli/options/parse.h"

#include <math.h>

typedef struct paint_options {
    bool gloss, dry;
    unsigned coats;
    size_t drops;
    double thinner, heat;
    const char *colour, *output;
    cdul_strings layer, brush;
    enum { MATT, SATIN, MIRROR } finish;
    enum { ROLLER, SPRAY, BY_HAND } tool;
    uint8_t ground[3];
} paint_options;

#define OPTIONS paint_options

static const cdul_option paint_table[] = {
    {.group = "Paint", FLAG("gloss", 'g', gloss, "make it shine")},
    {FLAG("dry", 0, dry, "wait, don't paint"), .command_only = true},
    {SIZE("coats", 'n', coats, "N", 1, 9, "number of coats"), .idle = 1},
    {SIZE("drops", 0, drops, "N", 1, CDUL_MAX_WHOLE, "drops, by default as they fall"), .idle = 2},
    {REAL("thinner", 0, thinner, "SHARE", 0, 1, "share of thinner")},
    {.group = "Tools", REAL("drying-heat", 0, heat, "T", -INFINITY, INFINITY, "temperature")},
    {STRING("colour", 0, colour, "NAME", "colour"), .idle = 2},
    {STRING("output", 'o', output, "FILE", "where the painting goes"), .command_only = true},
    {STRINGS("layer", 'l', layer, "TEXT", "layer; may be repeated"), .idle = 1},
    {STRINGS("brush", 0, brush, "DIR", "brush")},
    {CHOICE("finish", 0, finish, "HOW", ONE_OF("matt", "satin", "mirror"), "finish"), .idle = 2},
    {CHOICE("tool", 0, tool, "NAME", ONE_OF("roller", "spray"), "tool, by default by hand")},
    {COLOUR("ground", 0, ground, "RRGGBB", "colour below")},
    {0},
};

static void paint_defaults(void *options) {
    *(paint_options *)options = (paint_options){
        .gloss = true,
        .coats = 2,
        .thinner = 0.1,
        .heat = NAN,
        .output = "-",
        .finish = SATIN,
        .tool = BY_HAND,
        .ground = {0xff, 0x80, 0x0a},
    };
}

#undef OPTIONS
#define OPTIONS wash_options

typedef struct wash_options {
    double soap;
    cdul_strings towel;
} wash_options;

static const cdul_option wash_table[] = {
    {.group = "Soap", REAL("soap", 0, soap, "X", 0, 5, "soap")},
    {STRINGS("towel", 0, towel, "TEXT", "towel")},
    {0},
};

static void wash_defaults(void *options) { ((wash_options *)options)->soap = 1; }

static void paint_versions(FILE *out) { fputs("easel 1.2\n", out); }

static const char *const paint_usage[] = {"cdul-paint [OPTION]... WALLS...", "cdul-paint --dry",
                                          NULL};
static const char *const paint_examples[] = {"Paint it",
                                             "cdul-paint -n 3 -l \"a coat of a {}\" walls/", NULL};
static const cdul_program paint = {
    .name = "cdul-paint",
    .section = "paint",
    .summary = "paint walls",
    .usage = paint_usage,
    .description = "It paints walls.\n\n.Walls\\are 'papered' first.",
    .examples = paint_examples,
    .options = paint_table,
    .options_size = sizeof(paint_options),
    .defaults = paint_defaults,
    .versions = paint_versions,
};
static const char *const wash_usage[] = {"cdul-wash", NULL};
static const char *const no_examples[] = {NULL};
static const cdul_program wash = {
    .name = "cdul-wash",
    .section = "wash",
    .summary = "wash walls",
    .usage = wash_usage,
    .description = "It washes.",
    .examples = no_examples,
    .options = wash_table,
    .options_size = sizeof(wash_options),
    .defaults = wash_defaults,
};
static const cdul_program *const both[] = {&paint, &wash, NULL};

/* One call of the parser and all that comes out of it. */
typedef struct parse_result {
    cdul_parsed parsed;
    const paint_options *options; /* parsed.options */
    char *text; /* what was written on `out` */
    cdul_error err;
} parse_result;

#define MAX_WORDS 32

/* `words` are the arguments after the program's name, NULL-terminated. */
static cdul_status parse(parse_result *r, const char *const *words) {
    char *argv[MAX_WORDS + 2] = {(char *)"cdul-paint"};
    int argc = 1;
    while (words[argc - 1] && argc <= MAX_WORDS) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    size_t size;
    *r = (parse_result){.err = {{0}}};
    FILE *out = open_memstream(&r->text, &size);
    assert_non_null(out);
    cdul_status status = cdul_options_parse(&paint, both, argc, argv, out, &r->parsed, &r->err);
    r->options = r->parsed.options;
    fclose(out);
    return status;
}

static void release(parse_result *r) {
    cdul_parsed_free(&r->parsed);
    free(r->text);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The words must be understood. */
#define parses(result, ...)                                                                        \
    do {                                                                                           \
        if (parse(&(result), WORDS(__VA_ARGS__)) != CDUL_OK)                                       \
            fail_msg("refused: %s", (result).err.message);                                         \
    } while (0)

/* The words must be refused as wrong usage, with exactly this message. */
#define refuses(expected, ...)                                                                     \
    do {                                                                                           \
        parse_result refused;                                                                      \
        assert_int_equal(parse(&refused, WORDS(__VA_ARGS__)), CDUL_ERR_USAGE);                     \
        assert_null(refused.parsed.options);                                                       \
        assert_string_equal(refused.err.message, expected);                                        \
        release(&refused);                                                                         \
    } while (0)

#endif
