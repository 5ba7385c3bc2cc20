/* Parses JSON with cJSON, and refuses what cJSON lets pass; writes it; reads members by type. */
#include "base/json.h"

#include "base/file.h"
#include "base/map.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Parsing --- */

static size_t line_of(const char *text, const char *position) {
    size_t line = 1;
    for (const char *c = text; (c = memchr(c, '\n', (size_t)(position - c))) != NULL; c++) line++;
    return line;
}

/* Two bytes of text may be a value, for which cJSON takes 64 bytes and more. */
#define MAX_VALUES ((size_t)1 << 24)

/* Refuses what cJSON would not report: a NUL byte or \u0000, which cuts a string short, and more
 * values than fit in memory. Each value but the first stands behind a comma or a bracket. */
static cdul_status check_text(const char *text, size_t size, const char *where, cdul_error *err) {
    size_t values = 1;
    bool inside = false; /* of a string */
    for (size_t i = 0; i < size; i++) {
        const bool escape = text[i] == '\\';
        if (!text[i] || (escape && size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: a NUL character is not allowed",
                             where, line_of(text, text + i));
        if (text[i] == '"')
            inside = !inside;
        else if (escape)
            i++;
        else
            values += !inside && (text[i] == ',' || text[i] == '[' || text[i] == '{');
    }
    return values <= MAX_VALUES ? CDUL_OK
                                : cdul_fail(err, CDUL_ERR_INPUT, "%s: JSON of more than %zu values",
                                            where, MAX_VALUES);
}

/* Sorts, so that a million keys do not cost a million squared. */
static cdul_status check_keys(const cJSON *object, const char *where, cdul_error *err) {
    cdul_strings keys = {0}; /* borrowed from the object: only `items` itself is freed */
    cdul_status status = CDUL_OK;
    for (const cJSON *member = object->child; member && status == CDUL_OK; member = member->next) {
        status = cdul_grow(&keys.items, keys.count + 1, &keys.capacity, sizeof(char *), where, err);
        if (status == CDUL_OK) keys.items[keys.count++] = member->string;
    }
    cdul_strings_sort(&keys);
    for (size_t i = 1; i < keys.count && status == CDUL_OK; i++)
        if (strcmp(keys.items[i - 1], keys.items[i]) == 0)
            status =
                cdul_fail(err, CDUL_ERR_INPUT, "%s: key \"%s\" occurs twice", where, keys.items[i]);
    free(keys.items);
    return status;
}

/* Refuses keys that occur twice, and 1e999, which strtod reads as infinity. cJSON itself bounds the
 * depth of the recursion (CJSON_NESTING_LIMIT). */
static cdul_status check_values(const cJSON *json, const char *where, cdul_error *err) {
    if (cJSON_IsNumber(json) && !isfinite(json->valuedouble))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: the number is not finite or too large",
                         where, json->string ? json->string : "an element");
    cdul_status status = cJSON_IsObject(json) ? check_keys(json, where, err) : CDUL_OK;
    for (const cJSON *child = json->child; child && status == CDUL_OK; child = child->next)
        status = check_values(child, where, err);
    return status;
}

cdul_status cdul_json_parse(const char *text, size_t size, const char *where, cJSON **out,
                            cdul_error *err) {
    if (size == 0) return cdul_fail(err, CDUL_ERR_INPUT, "%s: is empty; expected JSON", where);
    cdul_status status = check_text(text, size, where, err);
    if (status != CDUL_OK) return status;
    /* The copy ends in NUL: cJSON before 1.7.18 reads a byte too far in text that is cut off. */
    char *copy = strndup(text, size);
    if (!copy) return cdul_fail_memory(err, where);
    const char *end = copy;
    errno = 0; /* only this tells a lack of memory from bad JSON */
    cJSON *json = cJSON_ParseWithLengthOpts(copy, size, &end, false);
    bool no_memory = !json && errno == ENOMEM;
    end = text + (end - copy);
    free(copy);
    if (no_memory) return cdul_fail_memory(err, where);
    while (json && end < text + size && strchr(" \t\r\n", *end)) end++;
    if (json && end == text + size) {
        status = check_values(json, where, err);
    } else {
        int shown = (int)(text + size - end < 20 ? text + size - end : 20);
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: not JSON here: %.*s", where,
                           line_of(text, end), shown, end);
    }
    if (status == CDUL_OK)
        *out = json;
    else
        cJSON_Delete(json);
    return status;
}

cdul_status cdul_json_read(const char *path, cJSON **out, cdul_error *err) {
    char *text = NULL;
    size_t size;
    cdul_status status = cdul_file_read_regular(path, &text, &size, err);
    if (status == CDUL_OK) status = cdul_json_parse(text, size, path, out, err);
    free(text);
    return status;
}

/* --- Writing --- */

cdul_status cdul_json_write(const char *path, const cJSON *json, cdul_error *err) {
    /* cJSON would write NaN as null without a word, and repeat a key. */
    cdul_status status = check_values(json, path, err);
    if (status != CDUL_OK) return status;
    cdul_file *file = NULL;
    char *text = cJSON_Print(json);
    status = text ? cdul_file_create(path, &file, err) : cdul_fail_memory(err, path);
    if (status == CDUL_OK) {
        fprintf(cdul_file_stream(file), "%s\n", text);
        status = cdul_file_commit(&file, err);
    }
    cJSON_free(text);
    return status;
}

void cdul_json_write_string(FILE *stream, const char *text, bool in_script) {
    static const char escapes[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    fputc('"', stream);
    for (size_t n; *text; text += n ? n : 1) {
        n = in_script ? cdul_utf8_char(text, 4) : 1;
        const char *escape = strchr(escapes, *text);
        if (n == 0)
            fputs(CDUL_UTF8_REPLACEMENT, stream);
        else if (escape && !in_script)
            fprintf(stream, "\\%c", letters[escape - escapes]);
        else if (escape || (unsigned char)*text < 0x20 || (in_script && strchr("<>&\x7f", *text)))
            fprintf(stream, "\\u%04x", (unsigned)*text);
        else
            fwrite(text, 1, n, stream);
    }
    fputc('"', stream);
}

/* --- Typed members --- */

typedef cJSON_bool is_type(const cJSON *item);

/* *out: the member, or NULL, which without `found` is an error. */
static cdul_status member(const cJSON *object, const char *key, const char *where, bool *found,
                          is_type *matches, const char *type, const cJSON **out, cdul_error *err) {
    *out = NULL;
    if (!cJSON_IsObject(object))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: expected an object with \"%s\"", where, key);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (found) *found = item != NULL;
    if (!item && !found) return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: missing", where, key);
    if (item && !matches(item))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: expected %s", where, key, type);
    *out = item;
    return CDUL_OK;
}

cdul_status cdul_json_number(const cJSON *object, const char *key, const char *where, double *out,
                             bool *found, cdul_error *err) {
    const cJSON *item;
    cdul_status status = member(object, key, where, found, cJSON_IsNumber, "a number", &item, err);
    if (item) *out = item->valuedouble;
    return status;
}

cdul_status cdul_json_bool(const cJSON *object, const char *key, const char *where, bool *out,
                           bool *found, cdul_error *err) {
    const cJSON *item;
    cdul_status status =
        member(object, key, where, found, cJSON_IsBool, "true or false", &item, err);
    if (item) *out = cJSON_IsTrue(item);
    return status;
}

cdul_status cdul_json_string(const cJSON *object, const char *key, const char *where,
                             const char **out, bool *found, cdul_error *err) {
    const cJSON *item;
    cdul_status status = member(object, key, where, found, cJSON_IsString, "a string", &item, err);
    if (item) *out = item->valuestring;
    return status;
}

cdul_status cdul_json_numbers(const cJSON *list, const char *name, const char *where, size_t count,
                              float *out, cdul_error *err) {
    if (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != count)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: expected a list of %zu numbers", where, name,
                         count);
    const cJSON *item = list->child;
    for (size_t i = 0; i < count; i++, item = item->next) {
        out[i] = (float)item->valuedouble;
        if (!cJSON_IsNumber(item) || !isfinite(out[i]))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: item %zu is not a number", where, name,
                             i);
    }
    return CDUL_OK;
}

/* --- Lists of strings --- */

cdul_status cdul_json_to_strings(const char *text, size_t size, const char *where,
                                 cdul_strings *out, cdul_error *err) {
    cJSON *json = NULL;
    cdul_strings list = {0};
    cdul_status status = cdul_json_parse(text, size, where, &json, err);
    if (status == CDUL_OK && !cJSON_IsArray(json))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: expected a list of strings", where);
    const cJSON *item = json ? json->child : NULL;
    for (size_t i = 1; item && status == CDUL_OK; item = item->next, i++)
        status = cJSON_IsString(item)
                     ? cdul_strings_add(&list, item->valuestring, err)
                     : cdul_fail(err, CDUL_ERR_INPUT, "%s: entry %zu: expected a string", where, i);
    cJSON_Delete(json);
    if (status == CDUL_OK) {
        cdul_strings_free(out);
        *out = list;
    } else {
        cdul_strings_free(&list);
    }
    return status;
}

cdul_status cdul_json_from_strings(const cdul_strings *list, char **out, cdul_error *err) {
    const char *const *items = (const char *const *)list->items;
    cJSON *json = items ? cJSON_CreateStringArray(items, (int)list->count) : cJSON_CreateArray();
    *out = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return *out ? CDUL_OK : cdul_fail_memory(err, "list of strings");
}
