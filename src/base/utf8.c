/* Checks and counts UTF-8 by its bytes (RFC 3629). */
#include "base/utf8.h"

static bool continues(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

size_t cdul_utf8_char(const char *text, size_t size) {
    const unsigned char first = (unsigned char)(size > 0 ? text[0] : 0xff);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < length; i++)
        if (i == size || !continues(text[i])) return 0;
    const unsigned char second = (unsigned char)text[1];
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second >= 0xa0,
               beyond = first == 0xf4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool cdul_utf8_valid(const char *text, size_t size, size_t *bad) {
    for (size_t at = 0, n; at < size; at += n) {
        n = cdul_utf8_char(text + at, size - at);
        if (n > 0) continue;
        *bad = at;
        return false;
    }
    return true;
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
