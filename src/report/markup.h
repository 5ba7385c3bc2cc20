/* Untrusted text inside XML and HTML. */
#ifndef CDUL_REPORT_MARKUP_H
#define CDUL_REPORT_MARKUP_H

#include <stddef.h>
#include <stdio.h>

/* As text or attribute of XML and HTML. Bytes that are not UTF-8 and characters that XML 1.0
 * forbids become U+FFFD; text of more than `cells` characters is cut and ends in an ellipsis
 * ((size_t)-1: never). */
void cdul_markup_text(FILE *stream, const char *text, size_t cells);

/* Base64 (RFC 4648), for data: addresses. */
void cdul_markup_base64(FILE *stream, const unsigned char *data, size_t size);

#endif
