#include "cdul/image.h"

#include <ctype.h>
#include <string.h>

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return tolower((unsigned char)c) - 'a' + 10;
}

cdul_status cdul_colour_parse(const char *text, uint8_t out[3], cdul_error *err) {
    if (strlen(text) != 6 || strspn(text, "0123456789abcdefABCDEF") != 6)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "colour \"%s\": expected six hexadecimal digits, as in ffffff", text);
    for (size_t i = 0; i < 3; i++)
        out[i] = (uint8_t)(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
    return CDUL_OK;
}
