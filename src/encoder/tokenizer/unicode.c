/* Unicode of texts and class names, over utf8proc. */
#include "encoder/tokenizer/unicode.h"

#include "cdul/versions.h"

#include <utf8proc.h>

#include <stdbool.h>
#include <stdlib.h>

static size_t get(const char *text, size_t length, utf8proc_int32_t *c) {
    return (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, c);
}

static size_t put(utf8proc_int32_t c, char *out) {
    return (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out);
}

static bool is_space(utf8proc_int32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* White space and lower case, without context (as Rust's char::to_lowercase). */
static size_t fold(const char *text, size_t length, char *out) {
    size_t size = 0;
    bool space = false;
    for (utf8proc_int32_t c; length > 0;) {
        const size_t bytes = get(text, length, &c);
        const bool was_space = space;
        text += bytes;
        length -= bytes;
        space = is_space(c);
        if (space && was_space) continue;
        if (c == 0x130) { /* capital I with dot above: the one mapping to two (SpecialCasing.txt) */
            out[size++] = 'i';
            c = 0x307;
        }
        size += put(space ? ' ' : utf8proc_tolower(c), out + size);
    }
    out[size] = '\0';
    return size;
}

cdul_status cdul_unicode_fold(const char *text, size_t length, char **out, size_t *size,
                              cdul_error *err) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t count = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length,
                                          &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (count == UTF8PROC_ERROR_NOMEM) return cdul_fail_memory(err, "text");
    if (count < 0) return cdul_fail(err, CDUL_ERR_INPUT, "Unicode: %s", utf8proc_errmsg(count));
    *out = malloc(2 * (size_t)count + 1); /* two bytes may become three */
    if (*out) *size = fold((const char *)composed, (size_t)count, *out);
    free(composed);
    return *out ? CDUL_OK : cdul_fail_memory(err, "text");
}

cdul_unicode_kind cdul_unicode_kind_at(const char *text, size_t length, size_t *bytes) {
    utf8proc_int32_t c;
    *bytes = get(text, length, &c);
    const utf8proc_category_t category = utf8proc_category(c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
        return CDUL_UNICODE_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
        return CDUL_UNICODE_NUMBER;
    return is_space(c) ? CDUL_UNICODE_SPACE : CDUL_UNICODE_OTHER;
}

void cdul_encoder_versions(FILE *out) { fprintf(out, "utf8proc %s\n", utf8proc_version()); }
