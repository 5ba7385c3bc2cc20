/* What cdul-label says of the labels it made: size, mass, the classes by mass, and a warning about
 * labels that cannot be right. */
#ifndef CDUL_LABEL_SUMMARY_H
#define CDUL_LABEL_SUMMARY_H

#include "base/progress.h"
#include "label/pipeline.h"

/* `seconds` of the whole run; 0 = not worth saying. */
cdul_status cdul_label_report(const cdul_callbacks *callbacks, const cdul_label_result *result,
                              double seconds, cdul_error *err) CDUL_MUST_CHECK;

#endif
