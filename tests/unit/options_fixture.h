/* A small program with an option of every type, and another whose config section it shares. */
#ifndef CDUL_TESTS_OPTIONS_FIXTURE_H
#define CDUL_TESTS_OPTIONS_FIXTURE_H

#include "test.h"

#include "cli/options/options.h"

#include <math.h>

typedef struct paint_options {
    bool gloss, dry;
    long long coats, drops;
    double thinner, heat;
    const char *colour, *output;
    cdul_strings layer, brush;
    int finish, tool;
} paint_options;

#define PAINT(name) offsetof(paint_options, name)

static const cdul_option paint_table[] = {
    {.name = "gloss",
     .letter = 'g',
     .type = CDUL_OPTION_FLAG,
     .offset = PAINT(gloss),
     .fallback = "true",
     .group = "Paint",
     .help = "make it shine"},
    {.name = "dry",
     .type = CDUL_OPTION_FLAG,
     .offset = PAINT(dry),
     .command_only = true,
     .help = "wait, don't paint"},
    {.name = "coats",
     .letter = 'n',
     .type = CDUL_OPTION_INT,
     .offset = PAINT(coats),
     .fallback = "2",
     .argument = "N",
     .minimum = 1,
     .maximum = 9,
     .help = "number of coats"},
    {.name = "drops",
     .type = CDUL_OPTION_INT,
     .offset = PAINT(drops),
     .argument = "N",
     .minimum = -9007199254740992.0,
     .maximum = 9007199254740992.0,
     .help = "drops, by default as they fall"},
    {.name = "thinner",
     .type = CDUL_OPTION_REAL,
     .offset = PAINT(thinner),
     .fallback = "0.1",
     .argument = "SHARE",
     .minimum = 0,
     .maximum = 1,
     .help = "share of thinner"},
    {.name = "drying-heat",
     .type = CDUL_OPTION_REAL,
     .offset = PAINT(heat),
     .argument = "T",
     .minimum = -INFINITY,
     .maximum = INFINITY,
     .group = "Tools",
     .help = "temperature"},
    {.name = "colour",
     .type = CDUL_OPTION_STRING,
     .offset = PAINT(colour),
     .argument = "NAME",
     .help = "colour"},
    {.name = "output",
     .letter = 'o',
     .type = CDUL_OPTION_STRING,
     .offset = PAINT(output),
     .fallback = "-",
     .argument = "FILE",
     .command_only = true,
     .help = "where the painting goes"},
    {.name = "layer",
     .letter = 'l',
     .type = CDUL_OPTION_STRINGS,
     .offset = PAINT(layer),
     .fallback = "a coat of {}",
     .argument = "TEXT",
     .help = "layer; may be repeated"},
    {.name = "brush",
     .type = CDUL_OPTION_STRINGS,
     .offset = PAINT(brush),
     .argument = "DIR",
     .help = "brush"},
    {.name = "finish",
     .type = CDUL_OPTION_CHOICE,
     .offset = PAINT(finish),
     .fallback = "satin",
     .argument = "HOW",
     .choices = "matt|satin|mirror",
     .help = "finish"},
    {.name = "tool",
     .type = CDUL_OPTION_CHOICE,
     .offset = PAINT(tool),
     .argument = "NAME",
     .choices = "roller|spray",
     .help = "tool, by default by hand"},
    {0},
};

typedef struct wash_options {
    double soap;
    cdul_strings towel;
} wash_options;

static const cdul_option wash_table[] = {
    {.name = "soap",
     .type = CDUL_OPTION_REAL,
     .offset = offsetof(wash_options, soap),
     .fallback = "1",
     .argument = "X",
     .minimum = 0,
     .maximum = 5,
     .group = "Soap",
     .help = "soap"},
    {.name = "towel",
     .type = CDUL_OPTION_STRINGS,
     .offset = offsetof(wash_options, towel),
     .argument = "TEXT",
     .help = "towel"},
    {0},
};

static cdul_status paint_versions(const void *user, FILE *out, cdul_error *failure) {
    const paint_options *options = user;
    fprintf(out, "easel 1.2\nfor %lld coats\n", options->coats);
    if (options->coats == 9) return cdul_fail(failure, CDUL_ERR_USAGE, "no easel bears 9 coats");
    return CDUL_OK;
}

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
};
static const cdul_program *const both[] = {&paint, &wash, NULL};

/* One call of the parser and all that comes out of it. */
typedef struct parse_result {
    paint_options options;
    cdul_common common;
    cdul_parsed *parsed;
    bool done;
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
    cdul_status status = cdul_options_parse(&paint, both, argc, argv, out, &r->options, &r->common,
                                            &r->parsed, &r->done, &r->err);
    fclose(out);
    return status;
}

static void release(parse_result *r) {
    cdul_parsed_free(r->parsed);
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
        assert_null(refused.parsed);                                                               \
        assert_string_equal(refused.err.message, expected);                                        \
        release(&refused);                                                                         \
    } while (0)

#endif
