/* Options from config files and from --set. */
#include "base/file.h"
#include "base/json.h"
#include "cli/options/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One value out of a config: `json`, or the text after "--set key=". */
typedef struct source {
    const cJSON *json;
    const char *text;
} source;

static const cdul_program *find_program(const cdul_program *const *all, const char *section) {
    for (; *all; all++)
        if (strcmp((*all)->section, section) == 0) return *all;
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

static cdul_status fail_section(const cdul_program *const *all, const char *where,
                                const char *section, cdul_error *err) {
    const char *names[16];
    char list[200] = "";
    size_t n = 0;
    for (; all[n] && n < 16; n++) {
        names[n] = all[n]->section;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
    }
    const char *near = cdul_strings_nearest(section, names, n);
    return near ? cdul_fail(err, CDUL_ERR_USAGE, "%s: unknown section \"%s\"; did you mean \"%s\"?",
                            where, section, near)
                : cdul_fail(err, CDUL_ERR_USAGE, "%s: unknown section \"%s\"; there are %s", where,
                            section, list);
}

static cdul_status fail_key(const cdul_program *program, const char *where, const char *key,
                            cdul_error *err) {
    cdul_strings keys = {0};
    const char *near = NULL;
    for (const cdul_option *option = program->options; option->name; option++) {
        char name[64];
        cdul_option_key(option->name, name, sizeof name);
        if (!option->command_only && cdul_strings_add(&keys, name, NULL) != CDUL_OK) break;
    }
    near = cdul_strings_nearest(key, (const char *const *)keys.items, keys.count);
    cdul_status status = cdul_fail(err, CDUL_ERR_USAGE, "%s: unknown key \"%s.%s\"%s%s%s%s%s",
                                   where, program->section, key, near ? "; did you mean \"" : "",
                                   near ? program->section : "", near ? "." : "", near ? near : "",
                                   near ? "\"?" : " (see --print-config for all keys)");
    cdul_strings_free(&keys);
    return status;
}

/* --set takes the text for a string as it stands; a list may also be given as JSON. */
static cdul_status store_set(cdul_parsed *parsed, const cdul_option *option, void *field,
                             const char *text, const char *where, cdul_error *err) {
    if (strcmp(text, "null") == 0 && !option->fallback) {
        const cJSON null = {.type = cJSON_NULL};
        return cdul_option_store_json(parsed, option, field, &null, where, err);
    }
    if (option->type != CDUL_OPTION_STRINGS)
        return cdul_option_store_text(parsed, option, field, text, where, err);
    cJSON *json = NULL;
    cdul_status status = CDUL_OK;
    if (text[0] == '[')
        status = cdul_json_parse(text, strlen(text), where, &json, err);
    else if (!(json = cJSON_CreateString(text)))
        status = cdul_fail_memory(err, where);
    if (status == CDUL_ERR_INPUT) status = CDUL_ERR_USAGE;
    if (status == CDUL_OK) status = cdul_option_store_json(parsed, option, field, json, where, err);
    cJSON_Delete(json);
    return status;
}

/* Stores a value of this program's section; checks and forgets one of another's. */
static cdul_status store(cdul_parsed *parsed, const cdul_program *program,
                         const cdul_option *option, source value, const char *where,
                         cdul_error *err) {
    bool mine = strcmp(program->section, parsed->program->section) == 0;
    cdul_option_field scratch = {.strings = {0}};
    void *field = mine ? (void *)((char *)parsed->options + option->offset) : &scratch;
    cdul_status status = value.json
                             ? cdul_option_store_json(parsed, option, field, value.json, where, err)
                             : store_set(parsed, option, field, value.text, where, err);
    if (!mine && option->type == CDUL_OPTION_STRINGS) cdul_strings_free(&scratch.strings);
    if (mine && status == CDUL_OK) {
        size_t i = (size_t)(option - program->options);
        parsed->given[i] = true;
        parsed->appending[i] = value.text != NULL;
    }
    return status;
}

static cdul_status set_key(cdul_parsed *parsed, const cdul_program *program, const char *key,
                           source value, const char *where, cdul_error *err) {
    const cdul_option *option = find_key(program, key);
    if (!option) return fail_key(program, where, key, err);
    if (option->command_only)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: \"%s.%s\" is not a config key; give --%s to %s",
                         where, program->section, key, option->name, program->name);
    char place[160];
    snprintf(place, sizeof place, "%s%s.%s", value.json ? "" : "--set ", program->section, key);
    cdul_status status = store(parsed, program, option, value, place, err);
    if (status != CDUL_OK && value.json) cdul_error_prefix(err, "%s", where);
    return status;
}

static cdul_status read_section(cdul_parsed *parsed, const cdul_program *program,
                                const cJSON *section, const char *path, cdul_error *err) {
    if (!cJSON_IsObject(section))
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: \"%s\" must be an object of keys", path,
                         program->section);
    cdul_status status = CDUL_OK;
    const cJSON *item;
    cJSON_ArrayForEach(item, section) {
        if (status != CDUL_OK) break;
        status = set_key(parsed, program, item->string, (source){.json = item}, path, err);
    }
    return status;
}

static cdul_status read_sections(cdul_parsed *parsed, const cdul_program *const *all,
                                 const cJSON *root, const char *path, cdul_error *err) {
    if (!cJSON_IsObject(root))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: a config is an object of sections, such as {\"%s\": {...}}", path,
                         parsed->program->section);
    cdul_status status = CDUL_OK;
    const cJSON *item;
    cJSON_ArrayForEach(item, root) {
        if (status != CDUL_OK) break;
        if (strcmp(item->string, "description") == 0) { /* for people: JSON has no comments */
            if (!cJSON_IsString(item))
                status =
                    cdul_fail(err, CDUL_ERR_USAGE, "%s: \"description\" must be a string", path);
            continue;
        }
        const cdul_program *program = find_program(all, item->string);
        status = program ? read_section(parsed, program, item, path, err)
                         : fail_section(all, path, item->string, err);
    }
    return status;
}

cdul_status cdul_config_read(cdul_parsed *parsed, const cdul_program *const *all, const char *path,
                             cdul_error *err) {
    cJSON *root = NULL;
    char *text = NULL;
    size_t size = 0;
    cdul_status status = cdul_file_read_all(path, &text, &size, err); /* perhaps a pipe */
    if (status == CDUL_OK) status = cdul_json_parse(text, size, path, &root, err);
    if (status == CDUL_OK) status = read_sections(parsed, all, root, path, err);
    cJSON_Delete(root);
    free(text);
    return status == CDUL_ERR_INPUT ? CDUL_ERR_USAGE : status;
}

cdul_status cdul_config_set(cdul_parsed *parsed, const cdul_program *const *all, const char *text,
                            cdul_error *err) {
    const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
    if (!equals || !dot || dot > equals)
        return cdul_fail(err, CDUL_ERR_USAGE, "--set %s: expected section.key=value, such as %s.%s",
                         text, parsed->program->section, equals ? text : "key=value");
    char section[64], key[64];
    snprintf(section, sizeof section, "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    const cdul_program *program = find_program(all, section);
    if (!program) return fail_section(all, "--set", section, err);
    return set_key(parsed, program, key, (source){.text = equals + 1}, "--set", err);
}
