/* Versions of the libraries for text and hashes, as lines for --version: "name 1.2.3". */
#ifndef CDUL_ENCODER_VERSIONS_H
#define CDUL_ENCODER_VERSIONS_H

#include <stdio.h>

void cdul_encoder_versions(FILE *out);

#endif
