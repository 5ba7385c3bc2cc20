/* What a card may say, and that what is written is read back. */
#include "test.h"

#include "labels/card.h"

static cdul_error err;

typedef struct fact {
    const char *key, *value;
} fact;

static const fact good[] = {
    {"classes", "[\"cat, \\\"big\\\"\",\"Hund ü\"]"},
    {"thresholds", "[0.1,0.33333334]"},
    {"input_size", "[48,64]"},
    {"resize", "shortest"},
    {"filter", "bicubic"},
    {"mean", "[0.485,0.456,0.406]"},
    {"std", "[0.229,0.224,0.225]"},
    {"provenance", "{\"epochs\":3}"},
    {"version", "cdul 0.0.9"},
    {"arch", "resnet18"},
    {"bn_eps", "1e-05"},
};

/* The good card, but for one fact; without it, if its value is NULL. */
static const char *look_up(const void *source, const char *key) {
    const fact *other = source;
    if (other && strcmp(other->key, key) == 0) return other->value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (strcmp(good[i].key, key) == 0) return good[i].value;
    return NULL;
}

static void a_card_says_all_that_prediction_takes(void **state) {
    (void)state;
    cdul_card card;
    assert_ok(cdul_card_read(look_up, NULL, "a.onnx", &card, &err));
    assert_int_equal(card.classes.count, 2);
    assert_string_equal(card.classes.items[0], "cat, \"big\"");
    assert_float_equal(card.thresholds[1], 1.0 / 3, 1e-7);
    assert_int_equal(card.preprocess.height, 48);
    assert_int_equal(card.preprocess.width, 64);
    assert_int_equal(card.preprocess.mode, CDUL_RESIZE_SHORTEST);
    assert_int_equal(card.preprocess.filter, CDUL_BICUBIC);
    assert_float_equal(card.preprocess.mean[2], 0.406, 1e-7);
    assert_float_equal(card.preprocess.std[0], 0.229, 1e-7);
    assert_string_equal(card.provenance, "{\"epochs\":3}");
    assert_string_equal(card.arch, "resnet18");
    cdul_card_free(&card);
    assert_ok(cdul_card_read(look_up, &(fact){"arch", NULL}, "a.onnx", &card, &err));
    assert_null(card.arch);
    cdul_card_free(&card);
}

static void what_is_missing_or_malformed_is_named(void **state) {
    (void)state;
    static const struct {
        fact fact;
        const char *message;
    } cases[] = {
        {{"classes", NULL}, "a.onnx: metadata lacks \"classes\": was this classifier written by"},
        {{"classes", "[]"}, "metadata \"classes\" is empty"},
        {{"classes", "[\"cat\",\"cat\"]"}, "a.onnx: classes: "},
        {{"thresholds", "[0.5]"}, "metadata \"thresholds\": expected a list of 2 numbers"},
        {{"thresholds", "[0.5,\"x\"]"}, "metadata \"thresholds\": item 1 is not a number"},
        {{"thresholds", "[0.5,1.5]"}, "metadata \"thresholds\": 1.5 is not in 0 .. 1"},
        {{"input_size", "[48,64.5]"},
         "\"input_size\": 64.5 is not a number of pixels (1 .. 16384)"},
        {{"input_size", "[16385,64]"}, "\"input_size\": 16385 is not a number of pixels"},
        {{"input_size", "[0,64]"}, "\"input_size\": 0 is not a number of pixels"},
        {{"resize", "longest"}, "\"resize\" is \"longest\": expected \"shortest\" or \"squash\""},
        {{"filter", "area"}, "\"filter\" is \"area\": expected \"bilinear\" or \"bicubic\""},
        {{"mean", "[0,0,1e39]"}, "metadata \"mean\": item 2 is not a number"},
        {{"mean", "0.5"}, "metadata \"mean\": expected a list of 3 numbers"},
        {{"std", "[1,0,1]"}, "metadata \"std\": 0 is not a deviation (> 0)"},
        {{"provenance", "3"}, "metadata \"provenance\": expected an object"},
        {{"provenance", "{"}, "a.onnx: line 1: not JSON here"},
        {{"bn_eps", "\"small\""}, "metadata \"bn_eps\": expected a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cdul_card card;
        assert_fails(cdul_card_read(look_up, &cases[i].fact, "a.onnx", &card, &err), CDUL_ERR_INPUT,
                     cases[i].message);
        assert_null(card.thresholds);
    }
}

static void a_card_is_written_as_it_was_read(void **state) {
    (void)state;
    cdul_card card;
    cdul_card_metadata metadata = {0};
    assert_ok(cdul_card_read(look_up, NULL, "a.onnx", &card, &err));
    assert_ok(cdul_card_to_metadata(&card, &metadata, &err));
    assert_string_equal(metadata.pairs[0].key, "format");
    assert_string_equal(metadata.pairs[0].value, "cdul-model");
    for (size_t i = 1; i < CDUL_CARD_FACTS; i++)
        assert_string_equal(metadata.pairs[i].value, look_up(NULL, metadata.pairs[i].key));
    cdul_strings_free(&metadata.texts);
    cdul_card_free(&card);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_says_all_that_prediction_takes),
        cmocka_unit_test(what_is_missing_or_malformed_is_named),
        cmocka_unit_test(a_card_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
