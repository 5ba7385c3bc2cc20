/* The C face of libtorch: values worked by hand, ownership, failures, and optimisers that go on
 * where they were. */
#include "test.h"

#include "torch/torch.h"

#include <math.h>

static cdul_error err;

static cdul_tensor *vector(cdul_scope *s, size_t n, const float *values) {
    return cdul_tensor_from(s, values, CDUL_F32, 1, &n);
}

static cdul_tensor *parameter(const float *values, size_t n) {
    cdul_scope s = {0};
    cdul_tensor *x = cdul_tensor_keep(&s, vector(&s, n, values));
    cdul_tensor_require_grad(&s, x, true);
    assert_ok(cdul_scope_close(&s, &err));
    return x;
}

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6)) fail_msg("got %.9g, want %.9g", got, want);
}

/* Reads `n` values and closes the scope. */
static void assert_values(cdul_scope *s, const cdul_tensor *x, size_t n, const float *want) {
    float got[16] = {0};
    cdul_tensor_read(s, x, CDUL_F32, got, n);
    assert_ok(cdul_scope_close(s, &err));
    for (size_t i = 0; i < n; i++) assert_near(got[i], want[i]);
}

/* --- Scopes --- */

static void the_first_failure_is_kept_and_nothing_runs_after_it(void **state) {
    (void)state;
    cdul_scope s = {0};
    cdul_tensor *x = vector(&s, 2, (float[]){1, 2}), *y = vector(&s, 3, (float[]){1, 2, 3});
    assert_null(cdul_tensor_sub(&s, x, y));
    assert_null(cdul_tensor_linear(&s, x, y, NULL));
    float untouched = 7;
    cdul_tensor_read(&s, x, CDUL_F32, &untouched, 1);
    cdul_tensor_add_relu_(&s, NULL, NULL);
    assert_near(cdul_tensor_item(&s, x), 0);
    assert_true(untouched == 7);
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME, "sub: The size of tensor a (2)");
    assert_null(strchr(err.message, '\n'));
    assert_ok(s.status); /* the scope can be used again */
}

static void a_null_operand_is_a_failure_not_a_crash(void **state) {
    (void)state;
    cdul_scope s = {0};
    cdul_tensor_backward(&s, NULL);
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME, "backward: a tensor is NULL");
    assert_int_equal(cdul_tensor_declare(NULL, "").rank + cdul_tensor_declare(NULL, "").shape[0] +
                         cdul_tensor_elements(NULL),
                     0);
    cdul_tensor_free(NULL);
    cdul_optimizer_free(NULL);
}

static void an_inner_scope_hands_over_its_result_and_says_where_it_failed(void **state) {
    (void)state;
    cdul_scope outer = {.no_grad = true}, inner = cdul_scope_inside(&outer);
    assert_true(inner.no_grad);
    cdul_tensor *y = cdul_tensor_affine(&inner, vector(&inner, 2, (float[]){1, 2}), 2, 1);
    y = cdul_scope_yield(&inner, &outer, y, "layer1");
    assert_null(inner.tensors);
    assert_values(&outer, y, 2, (float[]){3, 5});

    inner = cdul_scope_inside(&outer);
    y = cdul_tensor_sub(&inner, vector(&inner, 2, (float[]){1, 2}),
                        vector(&inner, 3, (float[]){1, 2, 3}));
    assert_null(cdul_scope_yield(&inner, &outer, y, "layer2"));
    inner = cdul_scope_inside(&outer);
    assert_null(vector(&inner, 1, (float[]){1})); /* failure is inherited */
    assert_null(cdul_scope_yield(&inner, &outer, NULL, "layer3"));
    assert_fails(cdul_scope_close(&outer, &err), CDUL_ERR_RUNTIME, "layer2: sub: The size");
}

static void kept_tensors_outlive_their_scope_and_dropped_ones_do_not_wait_for_it(void **state) {
    (void)state;
    cdul_scope s = {0};
    cdul_tensor *x = vector(&s, 2, (float[]){1, 2}), *y = cdul_tensor_affine(&s, x, 1, 1);
    cdul_tensor *kept = cdul_tensor_keep(&s, x);
    cdul_tensor_drop(&s, x);
    cdul_tensor_drop(&s, kept); /* not the scope's: stays */
    cdul_tensor_drop(&s, NULL);
    assert_values(&s, y, 2, (float[]){2, 3});
    assert_values(&s, kept, 2, (float[]){1, 2});
    cdul_tensor_free(kept);
}

/* --- Values --- */

static void elements_survive_every_type(void **state) {
    (void)state;
    const cdul_dtype types[] = {CDUL_F32, CDUL_F16, CDUL_BF16, CDUL_F64,
                                CDUL_I64, CDUL_I32, CDUL_U8};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        cdul_scope s = {0};
        unsigned char bytes[3 * 8];
        cdul_tensor *x = cdul_tensor_cast(&s, vector(&s, 3, (float[]){0, 1, 200}), types[t]);
        assert_int_equal(cdul_tensor_declare(x, "").dtype, types[t]);
        cdul_tensor_read(&s, x, types[t], bytes, 3);
        assert_values(&s, cdul_tensor_from(&s, bytes, types[t], 1, (size_t[]){3}), 3,
                      (float[]){0, 1, 200});
    }
}

static void reading_gives_row_major_order_whatever_the_layout(void **state) {
    (void)state;
    cdul_scope s = {0};
    float values[12];
    for (size_t i = 0; i < 12; i++) values[i] = (float)i;
    cdul_tensor *x = cdul_tensor_from(&s, values, CDUL_F32, 4, (size_t[]){1, 3, 2, 2});
    assert_int_equal(cdul_tensor_declare(x, "").shape[1], 3);
    assert_int_equal(cdul_tensor_declare(x, "").shape[4], 0);
    assert_values(&s, cdul_tensor_channels_last(&s, x), 12, values);
    x = vector(&s, 3, values);
    cdul_tensor_read(&s, x, CDUL_F32, values, 2);
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME,
                 "read: the tensor has 3 elements, not 2");
}

/* One image of one channel, 3 x 3: 1..9. */
static void layers_compute_what_their_names_say(void **state) {
    (void)state;
    cdul_scope s = {.no_grad = true};
    const float image[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    cdul_tensor *x = cdul_tensor_from(&s, image, CDUL_F32, 4, (size_t[]){1, 1, 3, 3});
    cdul_tensor *ones = cdul_tensor_full(&s, 1, CDUL_F32, 4, (size_t[]){1, 1, 3, 3});
    cdul_tensor *half = cdul_tensor_full(&s, 0.5, CDUL_F32, 1, (size_t[]){1});
    /* Corners of the box sum, with zero padding 1 and stride 2, plus the bias. */
    cdul_tensor *sums = cdul_tensor_conv2d(&s, x, ones, half, 2, 1);
    cdul_tensor *largest = cdul_tensor_max_pool2d(&s, x, 3, 2, 1),
                *mean = cdul_tensor_mean_hw(&s, x);
    float got[9];
    cdul_tensor_read(&s, sums, CDUL_F32, got, 4);
    assert_memory_equal(got, ((float[]){12.5, 16.5, 24.5, 28.5}), 4 * sizeof *got);
    cdul_tensor_read(&s, largest, CDUL_F32, got, 4);
    assert_memory_equal(got, ((float[]){5, 6, 8, 9}), 4 * sizeof *got);
    assert_near(cdul_tensor_item(&s, mean), 5);
    assert_values(&s, cdul_tensor_add_relu_(&s, vector(&s, 2, (float[]){-1, 1}), NULL), 2,
                  (float[]){0, 1});
    assert_values(
        &s,
        cdul_tensor_add_relu_(&s, vector(&s, 2, (float[]){-1, 1}), vector(&s, 2, (float[]){2, -3})),
        2, (float[]){1, 0});
}

static void batch_norm_uses_the_batch_and_moves_its_statistics(void **state) {
    (void)state;
    cdul_scope s = {.no_grad = true};
    cdul_tensor *x = cdul_tensor_from(&s, (float[]){1, 3}, CDUL_F32, 4, (size_t[]){2, 1, 1, 1});
    cdul_tensor *weight = vector(&s, 1, (float[]){2}), *bias = vector(&s, 1, (float[]){1});
    cdul_tensor *mean = vector(&s, 1, (float[]){0}), *var = vector(&s, 1, (float[]){4});
    float got[2];
    const cdul_norm norm = {weight, bias, mean, var, .momentum = 0.1};
    cdul_tensor_read(&s, cdul_tensor_batch_norm(&s, x, &norm), CDUL_F32, got, 2);
    assert_near(got[0], -1); /* (1 - 2) / 1 * 2 + 1 */
    assert_near(got[1], 3); /* (3 - 2) / 1 * 2 + 1 */
    assert_near(cdul_tensor_item(&s, mean), 0.2F); /* 0.9 * 0 + 0.1 * 2 */
    assert_near(cdul_tensor_item(&s, var), 3.8F); /* 0.9 * 4 + 0.1 * 2, the unbiased variance */
    assert_ok(cdul_scope_close(&s, &err));
}

static void losses_equal_the_formula(void **state) {
    (void)state;
    cdul_scope s = {0};
    const float logits[] = {-1, 2}, labels[] = {0.25F, 1};
    cdul_tensor *x = vector(&s, 2, logits), *y = vector(&s, 2, labels);
    double want = 0, total = exp(-1) + exp(2);
    for (size_t i = 0; i < 2; i++) {
        double p = 1 / (1 + exp(-(double)logits[i]));
        want -= (labels[i] * log(p) + (1 - labels[i]) * log(1 - p)) / 2;
    }
    assert_near(cdul_tensor_item(&s, cdul_tensor_bce_with_logits(&s, x, y)), want);
    float got[2];
    cdul_tensor_read(&s, cdul_tensor_log_softmax(&s, x), CDUL_F32, got, 2);
    assert_near(got[0], -1 - log(total));
    assert_ok(cdul_scope_close(&s, &err));
}

static void arithmetic_broadcasts_and_changes_in_place_only_where_it_says_so(void **state) {
    (void)state;
    cdul_scope s = {.no_grad = true};
    cdul_tensor *x = vector(&s, 2, (float[]){4, 16}), *y = vector(&s, 1, (float[]){2});
    float got[4];
    cdul_tensor_read(&s, cdul_tensor_mul(&s, cdul_tensor_sub(&s, x, y), y), CDUL_F32, got, 2);
    assert_memory_equal(got, ((float[]){4, 28}), 2 * sizeof *got);
    cdul_tensor_read(&s, cdul_tensor_rsqrt(&s, x), CDUL_F32, got, 2);
    assert_near(got[1], 0.25F);
    cdul_tensor_lerp_(&s, x, vector(&s, 2, (float[]){10, 10}), 0.25);
    cdul_tensor_read(&s, x, CDUL_F32, got, 2);
    assert_memory_equal(got, ((float[]){5.5F, 14.5F}), 2 * sizeof *got);
    cdul_tensor_swap(x, y);
    cdul_tensor_copy_(&s, x, vector(&s, 1, (float[]){5}));
    assert_near(cdul_tensor_item(&s, x), 5);
    y = cdul_tensor_reshape(&s, y, 2, (size_t[]){2, 1});
    assert_int_equal(cdul_tensor_declare(y, "").rank, 2);
    assert_values(&s, y, 2, (float[]){5.5F, 14.5F});
}

/* --- Gradients and optimisers --- */

static void backward_adds_up_and_stops_at_what_was_not_recorded(void **state) {
    (void)state;
    cdul_tensor *w = parameter((float[]){3}, 1);
    cdul_scope s = {0}, constant = {.no_grad = true};
    cdul_tensor *copy = cdul_tensor_affine(&constant, w, 1, 0);
    cdul_tensor_backward(&s, cdul_tensor_sum(&s, cdul_tensor_mul(&s, w, w)));
    cdul_tensor_backward(&s, cdul_tensor_sum(&s, cdul_tensor_mul(&s, w, copy)));
    assert_near(cdul_tensor_item(&s, cdul_tensor_grad(&s, w)), 6 + 3);
    assert_ok(cdul_scope_close(&s, &err));

    cdul_tensor_backward(&constant, cdul_tensor_sum(&constant, w));
    assert_fails(cdul_scope_close(&constant, &err), CDUL_ERR_RUNTIME, "backward: ");
    cdul_tensor_free(w);

    w = parameter((float[]){1}, 1);
    assert_null(cdul_tensor_grad(&s, w));
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME,
                 "grad: no backward has reached this tensor");
    cdul_tensor_free(w);
}

/* d(w^2)/dw = 2 w; SGD: w <- w - lr (2 w + decay w). Each group by its own rates. */
static void groups_have_their_own_rates(void **state) {
    (void)state;
    cdul_tensor *a = parameter((float[]){1}, 1), *b = parameter((float[]){1}, 1);
    cdul_optimizer *optimizer = NULL;
    assert_ok(cdul_optimizer_new(CDUL_SGD, 0, &optimizer, &err));
    assert_null(*cdul_optimizer_state_names(optimizer));
    cdul_scope s = {0};
    cdul_optimizer_add_group(&s, optimizer, &a, 1, 0.1, 0);
    cdul_optimizer_add_group(&s, optimizer, &b, 1, 0.1, 0.5);
    cdul_optimizer_set_lr(&s, optimizer, 1, 0.2);
    cdul_tensor *loss = cdul_tensor_sub(&s, cdul_tensor_mul(&s, a, a),
                                        cdul_tensor_affine(&s, cdul_tensor_mul(&s, b, b), -1, 0));
    cdul_tensor_backward(&s, cdul_tensor_sum(&s, loss));
    cdul_optimizer_step(&s, optimizer);
    assert_near(cdul_tensor_item(&s, a), 1 - 0.1 * 2);
    assert_near(cdul_tensor_item(&s, b), 1 - 0.2 * (2 + 0.5));
    assert_ok(cdul_scope_close(&s, &err));
    cdul_optimizer_set_lr(&s, optimizer, 2, 0.2);
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME, "optimizer_set_lr: ");
    cdul_optimizer_free(optimizer);
    cdul_tensor_free(a);
    cdul_tensor_free(b);
}

/* One step on (w - 1)^2 summed. */
static void step(cdul_optimizer *optimizer, const cdul_tensor *w) {
    cdul_scope s = {0};
    cdul_optimizer_zero_grad(&s, optimizer);
    cdul_tensor *d = cdul_tensor_affine(&s, w, 1, -1);
    cdul_tensor_backward(&s, cdul_tensor_sum(&s, cdul_tensor_mul(&s, d, d)));
    cdul_optimizer_step(&s, optimizer);
    assert_ok(cdul_scope_close(&s, &err));
}

static cdul_optimizer *optimizer_of(cdul_optimizer_kind kind, double momentum, cdul_tensor *w) {
    cdul_optimizer *optimizer = NULL;
    assert_ok(cdul_optimizer_new(kind, momentum, &optimizer, &err));
    cdul_scope s = {0};
    cdul_optimizer_add_group(&s, optimizer, &w, 1, 0.05, 0.01);
    assert_ok(cdul_scope_close(&s, &err));
    return optimizer;
}

/* Steps `before` times, moves weights and state to a new optimiser, steps twice more: same bits as
 * without the move. before = 0 moves the state of a parameter that has never been stepped. */
static void goes_on_to_the_same_bits(cdul_optimizer_kind kind, double momentum, size_t before) {
    const float start[] = {3, -2, 0.5F};
    float whole[3], resumed[3];
    cdul_tensor *w = parameter(start, 3), *v = parameter(start, 3);
    cdul_optimizer *one = optimizer_of(kind, momentum, w), *two = optimizer_of(kind, momentum, v);
    for (size_t i = 0; i < before; i++) step(one, w);
    cdul_scope s = {0};
    cdul_tensor_copy_(&s, v, w);
    for (const char *const *name = cdul_optimizer_state_names(one); *name; name++)
        cdul_optimizer_set_state(&s, two, v, *name, cdul_optimizer_state(&s, one, w, *name));
    for (size_t i = 0; i < 2; i++) step(one, w), step(two, v);
    cdul_tensor_read(&s, w, CDUL_F32, whole, 3);
    cdul_tensor_read(&s, v, CDUL_F32, resumed, 3);
    assert_ok(cdul_scope_close(&s, &err));
    assert_memory_equal(whole, resumed, sizeof whole);
    cdul_optimizer_free(one);
    cdul_optimizer_free(two);
    cdul_tensor_free(w);
    cdul_tensor_free(v);
}

static void optimisers_go_on_to_the_same_bits(void **state) {
    (void)state;
    for (size_t before = 0; before < 4; before += 3) {
        goes_on_to_the_same_bits(CDUL_ADAMW, 0, before);
        goes_on_to_the_same_bits(CDUL_SGD, 0, before);
        goes_on_to_the_same_bits(CDUL_SGD, 0.9, before);
    }
}

static void the_state_is_what_the_equations_say(void **state) {
    (void)state;
    cdul_tensor *w = parameter((float[]){3}, 1);
    cdul_optimizer *optimizer = optimizer_of(CDUL_ADAMW, 0, w);
    step(optimizer, w); /* gradient 4 */
    cdul_scope s = {0};
    assert_near(cdul_tensor_item(&s, cdul_optimizer_state(&s, optimizer, w, "exp_avg")), 0.4F);
    assert_near(cdul_tensor_item(&s, cdul_optimizer_state(&s, optimizer, w, "exp_avg_sq")), 0.016F);
    cdul_tensor *steps = cdul_optimizer_state(&s, optimizer, w, "step");
    assert_int_equal(cdul_tensor_declare(steps, "").dtype, CDUL_I64);
    assert_near(cdul_tensor_item(&s, steps), 1);
    /* 3 (1 - lr decay) - lr, since the first step of Adam is the sign of the gradient. */
    assert_near(cdul_tensor_item(&s, w), 3 * (1 - 0.05 * 0.01) - 0.05);
    assert_null(cdul_optimizer_state(&s, optimizer, w, "momentum_buffer"));
    assert_fails(cdul_scope_close(&s, &err), CDUL_ERR_RUNTIME, "no state called momentum_buffer");
    cdul_optimizer_free(optimizer);
    cdul_tensor_free(w);
}

static void impossible_rates_are_refused_with_libtorchs_words(void **state) {
    (void)state;
    cdul_optimizer *optimizer = NULL;
    assert_fails(cdul_optimizer_new(CDUL_SGD, -1, &optimizer, &err), CDUL_ERR_RUNTIME,
                 "optimizer: Invalid momentum value: -1");
    assert_null(optimizer);
}

/* --- Devices --- */

static void devices_are_parsed_and_missing_ones_named(void **state) {
    (void)state;
    cdul_device device = {.cuda = true};
    assert_ok(cdul_device_parse("cpu", &device, &err));
    assert_false(device.cuda);
    const char *const wrong[] = {"",        "gpu",     "cuda:", "cuda:x",
                                 "cuda:-1", "cuda:1x", "cpu:0", "CPU"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(cdul_device_parse(wrong[i], &device, &err), CDUL_ERR_USAGE,
                     "expected cpu, cuda or cuda:<index>");
    assert_fails(cdul_device_parse("cuda:999", &device, &err), CDUL_ERR_RUNTIME,
                 "device \"cuda:999\": libtorch ");
    assert_non_null(strstr(err.message, cdul_torch_version()));
}

static void tensors_go_to_the_gpu_and_back(void **state) {
    (void)state;
    cdul_device gpu;
    if (cdul_device_parse("cuda", &gpu, &err) != CDUL_OK) {
        print_message("skipped: %s\n", err.message);
        skip();
    }
    cdul_scope s = {0};
    cdul_tensor *x = cdul_tensor_to(&s, vector(&s, 2, (float[]){1, 2}), gpu);
    assert_values(&s, cdul_tensor_mul(&s, x, x), 2, (float[]){1, 4});
}

int main(void) {
    cdul_torch_set_threads(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_is_kept_and_nothing_runs_after_it),
        cmocka_unit_test(a_null_operand_is_a_failure_not_a_crash),
        cmocka_unit_test(an_inner_scope_hands_over_its_result_and_says_where_it_failed),
        cmocka_unit_test(kept_tensors_outlive_their_scope_and_dropped_ones_do_not_wait_for_it),
        cmocka_unit_test(elements_survive_every_type),
        cmocka_unit_test(reading_gives_row_major_order_whatever_the_layout),
        cmocka_unit_test(layers_compute_what_their_names_say),
        cmocka_unit_test(batch_norm_uses_the_batch_and_moves_its_statistics),
        cmocka_unit_test(losses_equal_the_formula),
        cmocka_unit_test(arithmetic_broadcasts_and_changes_in_place_only_where_it_says_so),
        cmocka_unit_test(backward_adds_up_and_stops_at_what_was_not_recorded),
        cmocka_unit_test(groups_have_their_own_rates),
        cmocka_unit_test(optimisers_go_on_to_the_same_bits),
        cmocka_unit_test(the_state_is_what_the_equations_say),
        cmocka_unit_test(impossible_rates_are_refused_with_libtorchs_words),
        cmocka_unit_test(devices_are_parsed_and_missing_ones_named),
        cmocka_unit_test(tensors_go_to_the_gpu_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
