/* Unicode of texts and class names, over utf8proc. */
#include "encoder/tokenizer/unicode.h"

#include "cdul/versions.h"

#include <utf8proc.h>

#include <stdlib.h>

cdul_status cdul_unicode_nfc(const char *text, size_t size, int32_t **out, size_t *count,
                             cdul_error *err) {
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    *out = NULL;
    *count = 0;
    utf8proc_ssize_t needed = utf8proc_decompose(bytes, (utf8proc_ssize_t)size, NULL, 0, options);
    if (needed < 0) return cdul_fail(err, CDUL_ERR_INPUT, "Unicode: %s", utf8proc_errmsg(needed));
    int32_t *points = malloc(((size_t)needed + 1) * sizeof *points);
    if (!points) return cdul_fail_memory(err, "text");
    utf8proc_ssize_t written =
        utf8proc_decompose(bytes, (utf8proc_ssize_t)size, points, needed, options);
    if (written >= 0) written = utf8proc_normalize_utf32(points, written, options);
    if (written < 0) {
        free(points);
        return cdul_fail(err, CDUL_ERR_INPUT, "Unicode: %s", utf8proc_errmsg(written));
    }
    *out = points;
    *count = (size_t)written;
    return CDUL_OK;
}

size_t cdul_unicode_lower(int32_t c, int32_t out[2]) {
    if (c == 0x130) { /* capital I with dot above: the one mapping to two (SpecialCasing.txt) */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = utf8proc_tolower(c);
    return 1;
}

/* Code points after NFC to UTF-8 in `out`. Every point needs at most 4 bytes, or 3 for the one that
 * becomes two. */
static size_t fold(const int32_t *points, size_t count, char *out) {
    size_t size = 0;
    bool space = false;
    for (size_t i = 0; i < count; i++) {
        bool was_space = space;
        space = cdul_unicode_is_space(points[i]);
        if (space) {
            if (!was_space) out[size++] = ' ';
            continue;
        }
        int32_t lower[2];
        size_t n = cdul_unicode_lower(points[i], lower);
        for (size_t k = 0; k < n; k++) size += cdul_utf8_put(lower[k], (unsigned char *)out + size);
    }
    out[size] = '\0';
    return size;
}

cdul_status cdul_unicode_fold(const char *text, size_t length, char **out, size_t *size,
                              cdul_error *err) {
    int32_t *points = NULL;
    size_t count = 0;
    cdul_status status = cdul_unicode_nfc(text, length, &points, &count, err);
    if (status != CDUL_OK) return status;
    *out = malloc(4 * count + 1);
    if (*out)
        *size = fold(points, count, *out);
    else
        status = cdul_fail_memory(err, "text");
    free(points);
    return status;
}

bool cdul_unicode_is_space(int32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool cdul_unicode_is_letter(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool cdul_unicode_is_number(int32_t c) {
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

size_t cdul_utf8_get(const char *text, size_t length, int32_t *c) {
    return (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, c);
}

size_t cdul_utf8_put(int32_t c, unsigned char out[4]) {
    return (size_t)utf8proc_encode_char(c, out);
}

void cdul_encoder_versions(FILE *out) { fprintf(out, "utf8proc %s\n", utf8proc_version()); }
