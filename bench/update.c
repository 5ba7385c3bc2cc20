/* update IMAGES CLASSES: the seconds of one label update of the whole matrix, as cdul-train does it
 * at the end of an epoch once it has its predictions. Prints {"seconds": ...}. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    size_t n = strtoul(argv[1], NULL, 10), c = strtoul(argv[2], NULL, 10);
    float *latent = malloc(n * c * sizeof *latent), *logits = malloc(n * c * sizeof *logits);
    float *labels = malloc(n * c * sizeof *labels), *initial = malloc(n * c * sizeof *initial);
    if (!latent || !logits || !labels || !initial) return 1;
    srand(1);
    for (size_t i = 0; i < n * c; i++) {
        logits[i] = (float)rand() / (float)RAND_MAX * 8 - 6;
        initial[i] = (float)rand() / (float)RAND_MAX;
    }
    cdul_align_to_latent(initial, n * c, latent);

    double start = now();
    cdul_align_options options = cdul_train_defaults().alignment;
    cdul_align_step step;
    cdul_align_update(&options, logits, NULL, n, c, latent, &step);
    cdul_align_to_labels(latent, n * c, labels);
    cdul_align_state state = cdul_align_describe(labels, initial, n, c);
    printf("{\"seconds\": %.6f, \"moved\": %.6f, \"mass\": %.6f}\n", now() - start, step.moved,
           state.mass);
    free(latent);
    free(logits);
    free(labels);
    free(initial);
    return 0;
}
