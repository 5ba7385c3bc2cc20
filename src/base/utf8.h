/* What bytes are UTF-8: characters, their number, and where one begins. Their meaning is
 * utf8proc's, in encoder/tokenizer/unicode.h. */
#ifndef CDUL_BASE_UTF8_H
#define CDUL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* For what is not UTF-8: U+FFFD. */
#define CDUL_UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the character that `text` of `size` bytes begins with. 0: none, because it is overlong,
 * a surrogate, beyond U+10FFFF or cut. Text that ends in NUL may be said to have 4 bytes. */
size_t cdul_utf8_char(const char *text, size_t size);
/* False: *bad is the offset of the first byte of the first faulty sequence. */
bool cdul_utf8_valid(const char *text, size_t size, size_t *bad);

/* Characters of text that ends in NUL, and the bytes of the first `cells` of them. Bytes that are
 * not UTF-8 are counted as they come. */
size_t cdul_utf8_cells(const char *text);
size_t cdul_utf8_prefix(const char *text, size_t cells);

#endif
