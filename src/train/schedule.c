#include "train/schedule.h"

#include <math.h>

#define PI         3.14159265358979323846
#define STEP_DECAY 0.1 /* at each third, as torchvision's and most ImageNet recipes decay */

double cdul_schedule_factor(const cdul_schedule *schedule, size_t step) {
    if (step < schedule->warmup) return (double)(step + 1) / (double)(schedule->warmup + 1);
    size_t left = schedule->steps > schedule->warmup ? schedule->steps - schedule->warmup : 1;
    double t = (double)(step - schedule->warmup) / (double)left; /* 0 .. below 1 */
    if (t >= 1) t = 1;
    switch (schedule->kind) {
    case CDUL_SCHEDULE_COSINE:
        return (1 + cos(PI * t)) / 2;
    case CDUL_SCHEDULE_STEP:
        return pow(STEP_DECAY, floor(3 * t < 2 ? 3 * t : 2));
    case CDUL_SCHEDULE_CONSTANT:
        break;
    }
    return 1;
}
