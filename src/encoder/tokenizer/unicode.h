/* Unicode as the tokenizer needs it, over utf8proc. */
#pragma once

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What CLIP's tokenizer makes of a text before it looks for words: NFC, runs of white space to one
 * space each, lower case character by character. *out, *size bytes and a NUL, is the caller's to
 * free. The text must be valid UTF-8. */
cdul_status cdul_unicode_fold(const char *text, size_t length, char **out, size_t *size,
                              cdul_error *err) CDUL_MUST_CHECK;

/* utf8proc_map: the text by utf8proc's `options`. *out, *size bytes and a NUL, is the caller's to
 * free. */
cdul_status cdul_unicode_map(const char *text, size_t length, int options, char **out, size_t *size,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Reads the code point that valid UTF-8, length >= 1, begins with; returns its bytes. */
size_t cdul_unicode_get(const char *text, size_t length, int32_t *c);
/* Writes a code point as UTF-8, at most 4 bytes; returns how many. */
size_t cdul_unicode_put(int32_t c, char *out);
/* The same for its full lower-case mapping, without context (as Rust's char::to_lowercase). */
size_t cdul_unicode_put_lower(int32_t c, char *out);
bool cdul_unicode_is_space(int32_t c); /* property White_Space */

typedef enum cdul_unicode_kind {
    CDUL_UNICODE_SPACE, /* property White_Space */
    CDUL_UNICODE_LETTER, /* general categories L* */
    CDUL_UNICODE_NUMBER, /* general categories N* */
    CDUL_UNICODE_OTHER,
} cdul_unicode_kind;

/* Kind of the code point that valid UTF-8, length >= 1, begins with, and its bytes. */
cdul_unicode_kind cdul_unicode_kind_at(const char *text, size_t length, size_t *bytes);
