/* Values of options: text and JSON to fields and back. */
#include "value.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Numbers, the same in every locale --- */

#define DIGITS "0123456789"

/* False if `text` is not a finite decimal number, or there is no memory for a locale. With these
 * characters alone strtod finds no hex, nan, inf or spaces. */
static bool parse_real(const char *text, double *out) {
    char *end;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    *out = strtod_l(text, &end, plain);
    freelocale(plain);
    return end != text && !*end && !text[strspn(text, DIGITS "+-.eE")] && isfinite(*out);
}

/* "1e-05" -> "1e-5", "1e+20" -> "1e20". */
static void shorten_exponent(char *text) {
    char *from = strchr(text, 'e'), *to = from;
    if (!from) return;
    *to++ = *from++;
    if (*from == '-') *to++ = *from;
    from++;
    while (*from == '0') from++;
    memmove(to, from, strlen(from) + 1);
}

/* The shortest decimal text that reads back as the same double, with a point in every locale. */
static void format_real(double value, char *out, size_t size) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, value);
        /* The only locale-dependent character of %g is the decimal point. */
        for (char *at = out; *at; at++)
            if (!strchr(DIGITS "+-e", *at)) *at = '.';
        double back;
        if (!parse_real(out, &back) || back != value) continue;
        shorten_exponent(out);
        return;
    }
}

/* --- Fields of unsigned numbers and enums --- */

static uint64_t load(const cdul_option *option, const void *field) {
    if (option->size == sizeof(uint64_t)) return *(const uint64_t *)field;
    return option->size == sizeof(uint32_t) ? *(const uint32_t *)field : *(const bool *)field;
}

static void store(const cdul_option *option, void *field, uint64_t value) {
    if (option->size == sizeof(uint64_t))
        *(uint64_t *)field = value;
    else if (option->size == sizeof(uint32_t))
        *(uint32_t *)field = (uint32_t)value;
    else
        *(bool *)field = value != 0;
}

static const char *choice_word(const cdul_option *option, uint64_t choice) {
    size_t n = 0;
    while (option->choices[n] && n < choice) n++;
    return n == choice ? option->choices[n] : NULL;
}

/* --- Mistakes --- */

void cdul_value_range(const cdul_option *option, char *out, size_t size) {
    bool whole = option->type == CDUL_OPTION_SIZE, has_low = isfinite(option->minimum);
    bool has_high = isfinite(option->maximum) && !(whole && option->maximum >= CDUL_MAX_WHOLE);
    char low[CDUL_VALUE_ROOM], high[CDUL_VALUE_ROOM];
    out[0] = '\0';
    format_real(option->minimum, low, sizeof low);
    format_real(option->maximum, high, sizeof high);
    if (has_low && has_high) snprintf(out, size, "%s to %s", low, high);
    if (has_low && !has_high) snprintf(out, size, "at least %s", low);
    if (!has_low && has_high) snprintf(out, size, "at most %s", high);
}

static cdul_status fail_number(const cdul_option *option, const char *where, const char *got,
                               cdul_error *err) {
    char range[100];
    cdul_value_range(option, range, sizeof range);
    return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected a %s%s%s, not %s", where,
                     option->type == CDUL_OPTION_SIZE ? "whole number" : "number",
                     range[0] ? ", " : "", range, got);
}

static cdul_status fail_choice(const cdul_option *option, const char *where, const char *text,
                               cdul_error *err) {
    char list[400] = "";
    size_t n = 0;
    for (; option->choices[n]; n++) {
        size_t used = strlen(list);
        const char *comma = n == 0 ? "" : option->choices[n + 1] ? ", " : " or ";
        snprintf(list + used, sizeof list - used, "%s%s", comma, option->choices[n]);
    }
    const char *near = cdul_strings_nearest(text, option->choices, n);
    return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected %s, not \"%s\"%s%s%s", where, list, text,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* --- Into fields --- */

static cdul_status set_number(const cdul_option *option, void *field, double value,
                              const char *where, const char *got, cdul_error *err) {
    bool whole = option->type == CDUL_OPTION_SIZE;
    if (!(value >= option->minimum && value <= option->maximum) ||
        (whole && (value != floor(value) || value > CDUL_MAX_WHOLE)))
        return fail_number(option, where, got, err);
    if (whole)
        store(option, field, (uint64_t)value);
    else
        *(double *)field = value;
    return CDUL_OK;
}

static cdul_status set_choice(const cdul_option *option, void *field, const char *text,
                              const char *where, cdul_error *err) {
    for (size_t i = 0; option->choices[i]; i++)
        if (strcmp(option->choices[i], text) == 0) {
            store(option, field, i);
            return CDUL_OK;
        }
    return fail_choice(option, where, text, err);
}

static cdul_status set_colour(uint8_t *field, const char *text, const char *where,
                              cdul_error *err) {
    if (strlen(text) != 6 || strspn(text, DIGITS "abcdefABCDEF") != 6)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: expected six hexadecimal digits, as in ffffff, not \"%s\"", where,
                         text);
    unsigned long colour = strtoul(text, NULL, 16);
    for (size_t i = 0; i < 3; i++) field[i] = (uint8_t)(colour >> (16 - 8 * i));
    return CDUL_OK;
}

cdul_status cdul_value_set_text(const cdul_option *option, void *field, const char *text,
                                cdul_strings *texts, const char *where, cdul_error *err) {
    char quoted[200];
    double value;
    cdul_status status = CDUL_OK;
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected true or false, not \"%s\"", where,
                             text);
        *(bool *)field = text[0] == 't';
        return CDUL_OK;
    case CDUL_OPTION_SIZE:
    case CDUL_OPTION_REAL:
        snprintf(quoted, sizeof quoted, "\"%s\"", text);
        if ((option->type == CDUL_OPTION_SIZE && strpbrk(text, ".eE")) || !parse_real(text, &value))
            return fail_number(option, where, quoted, err);
        return set_number(option, field, value, where, quoted, err);
    case CDUL_OPTION_STRING:
        status = cdul_strings_add(texts, text, err);
        if (status == CDUL_OK) *(const char **)field = texts->items[texts->count - 1];
        return status;
    case CDUL_OPTION_STRINGS:
        return cdul_strings_add(field, text, err);
    case CDUL_OPTION_COLOUR:
        return set_colour(field, text, where, err);
    case CDUL_OPTION_CHOICE:
        break;
    }
    return set_choice(option, field, text, where, err);
}

static cdul_status set_list(cdul_strings *field, const cJSON *json, const char *where,
                            cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = CDUL_OK;
    if (cJSON_IsString(json)) status = cdul_strings_add(&list, json->valuestring, err);
    const cJSON *item = cJSON_IsArray(json) ? json->child : NULL;
    for (; status == CDUL_OK && item; item = item->next)
        status = cJSON_IsString(item)
                     ? cdul_strings_add(&list, item->valuestring, err)
                     : cdul_fail(err, CDUL_ERR_USAGE, "%s: expected a list of strings", where);
    cdul_strings_free(status == CDUL_OK ? field : &list);
    if (status == CDUL_OK) *field = list;
    return status;
}

static const char *json_kind(const cJSON *json) {
    return cJSON_IsBool(json)     ? "true or false"
           : cJSON_IsNumber(json) ? "a number"
           : cJSON_IsString(json) ? "a string"
           : cJSON_IsArray(json)  ? "a list"
           : cJSON_IsObject(json) ? "an object"
                                  : "null";
}

cdul_status cdul_value_set_json(const cdul_option *option, void *field, const cJSON *json,
                                cdul_strings *texts, const char *where, cdul_error *err) {
    char number[CDUL_VALUE_ROOM];
    const char *wanted = "a string";
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        wanted = "true or false";
        if (!cJSON_IsBool(json)) break;
        *(bool *)field = cJSON_IsTrue(json);
        return CDUL_OK;
    case CDUL_OPTION_SIZE:
    case CDUL_OPTION_REAL:
        wanted = "a number";
        if (!cJSON_IsNumber(json)) break;
        format_real(json->valuedouble, number, sizeof number);
        return set_number(option, field, json->valuedouble, where, number, err);
    case CDUL_OPTION_STRINGS:
        wanted = "a string or a list of strings";
        if (!cJSON_IsString(json) && !cJSON_IsArray(json)) break;
        return set_list(field, json, where, err);
    case CDUL_OPTION_STRING:
    case CDUL_OPTION_CHOICE:
    case CDUL_OPTION_COLOUR:
        if (!cJSON_IsString(json)) break;
        return cdul_value_set_text(option, field, json->valuestring, texts, where, err);
    }
    return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected %s, not %s", where, wanted,
                     json_kind(json));
}

/* --- Out of fields --- */

const char *cdul_value_text(const cdul_option *option, const void *field,
                            char room[CDUL_VALUE_ROOM]) {
    const uint8_t *colour = field;
    uint64_t whole;
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        return *(const bool *)field ? "true" : "false";
    case CDUL_OPTION_SIZE:
        whole = load(option, field);
        snprintf(room, CDUL_VALUE_ROOM, "%" PRIu64, whole);
        return (double)whole < option->minimum ? NULL : room;
    case CDUL_OPTION_REAL:
        format_real(*(const double *)field, room, CDUL_VALUE_ROOM);
        return isnan(*(const double *)field) ? NULL : room;
    case CDUL_OPTION_STRING:
        return *(const char *const *)field;
    case CDUL_OPTION_CHOICE:
        return choice_word(option, load(option, field));
    case CDUL_OPTION_COLOUR:
        snprintf(room, CDUL_VALUE_ROOM, "%02x%02x%02x", colour[0], colour[1], colour[2]);
        return room;
    case CDUL_OPTION_STRINGS:
        break;
    }
    return NULL;
}

bool cdul_value_equal(const cdul_option *option, const void *a, const void *b) {
    char room_a[CDUL_VALUE_ROOM], room_b[CDUL_VALUE_ROOM];
    if (option->type == CDUL_OPTION_STRINGS) return cdul_strings_equal(a, b);
    const char *text_a = cdul_value_text(option, a, room_a);
    const char *text_b = cdul_value_text(option, b, room_b);
    return text_a && text_b ? strcmp(text_a, text_b) == 0 : !text_a && !text_b;
}

bool cdul_value_write_json(const cdul_option *option, const void *field, FILE *out) {
    char room[CDUL_VALUE_ROOM];
    const cdul_strings *list = field;
    const char *text = cdul_value_text(option, field, room);
    bool bare = option->type == CDUL_OPTION_FLAG || option->type == CDUL_OPTION_SIZE ||
                option->type == CDUL_OPTION_REAL;
    cJSON *json = NULL;
    if (option->type != CDUL_OPTION_STRINGS)
        json = !text  ? cJSON_CreateNull()
               : bare ? cJSON_CreateRaw(text)
                      : cJSON_CreateStringReference(text);
    else if (list->count == 0)
        json = cJSON_CreateArray();
    else
        json = cJSON_CreateStringArray((const char *const *)list->items, (int)list->count);
    char *printed = json ? cJSON_PrintUnformatted(json) : NULL;
    if (printed) fputs(printed, out);
    cJSON_free(printed);
    cJSON_Delete(json);
    return printed != NULL;
}
