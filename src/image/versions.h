/* Versions of the libraries that decode pictures, as lines for --version: "name 1.2.3". */
#ifndef CDUL_IMAGE_VERSIONS_H
#define CDUL_IMAGE_VERSIONS_H

#include <stdio.h>

void cdul_image_versions(FILE *out);

#endif
