/* Checks and counts UTF-8. */
#include "base/utf8.h"

#include <utf8proc.h>

static bool continues(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

size_t cdul_utf8_char(const char *text, size_t size) {
    utf8proc_int32_t character;
    utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &character);
    return length > 0 ? (size_t)length : 0;
}

bool cdul_utf8_valid(const char *text, size_t size, size_t *bad) {
    size_t length = 1;
    for (*bad = 0; *bad < size && length > 0; *bad += length)
        length = cdul_utf8_char(text + *bad, size - *bad);
    return length > 0;
}

size_t cdul_utf8_cells(const char *text) {
    size_t cells = 0;
    for (; *text; text++) cells += !continues(*text);
    return cells;
}

size_t cdul_utf8_prefix(const char *text, size_t cells) {
    size_t i = 0;
    for (; text[i]; i++)
        if (!continues(text[i]) && cells-- == 0) break;
    return i;
}
