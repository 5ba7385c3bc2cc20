/* One piece of work that speed depends on, for instructions.sh to count: instructions WORK, or
 * nothing. */
#include "cdul/eval.h"
#include "cdul/image.h"
#include "cdul/label.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 224

static uint32_t state = 1;

static uint32_t draw(void) { return state = state * 1664525 + 1013904223; }

static float draw_unit(void) { return (float)(draw() >> 8) / 0x1p24F; }

static void *get(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) abort();
    return memory;
}

/* The whole of 500 x 375 pixels and 3 x 3 crops to 224 x 224. */
static void resize(void) {
    cdul_image image = {.width = 500, .height = 375, .pixels = get(500 * 375, 3)};
    uint8_t *out = get(SIDE * SIDE, 3);
    cdul_error err;
    for (size_t i = 0; i < 3 * image.width * image.height; i++) image.pixels[i] = (uint8_t)(i * 7);
    for (size_t crop = 0; crop < 10; crop++) {
        cdul_rect part = {(crop % 3) * 166, (crop / 3) * 125, 166, 125};
        if (cdul_image_resize(&image, crop < 9 ? &part : NULL, SIDE, SIDE, CDUL_BICUBIC, out, &err))
            abort();
    }
    free(out);
    free(image.pixels);
}

/* Ten views from bytes to planes. */
static void planes(void) {
    cdul_preprocess p = {.width = SIDE, .height = SIDE, .scale = 1.0F / 255};
    uint8_t *pixels = get(SIDE * SIDE, 3);
    float *out = get(SIDE * SIDE * 3, sizeof *out);
    for (size_t c = 0; c < 3; c++) p.std[c] = 0.25F;
    for (size_t view = 0; view < 10; view++) cdul_preprocess_planes(&p, pixels, out);
    free(out);
    free(pixels);
}

/* 100 images of ten views: cosines with 80 classes, and labels of them. */
static void aggregate(void) {
    enum { VIEWS = 10, CLASSES = 80, WIDTH = 512 };
    float *text = get(CLASSES * WIDTH, sizeof *text), *views = get(VIEWS * WIDTH, sizeof *views);
    float *cosines = get(VIEWS * CLASSES, sizeof *cosines),
          *scratch = get(VIEWS * CLASSES, sizeof *scratch);
    float labels[CLASSES];
    for (size_t i = 0; i < CLASSES * WIDTH; i++) text[i] = draw_unit() / 16;
    for (size_t i = 0; i < VIEWS * WIDTH; i++) views[i] = draw_unit() / 16;
    cdul_class_vectors vectors;
    cdul_error err;
    if (cdul_class_vectors_pack(text, CLASSES, WIDTH, &vectors, &err)) abort();
    const cdul_aggregate_options options = cdul_aggregate_defaults();
    for (size_t image = 0; image < 100; image++) {
        cdul_similarity(&vectors, views, VIEWS, cosines);
        cdul_aggregate(&options, cosines, VIEWS - 1, CLASSES, scratch, labels);
    }
    cdul_class_vectors_free(&vectors);
    free(text);
    free(views);
    free(cosines);
    free(scratch);
}

/* The measures of a class of 40,000 images, average precision above all. */
static void rank(void) {
    enum { COUNT = 40000 };
    cdul_matched matched = {.images = COUNT,
                            .classes = 1,
                            .rows = get(COUNT, sizeof *matched.rows),
                            .values = get(COUNT, 1)};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    cdul_error err;
    float *scores = get(COUNT, sizeof *scores);
    for (size_t i = 0; i < COUNT; i++) {
        matched.rows[i] = i;
        matched.values[i] = draw() >> 24 < 10 ? CDUL_PRESENT : CDUL_ABSENT;
        scores[i] = draw_unit();
    }
    options.threads = 1;
    if (cdul_metrics_compute(scores, &matched, &options, &metrics, &err)) abort();
    cdul_metrics_free(&metrics);
    cdul_matched_free(&matched);
    free(scores);
}

/* Ground truth of 2,000 images x 80 classes. */
static void read_csv(void) {
    cdul_truth truth = {0};
    cdul_error err;
    if (cdul_truth_read("truth.csv", &truth, &err)) abort();
    cdul_truth_free(&truth);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"resize", resize},
               {"planes", planes},
               {"aggregate", aggregate},
               {"rank", rank},
               {"csv", read_csv}};
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
        if (strcmp(argv[1], all[i].name) == 0) all[i].run();
    return 0;
}
