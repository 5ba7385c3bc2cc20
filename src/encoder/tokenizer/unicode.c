/* Unicode of texts and class names, over utf8proc. */
#include "encoder/tokenizer/unicode.h"

#include "cdul/versions.h"

#include <utf8proc.h>

#include <stdbool.h>
#include <stdlib.h>

size_t cdul_unicode_get(const char *text, size_t length, int32_t *c) {
    return (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, c);
}

size_t cdul_unicode_put(int32_t c, char *out) {
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out);
}

bool cdul_unicode_is_space(int32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

size_t cdul_unicode_put_lower(int32_t c, char *out) {
    if (c != 0x130) return cdul_unicode_put(utf8proc_tolower(c), out);
    out[0] = 'i'; /* capital I with dot above: the one mapping to two (SpecialCasing.txt) */
    return 1 + cdul_unicode_put(0x307, out + 1);
}

/* White space and lower case. */
static size_t fold(const char *text, size_t length, char *out) {
    size_t size = 0;
    bool space = false;
    for (utf8proc_int32_t c; length > 0;) {
        const size_t bytes = cdul_unicode_get(text, length, &c);
        const bool was_space = space;
        text += bytes;
        length -= bytes;
        space = cdul_unicode_is_space(c);
        if (space && was_space) continue;
        size += space ? cdul_unicode_put(' ', out + size) : cdul_unicode_put_lower(c, out + size);
    }
    out[size] = '\0';
    return size;
}

cdul_status cdul_unicode_map(const char *text, size_t length, int options, char **out, size_t *size,
                             cdul_error *err) {
    utf8proc_uint8_t *mapped = NULL;
    const utf8proc_ssize_t count =
        utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &mapped,
                     (utf8proc_option_t)options);
    if (count == UTF8PROC_ERROR_NOMEM) return cdul_fail_memory(err, "text");
    if (count < 0) return cdul_fail(err, CDUL_ERR_INPUT, "Unicode: %s", utf8proc_errmsg(count));
    *out = (char *)mapped;
    *size = (size_t)count;
    return CDUL_OK;
}

cdul_status cdul_unicode_fold(const char *text, size_t length, char **out, size_t *size,
                              cdul_error *err) {
    char *composed = NULL;
    cdul_status status =
        cdul_unicode_map(text, length, UTF8PROC_STABLE | UTF8PROC_COMPOSE, &composed, &length, err);
    if (status != CDUL_OK) return status;
    *out = malloc(2 * length + 1); /* two bytes may become three */
    if (*out) *size = fold(composed, length, *out);
    free(composed);
    return *out ? CDUL_OK : cdul_fail_memory(err, "text");
}

cdul_unicode_kind cdul_unicode_kind_at(const char *text, size_t length, size_t *bytes) {
    utf8proc_int32_t c;
    *bytes = cdul_unicode_get(text, length, &c);
    const utf8proc_category_t category = utf8proc_category(c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
        return CDUL_UNICODE_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
        return CDUL_UNICODE_NUMBER;
    return cdul_unicode_is_space(c) ? CDUL_UNICODE_SPACE : CDUL_UNICODE_OTHER;
}

void cdul_encoder_versions(FILE *out) { fprintf(out, "utf8proc %s\n", utf8proc_version()); }
