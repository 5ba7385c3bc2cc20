/* The scale and bias that a graph holds, found. */
#include "encoder_fixture.h"

#include "base/json.h"

#define SCALE CDUL_GOLDEN "/scale/"

static cdul_encoder *open_folder(const char *name) {
    char path[400];
    snprintf(path, sizeof path, SCALE "%s", name);
    return open_encoder(path, 0);
}

static void they_are_the_models_parameters(void **state) {
    (void)state;
    cJSON *folders = NULL, *item = NULL;
    assert_ok(cdul_json_read(SCALE "expected.json", &folders, &err));
    assert_int_equal(cJSON_GetArraySize(folders), 4);
    cJSON_ArrayForEach(item, folders) {
        cdul_encoder *encoder = open_folder(item->string);
        cdul_encoder_score score = cdul_encoder_score_of(encoder);
        const cJSON *scale = cJSON_GetArrayItem(item, 0), *bias = cJSON_GetArrayItem(item, 1);
        double found = -log(score.temperature);
        if (cJSON_IsNull(scale) ? !isnan(found) : !(fabs(found - scale->valuedouble) < 2e-4))
            fail_msg("%s: scale %g", item->string, found);
        if (cJSON_IsNull(bias) ? !isnan(score.bias)
                               : !(fabs(score.bias - bias->valuedouble) < 2e-3))
            fail_msg("%s: bias %g", item->string, score.bias);
        assert_false(score.assumed);
        cdul_encoder_close(encoder);
    }
    cJSON_Delete(folders);
}

static void a_sidecar_comes_first(void **state) {
    (void)state;
    assert_ok(cdul_path_make_folder("sidecar", &err));
    copy(SCALE "siglip/model.onnx", "sidecar/model.onnx");
    copy(SCALE "siglip/config.json", "sidecar/config.json");
    copy(SCALE "siglip/preprocessor_config.json", "sidecar/preprocessor_config.json");
    write_text("sidecar/cdul.json", "{\"logit_scale\": 3.0, \"logit_bias\": -5.0}");
    cdul_encoder *encoder = open_encoder("sidecar", 0);
    cdul_encoder_score score = cdul_encoder_score_of(encoder);
    assert_float_equal(score.temperature, exp(-3.0), 1e-12);
    assert_float_equal(score.bias, -5, 0);
    cdul_encoder_close(encoder);
}

static void metadata_that_is_no_number_is_refused(void **state) {
    (void)state;
    cdul_encoder *encoder = NULL;
    assert_fails(cdul_encoder_open(SCALE "broken", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "vision_model.onnx: metadata logit_scale is 'large', expected a number");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_the_models_parameters),
        cmocka_unit_test(a_sidecar_comes_first),
        cmocka_unit_test(metadata_that_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
