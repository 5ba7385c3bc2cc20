#include "train/resnet.h"
#include "train/resnet_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BN_EPS    1e-5
#define CAFFE_EPS 1e-3

/* --- Architectures --- */

static const cdul_resnet_arch architectures[] = {
    {"resnet18", {2, 2, 2, 2}, false, false, BN_EPS},
    {"resnet34", {3, 4, 6, 3}, false, false, BN_EPS},
    {"resnet50", {3, 4, 6, 3}, true, false, BN_EPS},
    {"resnet101", {3, 4, 23, 3}, true, false, BN_EPS},
    {"resnet152", {3, 8, 36, 3}, true, false, BN_EPS},
    {"resnet50-caffe", {3, 4, 6, 3}, true, true, CAFFE_EPS},
    {"resnet101-caffe", {3, 4, 23, 3}, true, true, CAFFE_EPS},
    {"resnet152-caffe", {3, 8, 36, 3}, true, true, CAFFE_EPS},
};
#define ARCHITECTURES (sizeof architectures / sizeof *architectures)

cdul_status cdul_resnet_arch_find(const char *name, const cdul_resnet_arch **out, cdul_error *err) {
    char known[256] = "";
    size_t length = 0;
    for (size_t i = 0; i < ARCHITECTURES; i++) {
        if (!strcmp(name, architectures[i].name)) {
            *out = &architectures[i];
            return CDUL_OK;
        }
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "",
                                   architectures[i].name);
    }
    return cdul_fail(err, CDUL_ERR_USAGE, "architecture \"%s\": expected one of %s", name, known);
}

/* --- The structure --- */

static cdul_resnet_unit unit(size_t inputs, size_t outputs, size_t kernel, size_t stride) {
    return (cdul_resnet_unit){
        .inputs = inputs, .outputs = outputs, .kernel = kernel, .stride = stride};
}

/* Table 1 of the paper: stage s has blocks of 64 << (s - 1) channels, four times as many at the end
 * of a bottleneck, and all but the first stage halve the sides in their first block. */
static void lay_out(cdul_resnet *net) {
    const cdul_resnet_arch *arch = net->options.arch;
    net->stem = unit(3, 64, 7, 2);
    size_t inputs = 64;
    for (size_t stage = 1; stage <= CDUL_RESNET_STAGES; stage++) {
        size_t width = (size_t)64 << (stage - 1), outputs = arch->bottleneck ? 4 * width : width;
        for (size_t i = 0; i < arch->blocks[stage - 1]; i++) {
            size_t stride = i == 0 && stage > 1 ? 2 : 1;
            cdul_resnet_block *block = &net->blocks[net->block_count++];
            block->stage = stage;
            if (arch->bottleneck) {
                block->units[block->count++] =
                    unit(inputs, width, 1, arch->stride_first ? stride : 1);
                block->units[block->count++] =
                    unit(width, width, 3, arch->stride_first ? 1 : stride);
                block->units[block->count++] = unit(width, outputs, 1, 1);
            } else {
                block->units[block->count++] = unit(inputs, width, 3, stride);
                block->units[block->count++] = unit(width, outputs, 3, 1);
            }
            block->projects = stride != 1 || inputs != outputs;
            if (block->projects) block->shortcut = unit(inputs, outputs, 1, stride);
            inputs = outputs;
        }
    }
    net->features = inputs;
}

/* --- Creation: every tensor is made once, under its name, in the order of torchvision's state_dict
 * --- */

typedef struct builder {
    cdul_resnet *net;
    cdul_scope scope;
    size_t stage;
} builder;

static bool is_trained(const cdul_resnet *net, cdul_parameter_kind kind, size_t stage) {
    bool bn = kind == CDUL_BN_WEIGHT || kind == CDUL_BN_BIAS,
         statistic = kind == CDUL_BN_MEAN || kind == CDUL_BN_VAR;
    return stage > net->options.freeze && !statistic && !(bn && net->options.freeze_bn);
}

/* Adds the entry and creates its tensor, filled with `value`. */
static void add_tensor(builder *b, cdul_tensor **slot, cdul_parameter_kind kind, double value,
                       size_t rank, const size_t *shape, const char *format, ...) CDUL_PRINTF(7, 8);
static void add_tensor(builder *b, cdul_tensor **slot, cdul_parameter_kind kind, double value,
                       size_t rank, const size_t *shape, const char *format, ...) {
    cdul_resnet_entry *entry = &b->net->entries[b->net->entry_count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry->name, sizeof entry->name, format, arguments);
    va_end(arguments);
    cdul_scope *s = &b->scope;
    cdul_tensor *x = cdul_tensor_full(s, value, CDUL_F32, rank, shape);
    if (b->net->options.channels_last && kind == CDUL_CONV_WEIGHT)
        x = cdul_tensor_channels_last(s, x);
    *slot = cdul_tensor_keep(s, cdul_tensor_to(s, x, b->net->options.device));
    entry->tensor = *slot;
    entry->kind = kind;
    entry->stage = b->stage;
    entry->trained = is_trained(b->net, kind, b->stage);
    cdul_tensor_require_grad(s, *slot, entry->trained);
}

static void add_unit(builder *b, cdul_resnet_unit *u, const char *conv, const char *bn) {
    const size_t channels[] = {u->outputs};
    add_tensor(b, &u->weight, CDUL_CONV_WEIGHT, 0, 4,
               (size_t[]){u->outputs, u->inputs, u->kernel, u->kernel}, "%s.weight", conv);
    add_tensor(b, &u->bn_weight, CDUL_BN_WEIGHT, 1, 1, channels, "%s.weight", bn);
    add_tensor(b, &u->bn_bias, CDUL_BN_BIAS, 0, 1, channels, "%s.bias", bn);
    add_tensor(b, &u->bn_mean, CDUL_BN_MEAN, 0, 1, channels, "%s.running_mean", bn);
    add_tensor(b, &u->bn_var, CDUL_BN_VAR, 1, 1, channels, "%s.running_var", bn);
}

static void add_block(builder *b, cdul_resnet_block *block, size_t index) {
    char conv[40], bn[40];
    b->stage = block->stage;
    for (size_t i = 0; i < block->count; i++) {
        snprintf(conv, sizeof conv, "layer%zu.%zu.conv%zu", block->stage, index, i + 1);
        snprintf(bn, sizeof bn, "layer%zu.%zu.bn%zu", block->stage, index, i + 1);
        add_unit(b, &block->units[i], conv, bn);
    }
    if (!block->projects) return;
    snprintf(conv, sizeof conv, "layer%zu.%zu.downsample.0", block->stage, index);
    snprintf(bn, sizeof bn, "layer%zu.%zu.downsample.1", block->stage, index);
    add_unit(b, &block->shortcut, conv, bn);
}

static cdul_status create_tensors(cdul_resnet *net, cdul_error *err) {
    size_t units = 1;
    for (size_t i = 0; i < net->block_count; i++)
        units += net->blocks[i].count + net->blocks[i].projects;
    net->entries = calloc(5 * units + 2, sizeof *net->entries);
    if (!net->entries) return cdul_fail_memory(err, "the network's list of tensors");
    builder b = {.net = net, .stage = 1};
    add_unit(&b, &net->stem, "conv1", "bn1");
    for (size_t i = 0, index = 0; i < net->block_count; i++, index++) {
        if (net->blocks[i].stage != b.stage) index = 0;
        add_block(&b, &net->blocks[i], index);
    }
    b.stage = CDUL_RESNET_HEAD;
    size_t classes = net->options.classes;
    add_tensor(&b, &net->head_weight, CDUL_HEAD_WEIGHT, 0, 2, (size_t[]){classes, net->features},
               "fc.weight");
    add_tensor(&b, &net->head_bias, CDUL_HEAD_BIAS, 0, 1, (size_t[]){classes}, "fc.bias");
    return cdul_scope_close(&b.scope, err);
}

cdul_resnet_options cdul_resnet_defaults(void) {
    return (cdul_resnet_options){.freeze_bn = true, .channels_last = true};
}

cdul_status cdul_resnet_new(const cdul_resnet_options *options, const cdul_safetensors *weights,
                            bool *head_replaced, cdul_resnet **out, cdul_error *err) {
    *out = NULL;
    if (options->classes == 0 || options->freeze > CDUL_RESNET_STAGES)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: %zu classes and %zu frozen stages; at least 1 and at most %d are possible",
            options->arch->name, options->classes, options->freeze, CDUL_RESNET_STAGES);
    cdul_resnet *net = calloc(1, sizeof *net);
    if (!net) return cdul_fail_memory(err, "the network");
    net->options = *options;
    lay_out(net);
    cdul_status status = create_tensors(net, err);
    if (status == CDUL_OK) status = cdul_resnet_initialize(net, weights != NULL, err);
    if (status == CDUL_OK && weights) status = cdul_resnet_load(net, weights, head_replaced, err);
    if (status != CDUL_OK) {
        cdul_resnet_free(net);
        return status;
    }
    *out = net;
    return CDUL_OK;
}

void cdul_resnet_free(cdul_resnet *net) {
    if (!net) return;
    for (size_t i = 0; i < net->entry_count; i++) cdul_tensor_free(net->entries[i].tensor);
    free(net->entries);
    free(net);
}
