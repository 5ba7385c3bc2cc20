/* Versions of expat and OpenMP, as lines for --version: "name 1.2.3". */
#ifndef CDUL_EVAL_VERSIONS_H
#define CDUL_EVAL_VERSIONS_H

#include <stdio.h>

void cdul_eval_versions(FILE *out);

#endif
