/* Where a network's weights come from: random numbers, a file, the labels. */
#include "train/resnet.h"
#include "train/resnet_internal.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Overwrites an entry's tensor with `values`, which it frees. */
static cdul_status set_values(const cdul_resnet_entry *entry, float *values, cdul_error *err) {
    size_t rank = cdul_tensor_rank(entry->tensor), shape[4] = {0};
    for (size_t axis = 0; axis < rank; axis++) shape[axis] = cdul_tensor_size(entry->tensor, axis);
    cdul_scope s = {0};
    cdul_tensor_copy_(&s, entry->tensor, cdul_tensor_from(&s, values, CDUL_F32, rank, shape));
    free(values);
    return cdul_scope_close(&s, err);
}

/* --- Random numbers --- */

/* Two independent normal deviates of each pair of uniform ones (Box and Muller 1958). */
static void fill_normal(cdul_random *random, double deviation, float *out, size_t n) {
    for (size_t i = 0; i < n; i += 2) {
        double radius = deviation * sqrt(-2 * log(1 - cdul_random_uniform(random)));
        double angle = 2 * 3.14159265358979323846 * cdul_random_uniform(random);
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

static void fill_uniform(cdul_random *random, double limit, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (float)(limit * (2 * cdul_random_uniform(random) - 1));
}

/* kaiming_normal_(mode="fan_out") for convolutions, nn.Linear's own for the head. Each tensor draws
 * from a sequence of its own, so that a new head is the same whatever the other weights come
 * from. */
static cdul_status randomize(cdul_resnet *net, size_t i, cdul_error *err) {
    const cdul_resnet_entry *entry = &net->entries[i];
    size_t n = cdul_tensor_elements(entry->tensor);
    float *values = malloc(n * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    cdul_random random = cdul_random_seeded(net->options.seed, i, 0);
    if (entry->kind == CDUL_CONV_WEIGHT) {
        size_t fan_out = n / cdul_tensor_size(entry->tensor, 1); /* outputs x kernel x kernel */
        fill_normal(&random, sqrt(2 / (double)fan_out), values, n);
    } else {
        fill_uniform(&random, 1 / sqrt((double)net->features), values, n);
    }
    return set_values(entry, values, err);
}

cdul_status cdul_resnet_initialize(cdul_resnet *net, bool head_only, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++) {
        bool head = net->entries[i].stage == CDUL_RESNET_HEAD;
        if (head || (net->entries[i].kind == CDUL_CONV_WEIGHT && !head_only))
            status = randomize(net, i, err);
    }
    return status;
}

/* --- A file --- */

/* One bad weight makes every output NaN, and there nobody sees whose fault it is. */
static cdul_status check_values(const cdul_resnet_entry *entry, const float *values, size_t count,
                                const char *path, cdul_error *err) {
    bool variance = entry->kind == CDUL_BN_VAR;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || (variance && values[i] < 0))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: tensor \"%s\": element %zu is %g, expected a %s", path,
                             entry->name, i, (double)values[i],
                             variance ? "variance, 0 or more" : "finite number");
    return CDUL_OK;
}

static cdul_status load_entry(const cdul_resnet_entry *entry, const cdul_safetensors *file,
                              cdul_error *err) {
    size_t rank = cdul_tensor_rank(entry->tensor), shape[4] = {0};
    for (size_t axis = 0; axis < rank; axis++) shape[axis] = cdul_tensor_size(entry->tensor, axis);
    cdul_tensor_view view;
    cdul_status status = cdul_safetensors_expect(file, entry->name, rank, shape, &view, err);
    if (status != CDUL_OK) return status;
    float *values = malloc(view.elements * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    cdul_tensor_to_f32(&view, 0, view.elements, values);
    status = check_values(entry, values, view.elements, cdul_safetensors_path(file), err);
    if (status == CDUL_OK) return set_values(entry, values, err);
    free(values);
    return status;
}

/* torchvision's files may hold a counter for each batch norm, which nothing reads once momentum is
 * fixed. */
static bool is_batch_counter(const char *name) {
    static const char suffix[] = ".num_batches_tracked";
    size_t length = strlen(name);
    return length >= sizeof suffix && !strcmp(name + length - (sizeof suffix - 1), suffix);
}

static cdul_status refuse_unknown(const cdul_resnet *net, const cdul_safetensors *file,
                                  cdul_error *err) {
    for (size_t i = 0; i < cdul_safetensors_count(file); i++) {
        cdul_tensor_view view = cdul_safetensors_at(file, i);
        bool known = is_batch_counter(view.name);
        for (size_t j = 0; j < net->entry_count && !known; j++)
            known = !strcmp(view.name, net->entries[j].name);
        if (!known)
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: tensor \"%s\" does not belong to a %s; is it another architecture?",
                cdul_safetensors_path(file), view.name, net->options.arch->name);
    }
    return CDUL_OK;
}

/* A head for another number of classes, but of this network's features. */
static bool is_foreign_head(const cdul_resnet *net, const cdul_safetensors *file) {
    const cdul_tensor_view *view = cdul_safetensors_find(file, "fc.weight");
    return view && view->rank == 2 && view->shape[1] == net->features &&
           view->shape[0] != net->options.classes;
}

cdul_status cdul_resnet_load(cdul_resnet *net, const cdul_safetensors *file, bool *head_replaced,
                             cdul_error *err) {
    bool foreign = is_foreign_head(net, file);
    cdul_status status = refuse_unknown(net, file, err);
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++) {
        if (net->entries[i].stage != CDUL_RESNET_HEAD || !foreign)
            status = load_entry(&net->entries[i], file, err);
    }
    if (head_replaced) *head_replaced = foreign;
    return status;
}

/* --- The labels --- */

#define MEAN_CLAMP 1e-4

cdul_status cdul_resnet_set_head_bias(cdul_resnet *net, const float *means, cdul_error *err) {
    const cdul_resnet_entry *entry = &net->entries[net->entry_count - 1];
    float *values = malloc(net->options.classes * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    for (size_t c = 0; c < net->options.classes; c++) {
        double mean = fmin(fmax(means[c], MEAN_CLAMP), 1 - MEAN_CLAMP);
        values[c] = (float)log(mean / (1 - mean));
    }
    return set_values(entry, values, err);
}
