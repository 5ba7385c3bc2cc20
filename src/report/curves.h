/* Curves of an evaluation as self-contained SVG files: readable in any browser, scalable in a
 * paper. */
#ifndef CDUL_REPORT_CURVES_H
#define CDUL_REPORT_CURVES_H

#include "report/evaluation.h"

/* Writes into `folder` (made if missing):
 *   precision-recall.svg          mean over classes of interpolated precision, a line for each file
 *   precision-recall-classes.svg  a small panel for each class of the first file
 *   reliability.svg               mean score against share of positives in 15 bins, and how many
 * scores lie there Each is replaced whole. */
cdul_status cdul_curves_write(const char *folder, const cdul_evaluation_context *context,
                              const cdul_evaluation *evaluations, size_t count,
                              cdul_error *err) CDUL_MUST_CHECK;

#endif
