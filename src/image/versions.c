#include "image/versions.h"

#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>

void cdul_image_versions(FILE *out) {
    const int jpeg = LIBJPEG_TURBO_VERSION_NUMBER; /* of the header: the library does not tell */
    const int webp = WebPGetDecoderVersion();
    fprintf(out, "libjpeg-turbo %d.%d.%d\n", jpeg / 1000000, jpeg / 1000 % 1000, jpeg % 1000);
    fprintf(out, "libpng %s\n", png_get_libpng_ver(NULL));
    fprintf(out, "libwebp %d.%d.%d\n", webp >> 16, webp >> 8 & 255, webp & 255);
    fprintf(out, "stb_image %s\n", CDUL_STB_VERSION);
}
