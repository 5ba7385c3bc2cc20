/* libtorch for C: tensors, autograd and optimisers, no more of it than the trainer calls. torch.cpp
 * is the only C++ file of the project, and the only one that includes a header of libtorch.
 *
 * Every operation takes a cdul_scope first, which owns the tensor that the operation returns, and
 * remembers the first operation that failed, after which all others do nothing and return NULL. So
 * operations nest and chain like an equation, and the status is asked once, at the end:
 *
 *     cdul_scope s = {0};
 *     cdul_tensor *logits = cdul_tensor_linear(&s, cdul_tensor_mean_hw(&s, x), weight, bias);
 *     cdul_tensor *loss = cdul_tensor_bce_with_logits(&s, logits, labels);
 *     cdul_tensor_backward(&s, loss);
 *     cdul_optimizer_step(&s, optimizer);
 *     *out = cdul_tensor_item(&s, loss);
 *     return cdul_scope_close(&s, err);
 *
 * What outlives its scope (a parameter, a cached activation) is kept: cdul_tensor_keep gives a
 * handle that the caller frees with cdul_tensor_free.
 *
 * Shapes are row-major, [B, C, H, W] for images, whatever the memory layout. A name that ends in an
 * underscore changes its first operand. Binary operations broadcast as libtorch does. Nothing here
 * draws from libtorch's random generators, so there is no seed to set. */
#pragma once

#include "base/safetensors.h"
#include "cdul/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cdul_tensor cdul_tensor; /* a handle; the elements are shared between handles */
typedef struct cdul_optimizer cdul_optimizer; /* AdamW or SGD with its parameter groups */

/* --- The library itself --- */

const char *cdul_torch_version(void); /* "1.13.1" */
/* Threads of one operation, for the whole process. Debian's libtorch starts with one. */
void cdul_torch_set_threads(size_t threads);

/* Where tensors live. {0} is the CPU. */
typedef struct cdul_device {
    bool cuda;
    int index; /* of the GPU */
} cdul_device;

/* "cpu", "cuda" (= "cuda:0") or "cuda:<index>", else CDUL_ERR_USAGE. CDUL_ERR_RUNTIME if this
 * libtorch is built without CUDA or has no such GPU. */
cdul_status cdul_device_parse(const char *text, cdul_device *out, cdul_error *err) CDUL_MUST_CHECK;

/* --- Scopes --- */

/* Start from {0}, or from {.no_grad = true} for evaluation: operations then record nothing for
 * backward. */
typedef struct cdul_scope {
    bool no_grad;
    cdul_status status; /* CDUL_OK, or what the first failed operation returned */
    cdul_error error; /* its message: "conv2d: <first line of libtorch's text>" */
    cdul_tensor *tensors; /* those it owns, linked; not for callers */
} cdul_scope;

/* A scope for a part of a computation, which inherits no_grad and failure. cdul_scope_yield ends
 * it. */
cdul_scope cdul_scope_inside(const cdul_scope *outer);
/* Frees what `inner` owns and moves `result` (may be NULL) and a failure, with "<where>: " before
 * its message, to `outer`. Returns the result's handle there; NULL after a failure. */
cdul_tensor *cdul_scope_yield(cdul_scope *inner, cdul_scope *outer, cdul_tensor *result,
                              const char *where);
/* Frees what the scope owns and returns its status, with the message in `err`. The scope is {0}
 * again. */
cdul_status cdul_scope_close(cdul_scope *scope, cdul_error *err);
/* Frees one tensor that the scope owns before the scope ends. */
void cdul_tensor_drop(cdul_scope *scope, cdul_tensor *x);

/* A second handle of the same tensor, owned by the caller. NULL after a failure. */
cdul_tensor *cdul_tensor_keep(cdul_scope *scope, const cdul_tensor *x) CDUL_MUST_CHECK;
void cdul_tensor_free(cdul_tensor *x); /* of kept handles only; takes NULL */

/* --- To and from memory --- */

/* Copies shape[0] x ... x shape[rank - 1] elements from `data` to a new tensor on the CPU. */
cdul_tensor *cdul_tensor_from(cdul_scope *scope, const void *data, cdul_dtype dtype, size_t rank,
                              const size_t *shape);
cdul_tensor *cdul_tensor_full(cdul_scope *scope, double value, cdul_dtype dtype, size_t rank,
                              const size_t *shape);
/* Copies x, converted to `dtype` and in row-major order, to `out` [elements]. Another number of
 * elements in x is a failure. */
void cdul_tensor_read(cdul_scope *scope, const cdul_tensor *x, cdul_dtype dtype, void *out,
                      size_t elements);
/* The value of a tensor of one element; 0 after a failure. */
double cdul_tensor_item(cdul_scope *scope, const cdul_tensor *x);
/* Overwrites x's elements with y's, converted to x's form. Not recorded for backward. */
void cdul_tensor_copy_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *y);
/* Exchanges what two handles stand for: weights for their average, and back. */
void cdul_tensor_swap(cdul_tensor *x, cdul_tensor *y);

/* These take NULL, of which all is 0 (CDUL_F32). */
size_t cdul_tensor_elements(const cdul_tensor *x);
/* Its type and shape, under a name that is borrowed. Sizes beyond its rank are 0. */
cdul_tensor_decl cdul_tensor_declare(const cdul_tensor *x, const char *name);

/* --- Form --- */

cdul_tensor *cdul_tensor_cast(cdul_scope *scope, const cdul_tensor *x, cdul_dtype dtype);
cdul_tensor *cdul_tensor_to(cdul_scope *scope, const cdul_tensor *x, cdul_device device);
/* x [B, C, H, W] with its channels innermost in memory. */
cdul_tensor *cdul_tensor_channels_last(cdul_scope *scope, const cdul_tensor *x);
/* A view of x whose axis i is x's axis order[i]; `order` has as many as x has axes. */
cdul_tensor *cdul_tensor_permute(cdul_scope *scope, const cdul_tensor *x, const size_t *order);
cdul_tensor *cdul_tensor_reshape(cdul_scope *scope, const cdul_tensor *x, size_t rank,
                                 const size_t *shape);

/* --- Layers --- */

/* x [B, I, H, W], weight [O, I, K, K], bias [O] or NULL -> [B, O, H', W']. */
cdul_tensor *cdul_tensor_conv2d(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *weight,
                                const cdul_tensor *bias, size_t stride, size_t padding);
typedef struct cdul_norm {
    const cdul_tensor *weight, *bias; /* float32 [C] */
    cdul_tensor *mean, *var; /* float32 [C]: running ones, which a pass moves */
    double momentum, eps;
} cdul_norm;

/* x [B, C, H, W] -> (x - mean) / sqrt(var + eps) * weight + bias with the batch's mean and
 * variance, towards which the running ones move by `momentum`. */
cdul_tensor *cdul_tensor_batch_norm(cdul_scope *scope, const cdul_tensor *x, const cdul_norm *norm);
/* x <- max(0, x + residual), without residual if that is NULL. Returns x. */
cdul_tensor *cdul_tensor_add_relu_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *residual);
cdul_tensor *cdul_tensor_max_pool2d(cdul_scope *scope, const cdul_tensor *x, size_t kernel,
                                    size_t stride, size_t padding);
/* [B, C, H, W] -> [B, C] */
cdul_tensor *cdul_tensor_mean_hw(cdul_scope *scope, const cdul_tensor *x);
/* x [B, I], weight [O, I], bias [O] -> [B, O]. */
cdul_tensor *cdul_tensor_linear(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *weight,
                                const cdul_tensor *bias);

/* --- Arithmetic --- */

cdul_tensor *cdul_tensor_sub(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *y);
cdul_tensor *cdul_tensor_mul(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *y);
/* a x + b, element by element. */
cdul_tensor *cdul_tensor_affine(cdul_scope *scope, const cdul_tensor *x, double a, double b);
cdul_tensor *cdul_tensor_rsqrt(cdul_scope *scope, const cdul_tensor *x);
cdul_tensor *cdul_tensor_sum(cdul_scope *scope, const cdul_tensor *x); /* of all elements -> [] */
/* over the last axis */
cdul_tensor *cdul_tensor_log_softmax(cdul_scope *scope, const cdul_tensor *x);
/* Smallest and largest element; 0 and 0 after a failure. */
void cdul_tensor_range(cdul_scope *scope, const cdul_tensor *x, double *low, double *high);
/* [], the mean of -(y log sigmoid(x) + (1 - y) log(1 - sigmoid(x))); y in [0, 1]. */
cdul_tensor *cdul_tensor_bce_with_logits(cdul_scope *scope, const cdul_tensor *x,
                                         const cdul_tensor *y);
/* x <- x + weight (y - x): a moving average. Not recorded for backward. */
void cdul_tensor_lerp_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *y, double weight);

/* --- Gradients --- */

/* Says that x, a kept tensor that is no operation's result, is a parameter. */
void cdul_tensor_require_grad(cdul_scope *scope, cdul_tensor *x, bool required);
/* Adds d loss / d parameter to the gradient of every parameter that `loss` [] depends on. */
void cdul_tensor_backward(cdul_scope *scope, const cdul_tensor *loss);
/* The gradient of a parameter; a failure if backward has not reached it. */
cdul_tensor *cdul_tensor_grad(cdul_scope *scope, const cdul_tensor *x);

/* --- Optimisers: those of torch::optim --- */

/* AdamW with torch's betas 0.9 and 0.999 and eps 1e-8; SGD with `momentum` in [0, 1), 0 = none. */
cdul_status cdul_optimizer_new(cdul_optimizer_kind kind, double momentum, cdul_optimizer **out,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_optimizer_free(cdul_optimizer *optimizer);

/* Adds `count` parameters (the optimiser shares their elements, not the handles) as the next group:
 * the first is group 0. */
void cdul_optimizer_add_group(cdul_scope *scope, cdul_optimizer *optimizer,
                              cdul_tensor *const *parameters, size_t count, double lr,
                              double weight_decay);
void cdul_optimizer_set_lr(cdul_scope *scope, cdul_optimizer *optimizer, size_t group, double lr);
/* Moves every parameter that has a gradient. Gradients may be gone afterwards. */
void cdul_optimizer_step(cdul_scope *scope, cdul_optimizer *optimizer);
/* Root of the sum of squares of all gradients that backward has reached; 0 after a failure. */
double cdul_optimizer_gradient_norm(cdul_scope *scope, const cdul_optimizer *optimizer);
void cdul_optimizer_zero_grad(cdul_scope *scope, cdul_optimizer *optimizer);

/* What a checkpoint must hold of each parameter, so that training goes on to the same bits: AdamW
 * {"step", "exp_avg", "exp_avg_sq", NULL}, SGD {"momentum_buffer", NULL}, without momentum {NULL}.
 */
const char *const *cdul_optimizer_state_names(const cdul_optimizer *optimizer);
/* One of them: "step" is int64 [1], the others are float32 of the parameter's shape. Zeros for a
 * parameter that has not been stepped, and zeros set have that same meaning. */
cdul_tensor *cdul_optimizer_state(cdul_scope *scope, const cdul_optimizer *optimizer,
                                  const cdul_tensor *parameter, const char *name);
void cdul_optimizer_set_state(cdul_scope *scope, cdul_optimizer *optimizer,
                              const cdul_tensor *parameter, const char *name,
                              const cdul_tensor *value);

#ifdef __cplusplus
}
#endif
