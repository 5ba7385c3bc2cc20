/* Weights from random numbers, from files good and bad, and the head's bias from labels. */
#include "test.h"

#include "base/safetensors.h"
#include "train/resnet.h"

#include <math.h>

static cdul_error err;

static cdul_resnet *network(const char *arch, size_t classes, uint64_t seed,
                            const cdul_safetensors *weights, bool *head_replaced) {
    cdul_resnet_options options = cdul_resnet_defaults();
    cdul_resnet *net = NULL;
    options.classes = classes;
    options.seed = seed;
    assert_ok(cdul_resnet_arch_find(arch, &options.arch, &err));
    assert_ok(cdul_resnet_new(&options, weights, head_replaced, &net, &err));
    return net;
}

static const cdul_resnet_entry *entry_of(const cdul_resnet *net, const char *name) {
    for (size_t i = 0; i < net->entry_count; i++) {
        if (!strcmp(net->entries[i].name, name)) return &net->entries[i];
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

/* The elements of a tensor; freed by the caller. */
static float *values_of(const cdul_resnet *net, const char *name, size_t *n) {
    const cdul_tensor *x = entry_of(net, name)->tensor;
    *n = cdul_tensor_elements(x);
    float *values = malloc(*n * sizeof *values);
    cdul_scope s = {0};
    cdul_tensor_read(&s, x, CDUL_F32, values, *n);
    assert_ok(cdul_scope_close(&s, &err));
    return values;
}

static void assert_same(const cdul_resnet *a, const cdul_resnet *b, const char *name, bool same) {
    size_t n, m;
    float *x = values_of(a, name, &n), *y = values_of(b, name, &m);
    assert_int_equal(n, m);
    assert_int_equal(memcmp(x, y, n * sizeof *x) == 0, same);
    free(x);
    free(y);
}

/* --- Random numbers --- */

static void assert_moments(const cdul_resnet *net, const char *name, double deviation,
                           double largest) {
    size_t n;
    float *x = values_of(net, name, &n);
    double sum = 0, squares = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        most = fmax(most, fabs(x[i]));
    }
    /* Five standard errors of the mean and of the deviation. */
    double slack = 5 / sqrt((double)n), got = sqrt(squares / (double)n);
    if (fabs(sum / (double)n) > slack * deviation) fail_msg("%s: mean %g", name, sum / (double)n);
    if (fabs(got / deviation - 1) > slack)
        fail_msg("%s: deviation %g, not %g", name, got, deviation);
    if (most > largest) fail_msg("%s: %g is larger than %g", name, most, largest);
    free(x);
}

static void initial_weights_have_torchvisions_distributions(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", 20, 1, NULL, NULL);
    double stem = sqrt(2.0 / (64 * 49)), limit = 1 / sqrt(512.0);
    assert_moments(net, "conv1.weight", stem, 6 * stem);
    assert_moments(net, "layer2.0.downsample.0.weight", sqrt(2.0 / 128), 6 * sqrt(2.0 / 128));
    assert_moments(net, "fc.weight", limit / sqrt(3), limit);
    size_t n;
    float *ones = values_of(net, "layer1.0.bn1.weight", &n),
          *zeros = values_of(net, "layer1.0.bn1.bias", &n);
    for (size_t i = 0; i < n; i++) assert_true(ones[i] == 1 && zeros[i] == 0);
    free(ones);
    free(zeros);
    cdul_resnet_free(net);
}

static void a_seed_decides_all_weights(void **state) {
    (void)state;
    cdul_resnet *a = network("resnet18", 2, 1, NULL, NULL),
                *b = network("resnet18", 2, 1, NULL, NULL);
    cdul_resnet *c = network("resnet18", 2, 2, NULL, NULL);
    assert_same(a, b, "layer3.0.conv1.weight", true);
    assert_same(a, c, "layer3.0.conv1.weight", false);
    assert_same(a, c, "fc.weight", false);
    cdul_resnet_free(a);
    cdul_resnet_free(b);
    cdul_resnet_free(c);
}

/* --- Files --- */

/* How the file differs from the network's own tensors. */
typedef struct flaw {
    const char *missing; /* left out */
    const char *misshaped; /* one row less */
    const char *added; /* one more, an integer */
    const char *spoilt; /* its second element is `value` */
    float value;
} flaw;

static cdul_safetensors *file_of(const cdul_resnet *net, flaw f) {
    cdul_tensor_decl *decls = calloc(net->entry_count + 1, sizeof *decls);
    size_t n = 0;
    for (size_t i = 0; i < net->entry_count; i++) {
        const cdul_resnet_entry *entry = &net->entries[i];
        if (f.missing && !strcmp(entry->name, f.missing)) continue;
        cdul_tensor_decl *decl = &decls[n++];
        *decl = (cdul_tensor_decl){.name = entry->name,
                                   .dtype = CDUL_F32,
                                   .rank = cdul_tensor_declare(entry->tensor, "").rank};
        for (size_t axis = 0; axis < decl->rank; axis++)
            decl->shape[axis] = cdul_tensor_declare(entry->tensor, "").shape[axis];
        if (f.misshaped && !strcmp(entry->name, f.misshaped)) decl->shape[0]--;
    }
    if (f.added) decls[n++] = (cdul_tensor_decl){.name = f.added, .dtype = CDUL_I64, .rank = 0};
    cdul_safetensors_writer *writer = NULL;
    assert_ok(cdul_safetensors_create("weights.safetensors", NULL, 0, decls, n, &writer, &err));
    for (size_t i = 0; i < n; i++) {
        if (f.added && i == n - 1) {
            assert_ok(cdul_safetensors_append(writer, &(int64_t){3}, sizeof(int64_t), &err));
            continue;
        }
        size_t elements, used = 1;
        float *values = values_of(net, decls[i].name, &elements);
        for (size_t axis = 0; axis < decls[i].rank; axis++) used *= decls[i].shape[axis];
        if (f.spoilt && !strcmp(decls[i].name, f.spoilt)) values[1] = f.value;
        assert_ok(cdul_safetensors_append(writer, values, used * sizeof *values, &err));
        free(values);
    }
    assert_ok(cdul_safetensors_commit(&writer, &err));
    free(decls);
    cdul_safetensors *file = NULL;
    assert_ok(cdul_safetensors_open("weights.safetensors", &file, &err));
    return file;
}

static void a_file_gives_back_every_tensor(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", 3, 1, NULL, NULL);
    cdul_safetensors *file = file_of(net, (flaw){.added = "layer1.0.bn1.num_batches_tracked"});
    bool head_replaced = true;
    cdul_resnet *copy = network("resnet18", 3, 2, file, &head_replaced);
    assert_false(head_replaced);
    for (size_t i = 0; i < net->entry_count; i++)
        assert_same(net, copy, net->entries[i].name, true);
    cdul_safetensors_close(file);
    cdul_resnet_free(copy);
    cdul_resnet_free(net);
}

static void a_head_of_other_classes_is_replaced_by_the_seeds(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", 3, 1, NULL, NULL),
                *fresh = network("resnet18", 5, 2, NULL, NULL);
    cdul_safetensors *file = file_of(net, (flaw){0});
    bool head_replaced = false;
    cdul_resnet *copy = network("resnet18", 5, 2, file, &head_replaced);
    assert_true(head_replaced);
    assert_same(net, copy, "layer4.1.conv2.weight", true);
    assert_same(fresh, copy, "fc.weight", true);
    assert_same(fresh, copy, "fc.bias", true);
    cdul_safetensors_close(file);
    cdul_resnet_free(copy);
    cdul_resnet_free(fresh);
    cdul_resnet_free(net);
}

/* As the weights of a resnet18 of three classes. */
static void assert_refuses(const cdul_safetensors *file, const char *says) {
    cdul_resnet_options options = cdul_resnet_defaults();
    cdul_resnet *net = NULL;
    options.classes = 3;
    assert_ok(cdul_resnet_arch_find("resnet18", &options.arch, &err));
    assert_fails(cdul_resnet_new(&options, file, NULL, &net, &err), CDUL_ERR_INPUT, says);
    assert_null(net);
}

static void a_wrong_file_is_refused_and_the_tensor_named(void **state) {
    (void)state;
    const struct {
        flaw flaw;
        const char *says;
    } cases[] = {
        {{.missing = "layer2.1.bn2.running_var"}, "layer2.1.bn2.running_var"},
        {{.missing = "fc.bias"}, "fc.bias"},
        {{.misshaped = "layer4.0.conv1.weight"}, "layer4.0.conv1.weight"},
        {{.added = "layer5.0.conv1.weight"},
         "\"layer5.0.conv1.weight\" does not belong to a resnet18"},
        {{.added = "num_batches_tracked"}, "\"num_batches_tracked\" does not belong"},
        {{.spoilt = "layer3.0.conv1.weight", .value = NAN},
         "tensor \"layer3.0.conv1.weight\": element 1 is nan"},
        {{.spoilt = "fc.bias", .value = -INFINITY},
         "tensor \"fc.bias\": element 1 is -inf, expected a finite"},
        {{.spoilt = "bn1.running_var", .value = -1},
         "tensor \"bn1.running_var\": element 1 is -1, expected a variance"},
    };
    cdul_resnet *net = network("resnet18", 3, 1, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cdul_safetensors *file = file_of(net, cases[i].flaw);
        assert_refuses(file, cases[i].says);
        assert_non_null(strstr(err.message, "weights.safetensors"));
        cdul_safetensors_close(file);
    }
    cdul_resnet_free(net);
}

static void weights_of_another_depth_are_refused(void **state) {
    (void)state;
    cdul_resnet *large = network("resnet34", 3, 1, NULL, NULL);
    cdul_safetensors *file = file_of(large, (flaw){0});
    assert_refuses(file, "does not belong to a resnet18");
    cdul_safetensors_close(file);
    cdul_resnet_free(large);
}

/* --- Labels --- */

static void the_heads_bias_is_the_logit_of_the_means(void **state) {
    (void)state;
    cdul_resnet *net = network("resnet18", 4, 1, NULL, NULL);
    assert_ok(
        cdul_resnet_set_head_bias(net, (float[]){0.4F, 0.1F, 0, 1, 0.6F, 0.3F, 0, 1}, 2, &err));
    size_t n;
    float *bias = values_of(net, "fc.bias", &n);
    const double want[] = {0, log(0.2 / 0.8), log(1e-4 / (1 - 1e-4)), log((1 - 1e-4) / 1e-4)};
    for (size_t i = 0; i < n; i++) assert_true(fabs(bias[i] - want[i]) < 1e-5);
    free(bias);
    cdul_resnet_free(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_weights_have_torchvisions_distributions),
        cmocka_unit_test(a_seed_decides_all_weights),
        cmocka_unit_test(a_file_gives_back_every_tensor),
        cmocka_unit_test(a_head_of_other_classes_is_replaced_by_the_seeds),
        cmocka_unit_test(a_wrong_file_is_refused_and_the_tensor_named),
        cmocka_unit_test(weights_of_another_depth_are_refused),
        cmocka_unit_test(the_heads_bias_is_the_logit_of_the_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
