/* Reports finished labels to the user: counts, mass, the classes by mass, and a warning if the
 * labels are flat. */
#include "base/progress.h"
#include "cdul/label.h"

#include <stdlib.h>

typedef struct class_mass {
    const char *name;
    double mass; /* sum of labels over images */
    size_t positives; /* images with a label of at least 0.5 */
} class_mass;

static int by_mass(const void *a, const void *b) {
    double x = ((const class_mass *)a)->mass, y = ((const class_mass *)b)->mass;
    return (x < y) - (x > y);
}

/* Classes listed by default; -v lists all. */
enum { SHOWN = 20 };

static cdul_status report_classes(const cdul_callbacks *callbacks, const cdul_labels *labels,
                                  cdul_error *err) {
    size_t n = labels->images.count, c = labels->classes.count;
    class_mass *masses = calloc(c, sizeof *masses);
    if (!masses) return cdul_fail_memory(err, "summary of classes");
    for (size_t j = 0; j < c; j++) masses[j].name = labels->classes.items[j];
    for (size_t i = 0; i < n * c; i++) {
        masses[i % c].mass += labels->values[i];
        masses[i % c].positives += labels->values[i] >= 0.5F;
    }
    qsort(masses, c, sizeof *masses, by_mass);
    cdul_say(callbacks, "  %-24s %10s %10s", "class", "mass", ">= 0.5");
    for (size_t j = 0; j < c; j++)
        cdul_tell(callbacks, j < SHOWN ? CDUL_EVENT_NOTE : CDUL_EVENT_DETAIL,
                  "  %-24s %10.1f %10zu", masses[j].name, masses[j].mass, masses[j].positives);
    if (c > SHOWN) cdul_say(callbacks, "  ... and %zu more (-v lists all)", c - SHOWN);
    free(masses);
    return CDUL_OK;
}

cdul_status cdul_label_report(const cdul_label_result *result, const cdul_callbacks *callbacks,
                              cdul_error *err) {
    const cdul_labels *labels = &result->labels;
    const cdul_label_summary *summary = &result->summary;
    cdul_status status = report_classes(callbacks, labels, err);
    if (status != CDUL_OK) return status;
    cdul_say(callbacks, "%zu images, %zu classes: %.2f expected positives an image",
             labels->images.count, labels->classes.count, summary->mass);
    if (result->embedded && result->seconds > 0)
        cdul_say(callbacks, "%zu embedded in %.1f s: %.1f images/s", result->embedded,
                 result->seconds, (double)result->embedded / result->seconds);
    if (summary->flat)
        cdul_warn(callbacks,
                  "labels are flat: an image's largest is only %.2f times its mean. The "
                  "temperature, or the bias of sigmoid scores, is almost surely wrong (CLIP's "
                  "temperature is 0.01: cosines are multiplied by 100, not divided by ln 100)",
                  summary->contrast);
    return CDUL_OK;
}
