/* Writes untrusted text into XML and HTML, and bytes as base64. */
#include "report/markup.h"

#include "base/utf8.h"

#include <limits.h>

static int is_forbidden(const unsigned char *text) {
    if (text[0] < 0x20) return text[0] != '\t' && text[0] != '\n' && text[0] != '\r';
    return text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe; /* U+FFFE, U+FFFF */
}

void cdul_markup_text(FILE *stream, const char *text, size_t cells) {
    static const char *const entities[UCHAR_MAX + 1] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;"};
    while (*text && cells-- > 0) {
        const unsigned char *at = (const unsigned char *)text;
        size_t length = cdul_utf8_char(text, 4);
        const char *as = length && !is_forbidden(at) ? entities[*at] : CDUL_UTF8_REPLACEMENT;
        if (as)
            fputs(as, stream);
        else
            fwrite(text, 1, length, stream);
        text += length ? length : 1;
    }
    if (*text) fputs("\xe2\x80\xa6", stream);
}

void cdul_markup_base64(FILE *stream, const unsigned char *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned long bits = (unsigned long)data[i] << 16;
        if (left > 1) bits |= (unsigned long)data[i + 1] << 8;
        if (left > 2) bits |= (unsigned long)data[i + 2];
        putc(digits[bits >> 18 & 63], stream);
        putc(digits[bits >> 12 & 63], stream);
        putc(left > 1 ? digits[bits >> 6 & 63] : '=', stream);
        putc(left > 2 ? digits[bits & 63] : '=', stream);
    }
}
