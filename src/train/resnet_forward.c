#include "train/resnet.h"

#include <stdio.h>

#define BN_MOMENTUM 0.1 /* torchvision's: the share of the new batch in the running statistics */

/* How batch norm and convolution run in one stage of one pass. */
typedef struct pass {
    double eps;
    bool batch_statistics;
    cdul_dtype dtype; /* of activations */
    cdul_ranges *ranges; /* that activations are reported to, or NULL */
} pass;

static pass pass_of(const cdul_resnet *net, size_t stage, bool training, cdul_ranges *ranges) {
    return (pass){.eps = net->options.arch->bn_eps,
                  .batch_statistics =
                      training && !net->options.freeze_bn && stage > net->options.freeze,
                  .dtype = net->options.bfloat16 ? CDUL_BF16 : CDUL_F32,
                  .ranges = ranges};
}

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

/* A unit whose outputs are all that follows sees: y = unit(x), or max(0, unit(x)), or max(0,
 * unit(x) + residual). */
static cdul_tensor *unit(cdul_scope *s, const cdul_resnet_unit *u, pass p, const cdul_tensor *x,
                         const cdul_tensor *residual, bool relu) {
    if (p.batch_statistics)
        return cdul_tensor_batch_norm(s, convolve(s, u, p, x, u->weight, NULL), u->bn_weight,
                                      u->bn_bias, u->bn_mean, u->bn_var, BN_MOMENTUM, p.eps,
                                      residual, relu);
    cdul_tensor *y = folded_unit(s, u, p, x);
    if (residual) cdul_ranges_observe(p.ranges, s, y);
    if (relu) y = cdul_tensor_add_relu_(s, y, residual);
    cdul_ranges_observe(p.ranges, s, y);
    return y;
}

static cdul_tensor *stem(cdul_scope *outer, const cdul_resnet *net, pass p, const cdul_tensor *x) {
    cdul_scope s = cdul_scope_inside(outer);
    cdul_tensor *y = unit(&s, &net->stem, p, x, NULL, true);
    return cdul_scope_yield(&s, outer, cdul_tensor_max_pool2d(&s, y, 3, 2, 1), "stem");
}

static cdul_tensor *block(cdul_scope *outer, const cdul_resnet_block *b, pass p,
                          const cdul_tensor *x) {
    cdul_scope s = cdul_scope_inside(outer);
    const cdul_tensor *y = x, *shortcut = cdul_tensor_twin(&s, x);
    if (b->projects) shortcut = unit(&s, &b->shortcut, p, shortcut, NULL, false);
    for (size_t i = 0; i + 1 < b->count; i++) y = unit(&s, &b->units[i], p, y, NULL, true);
    cdul_tensor *sum = unit(&s, &b->units[b->count - 1], p, y, shortcut, true);
    char where[32];
    snprintf(where, sizeof where, "layer%zu", b->stage);
    return cdul_scope_yield(&s, outer, sum, where);
}

/* Stages from + 1 .. upto. Each activation is dropped once the next is made: what backward needs,
 * autograd holds itself. */
static cdul_tensor *stages(cdul_scope *s, const cdul_resnet *net, const cdul_tensor *x, size_t from,
                           size_t upto, bool training, cdul_ranges *ranges) {
    pass p = pass_of(net, 1, training, ranges);
    cdul_tensor *y = cdul_tensor_cast(s, cdul_tensor_to(s, x, net->options.device), p.dtype);
    if (net->options.channels_last) y = cdul_tensor_channels_last(s, y);
    cdul_ranges_observe(ranges, s, y);
    if (from == 0) y = stem(s, net, p, y);
    for (size_t i = 0; i < net->block_count; i++) {
        const cdul_resnet_block *b = &net->blocks[i];
        if (b->stage <= from || b->stage > upto) continue;
        cdul_tensor *next = block(s, b, pass_of(net, b->stage, training, ranges), y);
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
