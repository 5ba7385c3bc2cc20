/* The version of OpenMP, as a line for --version: "name 1.2.3". */
#ifndef CDUL_LABEL_VERSIONS_H
#define CDUL_LABEL_VERSIONS_H

#include <stdio.h>

void cdul_label_versions(FILE *out);

#endif
