/* The networks themselves: what a ResNet is built from, where its weights come from (random
 * numbers, a file, the labels), and one pass through it. */
#include "train/resnet.h"

#include "base/maths.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BN_EPS      1e-5
#define CAFFE_EPS   1e-3
#define BN_MOMENTUM 0.1 /* torchvision's: the share of the new batch in the running statistics */

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
                block->units[0] = unit(inputs, width, 1, arch->stride_first ? stride : 1);
                block->units[1] = unit(width, width, 3, arch->stride_first ? 1 : stride);
                block->units[2] = unit(width, outputs, 1, 1);
            } else {
                block->units[0] = unit(inputs, width, 3, stride);
                block->units[1] = unit(width, outputs, 3, 1);
            }
            block->count = arch->bottleneck ? 3 : 2;
            block->projects = stride != 1 || inputs != outputs;
            if (block->projects) block->shortcut = unit(inputs, outputs, 1, stride);
            inputs = outputs;
        }
    }
    net->features = inputs;
}

/* --- Tensors: each is made once, under its name, in the order of torchvision's state_dict --- */

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

/* Of each kind: the end of the name in files, and what it is filled with at first. */
static const struct {
    const char *name;
    double value;
} kinds[] = {
    [CDUL_CONV_WEIGHT] = {"weight", 0}, [CDUL_BN_WEIGHT] = {"weight", 1},
    [CDUL_BN_BIAS] = {"bias", 0},       [CDUL_BN_MEAN] = {"running_mean", 0},
    [CDUL_BN_VAR] = {"running_var", 1}, [CDUL_HEAD_WEIGHT] = {"weight", 0},
    [CDUL_HEAD_BIAS] = {"bias", 0},
};

/* Adds the entry of that kind in `layer` and creates its tensor. */
static cdul_tensor *add_tensor(builder *b, cdul_parameter_kind kind, const char *layer, size_t rank,
                               const size_t *shape) {
    cdul_scope *s = &b->scope;
    cdul_resnet_entry *entry = &b->net->entries[b->net->entry_count++];
    snprintf(entry->name, sizeof entry->name, "%s.%s", layer, kinds[kind].name);
    cdul_tensor *x = cdul_tensor_full(s, kinds[kind].value, CDUL_F32, rank, shape);
    if (b->net->options.channels_last && kind == CDUL_CONV_WEIGHT)
        x = cdul_tensor_channels_last(s, x);
    entry->tensor = cdul_tensor_keep(s, cdul_tensor_to(s, x, b->net->options.device));
    entry->kind = kind;
    entry->stage = b->stage;
    entry->trained = is_trained(b->net, kind, b->stage);
    cdul_tensor_require_grad(s, entry->tensor, entry->trained);
    return entry->tensor;
}

static void add_unit(builder *b, cdul_resnet_unit *u, const char *conv, const char *bn) {
    const size_t filters[] = {u->outputs, u->inputs, u->kernel, u->kernel};
    u->weight = add_tensor(b, CDUL_CONV_WEIGHT, conv, 4, filters);
    u->bn_weight = add_tensor(b, CDUL_BN_WEIGHT, bn, 1, filters);
    u->bn_bias = add_tensor(b, CDUL_BN_BIAS, bn, 1, filters);
    u->bn_mean = add_tensor(b, CDUL_BN_MEAN, bn, 1, filters);
    u->bn_var = add_tensor(b, CDUL_BN_VAR, bn, 1, filters);
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
    const size_t head[] = {net->options.classes, net->features};
    net->head_weight = add_tensor(&b, CDUL_HEAD_WEIGHT, "fc", 2, head);
    net->head_bias = add_tensor(&b, CDUL_HEAD_BIAS, "fc", 1, head);
    return cdul_scope_close(&b.scope, err);
}

/* Overwrites an entry's tensor with `values`, which it frees. */
static cdul_status set_values(const cdul_resnet_entry *entry, float *values, cdul_error *err) {
    const cdul_tensor_decl like = cdul_tensor_declare(entry->tensor, entry->name);
    cdul_scope s = {0};
    cdul_tensor_copy_(&s, entry->tensor,
                      cdul_tensor_from(&s, values, CDUL_F32, like.rank, like.shape));
    free(values);
    return cdul_scope_close(&s, err);
}

/* --- Weights: random numbers --- */

/* Two independent normal deviates of each pair of uniform ones (Box and Muller 1958). */
static void fill_normal(cdul_random *random, double deviation, float *out, size_t n) {
    for (size_t i = 0; i < n; i += 2) {
        double radius = deviation * sqrt(-2 * log(1 - cdul_random_uniform(random)));
        double angle = 2 * 3.14159265358979323846 * cdul_random_uniform(random);
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

/* kaiming_normal_(mode="fan_out") for convolutions, nn.Linear's own for the head. Each tensor has a
 * sequence of its own: a new head is the same whatever the other weights come from. */
static cdul_status randomize(cdul_resnet *net, size_t i, cdul_error *err) {
    const cdul_resnet_entry *entry = &net->entries[i];
    size_t n = cdul_tensor_elements(entry->tensor);
    float *values = malloc(n * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    cdul_random random = cdul_random_seeded(net->options.seed, i, 0);
    if (entry->kind == CDUL_CONV_WEIGHT) {
        size_t inputs = cdul_tensor_declare(entry->tensor, "").shape[1];
        size_t fan_out = n / inputs; /* outputs x kernel x kernel */
        fill_normal(&random, sqrt(2 / (double)fan_out), values, n);
    } else {
        double limit = 1 / sqrt((double)net->features);
        for (size_t k = 0; k < n; k++)
            values[k] = (float)(limit * (2 * cdul_random_uniform(&random) - 1));
    }
    return set_values(entry, values, err);
}

/* Random convolutions (unless head_only) and head. Batch norm is created in its initial state. */
static cdul_status initialize(cdul_resnet *net, bool head_only, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++) {
        bool head = net->entries[i].stage == CDUL_RESNET_HEAD;
        if (head || (net->entries[i].kind == CDUL_CONV_WEIGHT && !head_only))
            status = randomize(net, i, err);
    }
    return status;
}

/* --- Weights: a file --- */

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
    cdul_tensor_decl like = cdul_tensor_declare(entry->tensor, entry->name);
    cdul_tensor_view view;
    cdul_status status =
        cdul_safetensors_expect(file, entry->name, like.rank, like.shape, &view, err);
    if (status != CDUL_OK) return status;
    float *values = malloc(view.elements * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    cdul_tensor_to_f32(&view, 0, view.elements, values);
    status = check_values(entry, values, view.elements, cdul_safetensors_path(file), err);
    if (status == CDUL_OK) return set_values(entry, values, err);
    free(values);
    return status;
}

/* A counter that torchvision's files may hold; nothing reads it once momentum is fixed. */
static bool is_batch_counter(const char *name) {
    const char *last = strrchr(name, '.');
    return last && last > name && !strcmp(last, ".num_batches_tracked");
}

static cdul_status refuse_unknown(const cdul_resnet *net, const cdul_safetensors *file,
                                  cdul_error *err) {
    for (size_t i = 0; i < file->count; i++) {
        cdul_tensor_view view = file->tensors[i];
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

static cdul_status load(cdul_resnet *net, const cdul_safetensors *file, bool *head_replaced,
                        cdul_error *err) {
    const cdul_tensor_view *head = cdul_safetensors_find(file, "fc.weight");
    /* For another number of classes, but of this network's features. */
    bool foreign = head && head->rank == 2 && head->shape[1] == net->features &&
                   head->shape[0] != net->options.classes;
    cdul_status status = refuse_unknown(net, file, err);
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++) {
        if (net->entries[i].stage != CDUL_RESNET_HEAD || !foreign)
            status = load_entry(&net->entries[i], file, err);
    }
    if (head_replaced) *head_replaced = foreign;
    return status;
}

/* --- Weights: the labels --- */

#define MEAN_CLAMP 1e-4

cdul_status cdul_resnet_set_head_bias(cdul_resnet *net, const float *labels, size_t n,
                                      cdul_error *err) {
    const cdul_resnet_entry *entry = &net->entries[net->entry_count - 1];
    const size_t c = net->options.classes;
    float *values = malloc(c * sizeof *values);
    if (!values) return cdul_fail_memory(err, entry->name);
    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)labels[i * c + k];
        values[k] = (float)cdul_logit((float)(sum / (double)n), MEAN_CLAMP);
    }
    return set_values(entry, values, err);
}

/* --- A network --- */

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
    if (status == CDUL_OK) status = initialize(net, weights != NULL, err);
    if (status == CDUL_OK && weights) status = load(net, weights, head_replaced, err);
    if (status == CDUL_OK)
        *out = net;
    else
        cdul_resnet_free(net);
    return status;
}

void cdul_resnet_free(cdul_resnet *net) {
    if (!net) return;
    for (size_t i = 0; i < net->entry_count; i++) cdul_tensor_free(net->entries[i].tensor);
    free(net->entries);
    free(net);
}

/* --- A pass --- */

/* Widens the next range by the elements of x. `r` may be NULL. */
static void observe(cdul_ranges *r, cdul_scope *scope, const cdul_tensor *x) {
    if (!r || r->next >= CDUL_RANGES) return;
    double low, high;
    cdul_tensor_range(scope, x, &low, &high);
    size_t i = r->next++;
    bool first = i >= r->count;
    r->low[i] = first ? low : fmin(low, r->low[i]);
    r->high[i] = first ? high : fmax(high, r->high[i]);
    if (first) r->count = i + 1;
}

/* How batch norm and convolution run in one stage of one pass. */
typedef struct pass {
    double eps;
    bool batch_statistics;
    cdul_dtype dtype; /* of activations */
    cdul_ranges *ranges; /* that activations are reported to, or NULL */
} pass;

static cdul_tensor *convolve(cdul_scope *s, const cdul_resnet_unit *u, pass p, const cdul_tensor *x,
                             const cdul_tensor *weight, const cdul_tensor *bias) {
    return cdul_tensor_conv2d(s, x, cdul_tensor_cast(s, weight, p.dtype),
                              bias ? cdul_tensor_cast(s, bias, p.dtype) : NULL, u->stride,
                              (u->kernel - 1) / 2);
}

/* Batch norm with fixed statistics is the affine map y = g x + (b - g mean), g = weight / sqrt(var
 * + eps), of each channel. A convolution takes it in for nothing: conv(x, w) g = conv(x, g w).
 * Gradients of w, weight and bias flow through g w as they would through the two layers. */
static cdul_tensor *folded_unit(cdul_scope *s, const cdul_resnet_unit *u, pass p,
                                const cdul_tensor *x) {
    cdul_tensor *g = cdul_tensor_mul(
        s, u->bn_weight, cdul_tensor_rsqrt(s, cdul_tensor_affine(s, u->bn_var, 1, p.eps)));
    cdul_tensor *per_filter = cdul_tensor_reshape(s, g, 4, (size_t[]){u->outputs, 1, 1, 1});
    cdul_tensor *weight = cdul_tensor_mul(s, u->weight, per_filter);
    cdul_tensor *bias = cdul_tensor_sub(s, u->bn_bias, cdul_tensor_mul(s, g, u->bn_mean));
    return convolve(s, u, p, x, weight, bias);
}

/* unit(x), or max(0, unit(x)), or max(0, unit(x) + residual). */
static cdul_tensor *pass_unit(cdul_scope *s, const cdul_resnet_unit *u, pass p,
                              const cdul_tensor *x, const cdul_tensor *residual, bool relu) {
    const cdul_norm norm = {u->bn_weight, u->bn_bias, u->bn_mean, u->bn_var, BN_MOMENTUM, p.eps};
    cdul_tensor *y = p.batch_statistics
                         ? cdul_tensor_batch_norm(s, convolve(s, u, p, x, u->weight, NULL), &norm)
                         : folded_unit(s, u, p, x);
    if (residual) observe(p.ranges, s, y);
    if (relu) y = cdul_tensor_add_relu_(s, y, residual);
    observe(p.ranges, s, y);
    return y;
}

static cdul_tensor *stem(cdul_scope *outer, const cdul_resnet *net, pass p, const cdul_tensor *x) {
    cdul_scope s = cdul_scope_inside(outer);
    cdul_tensor *y = pass_unit(&s, &net->stem, p, x, NULL, true);
    return cdul_scope_yield(&s, outer, cdul_tensor_max_pool2d(&s, y, 3, 2, 1), "stem");
}

static cdul_tensor *pass_block(cdul_scope *outer, const cdul_resnet_block *b, pass p,
                               const cdul_tensor *x) {
    cdul_scope s = cdul_scope_inside(outer);
    const cdul_tensor *y = x, *shortcut = x;
    if (b->projects) shortcut = pass_unit(&s, &b->shortcut, p, shortcut, NULL, false);
    for (size_t i = 0; i + 1 < b->count; i++) y = pass_unit(&s, &b->units[i], p, y, NULL, true);
    cdul_tensor *sum = pass_unit(&s, &b->units[b->count - 1], p, y, shortcut, true);
    char where[32];
    snprintf(where, sizeof where, "layer%zu", b->stage);
    return cdul_scope_yield(&s, outer, sum, where);
}

/* Stages from + 1 .. upto. Each activation is dropped once the next is made: what backward needs,
 * autograd holds itself. */
static cdul_tensor *stages(cdul_scope *s, const cdul_resnet *net, const cdul_tensor *x, size_t from,
                           size_t upto, bool training, cdul_ranges *ranges) {
    const cdul_resnet_options *o = &net->options;
    const bool batch_norm = training && !o->freeze_bn;
    pass p = {o->arch->bn_eps, batch_norm && o->freeze < 1, o->bfloat16 ? CDUL_BF16 : CDUL_F32,
              ranges};
    cdul_tensor *y = cdul_tensor_cast(s, cdul_tensor_to(s, x, o->device), p.dtype);
    if (o->channels_last) y = cdul_tensor_channels_last(s, y);
    observe(ranges, s, y);
    if (from == 0) y = stem(s, net, p, y);
    for (size_t i = 0; i < net->block_count; i++) {
        const cdul_resnet_block *b = &net->blocks[i];
        if (b->stage <= from || b->stage > upto) continue;
        p.batch_statistics = batch_norm && b->stage > o->freeze;
        cdul_tensor *next = pass_block(s, b, p, y);
        cdul_tensor_drop(s, y);
        y = next;
    }
    return y;
}

cdul_tensor *cdul_resnet_forward_features(cdul_scope *scope, const cdul_resnet *net,
                                          const cdul_tensor *x, size_t upto) {
    cdul_scope s = cdul_scope_inside(scope);
    return cdul_scope_yield(&s, scope, stages(&s, net, x, 0, upto, false, NULL), "resnet");
}

cdul_tensor *cdul_resnet_forward_from(cdul_scope *scope, const cdul_resnet *net,
                                      const cdul_tensor *x, size_t from, bool training) {
    cdul_scope s = cdul_scope_inside(scope);
    cdul_tensor *y =
        cdul_tensor_mean_hw(&s, stages(&s, net, x, from, CDUL_RESNET_STAGES, training, NULL));
    y = cdul_tensor_linear(&s, y, net->head_weight, net->head_bias);
    return cdul_scope_yield(&s, scope, y, net->options.arch->name);
}

void cdul_resnet_observe(cdul_scope *scope, const cdul_resnet *net, const cdul_tensor *x,
                         cdul_ranges *ranges) {
    ranges->next = 0;
    cdul_tensor_drop(scope, stages(scope, net, x, 0, CDUL_RESNET_STAGES, false, ranges));
}
