#include "test.h"

#include "train/model.h"

#include <unistd.h>

static cdul_error err;
static const float thresholds[2] = {0.1f, 0.333333343f};

static cdul_resnet *make_network(void) {
    cdul_resnet_options options = cdul_resnet_defaults();
    cdul_resnet *net = NULL;
    assert_ok(cdul_resnet_arch_find("resnet18", &options.arch, &err));
    options.classes = 2;
    options.seed = 4;
    assert_ok(cdul_resnet_new(&options, NULL, NULL, &net, &err));
    return net;
}

static const cdul_preprocess preprocess = {.width = 64,
                                           .height = 48,
                                           .mode = CDUL_RESIZE_SQUASH,
                                           .filter = CDUL_BILINEAR,
                                           .scale = 1 / 255.0f,
                                           .mean = {0.485f, 0.456f, 0.406f},
                                           .std = {1 / 255.0f, 0.224f, 0.225f}};

/* Its classes are the caller's to free. */
static cdul_card make_card(const cdul_resnet *net) {
    cdul_card card = {.version = "cdul 0.0.9",
                      .arch = net->options.arch->name,
                      .bn_eps = net->options.arch->bn_eps,
                      .thresholds = (float *)(uintptr_t)thresholds,
                      .preprocess = preprocess,
                      .provenance = "{\"epochs\": 3}"};
    assert_ok(cdul_strings_add(&card.classes, "cat, \"big\"", &err));
    assert_ok(cdul_strings_add(&card.classes, "Hund ü", &err));
    return card;
}

static void a_model_comes_back_as_it_was_written(void **state) {
    (void)state;
    cdul_resnet *net = make_network(), *back = NULL;
    cdul_card card = make_card(net), again;
    cdul_card_metadata written = {0}, read = {0};
    assert_ok(cdul_model_write("model.safetensors", net, &card, &err));
    assert_ok(cdul_model_read("model.safetensors", &back, &again, &err));
    assert_ok(cdul_card_to_metadata(&card, &written, &err));
    assert_ok(cdul_card_to_metadata(&again, &read, &err));
    assert_true(cdul_strings_equal(&written.texts, &read.texts));
    assert_memory_equal(again.preprocess.mean, preprocess.mean, sizeof preprocess.mean);
    assert_memory_equal(again.preprocess.std, preprocess.std, sizeof preprocess.std);
    assert_memory_equal(again.thresholds, thresholds, sizeof thresholds);
    assert_int_equal(again.preprocess.width, 64);
    assert_int_equal(again.preprocess.height, 48);
    assert_int_equal(again.preprocess.filter, CDUL_BILINEAR);
    assert_int_equal(back->entry_count, net->entry_count);
    for (size_t i = 0; i < net->entry_count; i++) {
        cdul_scope s = {.no_grad = true};
        cdul_tensor *difference =
            cdul_tensor_sub(&s, net->entries[i].tensor, back->entries[i].tensor);
        cdul_tensor *squares = cdul_tensor_sum(&s, cdul_tensor_mul(&s, difference, difference));
        assert_true(cdul_tensor_item(&s, squares) == 0);
        assert_ok(cdul_scope_close(&s, &err));
    }
    cdul_strings_free(&written.texts);
    cdul_strings_free(&read.texts);
    cdul_strings_free(&card.classes);
    cdul_card_free(&again);
    cdul_resnet_free(net);
    cdul_resnet_free(back);
}

/* What Python sees in safe_open(...).metadata(): strings, and lists as JSON. */
static void metadata_values_are_text_or_json(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    assert_ok(cdul_safetensors_open("model.safetensors", &file, &err));
    assert_string_equal(cdul_safetensors_metadata(file, "arch"), "resnet18");
    assert_string_equal(cdul_safetensors_metadata(file, "classes"),
                        "[\"cat, \\\"big\\\"\",\"Hund ü\"]");
    assert_string_equal(cdul_safetensors_metadata(file, "input_size"), "[48,64]");
    assert_string_equal(cdul_safetensors_metadata(file, "mean"), "[0.485,0.456,0.406]");
    assert_string_equal(cdul_safetensors_metadata(file, "provenance"), "{\"epochs\":3}");
    assert_non_null(cdul_safetensors_find(file, "layer4.1.bn2.running_var"));
    cdul_safetensors_close(file);
}

static void numbers_are_as_short_as_float32_allows(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    assert_ok(cdul_safetensors_open("model.safetensors", &file, &err));
    assert_string_equal(cdul_safetensors_metadata(file, "thresholds"), "[0.1,0.33333334]");
    cdul_safetensors_close(file);
}

/* Writes a model whose card differs in one fact, which is removed where `value` is NULL. */
static void write_other(const char *key, const char *value) {
    cdul_safetensors_writer *writer = NULL;
    cdul_card_metadata metadata = {0};
    cdul_resnet *net = make_network();
    cdul_card card = make_card(net);
    const cdul_tensor_decl none = {.name = "x", .dtype = CDUL_F32, .rank = 1, .shape = {1}};
    const float x = 0;
    assert_ok(cdul_card_to_metadata(&card, &metadata, &err));
    for (size_t i = 0; i < CDUL_CARD_FACTS; i++)
        if (strcmp(metadata.pairs[i].key, key) == 0)
            metadata.pairs[i] = (cdul_metadata){value ? key : "other", value ? value : ""};
    assert_ok(cdul_safetensors_create("other.safetensors", metadata.pairs, CDUL_CARD_FACTS, &none,
                                      1, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, &x, sizeof x, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    cdul_strings_free(&metadata.texts);
    cdul_strings_free(&card.classes);
    cdul_resnet_free(net);
}

static void a_card_that_prediction_would_refuse_is_refused(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"resize", "longest", "\"resize\" is \"longest\": expected \"shortest\" or \"squash\""},
        {"filter", "area", "\"filter\" is \"area\": expected \"bilinear\" or \"bicubic\""},
        {"input_size", "[48,16385]", "\"input_size\": 16385 is not a number of pixels"},
        {"input_size", "[48.5,64]", "\"input_size\": 48.5 is not a number of pixels"},
        {"version", NULL, "metadata lacks \"version\""},
        {"arch", NULL, "metadata lacks \"arch\""},
        {"bn_eps", "0.5", "\"bn_eps\" is 0.5, but resnet18 has 1e-05"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cdul_resnet *back = NULL;
        cdul_card card;
        write_other(cases[i][0], cases[i][1]);
        assert_fails(cdul_model_read("other.safetensors", &back, &card, &err), CDUL_ERR_INPUT,
                     cases[i][2]);
        assert_null(back);
        assert_null(card.thresholds);
    }
}

static int remove_files(void **state) {
    (void)state;
    unlink("model.safetensors");
    unlink("other.safetensors");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_as_it_was_written),
        cmocka_unit_test(metadata_values_are_text_or_json),
        cmocka_unit_test(numbers_are_as_short_as_float32_allows),
        cmocka_unit_test(a_card_that_prediction_would_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
