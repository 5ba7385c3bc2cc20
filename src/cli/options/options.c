/* The command line: getopt_long does the scanning, the table says what there is. */
#include "cli/options/internal.h"

#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

typedef struct common_fields {
    cdul_strings config, set;
    bool print_config, verbose, quiet, help, version;
    int progress, generate;
    long long threads;
} common_fields;

enum { GENERATE_MAN, GENERATE_BASH, GENERATE_ZSH, GENERATE_FISH };

#define COMMON(field) offsetof(common_fields, field)

const cdul_option cdul_common_options[] = {
    {.name = "config",
     .letter = 'c',
     .type = CDUL_OPTION_STRINGS,
     .offset = COMMON(config),
     .argument = "FILE",
     .group = "General",
     .help = "read options from a JSON config; may be repeated, later files win"},
    {.name = "set",
     .type = CDUL_OPTION_STRINGS,
     .offset = COMMON(set),
     .argument = "KEY=VALUE",
     .help = "set one config key, such as train.lr=1e-5; may be repeated"},
    {.name = "print-config",
     .type = CDUL_OPTION_FLAG,
     .offset = COMMON(print_config),
     .help = "print the effective options as a config and exit"},
    {.name = "threads",
     .letter = 'j',
     .type = CDUL_OPTION_INT,
     .offset = COMMON(threads),
     .argument = "N",
     .minimum = 1,
     .maximum = 4096,
     .help = "number of threads, by default as many as there are processors for this process"},
    {.name = "progress",
     .type = CDUL_OPTION_CHOICE,
     .offset = COMMON(progress),
     .fallback = "auto",
     .argument = "WHEN",
     .choices = "auto|always|never",
     .help = "show progress on standard error; auto rewrites one line on a terminal and writes a "
             "line every 30 "
             "seconds elsewhere"},
    {.name = "verbose",
     .letter = 'v',
     .type = CDUL_OPTION_FLAG,
     .offset = COMMON(verbose),
     .help = "say more on standard error"},
    {.name = "quiet",
     .letter = 'q',
     .type = CDUL_OPTION_FLAG,
     .offset = COMMON(quiet),
     .help = "say nothing but warnings and errors"},
    {.name = "generate",
     .type = CDUL_OPTION_CHOICE,
     .offset = COMMON(generate),
     .argument = "WHAT",
     .choices = "man|bash|zsh|fish",
     .help = "print the man page or a shell's completion script and exit"},
    {.name = "help",
     .letter = 'h',
     .type = CDUL_OPTION_FLAG,
     .offset = COMMON(help),
     .help = "print this help and exit"},
    {.name = "version",
     .letter = 'V',
     .type = CDUL_OPTION_FLAG,
     .offset = COMMON(version),
     .help = "print the versions of the program and of its libraries and exit"},
    {0},
};

/* --- Names --- */

void cdul_option_key(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (; *out; out++)
        if (*out == '-') *out = '_';
}

static bool is_common(const cdul_option *option) {
    for (const cdul_option *common = cdul_common_options; common->name; common++)
        if (option == common) return true;
    return false;
}

bool cdul_option_negatable(const cdul_option *option) {
    return option->type == CDUL_OPTION_FLAG && !option->command_only && !is_common(option);
}

size_t cdul_options_count(const cdul_option *options) {
    size_t n = 0;
    while (options[n].name) n++;
    return n;
}

/* --- Scanning --- */

/* One option as the user gave it. Config files come first whatever their place, so nothing is
 * stored while argv is scanned. */
typedef struct occurrence {
    const cdul_option *option;
    bool negated;
    const char *value; /* NULL for flags */
} occurrence;

typedef struct scan {
    const cdul_option **table; /* [n] the program's options, then the common ones */
    size_t n, own; /* own: how many are the program's */
    struct option *longs; /* [2 n + 1] for getopt_long, "no-" forms included */
    char **names; /* [2 n] the names in `longs`, owned */
    size_t n_names;
    char *shorts; /* for getopt_long */
    occurrence *found;
    size_t n_found;
} scan;

#define LONG_BASE 256 /* getopt's `val` of the first option: above every letter */

static void scan_free(scan *s) {
    for (size_t i = 0; i < s->n_names; i++) free(s->names[i]);
    free(s->names);
    free(s->table);
    free(s->longs);
    free(s->shorts);
    free(s->found);
}

/* val = LONG_BASE + 2 i for option i, + 1 for its --no- form. */
static cdul_status add_long(scan *s, size_t i, bool negated, cdul_error *err) {
    const char *prefix = negated ? "no-" : "", *name = s->table[i]->name;
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *copy = malloc(size);
    if (!copy) return cdul_fail_memory(err, "options");
    snprintf(copy, size, "%s%s", prefix, name);
    s->longs[s->n_names] = (struct option){
        .name = copy,
        .has_arg = s->table[i]->type == CDUL_OPTION_FLAG ? no_argument : required_argument,
        .val = LONG_BASE + 2 * (int)i + negated,
    };
    s->names[s->n_names++] = copy;
    return CDUL_OK;
}

static cdul_status scan_tables(scan *s, const cdul_program *program, cdul_error *err) {
    s->own = cdul_options_count(program->options);
    s->n = s->own + cdul_options_count(cdul_common_options);
    s->table = calloc(s->n, sizeof *s->table);
    s->longs = calloc(2 * s->n + 1, sizeof *s->longs);
    s->names = calloc(2 * s->n, sizeof *s->names);
    s->shorts = calloc(2 * s->n + 2, 1);
    if (!s->table || !s->longs || !s->names || !s->shorts) return cdul_fail_memory(err, "options");
    char *shorts = s->shorts;
    *shorts++ = ':'; /* getopt then tells a missing argument (':') from an unknown option ('?') */
    for (size_t i = 0; i < s->n; i++) {
        const cdul_option *option =
            i < s->own ? &program->options[i] : &cdul_common_options[i - s->own];
        s->table[i] = option;
        cdul_status status = add_long(s, i, false, err);
        if (status == CDUL_OK && cdul_option_negatable(option)) status = add_long(s, i, true, err);
        if (status != CDUL_OK) return status;
        if (!option->letter) continue;
        *shorts++ = option->letter;
        if (option->type != CDUL_OPTION_FLAG) *shorts++ = ':';
    }
    return CDUL_OK;
}

static const cdul_option *by_val(const scan *s, int val, bool *negated) {
    *negated = val >= LONG_BASE && (val - LONG_BASE) % 2 == 1;
    if (val >= LONG_BASE) return s->table[(val - LONG_BASE) / 2];
    for (size_t i = 0; i < s->n; i++)
        if (val && s->table[i]->letter == val) return s->table[i];
    return NULL;
}

/* Which option getopt did not know: `word` is the long option as typed, or `letter` a short one. */
static cdul_status fail_unknown(const scan *s, const char *word, int letter, cdul_error *err) {
    if (letter) return cdul_fail(err, CDUL_ERR_USAGE, "unknown option -%c (try --help)", letter);
    char name[100], list[400] = "";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (size_t i = 0; i < s->n_names; i++) {
        size_t used = strlen(list);
        if (strncmp(s->names[i], name, strlen(name)) == 0)
            snprintf(list + used, sizeof list - used, "%s--%s", used ? ", " : "", s->names[i]);
    }
    if (list[0])
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s is ambiguous: it could be %s", name,
                         list);
    const char *near = cdul_strings_nearest(name, (const char *const *)s->names, s->n_names);
    return cdul_fail(err, CDUL_ERR_USAGE, "unknown option --%s%s%s%s (try --help)", name,
                     near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static cdul_status add_occurrence(scan *s, occurrence found, cdul_error *err) {
    occurrence *more = realloc(s->found, (s->n_found + 1) * sizeof *more);
    if (!more) return cdul_fail_memory(err, "options");
    s->found = more;
    s->found[s->n_found++] = found;
    return CDUL_OK;
}

/* getopt answered ':' or '?'. */
static cdul_status fail_scan(const scan *s, int answer, const char *word, cdul_error *err) {
    bool negated;
    const cdul_option *option = by_val(s, optopt, &negated);
    if (!option) return fail_unknown(s, word, optopt, err);
    if (answer == ':')
        return cdul_fail(err, CDUL_ERR_USAGE, "option --%s needs an argument: --%s %s",
                         option->name, option->name, cdul_option_argument(option));
    return cdul_fail(err, CDUL_ERR_USAGE, "option --%s%s takes no argument: %s",
                     negated ? "no-" : "", option->name, word);
}

/* Scans until the end of the options or the first request for help. */
static cdul_status scan_words(scan *s, int argc, char **argv, common_fields *common,
                              cdul_error *err) {
    optind = 0; /* GNU: start afresh, so that a second call in one process works */
    opterr = 0;
    for (;;) {
        int val = getopt_long(argc, argv, s->shorts, s->longs, NULL);
        if (val == -1) return CDUL_OK;
        if (val == ':' || val == '?') return fail_scan(s, val, argv[optind - 1], err);
        occurrence found = {.value = optarg};
        found.option = by_val(s, val, &found.negated);
        if (strcmp(found.option->name, "help") == 0) common->help = true;
        if (common->help) return CDUL_OK;
        cdul_status status = add_occurrence(s, found, err);
        if (status != CDUL_OK) return status;
    }
}

/* --- Storing --- */

static cdul_status store_common(cdul_parsed *parsed, common_fields *fields, const occurrence *found,
                                cdul_error *err) {
    const cdul_option *option = found->option;
    char where[80];
    snprintf(where, sizeof where, "--%s", option->name);
    /* The last of -v and -q wins. */
    if (option->offset == COMMON(verbose)) fields->quiet = false;
    if (option->offset == COMMON(quiet)) fields->verbose = false;
    return cdul_option_store_text(parsed, option, (char *)fields + option->offset,
                                  found->value ? found->value : "true", where, err);
}

static cdul_status store_own(cdul_parsed *parsed, const occurrence *found, cdul_error *err) {
    const cdul_option *option = found->option;
    size_t i = (size_t)(option - parsed->program->options);
    void *field = (char *)parsed->options + option->offset;
    char where[80];
    snprintf(where, sizeof where, "--%s", option->name);
    if (option->type == CDUL_OPTION_STRINGS && !parsed->appending[i]) {
        cdul_strings_free(field);
        parsed->appending[i] = true;
    }
    parsed->given[i] = true;
    const char *flag = found->negated ? "false" : "true";
    return cdul_option_store_text(parsed, option, field, found->value ? found->value : flag, where,
                                  err);
}

/* Config files in order, then --set and the program's options as they stand. */
static cdul_status store_all(cdul_parsed *parsed, const cdul_program *const *all, const scan *s,
                             common_fields *fields, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < s->n_found; i++)
        if (is_common(s->found[i].option)) status = store_common(parsed, fields, &s->found[i], err);
    for (size_t i = 0; status == CDUL_OK && i < fields->config.count; i++)
        status = cdul_config_read(parsed, all, fields->config.items[i], err);
    for (size_t i = 0; status == CDUL_OK && i < s->n_found; i++) {
        const occurrence *found = &s->found[i];
        if (!is_common(found->option))
            status = store_own(parsed, found, err);
        else if (found->option->offset == COMMON(set))
            status = cdul_config_set(parsed, all, found->value, err);
    }
    return status;
}

static cdul_status store_defaults(cdul_parsed *parsed, common_fields *fields, cdul_error *err) {
    memset(parsed->options, 0, parsed->program->options_size);
    cdul_status status = CDUL_OK;
    for (const cdul_option *o = parsed->program->options; status == CDUL_OK && o->name; o++)
        status = cdul_option_store_default(parsed, o, (char *)parsed->options + o->offset, err);
    for (const cdul_option *o = cdul_common_options; status == CDUL_OK && o->name; o++)
        status = cdul_option_store_default(parsed, o, (char *)fields + o->offset, err);
    return status;
}

/* --- The whole --- */

/* Processors that this process may use, which in a container or under taskset are fewer than the
 * machine's. */
static size_t usable_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (size_t)n : 1;
}

static void write_generated(const cdul_program *program, int what, FILE *out) {
    switch (what) {
    case GENERATE_MAN:
        cdul_options_write_man(program, out);
        break;
    case GENERATE_BASH:
        cdul_options_write_bash(program, out);
        break;
    case GENERATE_ZSH:
        cdul_options_write_zsh(program, out);
        break;
    case GENERATE_FISH:
        cdul_options_write_fish(program, out);
        break;
    default:
        break;
    }
}

/* Answers --help, --version, --generate or --print-config. */
static cdul_status answer(const cdul_parsed *parsed, const common_fields *fields, FILE *out,
                          bool *done, cdul_error *err) {
    const cdul_program *program = parsed->program;
    *done = true;
    if (fields->help) {
        cdul_options_write_help(program, out);
    } else if (fields->version) {
        return cdul_options_write_version(program, parsed->options, out, err);
    } else if (fields->generate != CDUL_CHOICE_NONE) {
        write_generated(program, fields->generate, out);
    } else if (fields->print_config) {
        char *text = cdul_options_json(program, parsed->options);
        if (!text) return cdul_fail_memory(err, "--print-config");
        fprintf(out, "%s\n", text);
        free(text);
    } else {
        *done = false;
    }
    return CDUL_OK;
}

static cdul_status parsed_new(const cdul_program *program, void *options, cdul_common *common,
                              cdul_parsed **out, cdul_error *err) {
    cdul_parsed *parsed = calloc(1, sizeof *parsed);
    if (!parsed) return cdul_fail_memory(err, "options");
    *parsed = (cdul_parsed){.program = program, .options = options, .common = common};
    size_t n = cdul_options_count(program->options) + 1;
    parsed->given = calloc(n, sizeof *parsed->given);
    parsed->appending = calloc(n, sizeof *parsed->appending);
    *out = parsed;
    return parsed->given && parsed->appending ? CDUL_OK : cdul_fail_memory(err, "options");
}

static cdul_status fill_common(cdul_common *common, const common_fields *fields, int argc,
                               char **argv, cdul_error *err) {
    common->level = fields->quiet ? CDUL_QUIET : fields->verbose ? CDUL_VERBOSE : CDUL_NORMAL;
    common->progress = (cdul_progress_mode)fields->progress;
    common->threads =
        fields->threads == CDUL_INT_NONE ? usable_processors() : (size_t)fields->threads;
    cdul_status status = CDUL_OK;
    for (int i = optind; status == CDUL_OK && i < argc; i++)
        status = cdul_strings_add(&common->positional, argv[i], err);
    return status;
}

cdul_status cdul_options_parse(const cdul_program *program, const cdul_program *const *all,
                               int argc, char **argv, FILE *out, void *options, cdul_common *common,
                               cdul_parsed **parsed, bool *done, cdul_error *err) {
    scan s = {0};
    common_fields fields = {0};
    *parsed = NULL;
    *done = false;
    *common = (cdul_common){0};
    memset(options, 0, program->options_size);
    cdul_status status = parsed_new(program, options, common, parsed, err);
    if (status == CDUL_OK) status = store_defaults(*parsed, &fields, err);
    if (status == CDUL_OK) status = scan_tables(&s, program, err);
    if (status == CDUL_OK) status = scan_words(&s, argc, argv, &fields, err);
    if (status == CDUL_OK && !fields.help) status = store_all(*parsed, all, &s, &fields, err);
    if (status == CDUL_OK) status = fill_common(common, &fields, argc, argv, err);
    if (status == CDUL_OK) status = answer(*parsed, &fields, out, done, err);
    if (status != CDUL_OK) {
        cdul_parsed_free(*parsed);
        *parsed = NULL;
    }
    cdul_strings_free(&fields.config);
    cdul_strings_free(&fields.set);
    scan_free(&s);
    return status;
}

bool cdul_options_given(const cdul_parsed *parsed, const char *name) {
    const cdul_option *options = parsed->program->options;
    for (size_t i = 0; options[i].name; i++)
        if (strcmp(options[i].name, name) == 0) return parsed->given[i];
    return false;
}

void cdul_parsed_free(cdul_parsed *parsed) {
    if (!parsed) return;
    for (const cdul_option *option = parsed->program->options; option->name; option++)
        if (option->type == CDUL_OPTION_STRINGS)
            cdul_strings_free((cdul_strings *)((char *)parsed->options + option->offset));
    cdul_strings_free(&parsed->common->positional);
    cdul_strings_free(&parsed->texts);
    free(parsed->given);
    free(parsed->appending);
    free(parsed);
}

int cdul_exit_code(cdul_status status) {
    switch (status) {
    case CDUL_OK:
        return 0;
    case CDUL_ERR_USAGE:
        return 2;
    case CDUL_ERR_CANCELLED:
        return 130;
    case CDUL_ERR_INPUT:
    case CDUL_ERR_IO:
    case CDUL_ERR_MEMORY:
    case CDUL_ERR_RUNTIME:
        break;
    }
    return 1;
}
