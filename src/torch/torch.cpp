/* The declarations of torch.h in terms of ATen and torch::optim, in the same order, and no logic of
 * cdul. Exceptions end in protect(). AdamW runs on the CPU in one pass over memory (kernels.h).
 * Builds with libtorch 1.13 and 2.x. <torch/torch.h> would find our header of that name. */
#include "torch/torch.h"

#include "torch/kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/cuda.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

struct cdul_tensor {
    at::Tensor value;
    cdul_tensor *next; /* in its scope's list */
};

struct cdul_optimizer {
    cdul_optimizer_kind kind;
    double momentum;
    std::unique_ptr<torch::optim::Optimizer> torch;
};

namespace {

/* Runs `body`; an exception becomes a status and the message "<what>: <its first line>". The other
 * lines are libtorch's backtrace. */
template <class Body> cdul_status protect(cdul_error *err, const char *what, Body body) {
    try {
        body();
        return CDUL_OK;
    } catch (const std::bad_alloc &) {
        return cdul_fail_memory(err, what);
    } catch (const std::exception &e) {
        const char *text = e.what();
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: %.*s", what,
                         static_cast<int>(std::strcspn(text, "\n")), text);
    } catch (...) {
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: libtorch failed without saying why", what);
    }
}

/* Runs `body` unless the scope has failed, recording gradients if the scope does. */
template <class Body> void run(cdul_scope *scope, const char *what, Body body) {
    if (scope->status != CDUL_OK) return;
    scope->status = protect(&scope->error, what, [&] {
        at::AutoGradMode grad(!scope->no_grad);
        body();
    });
}

/* As run, for a body that changes elements in place behind autograd's back. */
template <class Body> void run_unrecorded(cdul_scope *scope, const char *what, Body body) {
    run(scope, what, [&] {
        at::NoGradGuard guard;
        body();
    });
}

/* As run, for a body that returns an at::Tensor, which the scope then owns. */
template <class Body> cdul_tensor *make(cdul_scope *scope, const char *what, Body body) {
    cdul_tensor *result = nullptr;
    run(scope, what, [&] {
        result = new cdul_tensor{body(), scope->tensors};
        scope->tensors = result;
    });
    return result;
}

const at::Tensor &value(const cdul_tensor *x) {
    if (!x) throw std::invalid_argument("a tensor is NULL");
    return x->value;
}

c10::optional<at::Tensor> value_or_none(const cdul_tensor *x) {
    return x ? c10::make_optional(x->value) : c10::nullopt;
}

std::vector<int64_t> sizes(size_t rank, const size_t *shape) {
    return std::vector<int64_t>(shape, shape + rank);
}

/* In the order of cdul_dtype. */
constexpr at::ScalarType scalar_types[] = {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble,
                                           at::kLong,  at::kInt,  at::kByte};

void free_all(cdul_tensor *x) {
    while (x) {
        cdul_tensor *next = x->next;
        delete x;
        x = next;
    }
}

} // namespace

/* --- The library itself --- */

const char *cdul_torch_version(void) { return TORCH_VERSION; }

void cdul_torch_set_threads(size_t threads) {
    at::set_num_threads(static_cast<int>(threads > 0 ? threads : 1));
}

cdul_status cdul_device_parse(const char *text, cdul_device *out, cdul_error *err) {
    *out = cdul_device{};
    if (!std::strcmp(text, "cpu")) return CDUL_OK;
    out->cuda = true;
    int end = 0;
    bool indexed =
        std::sscanf(text, "cuda:%3d%n", &out->index, &end) == 1 && !text[end] && out->index >= 0;
    if (!indexed && std::strcmp(text, "cuda"))
        return cdul_fail(err, CDUL_ERR_USAGE, "device \"%s\": expected cpu, cuda or cuda:<index>",
                         text);
    size_t found = 0;
    cdul_status status =
        protect(err, "counting GPUs", [&] { found = torch::cuda::device_count(); });
    if (status == CDUL_OK && static_cast<size_t>(out->index) >= found)
        return cdul_fail(err, CDUL_ERR_RUNTIME,
                         "device \"%s\": libtorch %s finds %zu GPUs; use cpu, or build with a "
                         "libtorch that has CUDA",
                         text, TORCH_VERSION, found);
    return status;
}

/* --- Scopes --- */

cdul_scope cdul_scope_inside(const cdul_scope *outer) {
    cdul_scope inner{};
    inner.no_grad = outer->no_grad;
    inner.status = outer->status;
    return inner;
}

cdul_tensor *cdul_scope_yield(cdul_scope *inner, cdul_scope *outer, cdul_tensor *result,
                              const char *where) {
    if (inner->status != CDUL_OK && outer->status == CDUL_OK) {
        outer->status = inner->status;
        outer->error = inner->error;
        cdul_error_prefix(&outer->error, "%s", where);
    }
    cdul_tensor *moved = result ? make(outer, where, [&] { return result->value; }) : nullptr;
    free_all(inner->tensors);
    *inner = cdul_scope{};
    return moved;
}

cdul_status cdul_scope_close(cdul_scope *scope, cdul_error *err) {
    cdul_status status = scope->status;
    if (status != CDUL_OK && err) *err = scope->error;
    free_all(scope->tensors);
    *scope = cdul_scope{};
    return status;
}

void cdul_tensor_drop(cdul_scope *scope, cdul_tensor *x) {
    cdul_tensor **link = &scope->tensors;
    while (*link && *link != x) link = &(*link)->next;
    if (!*link) return;
    *link = x->next;
    delete x;
}

cdul_tensor *cdul_tensor_keep(cdul_scope *scope, const cdul_tensor *x) {
    cdul_tensor *kept = nullptr;
    run(scope, "keep", [&] { kept = new cdul_tensor{value(x), nullptr}; });
    return kept;
}

void cdul_tensor_free(cdul_tensor *x) { delete x; }

/* --- To and from memory --- */

cdul_tensor *cdul_tensor_from(cdul_scope *scope, const void *data, cdul_dtype dtype, size_t rank,
                              const size_t *shape) {
    return make(scope, "from", [&] {
        return at::from_blob(const_cast<void *>(data), sizes(rank, shape),
                             at::dtype(scalar_types[dtype]))
            .clone();
    });
}

cdul_tensor *cdul_tensor_full(cdul_scope *scope, double fill, cdul_dtype dtype, size_t rank,
                              const size_t *shape) {
    return make(scope, "full",
                [&] { return at::full(sizes(rank, shape), fill, at::dtype(scalar_types[dtype])); });
}

void cdul_tensor_read(cdul_scope *scope, const cdul_tensor *x, cdul_dtype dtype, void *out,
                      size_t elements) {
    run_unrecorded(scope, "read", [&] {
        at::Tensor host = value(x).to(at::kCPU, scalar_types[dtype]).contiguous();
        if (static_cast<size_t>(host.numel()) != elements)
            throw std::length_error("the tensor has " + std::to_string(host.numel()) +
                                    " elements, not " + std::to_string(elements));
        if (elements > 0) std::memcpy(out, host.data_ptr(), host.nbytes());
    });
}

double cdul_tensor_item(cdul_scope *scope, const cdul_tensor *x) {
    double item = 0;
    run(scope, "item", [&] { item = value(x).item().toDouble(); });
    return item;
}

void cdul_tensor_range(cdul_scope *scope, const cdul_tensor *x, double *low, double *high) {
    *low = *high = 0;
    run(scope, "range", [&] {
        auto [least, most] = at::aminmax(value(x));
        *low = least.item().toDouble();
        *high = most.item().toDouble();
    });
}

void cdul_tensor_copy_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *y) {
    run_unrecorded(scope, "copy", [&] { value(x).copy_(value(y)); });
}

void cdul_tensor_swap(cdul_tensor *x, cdul_tensor *y) { std::swap(x->value, y->value); }

size_t cdul_tensor_elements(const cdul_tensor *x) {
    return x ? static_cast<size_t>(x->value.numel()) : 0;
}

cdul_tensor_decl cdul_tensor_declare(const cdul_tensor *x, const char *name) {
    cdul_tensor_decl decl{};
    decl.name = name;
    if (!x) return decl;
    auto found =
        std::find(std::begin(scalar_types), std::end(scalar_types), x->value.scalar_type());
    decl.dtype = static_cast<cdul_dtype>(found - std::begin(scalar_types));
    decl.rank = static_cast<size_t>(x->value.dim());
    std::copy(x->value.sizes().begin(), x->value.sizes().end(), decl.shape);
    return decl;
}

/* --- Form --- */

cdul_tensor *cdul_tensor_cast(cdul_scope *scope, const cdul_tensor *x, cdul_dtype dtype) {
    return make(scope, "cast", [&] { return value(x).to(scalar_types[dtype]); });
}

cdul_tensor *cdul_tensor_to(cdul_scope *scope, const cdul_tensor *x, cdul_device device) {
    return make(scope, "to", [&] {
        return value(x).to(device.cuda
                               ? at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.index))
                               : at::Device(at::kCPU));
    });
}

cdul_tensor *cdul_tensor_channels_last(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "channels_last",
                [&] { return value(x).contiguous(at::MemoryFormat::ChannelsLast); });
}

cdul_tensor *cdul_tensor_permute(cdul_scope *scope, const cdul_tensor *x, const size_t *order) {
    return make(scope, "permute", [&] {
        return value(x).permute(sizes(static_cast<size_t>(value(x).dim()), order));
    });
}

cdul_tensor *cdul_tensor_reshape(cdul_scope *scope, const cdul_tensor *x, size_t rank,
                                 const size_t *shape) {
    return make(scope, "reshape", [&] { return value(x).reshape(sizes(rank, shape)); });
}

/* --- Layers --- */

cdul_tensor *cdul_tensor_conv2d(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *weight,
                                const cdul_tensor *bias, size_t stride, size_t padding) {
    return make(scope, "conv2d", [&] {
        return at::conv2d(value(x), value(weight), value_or_none(bias),
                          static_cast<int64_t>(stride), static_cast<int64_t>(padding));
    });
}

cdul_tensor *cdul_tensor_batch_norm(cdul_scope *scope, const cdul_tensor *x,
                                    const cdul_norm *norm) {
    return make(scope, "batch_norm", [&] {
        return at::batch_norm(value(x), value(norm->weight), value(norm->bias), value(norm->mean),
                              value(norm->var), /* training */ true, norm->momentum, norm->eps,
                              /* cudnn_enabled */ true);
    });
}

cdul_tensor *cdul_tensor_add_relu_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *residual) {
    run(scope, "add_relu", [&] {
        if (residual) value(x).add_(value(residual));
        value(x).relu_();
    });
    return scope->status == CDUL_OK ? x : nullptr;
}

cdul_tensor *cdul_tensor_max_pool2d(cdul_scope *scope, const cdul_tensor *x, size_t kernel,
                                    size_t stride, size_t padding) {
    return make(scope, "max_pool2d", [&] {
        return at::max_pool2d(value(x), static_cast<int64_t>(kernel), static_cast<int64_t>(stride),
                              static_cast<int64_t>(padding));
    });
}

cdul_tensor *cdul_tensor_mean_hw(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "mean_hw", [&] {
        return value(x).mean({2, 3}, /* keepdim */ false, at::kFloat);
    });
}

cdul_tensor *cdul_tensor_linear(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *weight,
                                const cdul_tensor *bias) {
    return make(scope, "linear",
                [&] { return at::linear(value(x), value(weight), value_or_none(bias)); });
}

/* --- Arithmetic --- */

cdul_tensor *cdul_tensor_sub(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *y) {
    return make(scope, "sub", [&] { return value(x) - value(y); });
}

cdul_tensor *cdul_tensor_mul(cdul_scope *scope, const cdul_tensor *x, const cdul_tensor *y) {
    return make(scope, "mul", [&] { return value(x) * value(y); });
}

cdul_tensor *cdul_tensor_affine(cdul_scope *scope, const cdul_tensor *x, double a, double b) {
    return make(scope, "affine", [&] { return value(x) * a + b; });
}

cdul_tensor *cdul_tensor_rsqrt(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "rsqrt", [&] { return value(x).rsqrt(); });
}

cdul_tensor *cdul_tensor_sum(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "sum", [&] { return value(x).sum(); });
}

cdul_tensor *cdul_tensor_log_softmax(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "log_softmax", [&] { return value(x).log_softmax(-1); });
}

cdul_tensor *cdul_tensor_bce_with_logits(cdul_scope *scope, const cdul_tensor *x,
                                         const cdul_tensor *y) {
    return make(scope, "bce_with_logits",
                [&] { return at::binary_cross_entropy_with_logits(value(x), value(y)); });
}

void cdul_tensor_lerp_(cdul_scope *scope, cdul_tensor *x, const cdul_tensor *y, double weight) {
    run_unrecorded(scope, "lerp", [&] { value(x).lerp_(value(y), weight); });
}

/* --- Gradients --- */

void cdul_tensor_require_grad(cdul_scope *scope, cdul_tensor *x, bool required) {
    run(scope, "require_grad", [&] { value(x).set_requires_grad(required); });
}

void cdul_tensor_backward(cdul_scope *scope, const cdul_tensor *loss) {
    run(scope, "backward", [&] { value(loss).backward(); });
}

cdul_tensor *cdul_tensor_grad(cdul_scope *scope, const cdul_tensor *x) {
    return make(scope, "grad", [&] {
        if (!value(x).grad().defined())
            throw std::logic_error("no backward has reached this tensor");
        return value(x).grad();
    });
}

/* --- Optimisers --- */

namespace {

using torch::optim::AdamW;
using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;
using torch::optim::SGD;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;
using states = std::remove_reference_t<decltype(std::declval<torch::optim::Optimizer &>().state())>;

std::unique_ptr<torch::optim::OptimizerOptions> group_options(const cdul_optimizer &o, double lr,
                                                              double weight_decay) {
    if (o.kind == CDUL_ADAMW)
        return std::make_unique<AdamWOptions>(AdamWOptions(lr).weight_decay(weight_decay));
    return std::make_unique<SGDOptions>(
        SGDOptions(lr).momentum(o.momentum).weight_decay(weight_decay));
}

/* torch::optim files a parameter's state under its address: as text in libtorch 1.13, as a pointer
 * in 2.x. */
template <class Key> Key state_key(const at::Tensor &parameter) {
    if constexpr (std::is_same_v<Key, std::string>) {
        std::ostringstream text;
        text << parameter.unsafeGetTensorImpl();
        return text.str();
    } else {
        return parameter.unsafeGetTensorImpl();
    }
}

/* The state of a parameter, created with zeros where there is none. */
template <class State>
State &state_of(const cdul_optimizer *optimizer, const at::Tensor &parameter) {
    auto &slot = optimizer->torch->state()[state_key<states::key_type>(parameter)];
    if (!slot) slot = std::make_unique<State>();
    return static_cast<State &>(*slot);
}

/* The moment called `name`, made zero where it is not yet defined, shared with the optimiser. */
at::Tensor moment(const cdul_optimizer *optimizer, const at::Tensor &parameter,
                  const std::string &name) {
    at::NoGradGuard guard;
    auto defined = [&](at::Tensor &buffer) -> at::Tensor {
        if (!buffer.defined()) buffer = at::zeros_like(parameter);
        return buffer;
    };
    if (optimizer->kind == CDUL_ADAMW) {
        auto &state = state_of<AdamWParamState>(optimizer, parameter);
        at::Tensor first = defined(state.exp_avg()), second = defined(state.exp_avg_sq());
        if (name == "exp_avg") return first;
        if (name == "exp_avg_sq") return second;
    } else if (optimizer->momentum > 0 && name == "momentum_buffer") {
        return defined(state_of<SGDParamState>(optimizer, parameter).momentum_buffer());
    }
    throw std::invalid_argument("this optimiser has no state called " + name);
}

/* One pass over memory (kernels.h), where the elements lie there. */
bool step_here(const cdul_optimizer *optimizer, const AdamWOptions &o, at::Tensor &parameter) {
    if (!parameter.is_cpu() || parameter.scalar_type() != at::kFloat ||
        !parameter.is_non_overlapping_and_dense())
        return false;
    at::Tensor first = moment(optimizer, parameter, "exp_avg"),
               second = moment(optimizer, parameter, "exp_avg_sq");
    at::Tensor gradient = parameter.grad();
    if (gradient.strides() != parameter.strides())
        gradient = at::empty_like(parameter).copy_(gradient);
    if (first.strides() != parameter.strides() || second.strides() != parameter.strides())
        return false;
    auto &state = state_of<AdamWParamState>(optimizer, parameter);
    state.step(state.step() + 1);
    const adamw_step step = {o.lr(),  std::get<0>(o.betas()), std::get<1>(o.betas()),
                             o.eps(), o.weight_decay(),       static_cast<double>(state.step())};
    adamw_update(&step, static_cast<size_t>(parameter.numel()), parameter.data_ptr<float>(),
                 gradient.data_ptr<float>(), first.data_ptr<float>(), second.data_ptr<float>());
    return true;
}

/* Gradients that are used up are dropped, so that what is left is torch::optim's. */
void adamw(const cdul_optimizer *optimizer) {
    at::NoGradGuard guard;
    for (auto &group : optimizer->torch->param_groups())
        for (auto &parameter : group.params())
            if (parameter.grad().defined() &&
                step_here(optimizer, static_cast<AdamWOptions &>(group.options()), parameter))
                parameter.mutable_grad().reset();
}

bool is_step(const cdul_optimizer *optimizer, const char *name) {
    return optimizer->kind == CDUL_ADAMW && !std::strcmp(name, "step");
}

} // namespace

cdul_status cdul_optimizer_new(cdul_optimizer_kind kind, double momentum, cdul_optimizer **out,
                               cdul_error *err) {
    *out = nullptr;
    return protect(err, "optimizer", [&] {
        std::vector<torch::optim::OptimizerParamGroup> none;
        auto made = std::make_unique<cdul_optimizer>(cdul_optimizer{kind, momentum, nullptr});
        auto defaults = group_options(*made, 0, 0);
        if (kind == CDUL_ADAMW)
            made->torch = std::make_unique<AdamW>(none, static_cast<AdamWOptions &>(*defaults));
        else
            made->torch = std::make_unique<SGD>(none, static_cast<SGDOptions &>(*defaults));
        *out = made.release();
    });
}

void cdul_optimizer_free(cdul_optimizer *optimizer) { delete optimizer; }

void cdul_optimizer_add_group(cdul_scope *scope, cdul_optimizer *optimizer,
                              cdul_tensor *const *parameters, size_t count, double lr,
                              double weight_decay) {
    run(scope, "optimizer_add_group", [&] {
        std::vector<at::Tensor> members;
        for (size_t i = 0; i < count; i++) members.push_back(value(parameters[i]));
        optimizer->torch->add_param_group(members);
        /* Set afterwards, because recent libtorch takes a value that equals its own default
         * (AdamW's weight decay of 0.01, for one) for an unset one, and puts the optimiser's in its
         * place. */
        optimizer->torch->param_groups().back().set_options(
            group_options(*optimizer, lr, weight_decay));
    });
}

void cdul_optimizer_set_lr(cdul_scope *scope, cdul_optimizer *optimizer, size_t group, double lr) {
    run(scope, "optimizer_set_lr",
        [&] { optimizer->torch->param_groups().at(group).options().set_lr(lr); });
}

void cdul_optimizer_step(cdul_scope *scope, cdul_optimizer *optimizer) {
    run(scope, "optimizer_step", [&] {
        if (optimizer->kind == CDUL_ADAMW) adamw(optimizer);
        optimizer->torch->step();
    });
}

double cdul_optimizer_gradient_norm(cdul_scope *scope, const cdul_optimizer *optimizer) {
    double norm = 0;
    run_unrecorded(scope, "gradient_norm", [&] {
        std::vector<at::Tensor> norms; /* summed where they are: one wait for a GPU */
        for (const auto &group : optimizer->torch->param_groups())
            for (const auto &parameter : group.params())
                if (parameter.grad().defined())
                    norms.push_back(parameter.grad().norm().to(at::kDouble));
        if (!norms.empty()) norm = at::stack(norms).norm().item().toDouble();
    });
    return norm;
}

void cdul_optimizer_zero_grad(cdul_scope *scope, cdul_optimizer *optimizer) {
    /* Dropped, not filled with zeros as libtorch 1.13 does: what backward makes then is the
     * gradient, and need not be added to one. */
    run(scope, "optimizer_zero_grad", [&] {
        for (auto &group : optimizer->torch->param_groups())
            for (auto &parameter : group.params()) parameter.mutable_grad().reset();
    });
}

const char *const *cdul_optimizer_state_names(const cdul_optimizer *optimizer) {
    static const char *const adamw[] = {"step", "exp_avg", "exp_avg_sq", nullptr};
    static const char *const momentum[] = {"momentum_buffer", nullptr};
    if (optimizer->kind == CDUL_ADAMW) return adamw;
    return optimizer->momentum > 0 ? momentum : momentum + 1;
}

cdul_tensor *cdul_optimizer_state(cdul_scope *scope, const cdul_optimizer *optimizer,
                                  const cdul_tensor *parameter, const char *name) {
    return make(scope, "optimizer_state", [&] {
        if (is_step(optimizer, name))
            return at::full({1}, state_of<AdamWParamState>(optimizer, value(parameter)).step(),
                            at::kLong);
        return moment(optimizer, value(parameter), name);
    });
}

void cdul_optimizer_set_state(cdul_scope *scope, cdul_optimizer *optimizer,
                              const cdul_tensor *parameter, const char *name,
                              const cdul_tensor *stored) {
    run_unrecorded(scope, "optimizer_set_state", [&] {
        if (is_step(optimizer, name))
            state_of<AdamWParamState>(optimizer, value(parameter))
                .step(value(stored).item().toLong());
        else
            moment(optimizer, value(parameter), name).copy_(value(stored));
    });
}
