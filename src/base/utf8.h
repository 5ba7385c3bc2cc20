/* Which bytes are UTF-8, how many characters they are, and where one begins. What characters mean
 * is utf8proc's: see encoder/tokenizer/unicode.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* U+FFFD, which stands for bytes that are not UTF-8. */
#define CDUL_UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the first character of `text` of `size` bytes. 0: it is none, but overlong, a surrogate,
 * beyond U+10FFFF or cut. `size` may be 4 for any text that ends in NUL. */
size_t cdul_utf8_char(const char *text, size_t size);
/* False: *bad is the offset of the first byte of the first faulty sequence. */
bool cdul_utf8_valid(const char *text, size_t size, size_t *bad);

/* Characters of text that ends in NUL, and the bytes of the first `cells` of them. Bytes that are
 * not UTF-8 are counted as they come. */
size_t cdul_utf8_cells(const char *text);
size_t cdul_utf8_prefix(const char *text, size_t cells);
