/* Prompt templates: the sets that have names, and filling one. */
#include "cdul/encoder.h"

#include <stdlib.h>
#include <string.h>

/* The prompts with which CLIP's authors classify ImageNet, as they published them: data that users
 * expect to the letter, "a origami" included. */
static const char *const openai_80[] = {
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
};

/* Seven of them, which the authors found to do nearly as well. */
static const char *const simple[] = {
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
};

static const struct {
    const char *name;
    const char *const *templates;
    size_t count;
} sets[] = {
    {"simple", simple, sizeof simple / sizeof *simple},
    {"openai-80", openai_80, sizeof openai_80 / sizeof *openai_80},
};

cdul_status cdul_templates_named(const char *name, cdul_strings *out, cdul_error *err) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strcmp(sets[i].name, name) != 0) continue;
        cdul_status status = CDUL_OK;
        for (size_t j = 0; status == CDUL_OK && j < sets[i].count; j++)
            status = cdul_strings_add(out, sets[i].templates[j], err);
        return status;
    }
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
