/* A handful of pictures with labels. */
#ifndef CDUL_TESTS_TRAIN_FIXTURE_H
#define CDUL_TESTS_TRAIN_FIXTURE_H

#include "base/file.h"
#include "base/random.h"
#include "train/activations.h"
#include "train/augment.h"
#include "train/dataset.h"

#include <unistd.h>

enum { FIXTURE_IMAGES = 11, FIXTURE_CLASSES = 3, FIXTURE_SIDE = 32 };

/* "00.ppm" ... in `folder`: 20 x 16 pixels of noise around a colour. */
static void fixture_photos(const char *folder) {
    cdul_error e;
    if (cdul_path_make_folder(folder, &e) != CDUL_OK) fail_msg("%s", e.message);
    for (unsigned i = 0; i < FIXTURE_IMAGES; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%02u.ppm", folder, i);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fprintf(file, "P6\n20 16\n255\n");
        cdul_random random = cdul_random_seeded(i, 0, 0);
        for (unsigned k = 0; k < 20 * 16 * 3; k++)
            fputc((int)(40 * (i % 4) + 20 * (k % 3) + cdul_random_below(&random, 60)), file);
        fclose(file);
    }
}

static void fixture_labels(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "image,a,b,c\n");
    for (unsigned i = 0; i < FIXTURE_IMAGES; i++)
        fprintf(file, "%02u.ppm,%.2f,%.2f,%.2f\n", i, i % 2 ? 0.9 : 0.2, 0.05 * i,
                i == 3 ? 1.0 : 0.0);
    fclose(file);
}

static const cdul_train_params fixture_set = {
    .labels = "labels.csv", .root = "photos", .holdout = 0.2, .seed = 7};

static int fixture_setup(void **state) {
    (void)state;
    fixture_photos("photos");
    fixture_labels("labels.csv");
    return 0;
}

#endif
