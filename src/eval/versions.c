#include "eval/versions.h"

#include <expat.h>

void cdul_eval_versions(FILE *out) {
    const XML_Expat_Version expat = XML_ExpatVersionInfo();
    fprintf(out, "expat %d.%d.%d\n", expat.major, expat.minor, expat.micro);
    /* year and month of the specification: all that there is */
    fprintf(out, "OpenMP %d\n", _OPENMP);
}
