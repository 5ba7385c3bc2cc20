/* libFuzzer: any bytes as an image. Build as tests/fuzz/CMakeLists.txt says, then
 *     fuzz_image -max_len=65536 CORPUS tests/golden/image
 * with CORPUS an empty folder. */
#include "cdul/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cdul_decode_options options = cdul_decode_defaults();
    options.max_pixels = (size_t)1 << 20; /* small enough that no input is slow by its size alone */
    cdul_image image;
    cdul_error err = {{0}};
    cdul_status status = cdul_image_decode(data, size, &options, &image, &err);
    unsigned sum = 0;
    for (size_t i = 0; i < image.width * image.height * 3; i++) sum += image.pixels[i];
    if (status == CDUL_OK && (image.width == 0 || image.height == 0)) abort();
    if (status != CDUL_OK && (status != CDUL_ERR_INPUT || image.pixels || sum || !err.message[0])) abort();
    cdul_image_free(&image);
    return 0;
}
