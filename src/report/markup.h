/* The parts that pages are made of: text for XML and HTML, base64, thumbnails, ranked classes. */
#pragma once

#include "cdul/report.h"

/* Writes untrusted text as text or attribute of XML and HTML. Bytes that are not UTF-8 and
 * characters that XML 1.0 forbids become U+FFFD. Text of more than `cells` characters (SIZE_MAX =
 * no limit) is cut and ends in an ellipsis. */
void cdul_markup_text(FILE *stream, const char *text, size_t cells);

/* Base64 (RFC 4648), for data: addresses. */
void cdul_markup_base64(FILE *stream, const unsigned char *data, size_t size);

struct cdul_thumbnail {
    size_t width, height; /* pixels */
    unsigned char *jpeg;
    size_t size; /* of jpeg, bytes */
};

/* Shrinks `image` so that its longer side is at most `side`, and encodes it at `quality` 1 .. 100.
 * Free with cdul_thumbnail_free. */
cdul_status cdul_thumbnail_make(const cdul_image *image, size_t side, int quality,
                                cdul_thumbnail **out, cdul_error *err) CDUL_MUST_CHECK;

/* Fills `order` [C] with the picked classes (NULL: all), best score first, equal ones as listed.
 * Returns their number. */
size_t cdul_rank(const float *scores, const bool *picked, size_t classes, size_t *order);
