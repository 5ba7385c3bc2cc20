/* Values of options: parsed strictly from text and from JSON, and written back as JSON. */
#include "cli/options/internal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Numbers, the same in every locale --- */

static const char *skip_digits(const char *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

/* [+-] digits [. digits] [e [+-] digits], with at least one digit before the exponent: no hex, nan,
 * inf or trailing text, all of which strtod takes. */
static bool is_decimal(const char *text) {
    if (*text == '+' || *text == '-') text++;
    const char *end = skip_digits(text);
    size_t digits = (size_t)(end - text);
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        digits += (size_t)(end - fraction);
    }
    if (digits == 0) return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1;
        if (*exponent == '+' || *exponent == '-') exponent++;
        end = skip_digits(exponent);
        if (end == exponent) return false;
    }
    return *end == '\0';
}

static bool is_whole(const char *text) {
    if (*text == '+' || *text == '-') text++;
    const char *end = skip_digits(text);
    return end != text && *end == '\0';
}

/* False if `text` is not a finite decimal number, or there is no memory for a locale. */
static bool parse_real(const char *text, double *out) {
    if (!is_decimal(text)) return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    *out = strtod_l(text, NULL, plain);
    freelocale(plain);
    return isfinite(*out);
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

void cdul_real_format(double value, char *out, size_t size) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, value);
        /* The only locale-dependent character of %g is the decimal point. */
        for (char *at = out; *at; at++)
            if (!strchr("0123456789+-e", *at)) *at = '.';
        double back;
        if (!parse_real(out, &back) || back != value) continue;
        shorten_exponent(out);
        return;
    }
}

void cdul_option_range(const cdul_option *option, char *out, size_t size) {
    char low[40], high[40];
    cdul_real_format(option->minimum, low, sizeof low);
    cdul_real_format(option->maximum, high, sizeof high);
    bool has_low = isfinite(option->minimum), has_high = isfinite(option->maximum);
    if (option->type == CDUL_OPTION_INT) {
        snprintf(low, sizeof low, "%.0f", option->minimum);
        snprintf(high, sizeof high, "%.0f", option->maximum);
        has_low = option->minimum > -CDUL_MAX_INT;
        has_high = option->maximum < CDUL_MAX_INT;
    }
    if (has_low && has_high)
        snprintf(out, size, "%s to %s", low, high);
    else if (has_low)
        snprintf(out, size, "at least %s", low);
    else if (has_high)
        snprintf(out, size, "at most %s", high);
    else
        snprintf(out, size, "%s", "");
}

static cdul_status fail_number(const cdul_option *option, const char *where, const char *got,
                               cdul_error *err) {
    char range[100];
    cdul_option_range(option, range, sizeof range);
    return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected a %s%s%s, not %s", where,
                     option->type == CDUL_OPTION_INT ? "whole number" : "number",
                     range[0] ? ", " : "", range, got);
}

static cdul_status store_number(const cdul_option *option, void *field, double value,
                                const char *where, const char *got, cdul_error *err) {
    bool whole = option->type == CDUL_OPTION_INT;
    if (!(value >= option->minimum && value <= option->maximum) ||
        (whole && (value != floor(value) || fabs(value) > CDUL_MAX_INT)))
        return fail_number(option, where, got, err);
    if (whole)
        *(long long *)field = (long long)value;
    else
        *(double *)field = value;
    return CDUL_OK;
}

/* --- Choices --- */

cdul_status cdul_option_choices(const cdul_option *option, cdul_strings *out, cdul_error *err) {
    for (const char *at = option->choices;;) {
        size_t length = strcspn(at, "|");
        cdul_status status = cdul_strings_add_n(out, at, length, err);
        if (status != CDUL_OK || at[length] == '\0') return status;
        at += length + 1;
    }
}

static cdul_status store_choice(const cdul_option *option, int *field, const char *text,
                                const char *where, cdul_error *err) {
    cdul_strings choices = {0};
    cdul_status status = cdul_option_choices(option, &choices, err);
    if (status != CDUL_OK) goto done;
    for (size_t i = 0; i < choices.count; i++)
        if (strcmp(choices.items[i], text) == 0) {
            *field = (int)i;
            goto done;
        }
    char list[400] = "";
    for (size_t i = 0; i < choices.count; i++) {
        size_t used = strlen(list);
        const char *comma = i == 0 ? "" : i + 1 == choices.count ? " or " : ", ";
        snprintf(list + used, sizeof list - used, "%s%s", comma, choices.items[i]);
    }
    const char *near =
        cdul_strings_nearest(text, (const char *const *)choices.items, choices.count);
    status = cdul_fail(err, CDUL_ERR_USAGE, "%s: expected %s, not \"%s\"%s%s%s", where, list, text,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
done:
    cdul_strings_free(&choices);
    return status;
}

/* --- Text and JSON into fields --- */

static cdul_status store_string(cdul_parsed *parsed, const char **field, const char *text,
                                cdul_error *err) {
    cdul_status status = cdul_strings_add(&parsed->texts, text, err);
    if (status == CDUL_OK) *field = parsed->texts.items[parsed->texts.count - 1];
    return status;
}

cdul_status cdul_option_store_text(cdul_parsed *parsed, const cdul_option *option, void *field,
                                   const char *text, const char *where, cdul_error *err) {
    char quoted[200];
    double value;
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected true or false, not \"%s\"", where,
                             text);
        *(bool *)field = text[0] == 't';
        return CDUL_OK;
    case CDUL_OPTION_INT:
    case CDUL_OPTION_REAL:
        snprintf(quoted, sizeof quoted, "\"%s\"", text);
        if ((option->type == CDUL_OPTION_INT && !is_whole(text)) || !parse_real(text, &value))
            return fail_number(option, where, quoted, err);
        return store_number(option, field, value, where, quoted, err);
    case CDUL_OPTION_STRING:
        return store_string(parsed, field, text, err);
    case CDUL_OPTION_STRINGS:
        return cdul_strings_add(field, text, err);
    case CDUL_OPTION_CHOICE:
        break;
    }
    return store_choice(option, field, text, where, err);
}

/* The state of an option that was not given and has no default. */
static void store_none(const cdul_option *option, void *field) {
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        *(bool *)field = false;
        break;
    case CDUL_OPTION_INT:
        *(long long *)field = CDUL_INT_NONE;
        break;
    case CDUL_OPTION_REAL:
        *(double *)field = NAN;
        break;
    case CDUL_OPTION_STRING:
        *(const char **)field = NULL;
        break;
    case CDUL_OPTION_STRINGS:
        *(cdul_strings *)field = (cdul_strings){0};
        break;
    case CDUL_OPTION_CHOICE:
        *(int *)field = CDUL_CHOICE_NONE;
        break;
    }
}

cdul_status cdul_option_store_default(cdul_parsed *parsed, const cdul_option *option, void *field,
                                      cdul_error *err) {
    store_none(option, field);
    if (!option->fallback) return CDUL_OK;
    return cdul_option_store_text(parsed, option, field, option->fallback, option->name, err);
}

static cdul_status store_json_list(cdul_strings *field, const cJSON *json, const char *where,
                                   cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = CDUL_OK;
    const cJSON *item;
    if (cJSON_IsString(json)) status = cdul_strings_add(&list, json->valuestring, err);
    if (cJSON_IsArray(json)) cJSON_ArrayForEach(item, json) {
            if (status != CDUL_OK) break;
            if (!cJSON_IsString(item))
                status = cdul_fail(err, CDUL_ERR_USAGE, "%s: expected a list of strings", where);
            else
                status = cdul_strings_add(&list, item->valuestring, err);
        }
    if (status == CDUL_OK) {
        cdul_strings_free(field);
        *field = list;
    } else {
        cdul_strings_free(&list);
    }
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

/* True if `json` has the type that `option` wants; *wanted says which that is. */
static bool json_fits(const cdul_option *option, const cJSON *json, const char **wanted) {
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        *wanted = "true or false";
        return cJSON_IsBool(json);
    case CDUL_OPTION_INT:
    case CDUL_OPTION_REAL:
        *wanted = "a number";
        return cJSON_IsNumber(json);
    case CDUL_OPTION_STRINGS:
        *wanted = "a string or a list of strings";
        return cJSON_IsString(json) || cJSON_IsArray(json);
    case CDUL_OPTION_STRING:
    case CDUL_OPTION_CHOICE:
        break;
    }
    *wanted = "a string";
    return cJSON_IsString(json);
}

cdul_status cdul_option_store_json(cdul_parsed *parsed, const cdul_option *option, void *field,
                                   const cJSON *json, const char *where, cdul_error *err) {
    const char *wanted;
    if (cJSON_IsNull(json) && !option->fallback) {
        if (option->type == CDUL_OPTION_STRINGS) cdul_strings_free(field);
        store_none(option, field);
        return CDUL_OK;
    }
    if (!json_fits(option, json, &wanted))
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: expected %s, not %s", where, wanted,
                         json_kind(json));
    if (option->type == CDUL_OPTION_FLAG) {
        *(bool *)field = cJSON_IsTrue(json);
        return CDUL_OK;
    }
    if (option->type == CDUL_OPTION_STRINGS) return store_json_list(field, json, where, err);
    if (cJSON_IsNumber(json)) {
        char got[40];
        cdul_real_format(json->valuedouble, got, sizeof got);
        return store_number(option, field, json->valuedouble, where, got, err);
    }
    return cdul_option_store_text(parsed, option, field, json->valuestring, where, err);
}

/* --- Fields into JSON --- */

/* cJSON's own number writing follows the locale and drops digits of large integers. */
static cJSON *raw_number(const cdul_option *option, const void *field) {
    char text[40];
    if (option->type == CDUL_OPTION_INT) {
        if (*(const long long *)field == CDUL_INT_NONE) return cJSON_CreateNull();
        snprintf(text, sizeof text, "%lld", *(const long long *)field);
    } else {
        if (isnan(*(const double *)field)) return cJSON_CreateNull();
        cdul_real_format(*(const double *)field, text, sizeof text);
    }
    return cJSON_CreateRaw(text);
}

static cJSON *choice_to_json(const cdul_option *option, int choice) {
    if (choice == CDUL_CHOICE_NONE) return cJSON_CreateNull();
    cdul_strings choices = {0};
    cJSON *json = NULL;
    if (cdul_option_choices(option, &choices, NULL) == CDUL_OK && choice >= 0 &&
        (size_t)choice < choices.count)
        json = cJSON_CreateString(choices.items[choice]);
    cdul_strings_free(&choices);
    return json;
}

/* cJSON_CreateStringArray counts in int and fails on an empty list. */
static cJSON *strings_to_json(const cdul_strings *list) {
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; array && i < list->count; i++) {
        cJSON *item = cJSON_CreateString(list->items[i]);
        if (item && cJSON_AddItemToArray(array, item)) continue;
        cJSON_Delete(item);
        cJSON_Delete(array);
        return NULL;
    }
    return array;
}

cJSON *cdul_option_to_json(const cdul_option *option, const void *field) {
    switch (option->type) {
    case CDUL_OPTION_FLAG:
        return cJSON_CreateBool(*(const bool *)field);
    case CDUL_OPTION_INT:
    case CDUL_OPTION_REAL:
        return raw_number(option, field);
    case CDUL_OPTION_STRING: {
        const char *text = *(const char *const *)field;
        return text ? cJSON_CreateString(text) : cJSON_CreateNull();
    }
    case CDUL_OPTION_STRINGS:
        return strings_to_json(field);
    case CDUL_OPTION_CHOICE:
        break;
    }
    return choice_to_json(option, *(const int *)field);
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
        cJSON *json = cdul_option_to_json(option, (const char *)options + option->offset);
        char *value = json ? cJSON_PrintUnformatted(json) : NULL;
        ok = value && fprintf(out, "%s    \"%s\": %s", comma, key, value) > 0;
        comma = ",\n";
        cJSON_free(value);
        cJSON_Delete(json);
    }
    fputs("\n  }\n}", out);
    ok = !ferror(out) && ok;
    if (fclose(out) == 0 && ok) return text;
    free(text);
    return NULL;
}
