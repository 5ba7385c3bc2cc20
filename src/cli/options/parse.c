/* The command line: what stands on it, and in which order it and the config files count. */
#include "parse.h"

#include "value.h"

#include <cjson/cJSON.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* --- Scanning --- */

/* An option as the user gave it, or a positional argument (without `option`). */
typedef struct word {
    const cdul_option *option;
    bool common; /* of every program */
    bool negated;
    const char *value; /* NULL for flags */
} word;

typedef struct parser {
    const cdul_program *program;
    char **argv;
    int argc;
    cdul_strings names; /* all long names, --no- forms included */
    word *forms; /* [names.count] what they stand for */
    struct option *longs; /* [names.count + 1] the same for getopt_long */
    char letters[128]; /* and the short names */
    cdul_common_options common;
    cdul_parsed *out;
} parser;

/* Called for each word, from left to right; may be NULL. */
typedef cdul_status visitor(parser *p, const word *found, cdul_error *err);

/* Adds a name, which is the option's own or its --no- form. */
static cdul_status add_name(parser *p, const char *name, word form, cdul_error *err) {
    const size_t i = p->names.count;
    cdul_status status = cdul_strings_add(&p->names, name, err);
    if (status != CDUL_OK) return status;
    int argument = form.option->type == CDUL_OPTION_FLAG ? no_argument : required_argument;
    p->forms[i] = form;
    p->longs[i] = (struct option){p->names.items[i], argument, NULL, UCHAR_MAX + 1 + (int)i};
    if (form.negated || !form.option->letter) return CDUL_OK;
    char *end = p->letters + strlen(p->letters);
    snprintf(end, 3, "%c%s", form.option->letter, argument == no_argument ? "" : ":");
    return CDUL_OK;
}

static cdul_status parser_open(parser *p, cdul_error *err) {
    const cdul_option *const tables[] = {p->program->options, cdul_common_of(p->program)};
    size_t n = cdul_options_count(tables[0]) + cdul_options_count(tables[1]);
    p->forms = calloc(2 * n, sizeof *p->forms);
    p->longs = calloc(2 * n + 1, sizeof *p->longs);
    if (!p->forms || !p->longs) return cdul_fail_memory(err, "options");
    strcpy(p->letters, "-:"); /* positional arguments where they stand, mistakes for us to tell */
    cdul_status status = CDUL_OK;
    for (int common = 0; common < 2; common++)
        for (const cdul_option *o = tables[common]; status == CDUL_OK && o->name; o++) {
            char no[64];
            snprintf(no, sizeof no, "no-%s", o->name);
            status = add_name(p, o->name, (word){.option = o, .common = common}, err);
            if (status == CDUL_OK && cdul_option_negatable(o))
                status =
                    add_name(p, no, (word){.option = o, .common = common, .negated = true}, err);
        }
    return status;
}

static void parser_close(parser *p) {
    cdul_strings_free(&p->names);
    cdul_strings_free(&p->common.config);
    cdul_strings_free(&p->common.set);
    free(p->forms);
    free(p->longs);
}

/* Says that `name` begins no long name, or several. */
static cdul_status fail_long(const parser *p, const char *name, cdul_error *err) {
    char list[400] = "";
    for (size_t i = 0; i < p->names.count; i++) {
        size_t used = strlen(list);
        if (strncmp(p->names.items[i], name, strlen(name)) == 0)
            snprintf(list + used, sizeof list - used, "%s--%s", used ? ", " : "",
                     p->names.items[i]);
    }
    if (list[0])
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s is ambiguous: it could be %s", name,
                         list);
    const char *near =
        cdul_strings_nearest(name, (const char *const *)p->names.items, p->names.count);
    return cdul_fail(err, CDUL_ERR_USAGE, "unknown option --%s%s%s%s (try --help)", name,
                     near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

/* The form that getopt_long means by `code`: a letter, or a position among the long names. */
static const word *form_of(const parser *p, int code) {
    if (code > UCHAR_MAX) return &p->forms[code - UCHAR_MAX - 1];
    for (size_t i = 0; i < p->names.count; i++)
        if (p->forms[i].option->letter == code) return &p->forms[i];
    return NULL;
}

/* Says what is wrong with the word before optind; `code` is what getopt_long makes of it. */
static cdul_status fail_word(const parser *p, int code, cdul_error *err) {
    const char *text = p->argv[optind - 1];
    const word *form = optopt ? form_of(p, optopt) : NULL;
    if (code == ':')
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s needs an argument: --%s %s",
                         form->option->name, form->option->name, form->option->argument);
    if (form)
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s%s takes no argument: %s",
                         form->negated ? "no-" : "", form->option->name, text);
    if (optopt) return cdul_fail(err, CDUL_ERR_USAGE, "unknown option -%c (try --help)", optopt);
    char name[100];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 2, "="), text + 2);
    return fail_long(p, name, err);
}

/* Visits all words, up to the end or to a --help, and finds every mistake in a name before it. */
static cdul_status scan(parser *p, visitor *visit, cdul_error *err) {
    cdul_status status = CDUL_OK;
    optind = 0; /* from the start */
    for (int code; status == CDUL_OK && !p->common.help &&
                   (code = getopt_long(p->argc, p->argv, p->letters, p->longs, NULL)) != -1;) {
        word found = {0};
        if (code == '?' || code == ':') return fail_word(p, code, err);
        if (code != 1) found = *form_of(p, code); /* 1: a positional argument */
        found.value = optarg;
        p->common.help = found.common && found.option->letter == 'h';
        if (visit) status = visit(p, &found, err);
    }
    for (; status == CDUL_OK && visit && optind < p->argc; optind++) /* after "--" */
        status = visit(p, &(word){.value = p->argv[optind]}, err);
    return status;
}

/* --- What happens to the words --- */

/* Second pass: positional arguments and common options, which name the config files. */
static cdul_status store_common(parser *p, const word *found, cdul_error *err) {
    const cdul_option *option = found->option;
    char where[80];
    if (!option) return cdul_strings_add(&p->out->positional, found->value, err);
    if (!found->common) return CDUL_OK;
    /* The last of -v and -q wins. */
    if (option->letter == 'v') p->common.quiet = false;
    if (option->letter == 'q') p->common.verbose = false;
    snprintf(where, sizeof where, "--%s", option->name);
    return cdul_value_set_text(option, (char *)&p->common + option->offset,
                               found->value ? found->value : "true", NULL, where, err);
}

/* Last pass, after the config files: --set and the program's own options, in the order given. */
static cdul_status store_own(parser *p, const word *found, cdul_error *err) {
    const cdul_option *option = found->option;
    const char *value = found->value ? found->value : found->negated ? "false" : "true";
    char where[80];
    if (!option) return CDUL_OK;
    if (found->common && strcmp(option->name, "set") == 0)
        return cdul_config_set(p->out->all, p->program->section, value, err);
    if (found->common) return CDUL_OK;
    snprintf(where, sizeof where, "--%s", option->name);
    return cdul_values_give(p->out->own, option, value, where, err);
}

static cdul_status store_all(parser *p, cdul_error *err) {
    cdul_status status = scan(p, store_common, err);
    for (size_t i = 0; status == CDUL_OK && i < p->common.config.count; i++)
        status = cdul_config_read(p->out->all, p->program->section, p->common.config.items[i], err);
    return status == CDUL_OK ? scan(p, store_own, err) : status;
}

/* --- Requests --- */

static void write_version(const cdul_program *program, FILE *out) {
#if defined(__clang__)
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    const unsigned xxhash = XXH_versionNumber();
    fprintf(out, "%s %s\ncompiler %.*s\ncJSON %s\nxxHash %u.%u.%u\n", program->name, CDUL_VERSION,
            (int)strcspn(compiler, "("), compiler, cJSON_Version(), xxhash / 10000,
            xxhash / 100 % 100, xxhash % 100);
    if (program->versions) program->versions(out);
}

static cdul_status print_config(const parser *p, FILE *out, cdul_error *err) {
    char *text = cdul_options_json(p->program, p->out->options);
    if (!text) return cdul_fail_memory(err, "--print-config");
    fprintf(out, "%s\n", text);
    free(text);
    return CDUL_OK;
}

/* Answers --help, --version, --generate or --print-config. */
static cdul_status answer(const parser *p, FILE *out, bool *done, cdul_error *err) {
    const cdul_common_options *common = &p->common;
    const void *defaults = p->out->own->defaults;
    cdul_status status = CDUL_OK;
    *done = true;
    if (common->help)
        cdul_help_write(p->program, defaults, out);
    else if (common->version)
        write_version(p->program, out);
    else if (common->generate == CDUL_GENERATE_MAN)
        cdul_man_write(p->program, defaults, out);
    else if (common->generate == CDUL_GENERATE_BASH)
        cdul_bash_write(p->program, out);
    else if (common->generate == CDUL_GENERATE_ZSH)
        cdul_zsh_write(p->program, out);
    else if (common->generate == CDUL_GENERATE_FISH)
        cdul_fish_write(p->program, out);
    else if (common->print_config)
        status = print_config(p, out, err);
    else
        *done = false;
    return status;
}

/* --- The whole --- */

static cdul_status open_values(const cdul_program *program, const cdul_program *const *all,
                               cdul_parsed *parsed, cdul_error *err) {
    size_t n = 0;
    while (all[n]) n++;
    parsed->all = calloc(n + 1, sizeof *parsed->all);
    if (!parsed->all) return cdul_fail_memory(err, "options");
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < n; i++) {
        bool own = strcmp(all[i]->section, program->section) == 0;
        status = cdul_values_new(own ? program : all[i], &parsed->all[i], err);
        if (own) parsed->own = &parsed->all[i];
    }
    if (status == CDUL_OK) parsed->options = parsed->own->options;
    return status;
}

cdul_status cdul_options_parse(const cdul_program *program, const cdul_program *const *all,
                               int argc, char **argv, FILE *out, cdul_parsed *parsed,
                               cdul_error *err) {
    parser p = {.program = program,
                .argv = argv,
                .argc = argc,
                .common = cdul_common_defaults,
                .out = parsed};
    *parsed = (cdul_parsed){0};
    cdul_status status = open_values(program, all, parsed, err);
    if (status == CDUL_OK) status = parser_open(&p, err);
    if (status == CDUL_OK) status = scan(&p, NULL, err);
    if (status == CDUL_OK && !p.common.help) status = store_all(&p, err);
    parsed->level = p.common.quiet ? CDUL_QUIET : p.common.verbose ? CDUL_VERBOSE : CDUL_NORMAL;
    parsed->progress = (cdul_progress_mode)p.common.progress;
    parsed->threads = p.common.threads;
    if (status == CDUL_OK) status = answer(&p, out, &parsed->done, err);
    if (status != CDUL_OK) cdul_parsed_free(parsed);
    parser_close(&p);
    return status;
}

bool cdul_parsed_given(const cdul_parsed *parsed, const char *name) {
    const cdul_option *options = parsed->own->program->options;
    for (size_t i = 0; options[i].name; i++)
        if (strcmp(options[i].name, name) == 0) return parsed->own->marks[i].given;
    return false;
}

const cdul_option *cdul_parsed_idle(const cdul_parsed *parsed, unsigned idle) {
    const cdul_option *option = parsed->own->program->options;
    for (; option->name; option++)
        if ((option->idle & idle) &&
            !cdul_value_equal(option, (const char *)parsed->options + option->offset,
                              (const char *)parsed->own->defaults + option->offset))
            return option;
    return NULL;
}

char *cdul_options_json(const cdul_program *program, const void *options) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "{\n  \"%s\": {", program->section);
    const char *comma = "\n";
    bool ok = true;
    for (const cdul_option *option = program->options; ok && option->name; option++) {
        if (option->command_only) continue;
        char key[64];
        cdul_option_key(option->name, key, sizeof key);
        fprintf(out, "%s    \"%s\": ", comma, key);
        ok = cdul_value_write_json(option, (const char *)options + option->offset, out);
        comma = ",\n";
    }
    fputs("\n  }\n}", out);
    ok = !ferror(out) && ok;
    if (fclose(out) == 0 && ok) return text;
    free(text);
    return NULL;
}

void cdul_parsed_free(cdul_parsed *parsed) {
    for (struct cdul_values *values = parsed->all; values && values->program; values++)
        cdul_values_free(values);
    free(parsed->all);
    cdul_strings_free(&parsed->positional);
    *parsed = (cdul_parsed){0};
}
