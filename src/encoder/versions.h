/* Versions of the library for text, as a line for --version: "name 1.2.3". */
#ifndef CDUL_ENCODER_VERSIONS_H
#define CDUL_ENCODER_VERSIONS_H

#include <stdio.h>

void cdul_encoder_versions(FILE *out);

#endif
