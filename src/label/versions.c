#include "label/versions.h"

void cdul_label_versions(FILE *out) {
    fprintf(out, "OpenMP %d\n", _OPENMP); /* year and month of the specification: all that there is */
}
