/* The command line: what stands on it, and in which order it and the config files count. */
#include "parse.h"

#include "value.h"

#include <cjson/cJSON.h>
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
    int argc, at; /* argv[at] is in hand */
    cdul_strings names; /* all long names, --no- forms included */
    word *forms; /* [names.count] what they stand for */
    cdul_common_options common;
    cdul_parsed *out;
} parser;

/* Called for each word, from left to right. */
typedef cdul_status visitor(parser *p, const word *found, cdul_error *err);

static cdul_status add_names(parser *p, const cdul_option *option, bool common, cdul_error *err) {
    char name[64];
    cdul_status status = CDUL_OK;
    for (; status == CDUL_OK && option->name; option++) {
        p->forms[p->names.count] = (word){.option = option, .common = common};
        status = cdul_strings_add(&p->names, option->name, err);
        if (status != CDUL_OK || !cdul_option_negatable(option)) continue;
        snprintf(name, sizeof name, "no-%s", option->name);
        p->forms[p->names.count] = (word){.option = option, .common = common, .negated = true};
        status = cdul_strings_add(&p->names, name, err);
    }
    return status;
}

static cdul_status parser_open(parser *p, cdul_error *err) {
    const cdul_option *own = p->program->options, *common = cdul_common_of(p->program);
    size_t n = cdul_options_count(own) + cdul_options_count(common);
    p->forms = calloc(2 * n, sizeof *p->forms);
    if (!p->forms) return cdul_fail_memory(err, "options");
    cdul_status status = add_names(p, own, false, err);
    return status == CDUL_OK ? add_names(p, common, true, err) : status;
}

static void parser_close(parser *p) {
    cdul_strings_free(&p->names);
    cdul_strings_free(&p->common.config);
    cdul_strings_free(&p->common.set);
    free(p->forms);
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

/* Finds the form that `name` spells out, or abbreviates without doubt. */
static cdul_status find_long(const parser *p, const char *name, word *found, cdul_error *err) {
    size_t matches = 0;
    for (size_t i = 0; i < p->names.count; i++) {
        if (strncmp(p->names.items[i], name, strlen(name)) != 0) continue;
        *found = p->forms[i];
        if (strcmp(p->names.items[i], name) == 0) return CDUL_OK;
        matches++;
    }
    return matches == 1 ? CDUL_OK : fail_long(p, name, err);
}

/* Visits an option: with the argument that is `attached`, or with the next word as its argument. */
static cdul_status visit_option(parser *p, word *found, const char *attached, visitor *visit,
                                cdul_error *err) {
    const cdul_option *option = found->option;
    found->value = attached;
    if (option->type != CDUL_OPTION_FLAG && !attached) {
        if (p->at + 1 >= p->argc)
            return cdul_fail(err, CDUL_ERR_USAGE, "option --%s needs an argument: --%s %s",
                             option->name, option->name, option->argument);
        found->value = p->argv[++p->at];
    }
    return visit(p, found, err);
}

/* --name, --name=value or --name value. */
static cdul_status scan_long(parser *p, visitor *visit, cdul_error *err) {
    const char *text = p->argv[p->at], *equals = strchr(text, '=');
    char name[100];
    word found = {0};
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 2, "="), text + 2);
    cdul_status status = find_long(p, name, &found, err);
    if (status != CDUL_OK) return status;
    if (found.option->type == CDUL_OPTION_FLAG && equals)
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s%s takes no argument: %s",
                         found.negated ? "no-" : "", found.option->name, text);
    return visit_option(p, &found, equals ? equals + 1 : NULL, visit, err);
}

/* -v, -vq, -n3 or -n 3. */
static cdul_status scan_letters(parser *p, visitor *visit, cdul_error *err) {
    cdul_status status = CDUL_OK;
    bool flag = true;
    for (const char *at = p->argv[p->at] + 1; status == CDUL_OK && flag && *at; at++) {
        word found = {0};
        for (size_t i = 0; i < p->names.count && !found.option; i++)
            if (p->forms[i].option->letter == *at) found = p->forms[i];
        if (!found.option)
            return cdul_fail(err, CDUL_ERR_USAGE, "unknown option -%c (try --help)", *at);
        flag = found.option->type == CDUL_OPTION_FLAG;
        status = visit_option(p, &found, !flag && at[1] ? at + 1 : NULL, visit, err);
    }
    return status;
}

/* Visits all words, up to the end or to a --help. */
static cdul_status scan(parser *p, visitor *visit, cdul_error *err) {
    bool rest = false; /* after "--" */
    cdul_status status = CDUL_OK;
    for (p->at = 1; status == CDUL_OK && p->at < p->argc && !p->common.help; p->at++) {
        const char *text = p->argv[p->at];
        if (!rest && strcmp(text, "--") == 0)
            rest = true;
        else if (rest || text[0] != '-' || !text[1])
            status = visit(p, &(word){.value = text}, err);
        else
            status = text[1] == '-' ? scan_long(p, visit, err) : scan_letters(p, visit, err);
    }
    return status;
}

/* --- What happens to the words --- */

/* First pass: finds --help, and every mistake in a name before it. */
static cdul_status look(parser *p, const word *found, cdul_error *err) {
    (void)err;
    if (found->common && found->option->letter == 'h') p->common.help = true;
    return CDUL_OK;
}

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

static cdul_status write_version(const parser *p, FILE *out, cdul_error *err) {
#if defined(__clang__)
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    const cdul_program *program = p->program;
    char *more = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&more, &size); /* a failure leaves `out` empty */
    if (!lines) return cdul_fail_memory(err, "versions");
    cdul_status status =
        program->versions ? program->versions(p->out->options, lines, err) : CDUL_OK;
    bool failed = ferror(lines) != 0;
    if ((fclose(lines) != 0 || failed) && status == CDUL_OK)
        status = cdul_fail_memory(err, "versions");
    const unsigned xxhash = XXH_versionNumber();
    if (status == CDUL_OK)
        fprintf(out, "%s %s\ncompiler %.*s\ncJSON %s\nxxHash %u.%u.%u\n%s", program->name,
                CDUL_VERSION, (int)strcspn(compiler, "("), compiler, cJSON_Version(),
                xxhash / 10000, xxhash / 100 % 100, xxhash % 100, more);
    free(more);
    return status;
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
        status = write_version(p, out, err);
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
    if (status == CDUL_OK) status = scan(&p, look, err);
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
