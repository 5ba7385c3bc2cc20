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

static cJSON *describe(const cdul_resnet *net) {
    cdul_strings classes = {0};
    assert_ok(cdul_strings_add(&classes, "cat, \"big\"", &err));
    assert_ok(cdul_strings_add(&classes, "Hund ü", &err));
    cJSON *provenance = cJSON_CreateObject(), *description = NULL;
    cJSON_AddNumberToObject(provenance, "epochs", 3);
    cdul_model_facts facts = {&classes, &preprocess, thresholds, provenance};
    assert_ok(cdul_model_describe(net, &facts, &description, &err));
    cJSON_Delete(provenance);
    cdul_strings_free(&classes);
    return description;
}

static void a_model_comes_back_as_it_was_written(void **state) {
    (void)state;
    cdul_resnet *net = make_network(), *back = NULL;
    cJSON *description = describe(net), *again = NULL;
    cdul_preprocess read;
    assert_ok(cdul_model_write("model.safetensors", net, description, &err));
    assert_ok(cdul_model_read("model.safetensors", &back, &read, &again, &err));
    assert_true(cJSON_Compare(description, again, true));
    assert_memory_equal(read.mean, preprocess.mean, sizeof read.mean);
    assert_memory_equal(read.std, preprocess.std, sizeof read.std);
    assert_int_equal(read.width, 64);
    assert_int_equal(read.height, 48);
    assert_int_equal(read.filter, CDUL_BILINEAR);
    assert_int_equal(back->entry_count, net->entry_count);
    for (size_t i = 0; i < net->entry_count; i++) {
        cdul_scope s = {.no_grad = true};
        cdul_tensor *difference =
            cdul_tensor_sub(&s, net->entries[i].tensor, back->entries[i].tensor);
        cdul_tensor *squares = cdul_tensor_sum(&s, cdul_tensor_mul(&s, difference, difference));
        assert_true(cdul_tensor_item(&s, squares) == 0);
        assert_ok(cdul_scope_close(&s, &err));
    }
    cJSON_Delete(description);
    cJSON_Delete(again);
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
    cdul_resnet *net = make_network();
    cJSON *description = describe(net);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(description, "thresholds"));
    assert_string_equal(text, "[0.1,0.33333334]");
    cJSON_free(text);
    cJSON_Delete(description);
    cdul_resnet_free(net);
}

static void weights_without_facts_are_refused(void **state) {
    (void)state;
    cdul_resnet *net = make_network(), *back = NULL;
    cJSON *nothing = cJSON_CreateObject(), *description = NULL;
    cdul_preprocess read;
    cJSON_AddStringToObject(nothing, "format", "pt");
    assert_ok(cdul_model_write("bare.safetensors", net, nothing, &err));
    assert_fails(cdul_model_read("bare.safetensors", &back, &read, &description, &err),
                 CDUL_ERR_INPUT, "metadata \"version\" is missing");
    assert_null(back);
    assert_null(description);
    cJSON_Delete(nothing);
    cdul_resnet_free(net);
}

static int remove_files(void **state) {
    (void)state;
    unlink("model.safetensors");
    unlink("bare.safetensors");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_as_it_was_written),
        cmocka_unit_test(metadata_values_are_text_or_json),
        cmocka_unit_test(numbers_are_as_short_as_float32_allows),
        cmocka_unit_test(weights_without_facts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, remove_files);
}
