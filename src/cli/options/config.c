/* Options from config files and from --set. */
#include "value.h"

#include "cdul/file.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* --- Values --- */

static void *new_options(const cdul_program *program) {
    void *options = calloc(1, program->options_size);
    if (options && program->defaults) program->defaults(options);
    return options;
}

cdul_status cdul_values_new(const cdul_program *program, cdul_values *out, cdul_error *err) {
    *out = (cdul_values){
        .program = program,
        .options = new_options(program),
        .defaults = new_options(program),
        .marks = calloc(cdul_options_count(program->options) + 1, sizeof *out->marks),
    };
    return out->options && out->defaults && out->marks ? CDUL_OK : cdul_fail_memory(err, "options");
}

void cdul_values_free(cdul_values *values) {
    for (const cdul_option *option = values->program->options; option->name; option++)
        if (option->type == CDUL_OPTION_STRINGS && values->options)
            cdul_strings_free((cdul_strings *)((char *)values->options + option->offset));
    cdul_strings_free(&values->texts);
    free(values->options);
    free(values->defaults);
    free(values->marks);
}

static void *field_of(const cdul_values *values, const cdul_option *option) {
    return (char *)values->options + option->offset;
}

static struct cdul_value_mark *mark_of(const cdul_values *values, const cdul_option *option) {
    return &values->marks[option - values->program->options];
}

cdul_status cdul_values_give(cdul_values *values, const cdul_option *option, const char *text,
                             const char *where, cdul_error *err) {
    struct cdul_value_mark *mark = mark_of(values, option);
    if (option->type == CDUL_OPTION_STRINGS && !mark->listed)
        cdul_strings_free(field_of(values, option));
    *mark = (struct cdul_value_mark){.given = true, .listed = true};
    return cdul_value_set_text(option, field_of(values, option), text, &values->texts, where, err);
}

/* --- Names in a config --- */

static cdul_values *find_section(cdul_values *all, const char *section) {
    for (; all->program; all++)
        if (strcmp(all->program->section, section) == 0) return all;
    return NULL;
}

static const cdul_option *find_key(const cdul_program *program, const char *key) {
    for (const cdul_option *option = program->options; option->name; option++) {
        char name[64];
        cdul_option_key(option->name, name, sizeof name);
        if (strcmp(name, key) == 0) return option;
    }
    return NULL;
}

static cdul_status fail_section(const cdul_values *all, const char *where, const char *section,
                                cdul_error *err) {
    const char *names[16];
    char list[200] = "";
    size_t n = 0;
    for (; all[n].program && n < 16; n++) {
        names[n] = all[n].program->section;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
    }
    const char *near = cdul_strings_nearest(section, names, n);
    return cdul_fail(err, CDUL_ERR_USAGE, "%s: unknown section \"%s\"; %s%s%s", where, section,
                     near ? "did you mean \"" : "there are ", near ? near : list,
                     near ? "\"?" : "");
}

static cdul_status fail_key(const cdul_program *program, const char *where, const char *key,
                            cdul_error *err) {
    cdul_strings keys = {0};
    for (const cdul_option *option = program->options; option->name; option++) {
        char name[64];
        cdul_option_key(option->name, name, sizeof name);
        if (!option->command_only && cdul_strings_add(&keys, name, NULL) != CDUL_OK) break;
    }
    const char *near = cdul_strings_nearest(key, (const char *const *)keys.items, keys.count);
    cdul_status status = cdul_fail(err, CDUL_ERR_USAGE, "%s: unknown key \"%s.%s\"%s%s%s%s%s",
                                   where, program->section, key, near ? "; did you mean \"" : "",
                                   near ? program->section : "", near ? "." : "", near ? near : "",
                                   near ? "\"?" : " (see --print-config for all keys)");
    cdul_strings_free(&keys);
    return status;
}

/* --- One key --- */

/* Whether an option may be null: by default it holds nothing chosen, as cdul_option_type says, a
 * flag false and a list nothing. */
static bool none_by_default(const cdul_values *values, const cdul_option *option) {
    const void *field = (const char *)values->defaults + option->offset;
    char room[CDUL_VALUE_ROOM];
    if (!values->program->defaults) return true;
    return option->type == CDUL_OPTION_FLAG ? !*(const bool *)field
                                            : !cdul_value_text(option, field, room);
}

static cdul_status set_json(cdul_values *values, const cdul_option *option, const cJSON *json,
                            const char *where, cdul_error *err) {
    void *field = field_of(values, option);
    *mark_of(values, option) = (struct cdul_value_mark){.given = true};
    if (!cJSON_IsNull(json) || !none_by_default(values, option))
        return cdul_value_set_json(option, field, json, &values->texts, where, err);
    if (option->type == CDUL_OPTION_STRINGS)
        cdul_strings_free(field);
    else
        memcpy(field, (const char *)values->defaults + option->offset, option->size);
    return CDUL_OK;
}

/* --set takes the text as it stands, and replaces a list, which may also be given as JSON. */
static cdul_status set_text(cdul_values *values, const cdul_option *option, const char *text,
                            const char *where, cdul_error *err) {
    const cJSON null = {.type = cJSON_NULL};
    struct cdul_value_mark *mark = mark_of(values, option);
    cJSON *json = NULL;
    cdul_status status = CDUL_OK;
    if (strcmp(text, "null") == 0 && none_by_default(values, option)) {
        status = set_json(values, option, &null, where, err);
    } else if (option->type == CDUL_OPTION_STRINGS && text[0] == '[') {
        status = cdul_json_parse(text, strlen(text), where, &json, err);
        if (status == CDUL_OK) status = set_json(values, option, json, where, err);
        cJSON_Delete(json);
    } else {
        mark->listed = false;
        status = cdul_values_give(values, option, text, where, err);
    }
    *mark = (struct cdul_value_mark){.given = true, .listed = true};
    return status == CDUL_ERR_INPUT ? CDUL_ERR_USAGE : status;
}

/* From `json`, or from the `text` after "--set key=". */
static cdul_status set_key(cdul_values *values, const char *key, const cJSON *json,
                           const char *text, const char *where, cdul_error *err) {
    const cdul_program *program = values->program;
    const cdul_option *option = find_key(program, key);
    if (!option) return fail_key(program, where, key, err);
    if (option->command_only)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: \"%s.%s\" is not a config key; give --%s to %s",
                         where, program->section, key, option->name, program->name);
    char place[160];
    snprintf(place, sizeof place, "%s%s.%s", json ? "" : "--set ", program->section, key);
    if (!json) return set_text(values, option, text, place, err);
    cdul_status status = set_json(values, option, json, place, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s", where);
    return status;
}

/* --- Files and --set --- */

static cdul_status read_sections(cdul_values *all, const char *section, const cJSON *root,
                                 const char *path, cdul_error *err) {
    if (!cJSON_IsObject(root))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: a config is an object of sections, such as {\"%s\": {...}}", path,
                         section);
    cdul_status status = CDUL_OK;
    for (const cJSON *item = root->child; status == CDUL_OK && item; item = item->next) {
        cdul_values *values = find_section(all, item->string);
        bool description = strcmp(item->string, "description") == 0; /* JSON has no comments */
        if (!values && !description)
            status = fail_section(all, path, item->string, err);
        else if (description && !cJSON_IsString(item))
            status = cdul_fail(err, CDUL_ERR_USAGE, "%s: \"description\" must be a string", path);
        else if (values && !cJSON_IsObject(item))
            status = cdul_fail(err, CDUL_ERR_USAGE, "%s: \"%s\" must be an object of keys", path,
                               item->string);
        const cJSON *key = values ? item->child : NULL;
        for (; status == CDUL_OK && key; key = key->next)
            status = set_key(values, key->string, key, NULL, path, err);
    }
    return status;
}

cdul_status cdul_config_read(cdul_values *all, const char *section, const char *path,
                             cdul_error *err) {
    cJSON *root = NULL;
    char *text = NULL;
    size_t size = 0;
    cdul_status status = cdul_file_read_all(path, &text, &size, err); /* perhaps a pipe */
    if (status == CDUL_OK) status = cdul_json_parse(text, size, path, &root, err);
    if (status == CDUL_OK) status = read_sections(all, section, root, path, err);
    cJSON_Delete(root);
    free(text);
    return status == CDUL_ERR_INPUT ? CDUL_ERR_USAGE : status;
}

cdul_status cdul_config_set(cdul_values *all, const char *section, const char *text,
                            cdul_error *err) {
    const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
    if (!equals || !dot || dot > equals)
        return cdul_fail(err, CDUL_ERR_USAGE, "--set %s: expected section.key=value, such as %s.%s",
                         text, section, equals ? text : "key=value");
    char name[64], key[64];
    snprintf(name, sizeof name, "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    cdul_values *values = find_section(all, name);
    if (!values) return fail_section(all, "--set", name, err);
    return set_key(values, key, NULL, equals + 1, "--set", err);
}
