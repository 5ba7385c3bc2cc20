/* The network as a structure: what torchvision calls its tensors, which of them are trained. */
#include "test.h"

#include "base/json.h"
#include "base/safetensors.h"
#include "train/resnet.h"

static cdul_error err;

static cdul_resnet_options options_of(const char *arch, size_t classes) {
    cdul_resnet_options options = cdul_resnet_defaults();
    options.classes = classes;
    assert_ok(cdul_resnet_arch_find(arch, &options.arch, &err));
    return options;
}

static void an_unknown_architecture_is_refused_with_the_known_ones(void **state) {
    (void)state;
    const cdul_resnet_arch *arch = NULL;
    assert_fails(cdul_resnet_arch_find("resnet20", &arch, &err), CDUL_ERR_USAGE,
                 "\"resnet20\": expected one of resnet18, ");
    assert_non_null(strstr(err.message, "resnet152-caffe"));
}

static void tensors_have_torchvisions_names_in_torchvisions_order(void **state) {
    (void)state;
    const char *const architectures[] = {"resnet18",  "resnet34",  "resnet50",
                                         "resnet101", "resnet152", "resnet50-caffe"};
    cdul_safetensors *answers = NULL;
    assert_ok(cdul_safetensors_open(CDUL_GOLDEN "/resnet/answers.safetensors", &answers, &err));
    for (size_t a = 0; a < sizeof architectures / sizeof *architectures; a++) {
        char key[64];
        snprintf(key, sizeof key, "%s.names", architectures[a]);
        const char *text = cdul_safetensors_metadata(answers, key);
        cdul_strings names = {0};
        assert_non_null(text);
        assert_ok(cdul_json_to_strings(text, strlen(text), key, &names, &err));
        cdul_resnet_options options = options_of(architectures[a], 2);
        cdul_resnet *net = NULL;
        assert_ok(cdul_resnet_new(&options, NULL, NULL, &net, &err));
        assert_int_equal(net->entry_count, names.count);
        for (size_t i = 0; i < names.count; i++)
            assert_string_equal(net->entries[i].name, names.items[i]);
        cdul_resnet_free(net);
        cdul_strings_free(&names);
    }
    cdul_safetensors_close(answers);
}

static void the_stride_lies_where_the_architecture_says(void **state) {
    (void)state;
    for (int caffe = 0; caffe < 2; caffe++) {
        cdul_resnet_options options = options_of(caffe ? "resnet50-caffe" : "resnet50", 2);
        cdul_resnet *net = NULL;
        assert_ok(cdul_resnet_new(&options, NULL, NULL, &net, &err));
        const cdul_resnet_block *block = &net->blocks[3]; /* the first of layer2 */
        assert_int_equal(block->stage, 2);
        assert_int_equal(block->units[0].stride, caffe ? 2 : 1);
        assert_int_equal(block->units[1].stride, caffe ? 1 : 2);
        assert_int_equal(block->shortcut.stride, 2);
        assert_true(net->options.arch->bn_eps == (caffe ? 1e-3 : 1e-5));
        cdul_resnet_free(net);
    }
}

static void what_is_trained_follows_freeze_and_freeze_bn(void **state) {
    (void)state;
    for (size_t freeze = 0; freeze <= CDUL_RESNET_STAGES; freeze++) {
        cdul_resnet_options options = options_of("resnet18", 2);
        options.freeze = freeze;
        options.freeze_bn = freeze % 2;
        cdul_resnet *net = NULL;
        assert_ok(cdul_resnet_new(&options, NULL, NULL, &net, &err));
        for (size_t i = 0; i < net->entry_count; i++) {
            const cdul_resnet_entry *entry = &net->entries[i];
            bool bn = strstr(entry->name, "bn") || strstr(entry->name, "downsample.1");
            bool statistic = strstr(entry->name, "running") != NULL,
                 head = !strncmp(entry->name, "fc.", 3);
            size_t stage = head ? CDUL_RESNET_HEAD : 1; /* the stem belongs to stage 1 */
            if (!strncmp(entry->name, "layer", 5)) stage = (size_t)(entry->name[5] - '0');
            assert_int_equal(entry->stage, stage);
            assert_int_equal(entry->trained,
                             stage > freeze && !statistic && !(bn && options.freeze_bn));
        }
        cdul_resnet_free(net);
    }
}

static void impossible_options_are_refused(void **state) {
    (void)state;
    cdul_resnet *net = NULL;
    cdul_resnet_options options = options_of("resnet18", 0);
    assert_fails(cdul_resnet_new(&options, NULL, NULL, &net, &err), CDUL_ERR_USAGE,
                 "resnet18: 0 classes");
    options = options_of("resnet18", 2);
    options.freeze = 5;
    assert_fails(cdul_resnet_new(&options, NULL, NULL, &net, &err), CDUL_ERR_USAGE,
                 "5 frozen stages");
    assert_null(net);
    cdul_resnet_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_architecture_is_refused_with_the_known_ones),
        cmocka_unit_test(tensors_have_torchvisions_names_in_torchvisions_order),
        cmocka_unit_test(the_stride_lies_where_the_architecture_says),
        cmocka_unit_test(what_is_trained_follows_freeze_and_freeze_bn),
        cmocka_unit_test(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
