/* Small JPEGs of images, to be put into a page. */
#ifndef CDUL_REPORT_THUMBNAIL_H
#define CDUL_REPORT_THUMBNAIL_H

#include "cdul/report.h"

struct cdul_thumbnail {
    size_t width, height; /* pixels */
    unsigned char *jpeg;
    size_t size; /* of jpeg, bytes */
};

/* Shrinks `image` so that its longer side is `side` (smaller images keep their size) and encodes it
 * at `quality` (1 .. 100). The caller frees with cdul_thumbnail_free. */
cdul_status cdul_thumbnail_make(const cdul_image *image, size_t side, int quality,
                                cdul_thumbnail **out, cdul_error *err) CDUL_MUST_CHECK;

#endif
