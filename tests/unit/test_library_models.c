/* Exported models of transformers and open_clip against the models themselves: pixels, pictures and
 * texts (golden/make_library_models.py). */
#include "encoder_fixture.h"

#define PHOTOS 6
#define TEXTS  4

/* How far the input [6, 3, H, W] is from the library's, in steps of 1/255. */
static double worst_pixel(const char *folder, const float *pixels, size_t plane) {
    const size_t count = PHOTOS * 3 * plane;
    char path[600];
    cdul_safetensors *file = NULL;
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    assert_ok(cdul_safetensors_open(path, &file, &err));
    const cdul_tensor_view *view = cdul_safetensors_find(file, "pixels");
    assert_non_null(view);
    assert_int_equal(view->dtype, CDUL_U8);
    assert_int_equal(view->elements, count);
    const uint8_t *want = view->data;
    float *mean = expected(folder, "mean", 3), *std = expected(folder, "std", 3);
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t c = i / plane % 3;
        double off =
            fabs(255 * ((double)pixels[i] * (double)std[c] + (double)mean[c]) - (double)want[i]);
        if (off > worst) worst = off;
    }
    free(mean), free(std);
    cdul_safetensors_close(file);
    return worst;
}

/* Prepares the pictures as the encoder asks: the network's input, which the caller frees. One step
 * off is already another resize or crop. */
static float *check_pixels(const char *folder, const cdul_preprocess *p) {
    const size_t plane = p->height * p->width;
    float *pixels = malloc(PHOTOS * 3 * plane * sizeof *pixels);
    uint8_t *scratch = malloc(3 * plane);
    const cdul_decode_options decode = cdul_decode_defaults();
    for (size_t i = 0; i < PHOTOS; i++) {
        char path[600];
        cdul_image image = {0};
        snprintf(path, sizeof path, CDUL_GOLDEN "/layouts/pictures/%zu.png", i);
        assert_ok(cdul_image_decode_file(path, &decode, &image, &err));
        assert_ok(cdul_preprocess_apply(p, &image, NULL, scratch, pixels + i * 3 * plane, &err));
        cdul_image_free(&image);
    }
    const double worst = worst_pixel(folder, pixels, plane);
    print_message("%-20s pixels within %.4f / 255\n", cdul_path_base(folder), worst);
    assert_true(worst < 0.01);
    free(scratch);
    return pixels;
}

static void check_vectors(const char *folder, const char *tensor, const float *got, size_t rows,
                          size_t width) {
    float *want = expected(folder, tensor, rows * width);
    double cosine = worst_cosine(got, want, rows, width);
    print_message("%-20s %-6s cosine %.7f\n", cdul_path_base(folder), tensor, cosine);
    assert_true(cosine >= 0.9999);
    free(want);
}

static void check_model(const char *name) {
    static const char names[] = "cat\nzebra\ncaf\xc3\xa9\na horse\n";
    char folder[512], *pattern[] = {"{}"};
    const cdul_strings templates = {pattern, 1, 1};
    cdul_classes classes;
    cdul_text text;
    snprintf(folder, sizeof folder, CDUL_GOLDEN "/models/%s", name);
    cdul_encoder *encoder = open_encoder(folder, PHOTOS);
    const size_t width = cdul_encoder_width(encoder);

    float *pixels = check_pixels(folder, cdul_encoder_preprocess(encoder));
    float *views = malloc(PHOTOS * width * sizeof *views);
    assert_ok(cdul_encoder_views(encoder, pixels, PHOTOS, views, &err));
    check_vectors(folder, "views", views, PHOTOS, width);

    assert_ok(cdul_classes_parse(names, sizeof names - 1, "classes.txt", &classes, &err));
    assert_ok(cdul_encoder_text(encoder, &classes, &templates, NULL, &text, &err));
    assert_int_equal(text.cut_prompts, 0);
    check_vectors(folder, "text", text.vectors, TEXTS, width);

    cdul_text_free(&text);
    cdul_classes_free(&classes);
    free(pixels), free(views);
    cdul_encoder_close(encoder);
}

static void clip_of_transformers(void **state) {
    (void)state;
    check_model("transformers_clip");
}

static void siglip_of_transformers(void **state) {
    (void)state;
    check_model("transformers_siglip");
}

static void vision_transformer_of_open_clip(void **state) {
    (void)state;
    check_model("open_clip_vit");
}

static void resnet_of_open_clip(void **state) {
    (void)state;
    check_model("open_clip_resnet");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_of_transformers),
        cmocka_unit_test(siglip_of_transformers),
        cmocka_unit_test(vision_transformer_of_open_clip),
        cmocka_unit_test(resnet_of_open_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
