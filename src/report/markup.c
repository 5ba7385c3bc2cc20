#include "report/markup.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Length of the UTF-8 character at `text`, 0 if it is none (overlong, surrogate, beyond U+10FFFF,
 * cut). */
static size_t utf8_length(const unsigned char *text) {
    if (text[0] < 0x80) return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4) return 0;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (text[0] == 0xe0 && text[1] < 0xa0) return 0;
    if (text[0] == 0xed && text[1] >= 0xa0) return 0;
    if (text[0] == 0xf0 && text[1] < 0x90) return 0;
    if (text[0] == 0xf4 && text[1] >= 0x90) return 0;
    return length;
}

static int is_forbidden(const unsigned char *text) {
    if (text[0] < 0x20) return text[0] != '\t' && text[0] != '\n' && text[0] != '\r';
    return text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe; /* U+FFFE, U+FFFF */
}

void cdul_markup_text(FILE *stream, const char *text, size_t cells) {
    while (*text && cells-- > 0) {
        const unsigned char *at = (const unsigned char *)text;
        size_t length = utf8_length(at);
        if (length == 0 || is_forbidden(at))
            fputs(replacement, stream);
        else if (*text == '<')
            fputs("&lt;", stream);
        else if (*text == '>')
            fputs("&gt;", stream);
        else if (*text == '&')
            fputs("&amp;", stream);
        else if (*text == '"')
            fputs("&quot;", stream);
        else if (*text == '\'')
            fputs("&#39;", stream);
        else
            fwrite(text, 1, length, stream);
        text += length ? length : 1;
    }
    if (*text) fputs("\xe2\x80\xa6", stream);
}

void cdul_markup_json(FILE *stream, const char *text) {
    putc('"', stream);
    while (*text) {
        unsigned char c = (unsigned char)*text;
        size_t length = utf8_length((const unsigned char *)text);
        if (length == 0)
            fputs(replacement, stream);
        else if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f)
            fprintf(stream, "\\u%04x", (unsigned)c);
        else
            fwrite(text, 1, length, stream);
        text += length ? length : 1;
    }
    putc('"', stream);
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
