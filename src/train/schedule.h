/* The learning rate of a step, as a factor of the base rate. */
#ifndef CDUL_TRAIN_SCHEDULE_H
#define CDUL_TRAIN_SCHEDULE_H

#include <stddef.h>

typedef enum cdul_schedule_kind {
    CDUL_SCHEDULE_CONSTANT,
    CDUL_SCHEDULE_COSINE, /* from 1 to 0 along half a cosine */
    CDUL_SCHEDULE_STEP, /* times 0.1 after every third of the run */
} cdul_schedule_kind;

typedef struct cdul_schedule {
    cdul_schedule_kind kind;
    size_t steps; /* of the whole run, >= 1 */
    size_t warmup; /* steps of linear rise before the shape above begins; < steps */
} cdul_schedule;

/* Factor in [0, 1] for step 0 .. steps - 1. Warm-up: (step + 1) / (warmup + 1). */
double cdul_schedule_factor(const cdul_schedule *schedule, size_t step);

#endif
