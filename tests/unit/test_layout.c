/* Encoder folders as they are published, against transformers, open_clip and onnxruntime in Python
 * (golden/make_layouts.py, make_dialects.py); and the choice of files within a folder. */
#include "encoder_fixture.h"

#include "encoder/folder/folder.h"

#include <unistd.h>

#define PHOTOS  6
#define D       8
#define LAYOUTS CDUL_GOLDEN "/layouts"

typedef struct layout_case {
    const char *name;
    size_t height, width;
    bool text;
    const char *variants[6];
} layout_case;

static const layout_case cases[] = {
    {"transformers_js", 24, 24, true, {"fp16", "quantized", "q4"}},
    {"siglip", 20, 28, false, {NULL}},
    {"immich", 24, 24, true, {NULL}},
    {"clip_variants", 20, 28, true, {NULL}},
    {"optimum", 24, 24, true, {NULL}},
    {"optimum_siglip", 24, 24, true, {NULL}},
    {"open_clip_longest", 20, 28, false, {NULL}},
    {"open_clip_shortest", 20, 28, false, {NULL}},
    {"mobileclip", 24, 24, false, {NULL}},
    {"chinese_clip", 24, 28, false, {NULL}},
    {"bert_inputs", 24, 24, true, {NULL}},
    {"quantised", 24, 24, true, {"int8", "uint8", "q4", "bnb4", "q4f16"}},
    {"squash_crop", 20, 24, false, {NULL}},
    {"squash_pad", 24, 28, false, {NULL}},
    {"shortest_pad", 24, 28, false, {NULL}},
};

static const char *folder_of(const layout_case *c) {
    static char folder[512];
    snprintf(folder, sizeof folder, LAYOUTS "/%s", c->name);
    return folder;
}

static cdul_encoder *open_variant(const char *folder, const char *variant) {
    cdul_encoder *encoder = NULL;
    cdul_encoder_options options = cdul_encoder_defaults();
    options.threads = 1;
    options.variant = variant;
    assert_ok(cdul_encoder_open(folder, &options, &encoder, &err));
    return encoder;
}

/* The network's input of every picture [6, 3, H, W]. */
static float *make_pixels(const cdul_preprocess *p) {
    const size_t size = 3 * p->height * p->width;
    float *pixels = malloc(PHOTOS * size * sizeof *pixels);
    uint8_t *scratch = malloc(size);
    const cdul_decode_options decode = cdul_decode_defaults();
    for (size_t i = 0; i < PHOTOS; i++) {
        char path[600];
        cdul_image image = {0};
        snprintf(path, sizeof path, LAYOUTS "/pictures/%zu.png", i);
        assert_ok(cdul_image_decode_file(path, &decode, &image, &err));
        assert_ok(cdul_preprocess_apply(p, &image, NULL, scratch, pixels + i * size, &err));
        cdul_image_free(&image);
    }
    free(scratch);
    return pixels;
}

/* The reference's input [6, 3, H, W] as 8-bit numbers, before scale, mean and std. The caller
 * frees. */
static uint8_t *expected_bytes(const char *folder, size_t count) {
    char path[600];
    cdul_safetensors *file = NULL;
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    assert_ok(cdul_safetensors_open(path, &file, &err));
    const cdul_tensor_view *view = cdul_safetensors_find(file, "pixels");
    assert_non_null(view);
    assert_int_equal(view->dtype, CDUL_U8);
    assert_int_equal(view->elements, count);
    uint8_t *bytes = malloc(count);
    memcpy(bytes, view->data, count);
    cdul_safetensors_close(file);
    return bytes;
}

/* In steps of 1/255. Equal but for rounding of floats: one step less is already another resize or
 * crop. */
static void pixels_are_those_of_the_reference(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const size_t plane = cases[k].height * cases[k].width, count = PHOTOS * 3 * plane;
        const char *folder = folder_of(&cases[k]);
        cdul_encoder *encoder = open_variant(folder, NULL);
        const cdul_preprocess *p = cdul_encoder_preprocess(encoder);
        assert_int_equal(p->height, cases[k].height);
        assert_int_equal(p->width, cases[k].width);
        float *got = make_pixels(p);
        uint8_t *want = expected_bytes(folder, count);
        float *mean = expected(folder, "mean", 3), *std = expected(folder, "std", 3);
        float *scale = expected(folder, "scale", 1);
        double worst = 0;
        for (size_t i = 0; i < count; i++) {
            size_t c = i / plane % 3;
            double off =
                fabs(((double)got[i] * (double)std[c] + (double)mean[c]) / (double)scale[0] -
                     (double)want[i]);
            if (off > worst) worst = off;
        }
        if (!(worst < 0.01)) fail_msg("%s: a pixel is off by %.3f / 255", cases[k].name, worst);
        print_message("%-20s pixels within %.4f / 255\n", cases[k].name, worst);
        free(got), free(want), free(mean), free(std), free(scale);
        cdul_encoder_close(encoder);
    }
}

static void check_views(const char *folder, const char *variant, const char *tensor) {
    cdul_encoder *encoder = open_variant(folder, variant);
    assert_int_equal(cdul_encoder_width(encoder), D);
    float got[PHOTOS * D], *pixels = make_pixels(cdul_encoder_preprocess(encoder));
    float *want = expected(folder, tensor, PHOTOS * D);
    assert_ok(cdul_encoder_views(encoder, pixels, PHOTOS, got, &err));
    double cosine = worst_cosine(got, want, PHOTOS, D);
    if (!(cosine >= 0.9999)) fail_msg("%s, %s: cosine %.6f", folder, tensor, cosine);
    print_message("%-20s %-16s cosine %.7f\n", cdul_path_base(folder), tensor, cosine);
    free(pixels);
    free(want);
    cdul_encoder_close(encoder);
}

static void views_are_those_of_the_reference(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        check_views(folder_of(&cases[k]), NULL, "views");
        for (size_t v = 0; cases[k].variants[v]; v++) {
            char tensor[40];
            snprintf(tensor, sizeof tensor, "views_%s", cases[k].variants[v]);
            check_views(folder_of(&cases[k]), cases[k].variants[v], tensor);
        }
    }
}

static void check_texts(const char *folder, const char *variant, const char *tensor,
                        const cdul_classes *classes) {
    char *pattern[] = {"{}"};
    const cdul_strings templates = {pattern, 1, 1};
    cdul_text text;
    cdul_encoder *encoder = open_variant(folder, variant);
    float *want = expected(folder, tensor, 4 * D);
    assert_int_equal(cdul_encoder_notes(encoder)->count, 0); /* such as: another variant is used */
    assert_ok(cdul_encoder_text(encoder, classes, &templates, NULL, &text, &err));
    assert_int_equal(text.cut_prompts, 0);
    double cosine = worst_cosine(text.vectors, want, 4, D);
    if (!(cosine >= 0.9999)) fail_msg("%s, %s: cosine %.6f", folder, tensor, cosine);
    print_message("%-20s %-16s cosine %.7f\n", cdul_path_base(folder), tensor, cosine);
    free(want);
    cdul_text_free(&text);
    cdul_encoder_close(encoder);
}

static void texts_are_those_of_the_reference(void **state) {
    (void)state;
    static const char names[] = "cat\nzebra\ncaf\xc3\xa9\na horse\n";
    cdul_classes classes;
    assert_ok(cdul_classes_parse(names, sizeof names - 1, "classes.txt", &classes, &err));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        if (!cases[k].text) continue;
        check_texts(folder_of(&cases[k]), NULL, "text", &classes);
    }
    static const char *const variants[] = {"int8", "uint8", "q4", "bnb4"};
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        char tensor[40];
        snprintf(tensor, sizeof tensor, "text_%s", variants[v]);
        check_texts(LAYOUTS "/quantised", variants[v], tensor, &classes);
    }
    cdul_classes_free(&classes);
}

static char *description(const char *folder, const char *variant) {
    char *text = NULL;
    size_t size = 0;
    cdul_encoder *encoder = open_variant(folder, variant);
    FILE *stream = open_memstream(&text, &size);
    assert_ok(cdul_encoder_describe(encoder, stream, &err));
    fclose(stream);
    cdul_encoder_close(encoder);
    return text;
}

static void choices_are_described(void **state) {
    (void)state;
    static const struct {
        const char *layout, *variant, *part;
    } parts[] = {
        {"transformers_js", NULL, "onnx/vision_model.onnx\n"},
        {"transformers_js", NULL, "image_embeds float32 [?, 8] (by name)"},
        {"transformers_js", "quantized", "onnx/vision_model_quantized.onnx"},
        {"transformers_js", "fp16", "pixel_values float16 [?, 3, 24, 24]"},
        {"transformers_js", "fp16",
         "the text tower has no variant 'fp16': onnx/text_model.onnx, in float32, is used"},
        {"siglip", NULL, "SigLIP's embedding is its pooled output"},
        {"immich", NULL, "textual/model.onnx"},
        {"immich", NULL, "temperature: 0.01"},
        {"immich", NULL, "CLIP BPE, 514 tokens, context 12"},
        {"clip_variants", NULL, "clip-tiny-textual-float32.onnx"},
        /* its text runs at its full length alone, whatever it says; the other's at any */
        {"optimum", NULL, "model.onnx (both towers: every run embeds a text of 12 tokens as well)"},
        {"bert_inputs", NULL,
         "model.onnx (both towers: every run embeds a text of 2 tokens as well)"},
        {"bert_inputs", NULL, "and attention_mask and token_type_ids and position_ids"},
        {"quantised", "int8", "onnx/text_model_int8.onnx"},
        {"quantised", NULL, "input_ids int64 [?, 12] and attention_mask and position_ids"},
        {"squash_crop", NULL, "24x20, squash to 31x26 then centre crop (floor), bicubic"},
        {"shortest_pad", NULL, "28x24, shortest 19 then centre crop (floor), bicubic"},
        {"optimum", NULL, "model.onnx (the same graph)"},
        {"optimum", NULL, "pixel_values float32 [?, ?, ?, ?]"},
        {"open_clip_longest", NULL, "28x20, longest, padded with 77 77 77, bilinear"},
        {"open_clip_shortest", NULL,
         "28x20, shortest that covers it then centre crop (round), bicubic"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, LAYOUTS "/%s", parts[i].layout);
        char *text = description(folder, parts[i].variant);
        if (!strstr(text, parts[i].part)) fail_msg("lacks \"%s\":\n%s", parts[i].part, text);
        free(text);
    }
}

/* --- The choice of files: empty ones do, for names alone decide --- */

static cdul_layout layout;

static cdul_status find_among(const char *const *files, const char *variant) {
    assert_int_equal(system("rm -rf chosen"), 0);
    for (; *files; files++) {
        char path[200];
        snprintf(path, sizeof path, "chosen/%s", *files);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        assert_ok(cdul_path_make_folder(path, &err));
        *slash = '/';
        write_text(path, "");
    }
    return cdul_layout_find("chosen", variant, &layout, &err);
}

#define FILES(...)                                                                                 \
    (const char *const[]) { __VA_ARGS__, NULL }

#define assert_chosen(files, variant, vision_, text_, combined_)                                   \
    do {                                                                                           \
        const char *want_text = text_;                                                             \
        assert_ok(find_among(files, variant));                                                     \
        assert_string_equal(layout.vision, "chosen/" vision_);                                     \
        if (want_text)                                                                             \
            assert_string_equal(layout.text, want_text);                                           \
        else                                                                                       \
            assert_null(layout.text);                                                              \
        assert_int_equal(layout.combined, combined_);                                              \
    } while (0)

static void towers_are_found_by_name(void **state) {
    (void)state;
    const char *const *full =
        FILES("onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/vision_model.onnx",
              "onnx/vision_model_fp16.onnx", "onnx/vision_model_q4f16.onnx", "onnx/text_model.onnx",
              "onnx/text_model_fp16.onnx", "onnx/text_model_uint8.onnx",
              "onnx/vision_model.onnx_data", "config.json", "notes.onnx");
    assert_chosen(full, NULL, "onnx/vision_model.onnx", "chosen/onnx/text_model.onnx", false);
    assert_null(layout.text_note);
    assert_string_equal(layout.tokenizer, "chosen");
    cdul_layout_free(&layout);
    assert_chosen(full, "fp16", "onnx/vision_model_fp16.onnx", "chosen/onnx/text_model_fp16.onnx",
                  false);
    assert_null(layout.text_note);
    cdul_layout_free(&layout);
    assert_chosen(full, "q4f16", "onnx/vision_model_q4f16.onnx", "chosen/onnx/text_model.onnx",
                  false);
    assert_non_null(
        strstr(layout.text_note, "no variant 'q4f16': onnx/text_model.onnx, in float32"));
    cdul_layout_free(&layout);
    assert_chosen(FILES("model.onnx"), NULL, "model.onnx", NULL, true);
    cdul_layout_free(&layout);
    assert_chosen(FILES("visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json"), NULL,
                  "visual/model.onnx", "chosen/textual/model.onnx", false);
    assert_string_equal(layout.tokenizer, "chosen/textual");
    cdul_layout_free(&layout);
    assert_chosen(FILES("visual.onnx", "text.onnx"), NULL, "visual.onnx", "chosen/text.onnx",
                  false);
    cdul_layout_free(&layout);
    const char *const *free_names =
        FILES("clip-b32-visual-float16.onnx", "clip-b32-visual-float32.onnx",
              "clip-b32-visual-quint8.onnx", "clip-b32-textual-float32.onnx");
    assert_chosen(free_names, NULL, "clip-b32-visual-float32.onnx",
                  "chosen/clip-b32-textual-float32.onnx", false);
    cdul_layout_free(&layout);
    assert_chosen(free_names, "quint8", "clip-b32-visual-quint8.onnx",
                  "chosen/clip-b32-textual-float32.onnx", false);
    cdul_layout_free(&layout);
    assert_chosen(FILES("vision_model.onnx", "text_model_int8.onnx"), NULL, "vision_model.onnx",
                  NULL, false);
    assert_non_null(strstr(layout.text_note, "only in other variants, and is not used: int8"));
    cdul_layout_free(&layout);
}

static void what_is_missing_or_double_is_listed(void **state) {
    (void)state;
    static const struct {
        const char *files[4], *variant, *message;
    } wrong[] = {
        {{"config.json"}, NULL, "not an encoder folder"},
        {{"onnx/vision_model_quantized.onnx", "onnx/vision_model_fp16.onnx"},
         NULL,
         "no float32 image tower; choose one of its variants with --variant: fp16, quantized"},
        {{"vision_model.onnx", "vision_model_fp16.onnx"},
         "bnb4",
         "no variant 'bnb4' of the image tower; there are: float32 (without --variant), fp16"},
        {{"vision_model.onnx", "onnx/vision_model.onnx"},
         NULL,
         "more than one image tower: onnx/vision_model.onnx, vision_model.onnx"},
        {{"b32-visual.onnx", "l14-visual.onnx", "b32-textual.onnx"},
         NULL,
         "more than one image tower: b32-visual.onnx, l14-visual.onnx; leave the one that is "
         "meant"},
        {{"vision_model.onnx", "textual/model.onnx", "text_model.onnx"},
         NULL,
         "more than one text tower: text_model.onnx, textual/model.onnx"},
        {{"model.onnx", "onnx/model.onnx"}, NULL, "more than one graph of both towers"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(find_among(wrong[i].files, wrong[i].variant), CDUL_ERR_INPUT,
                     wrong[i].message);
}

/* --- External data --- */

static void weights_that_are_missing_are_named(void **state) {
    (void)state;
    cdul_encoder *encoder = NULL;
    assert_int_equal(
        system("rm -rf outside; cp -r " LAYOUTS "/mobileclip outside; chmod -R u+w outside"), 0);
    assert_int_equal(truncate("outside/onnx/vision_model.onnx_data", 100), 0);
    assert_fails(cdul_encoder_open("outside", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "the graph's weights are in another file, which is cut short");
    assert_int_equal(remove("outside/onnx/vision_model.onnx_data"), 0);
    assert_fails(
        cdul_encoder_open("outside", NULL, &encoder, &err), CDUL_ERR_INPUT,
        "outside/onnx/vision_model.onnx: its weights are in another file, vision_model.onnx_data, "
        "which is not there");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_the_reference),
        cmocka_unit_test(views_are_those_of_the_reference),
        cmocka_unit_test(texts_are_those_of_the_reference),
        cmocka_unit_test(choices_are_described),
        cmocka_unit_test(towers_are_found_by_name),
        cmocka_unit_test(what_is_missing_or_double_is_listed),
        cmocka_unit_test(weights_that_are_missing_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
