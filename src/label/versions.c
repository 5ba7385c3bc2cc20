#include "label/versions.h"

void cdul_label_versions(FILE *out) {
    /* year and month of the specification: all that there is */
    fprintf(out, "OpenMP %d\n", _OPENMP);
}
