/* Unicode as the tokenizer needs it, over utf8proc. */
#pragma once

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Canonical composition (NFC). *out [*count] is the caller's to free. The text must be valid
 * UTF-8. */
cdul_status cdul_unicode_nfc(const char *text, size_t size, int32_t **out, size_t *count,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Full lower-case mapping of one code point, without context (as Rust's char::to_lowercase): writes
 * one or two code points, returns how many. */
size_t cdul_unicode_lower(int32_t c, int32_t out[2]);

/* What CLIP's tokenizer makes of a text before it looks for words: NFC, runs of white space to one
 * space each, lower case character by character. *out, *size bytes and a NUL, is the caller's to
 * free. The text must be valid UTF-8. */
cdul_status cdul_unicode_fold(const char *text, size_t length, char **out, size_t *size,
                              cdul_error *err) CDUL_MUST_CHECK;

bool cdul_unicode_is_space(int32_t c); /* property White_Space */
bool cdul_unicode_is_letter(int32_t c); /* general categories L* */
bool cdul_unicode_is_number(int32_t c); /* general categories N* */

/* Reads one code point of valid UTF-8, length >= 1; returns its bytes. */
size_t cdul_utf8_get(const char *text, size_t length, int32_t *c);
/* Writes up to 4 bytes of UTF-8, returns how many. */
size_t cdul_utf8_put(int32_t c, unsigned char out[4]);
