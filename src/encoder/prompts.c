/* Prompt templates: the sets that have names, and filling one. */
#include "cdul/encoder.h"

#include <stdlib.h>
#include <string.h>

/* Every pattern of every set, from configs/prompts/SET.txt: data that users expect to the letter,
 * "a origami" included. */
static const struct {
    const char *set, *pattern;
} templates[] = {
#include "prompt_sets.inc"
};

cdul_status cdul_templates_named(const char *name, cdul_strings *out, cdul_error *err) {
    cdul_status status = CDUL_OK;
    bool found = false;
    for (size_t i = 0; status == CDUL_OK && i < sizeof templates / sizeof *templates; i++) {
        if (strcmp(templates[i].set, name) != 0) continue;
        found = true;
        status = cdul_strings_add(out, templates[i].pattern, err);
    }
    if (found) return status;
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "no set of prompt templates is called '%s'; there are: simple, openai-80",
                     name);
}

/* First placeholder at or after `text`, and its length. */
static const char *find_placeholder(const char *text, size_t *length) {
    for (; (text = strchr(text, '{')); text++)
        for (*length = 2; *length <= 3; ++*length)
            if (strncmp(text, *length == 2 ? "{}" : "{c}", *length) == 0) return text;
    return NULL;
}

cdul_status cdul_template_fill(const char *pattern, const char *word, char **out, cdul_error *err) {
    size_t length = 0, other = 0;
    *out = NULL;
    const char *at = find_placeholder(pattern, &length);
    if (!at)
        return cdul_fail(err, CDUL_ERR_USAGE, "template '%s': no {} for the class's name", pattern);
    if (find_placeholder(at + length, &other))
        return cdul_fail(err, CDUL_ERR_USAGE, "template '%s': more than one {}", pattern);
    char *filled = NULL;
    if (asprintf(&filled, "%.*s%s%s", (int)(at - pattern), pattern, word, at + length) < 0)
        return cdul_fail_memory(err, "prompt");
    *out = filled;
    return CDUL_OK;
}
