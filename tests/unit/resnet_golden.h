/* The networks, images and labels of tests/golden/make_resnet.py, computed by the same formula. */
#ifndef CDUL_TESTS_RESNET_GOLDEN_H
#define CDUL_TESTS_RESNET_GOLDEN_H

#include "base/random.h"
#include "train/resnet.h"

#include <math.h>

enum { GOLDEN_CLASSES = 5, GOLDEN_BATCH = 4, GOLDEN_SIDE = 64, GOLDEN_SAMPLES = 8 };

/* The numbers called `name`, [0, 1): SplitMix64 over the name's FNV-1a hash. */
static double *golden_uniform(const char *name, size_t count) {
    uint64_t key = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++) key = (key ^ (unsigned char)*c) * 0x100000001b3u;
    cdul_random random = {.key = key};
    double *numbers = malloc(count * sizeof *numbers);
    for (size_t i = 0; i < count; i++) numbers[i] = cdul_random_uniform(&random);
    return numbers;
}

/* a u + b of the numbers called `name`, as a tensor. */
static cdul_tensor *golden_tensor(cdul_scope *s, const char *name, double a, double b, size_t rank,
                                  const size_t *shape) {
    size_t count = 1;
    for (size_t axis = 0; axis < rank; axis++) count *= shape[axis];
    double *u = golden_uniform(name, count);
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = (float)(a * u[i] + b);
    cdul_tensor *x = cdul_tensor_from(s, values, CDUL_F32, rank, shape);
    free(values);
    free(u);
    return x;
}

/* `positive`: of a steady batch norm bias at the end of a branch. */
static double golden_value(const cdul_resnet_entry *entry, size_t fan_in, bool steady,
                           bool positive, double u) {
    switch (entry->kind) {
    case CDUL_CONV_WEIGHT:
        return (2 * u - 1) * sqrt(6 / (double)fan_in);
    case CDUL_BN_WEIGHT:
        return steady ? 0.1 + 0.1 * u : 0.2 + 0.4 * u;
    case CDUL_BN_BIAS:
        if (!steady) return 0.2 * u - 0.1;
        return u >= 0.5 || positive ? 0.5 * u + 0.5 : -0.5 * u - 0.5;
    case CDUL_BN_MEAN:
        return 0.4 * u - 0.2;
    case CDUL_BN_VAR:
        return 0.5 + u;
    default:
        return 0.2 * u - 0.1;
    }
}

/* `steady`: see make_resnet.py. */
static void golden_fill(cdul_scope *s, const cdul_resnet *net, bool steady) {
    const char *joins = net->options.arch->bottleneck ? ".bn3." : ".bn2.";
    for (size_t i = 0; i < net->entry_count; i++) {
        const cdul_resnet_entry *entry = &net->entries[i];
        size_t n = cdul_tensor_elements(entry->tensor),
               rank = cdul_tensor_declare(entry->tensor, "").rank, shape[4];
        for (size_t axis = 0; axis < rank; axis++)
            shape[axis] = cdul_tensor_declare(entry->tensor, "").shape[axis];
        double *u = golden_uniform(entry->name, n);
        bool positive = strstr(entry->name, joins) || strstr(entry->name, "downsample");
        float *values = malloc(n * sizeof *values);
        for (size_t j = 0; j < n; j++)
            values[j] = (float)golden_value(entry, n / shape[0], steady, positive, u[j]);
        cdul_tensor_copy_(s, entry->tensor, cdul_tensor_from(s, values, CDUL_F32, rank, shape));
        free(values);
        free(u);
    }
}

static cdul_tensor *golden_images(cdul_scope *s) {
    return golden_tensor(s, "images", 4, -2, 4,
                         (size_t[]){GOLDEN_BATCH, 3, GOLDEN_SIDE, GOLDEN_SIDE});
}

static cdul_tensor *golden_loss(cdul_scope *s, const cdul_tensor *logits) {
    return cdul_tensor_bce_with_logits(
        s, logits, golden_tensor(s, "labels", 1, 0, 2, (size_t[]){GOLDEN_BATCH, GOLDEN_CLASSES}));
}

/* A network of the golden weights. */
static cdul_resnet *golden_network(const char *arch, cdul_resnet_options options, bool steady,
                                   cdul_error *err) {
    cdul_resnet *net = NULL;
    options.classes = GOLDEN_CLASSES;
    if (cdul_resnet_arch_find(arch, &options.arch, err) != CDUL_OK ||
        cdul_resnet_new(&options, NULL, NULL, &net, err) != CDUL_OK)
        return NULL;
    cdul_scope s = {0};
    golden_fill(&s, net, steady);
    if (cdul_scope_close(&s, err) == CDUL_OK) return net;
    cdul_resnet_free(net);
    return NULL;
}

#endif
