/* ResNet against torchvision's (tests/golden/make_resnet.py, computed there in float64). */
#include "test.h"

#include "base/safetensors.h"
#include "resnet_golden.h"

static const char *const architectures[] = {"resnet18",       "resnet34",  "resnet50",
                                            "resnet50-caffe", "resnet101", "resnet152"};
enum {
    ARCHITECTURES = 6,
    WITH_GRADIENTS = 4 /* the last two differ in the number of blocks alone */
};

static cdul_error err;

static int open_answers(void **state) {
    cdul_torch_set_threads(2);
    cdul_safetensors *file = NULL;
    if (cdul_safetensors_open(CDUL_GOLDEN "/resnet/answers.safetensors", &file, &err) != CDUL_OK)
        return -1;
    *state = file;
    return 0;
}

static int close_answers(void **state) {
    cdul_safetensors_close(*state);
    return 0;
}

/* The answer `kind` of an architecture; freed by the caller. */
static float *answer(void **state, const char *arch, const char *kind, size_t elements) {
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", arch, *kind ? "." : "", kind);
    const cdul_tensor_view *view = cdul_safetensors_find(*state, name);
    if (!view || view->elements != elements)
        fail_msg("no answer %s of %zu elements", name, elements);
    float *values = malloc(elements * sizeof *values);
    cdul_tensor_to_f32(view, 0, elements, values);
    return values;
}

static cdul_resnet *network(const char *arch, cdul_resnet_options options, bool steady) {
    cdul_resnet *net = golden_network(arch, options, steady, &err);
    if (!net) fail_msg("%s: %s", arch, err.message);
    return net;
}

static cdul_resnet_options all_trained(void) {
    cdul_resnet_options options = cdul_resnet_defaults();
    options.freeze_bn = false;
    return options;
}

static void logits_equal_torchvision(void **state) {
    for (size_t a = 0; a < ARCHITECTURES; a++) {
        const char *arch = architectures[a];
        cdul_resnet_options options = cdul_resnet_defaults();
        options.channels_last = a % 2;
        cdul_resnet *net = network(arch, options, false);
        cdul_scope s = {.no_grad = true};
        float got[GOLDEN_BATCH * GOLDEN_CLASSES];
        cdul_tensor_read(&s, cdul_resnet_forward_from(&s, net, golden_images(&s), 0, false),
                         CDUL_F32, got, sizeof got / sizeof *got);
        assert_ok(cdul_scope_close(&s, &err));
        float *want = answer(state, arch, "logits", sizeof got / sizeof *got);
        for (size_t i = 0; i < sizeof got / sizeof *got; i++) {
            if (!(fabsf(got[i] - want[i]) <= 1e-4F))
                fail_msg("%s: logit %zu: %g, not %g", arch, i, got[i], want[i]);
        }
        free(want);
        cdul_resnet_free(net);
    }
}

/* Most gradients have a root mean square of 1e-4 to 1e-2. Smaller ones are sums that cancel
 * (entirely, for a bias whose shift the next batch norm takes out), and rounding counts by the size
 * of the terms. */
#define SMALLEST_SCALE 1e-4

/* Compares a tensor with its sketch {norm, samples}. Differences count in units of the tensor's
 * root mean square, or of the element where that is larger. Returns the largest. */
static double sketch_error(const float *values, size_t n, const float *sketch) {
    double norm = 0, root = sqrt((double)n);
    for (size_t i = 0; i < n; i++) norm += (double)values[i] * values[i];
    double scale = fmax(sketch[0] / root, SMALLEST_SCALE);
    double worst = fabs(sqrt(norm) - sketch[0]) / root / scale;
    for (size_t i = 0; i < GOLDEN_SAMPLES; i++) {
        double want = sketch[1 + i], got = values[i * (n - 1) / (GOLDEN_SAMPLES - 1)];
        worst = fmax(worst, fabs(got - want) / fmax(scale, fabs(want)));
    }
    return worst;
}

typedef cdul_tensor *tensor_of(cdul_scope *s, const cdul_resnet_entry *entry);

static cdul_tensor *gradient(cdul_scope *s, const cdul_resnet_entry *entry) {
    return entry->trained ? cdul_tensor_grad(s, entry->tensor) : NULL;
}

static cdul_tensor *statistic(cdul_scope *s, const cdul_resnet_entry *entry) {
    bool wanted = entry->kind == CDUL_BN_MEAN || entry->kind == CDUL_BN_VAR;
    return wanted ? cdul_tensor_affine(s, entry->tensor, 1, 0) : NULL;
}

/* Every tensor that `pick` picks equals its sketch within `tolerance`. */
static void assert_sketches(void **state, cdul_scope *s, const cdul_resnet *net, tensor_of *pick,
                            const char *kind, double tolerance) {
    const char *arch = net->options.arch->name;
    size_t count = 0, row = 0;
    for (size_t i = 0; i < net->entry_count; i++) count += pick(s, &net->entries[i]) != NULL;
    float *want = answer(state, arch, kind, count * (1 + GOLDEN_SAMPLES));
    for (size_t i = 0; i < net->entry_count; i++) {
        cdul_tensor *x = pick(s, &net->entries[i]);
        if (!x) continue;
        size_t n = cdul_tensor_elements(x);
        float *values = malloc(n * sizeof *values);
        cdul_tensor_read(s, x, CDUL_F32, values, n);
        double error = sketch_error(values, n, want + row++ * (1 + GOLDEN_SAMPLES));
        if (!(error <= tolerance))
            fail_msg("%s: %s of %s is off by %g", arch, kind, net->entries[i].name, error);
        free(values);
    }
    free(want);
}

/* Gradients after one backward pass. Batch statistics amplify rounding with depth: there
 * torchvision's own float32 is that far from the exact gradients. */
static double tolerance_of(void **state, const char *arch, bool training) {
    if (!training) return 1e-4;
    float *rounding = answer(state, arch, "train_rounding", 1);
    double tolerance = fmax(1e-4, 3 * (double)*rounding);
    free(rounding);
    return tolerance;
}

static void gradients_equal_torchvision(void **state, bool training, const char *kind) {
    for (size_t a = 0; a < WITH_GRADIENTS; a++) {
        cdul_resnet *net = network(architectures[a], all_trained(), true);
        cdul_scope s = {0};
        cdul_tensor_backward(
            &s, golden_loss(&s, cdul_resnet_forward_from(&s, net, golden_images(&s), 0, training)));
        assert_ok(s.status);
        assert_sketches(state, &s, net, gradient, kind,
                        tolerance_of(state, architectures[a], training));
        if (training) assert_sketches(state, &s, net, statistic, "running", 1e-4);
        assert_ok(cdul_scope_close(&s, &err));
        cdul_resnet_free(net);
    }
}

static void gradients_and_statistics_equal_torchvision_when_batch_norm_is_trained(void **state) {
    gradients_equal_torchvision(state, true, "train_gradients");
}

static void gradients_equal_torchvision_through_folded_batch_norm(void **state) {
    gradients_equal_torchvision(state, false, "eval_gradients");
}

/* --- Steps --- */

static void add_groups(cdul_scope *s, cdul_optimizer *optimizer, const cdul_resnet *net) {
    cdul_tensor *body[64], *plain[64], *head[2];
    size_t bodies = 0, plains = 0, heads = 0;
    for (size_t i = 0; i < net->entry_count; i++) {
        const cdul_resnet_entry *entry = &net->entries[i];
        if (!entry->trained) continue;
        if (entry->stage == CDUL_RESNET_HEAD)
            head[heads++] = entry->tensor;
        else if (entry->kind == CDUL_CONV_WEIGHT)
            body[bodies++] = entry->tensor;
        else
            plain[plains++] = entry->tensor;
    }
    cdul_optimizer_add_group(s, optimizer, body, bodies, 1e-4, 0.01);
    cdul_optimizer_add_group(s, optimizer, plain, plains, 1e-4, 0);
    cdul_optimizer_add_group(s, optimizer, head, heads, 1e-3, 0);
}

static void losses_of_four_steps_equal_torch(void **state, cdul_optimizer_kind kind,
                                             double momentum, const char *name) {
    cdul_resnet *net = network("resnet18", all_trained(), true);
    cdul_optimizer *optimizer = NULL;
    assert_ok(cdul_optimizer_new(kind, momentum, &optimizer, &err));
    float *want = answer(state, name, "", 4);
    for (size_t i = 0; i < 4; i++) {
        cdul_scope s = {0};
        if (i == 0) add_groups(&s, optimizer, net);
        cdul_optimizer_zero_grad(&s, optimizer);
        cdul_tensor *loss =
            golden_loss(&s, cdul_resnet_forward_from(&s, net, golden_images(&s), 0, true));
        cdul_tensor_backward(&s, loss);
        cdul_optimizer_step(&s, optimizer);
        double got = cdul_tensor_item(&s, loss);
        assert_ok(cdul_scope_close(&s, &err));
        if (!(fabs(got - want[i]) <= 1e-4))
            fail_msg("%s: loss before step %zu: %g, not %g", name, i, got, want[i]);
    }
    free(want);
    cdul_optimizer_free(optimizer);
    cdul_resnet_free(net);
}

static void losses_of_adamw_equal_torch(void **state) {
    losses_of_four_steps_equal_torch(state, CDUL_ADAMW, 0, "adamw");
}

static void losses_of_sgd_with_momentum_equal_torch(void **state) {
    losses_of_four_steps_equal_torch(state, CDUL_SGD, 0.9, "sgd");
}

/* --- Our own promises --- */

static void cached_activations_give_the_same_bits_as_the_whole_network(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", cdul_resnet_defaults(), false);
    float whole[GOLDEN_BATCH * GOLDEN_CLASSES], split[GOLDEN_BATCH * GOLDEN_CLASSES];
    const size_t n = sizeof whole / sizeof *whole;
    for (size_t stage = 1; stage <= CDUL_RESNET_STAGES; stage++) {
        cdul_scope s = {.no_grad = true};
        cdul_tensor *x = golden_images(&s),
                    *features = cdul_resnet_forward_features(&s, net, x, stage);
        assert_int_equal(cdul_tensor_declare(features, "").shape[1], (size_t)64 << (stage - 1));
        assert_int_equal(cdul_tensor_declare(features, "").shape[2],
                         GOLDEN_SIDE / 4 >> (stage - 1));
        cdul_tensor_read(&s, cdul_resnet_forward_from(&s, net, x, 0, false), CDUL_F32, whole, n);
        cdul_tensor_read(&s, cdul_resnet_forward_from(&s, net, features, stage, false), CDUL_F32,
                         split, n);
        assert_ok(cdul_scope_close(&s, &err));
        assert_memory_equal(whole, split, sizeof whole);
    }
    cdul_resnet_free(net);
}

static void frozen_stages_get_no_gradient_and_keep_their_statistics(void **state) {
    (void)state;
    cdul_resnet_options options = all_trained();
    options.freeze = 3;
    cdul_resnet *net = network("resnet18", options, false);
    cdul_scope s = {0};
    cdul_tensor *before = cdul_tensor_affine(&s, net->stem.bn_mean, 1, 0);
    cdul_tensor_backward(
        &s, golden_loss(&s, cdul_resnet_forward_from(&s, net, golden_images(&s), 0, true)));
    assert_int_equal(
        cdul_tensor_item(&s, cdul_tensor_sum(&s, cdul_tensor_sub(&s, before, net->stem.bn_mean))),
        0);
    for (size_t i = 0; i < net->entry_count; i++) {
        const cdul_resnet_entry *entry = &net->entries[i];
        cdul_scope probe = {0};
        bool reached = cdul_tensor_grad(&probe, entry->tensor) != NULL;
        if (cdul_scope_close(&probe, &err) == CDUL_OK) assert_true(reached);
        assert_int_equal(reached, entry->trained);
        assert_int_equal(entry->trained, entry->stage > 3 && entry->kind != CDUL_BN_MEAN &&
                                             entry->kind != CDUL_BN_VAR);
    }
    assert_ok(cdul_scope_close(&s, &err));
    cdul_resnet_free(net);
}

/* bfloat16 has 8 bits of mantissa: each of some twenty layers rounds by up to 2^-9. */
static void bfloat16_logits_are_near_float32(void **state) {
    cdul_resnet_options options = cdul_resnet_defaults();
    options.bfloat16 = true;
    cdul_resnet *net = network("resnet18", options, false);
    cdul_scope s = {.no_grad = true};
    float got[GOLDEN_BATCH * GOLDEN_CLASSES];
    cdul_tensor *features = cdul_resnet_forward_features(&s, net, golden_images(&s), 3);
    assert_int_equal(cdul_tensor_declare(features, "").dtype, CDUL_BF16);
    cdul_tensor *logits = cdul_resnet_forward_from(&s, net, features, 3, false);
    assert_int_equal(cdul_tensor_declare(logits, "").dtype, CDUL_F32);
    cdul_tensor_read(&s, logits, CDUL_F32, got, sizeof got / sizeof *got);
    assert_ok(cdul_scope_close(&s, &err));
    float *want = answer(state, "resnet18", "logits", sizeof got / sizeof *got);
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        assert_float_equal(got[i], want[i], 0.02F);
    free(want);
    cdul_resnet_free(net);
}

static void bfloat16_trains_float32_weights(void **state) {
    for (int training = 0; training < 2; training++) {
        cdul_resnet_options options = all_trained();
        options.bfloat16 = true;
        cdul_resnet *net = network("resnet18", options, true);
        cdul_scope s = {0};
        cdul_tensor_backward(
            &s, golden_loss(&s, cdul_resnet_forward_from(&s, net, golden_images(&s), 0, training)));
        const cdul_tensor *of_stem = cdul_tensor_grad(&s, net->stem.weight);
        assert_int_equal(cdul_tensor_declare(of_stem, "").dtype, CDUL_F32);
        if (!training) assert_sketches(state, &s, net, gradient, "eval_gradients", 0.25);
        assert_ok(cdul_scope_close(&s, &err));
        cdul_resnet_free(net);
    }
}

static void a_failure_says_where_in_the_network(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", cdul_resnet_defaults(), false);
    cdul_scope s = {.no_grad = true};
    cdul_tensor *wrong = cdul_tensor_full(&s, 0, CDUL_F32, 4, (size_t[]){1, 7, 8, 8});
    assert_null(cdul_resnet_forward_from(&s, net, wrong, 2, false));
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME, "resnet18: layer3: conv2d: ");
    cdul_resnet_free(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_torchvision),
        cmocka_unit_test(gradients_and_statistics_equal_torchvision_when_batch_norm_is_trained),
        cmocka_unit_test(gradients_equal_torchvision_through_folded_batch_norm),
        cmocka_unit_test(losses_of_adamw_equal_torch),
        cmocka_unit_test(losses_of_sgd_with_momentum_equal_torch),
        cmocka_unit_test(cached_activations_give_the_same_bits_as_the_whole_network),
        cmocka_unit_test(frozen_stages_get_no_gradient_and_keep_their_statistics),
        cmocka_unit_test(bfloat16_logits_are_near_float32),
        cmocka_unit_test(bfloat16_trains_float32_weights),
        cmocka_unit_test(a_failure_says_where_in_the_network),
    };
    return cmocka_run_group_tests(tests, open_answers, close_answers);
}
