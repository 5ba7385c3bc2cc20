/* Dialects of preprocessor_config.json; sizes and modes as transformers' image processors take
 * them. */
#include "test.h"

#include "base/file.h"
#include "encoder/encoder_internal.h"

static cdul_error err;
static cdul_strings notes;

static cdul_status read_knowing(const char *name, const char *json, const cdul_input_size *known,
                                cdul_preprocess *out) {
    char path[100];
    static const char *const names[] = {
        "folder/preprocessor_config.json", "folder/processor_config.json",
        "folder/open_clip_config.json", "folder/preprocess_cfg.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(names[i]);
    snprintf(path, sizeof path, "folder/%s", name);
    assert_ok(cdul_path_make_folder("folder", &err));
    assert_ok(cdul_file_write_all(path, json, strlen(json), &err));
    cdul_strings_free(&notes);
    return cdul_preprocess_read("folder", known, out, &notes, &err);
}

/* The graph takes height x width; 0: any. */
static cdul_status read_from(const char *name, const char *json, size_t height, size_t width,
                             cdul_preprocess *out) {
    const cdul_input_size known = {.height = height, .width = width};
    return read_knowing(name, json, &known, out);
}

static cdul_preprocess good(const char *json) {
    cdul_preprocess p;
    assert_ok(read_from("preprocessor_config.json", json, 0, 0, &p));
    assert_int_equal(notes.count, 0);
    return p;
}

#define assert_refused(json, expected)                                                             \
    do {                                                                                           \
        cdul_preprocess refused;                                                                   \
        assert_fails(read_from("preprocessor_config.json", json, 0, 0, &refused), CDUL_ERR_INPUT,  \
                     expected);                                                                    \
        assert_non_null(strstr(err.message, "folder/preprocessor_config.json"));                   \
    } while (0)

static void assert_about(float got, double want) {
    assert_true(got > want - 1e-7 && got < want + 1e-7);
}

static void numbers_as_sizes_are_the_shorter_side_for_clip(void **state) {
    (void)state;
    cdul_preprocess p = good("{\"feature_extractor_type\": \"CLIPFeatureExtractor\", \"size\": "
                             "256, \"crop_size\": 224}");
    assert_int_equal(p.mode, CDUL_RESIZE_SHORTEST);
    assert_int_equal(p.shortest, 256);
    assert_int_equal(p.width, 224);
    assert_int_equal(p.height, 224);
    assert_int_equal(p.filter, CDUL_BICUBIC);
    assert_true(p.crop_floor);
    assert_about(p.scale, 1.0 / 255);
    assert_about(p.mean[0], 0.48145466);
    assert_about(p.std[2], 0.27577711);
    p = good("{\"image_processor_type\": \"ViTImageProcessorFast\", \"size\": 192}");
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.width, 192);
    assert_int_equal(p.filter, CDUL_BILINEAR);
    assert_about(p.mean[1], 0.5);
}

static void dictionaries_as_sizes_say_what_they_are(void **state) {
    (void)state;
    cdul_preprocess p = good(
        "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"shortest_edge\": 336}, "
        "\"crop_size\": {\"height\": 336, \"width\": 336}}");
    assert_int_equal(p.shortest, 336);
    assert_int_equal(p.height, 336);
    p = good("{\"image_processor_type\": \"SiglipImageProcessor\", \"size\": {\"height\": 200, "
             "\"width\": 300}, "
             "\"do_convert_rgb\": null}");
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.height, 200);
    assert_int_equal(p.width, 300);
    p = good(
        "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"shortest_edge\": 300}, "
        "\"crop_size\": {\"height\": 200, \"width\": 300}}");
    assert_int_equal(p.height, 200);
    assert_int_equal(p.width, 300);
}

static void crops_need_not_be_of_the_size_before(void **state) {
    (void)state;
    cdul_preprocess p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": 200}");
    assert_int_equal(p.mode, CDUL_RESIZE_SHORTEST);
    assert_int_equal(p.shortest, 200);
    assert_int_equal(p.width, 224);
    p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"height\": 256, "
             "\"width\": 192}}");
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.squash_height, 256);
    assert_int_equal(p.squash_width, 192);
    assert_int_equal(p.height, 224);
    assert_int_equal(p.width, 224);
    assert_true(p.crop_floor);
    p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"height\": 224, "
             "\"width\": 224}}");
    assert_int_equal(p.squash_width, 0);
}

static void steps_that_are_off_stay_off(void **state) {
    (void)state;
    /* MobileCLIP's: no normalisation, bilinear; CLIP's mean must not come back */
    cdul_preprocess p =
        good("{\"image_processor_type\": \"CLIPFeatureExtractor\", \"do_normalize\": false, "
             "\"resample\": 2, \"size\": {\"shortest_edge\": 256}, \"crop_size\": 256}");
    assert_int_equal(p.filter, CDUL_BILINEAR);
    assert_about(p.mean[0], 0);
    assert_about(p.std[0], 1);
    assert_about(p.scale, 1.0 / 255);
    p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"do_rescale\": false}");
    assert_about(p.scale, 1);
    p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"do_center_crop\": false, "
             "\"size\": {\"height\": 64, \"width\": 48}, \"do_pad\": false}");
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.width, 48);
}

static void without_a_class_every_key_must_be_there(void **state) {
    (void)state;
    static const char whole[] =
        "{\"do_resize\": true, \"size\": {\"height\": 8, \"width\": 8}, \"resample\": 0, "
        "\"do_center_crop\": false, \"do_rescale\": true, \"do_normalize\": true, "
        "\"image_mean\": [0, 0.25, 1], \"image_std\": 0.5}";
    cdul_preprocess p = good(whole);
    assert_int_equal(p.filter, CDUL_NEAREST);
    assert_about(p.mean[1], 0.25);
    assert_about(p.std[2], 0.5);
    static const char *const keys[] = {"do_resize",  "size",         "resample",   "do_center_crop",
                                       "do_rescale", "do_normalize", "image_mean", "image_std"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char json[400], message[100];
        const char *key = strstr(whole, keys[i]); /* becomes a key that says nothing */
        while (key[-1] != '"') key = strstr(key + 1, keys[i]);
        snprintf(json, sizeof json, "%.*s_name_or_path%s", (int)(key - whole), whole,
                 key + strlen(keys[i]));
        snprintf(message, sizeof message,
                 "key '%s' is missing, and its default for no processor class", keys[i]);
        assert_refused(json, message);
    }
    assert_refused("{\"image_processor_type\": \"OwlViTImageProcessor\"}",
                   "for OwlViTImageProcessor is not known");
}

static void what_is_not_understood_is_an_error(void **state) {
    (void)state;
#define CLIP(rest) "{\"image_processor_type\": \"CLIPImageProcessor\", " rest "}"
    assert_refused(CLIP("\"crop_pct\": 0.9"), "key 'crop_pct' is not understood");
    assert_refused(CLIP("\"do_flip_channel_order\": true"),
                   "key 'do_flip_channel_order' is not understood");
    assert_refused(CLIP("\"resample\": 6"), "resample is not one of Pillow's filters");
    assert_refused(CLIP("\"resample\": \"bicubic\""), "resample");
    assert_refused(CLIP("\"size\": {\"longest_edge\": 224}"), "size is neither");
    assert_refused(CLIP("\"size\": {\"shortest_edge\": 224, \"longest_edge\": 500}"),
                   "size is neither");
    assert_refused(CLIP("\"size\": 0"), "size is neither");
    assert_refused(CLIP("\"size\": 224.5"), "size is neither");
    assert_refused(CLIP("\"size\": 100000"), "size is neither");
    assert_refused(CLIP("\"size\": [224, 224]"), "size is neither");
    assert_refused(CLIP("\"crop_size\": {\"shortest_edge\": 224}"), "crop_size is neither");
    assert_refused(CLIP("\"do_center_crop\": false"), "gives every picture its own shape");
    assert_refused(CLIP("\"do_center_crop\": 1"), "do_center_crop");
    assert_refused(CLIP("\"do_resize\": false"),
                   "do_resize is false, so the centre crop would be of pictures");
    assert_refused(CLIP("\"image_mean\": [0.5, 0.5]"), "image_mean is not three");
    assert_refused(CLIP("\"image_std\": [0.5, 0.5, 0]"), "image_std is not three positive");
    /* 0 in float32 */
    assert_refused(CLIP("\"image_std\": 1e-60"), "image_std is not three positive");
    assert_refused(CLIP("\"image_mean\": 1e60"), "image_mean is not three numbers");
    assert_refused(CLIP("\"rescale_factor\": -1"), "rescale_factor -1");
    assert_refused("[]", "no image processor");
    assert_refused("{\"size\": 224, \"do_resize\": true, \"do_center_crop\": true}",
                   "size 224 may mean the shorter side or a square");
}

static void the_graphs_size_wins_and_is_noted(void **state) {
    (void)state;
    cdul_preprocess p;
    static const char clip[] = "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": 256}";
    assert_ok(read_from("preprocessor_config.json", clip, 224, 224, &p));
    assert_int_equal(notes.count, 0);
    assert_ok(read_from("preprocessor_config.json", clip, 112, 112, &p));
    assert_int_equal(p.width, 112);
    assert_int_equal(p.shortest, 128); /* the same share is cropped away */
    assert_ok(read_from("preprocessor_config.json",
                        "{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": 200}", 112,
                        112, &p));
    assert_int_equal(p.shortest, 100); /* or is padding */
    assert_ok(read_from("preprocessor_config.json",
                        "{\"image_processor_type\": \"CLIPImageProcessor\", "
                        "\"size\": {\"height\": 256, \"width\": 240}}",
                        112, 336, &p));
    assert_int_equal(p.squash_height, 128);
    assert_int_equal(p.squash_width, 360);
    assert_ok(read_from("preprocessor_config.json", clip, 112, 112, &p));
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(
        notes.items[0], "the graph takes 112 x 112 pixels, the preprocessor file says 224 x 224"));
    assert_ok(read_from("preprocessor_config.json",
                        "{\"image_processor_type\": \"SiglipImageProcessor\"}", 384, 256, &p));
    assert_int_equal(p.height, 384);
    assert_int_equal(p.width, 256);
    assert_ok(read_from("preprocessor_config.json",
                        "{\"image_processor_type\": \"SiglipImageProcessor\"}", 0, 256,
                        &p)); /* one side fixed */
    assert_int_equal(p.height, 224);
    assert_int_equal(p.width, 256);
}

/* RADIO's file: the graph normalises. */
static void without_resizing_pictures_are_squashed(void **state) {
    (void)state;
    cdul_preprocess p;
    const cdul_input_size model = {.model_height = 32, .model_width = 40};
    static const char radio[] = "{\"image_processor_type\": \"CLIPImageProcessor\", \"do_resize\": "
                                "false, \"do_normalize\": false, "
                                "\"do_center_crop\": false, \"size\": {\"shortest_edge\": 432}}";
    assert_ok(read_from("preprocessor_config.json", radio, 48, 64, &p));
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.height, 48);
    assert_int_equal(p.width, 64);
    assert_int_equal(notes.count, 1);
    assert_string_equal(
        notes.items[0],
        "do_resize is false: pictures are squashed to 64 x 48, what the graph takes");
    assert_ok(read_knowing("preprocessor_config.json", radio, &model, &p));
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.height, 432);
    assert_int_equal(p.width, 432);
    assert_int_equal(notes.count, 1);
    assert_string_equal(notes.items[0],
                        "do_resize is false: pictures are squashed to 432 x 432, the file's size");
    static const char sizeless[] =
        "{\"image_processor_type\": \"CLIPImageProcessor\", \"do_resize\": false, "
        "\"do_center_crop\": false}";
    assert_ok(read_knowing("preprocessor_config.json", sizeless, &model, &p));
    assert_int_equal(p.height, 32);
    assert_int_equal(p.width, 40);
    assert_string_equal(
        notes.items[0],
        "do_resize is false: pictures are squashed to 40 x 32, image_size in config.json");
    assert_fails(read_from("preprocessor_config.json", sizeless, 0, 0, &p), CDUL_ERR_INPUT,
                 "do_resize is false, so pictures of any size would go in");
}

/* For want of the graph's, the file's and the class's. */
static void the_models_size_comes_last(void **state) {
    (void)state;
    cdul_preprocess p;
    const cdul_input_size model = {.model_height = 32, .model_width = 40};
#define NO_CLASS(rest)                                                                             \
    "{\"do_resize\": true, \"resample\": 3, \"do_rescale\": true, \"do_normalize\": false, " rest  \
    "}"
    assert_ok(read_knowing("preprocessor_config.json", NO_CLASS("\"do_center_crop\": false"),
                           &model, &p));
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.height, 32);
    assert_int_equal(p.width, 40);
    assert_string_equal(notes.items[0],
                        "the preprocessor file has no size: pictures are squashed to 40 x 32, "
                        "image_size in config.json");
    static const char uncropped[] =
        NO_CLASS("\"do_center_crop\": true, \"size\": {\"shortest_edge\": 44}");
    assert_ok(read_knowing("preprocessor_config.json", uncropped, &model, &p));
    assert_int_equal(p.mode, CDUL_RESIZE_SHORTEST);
    assert_int_equal(p.shortest, 44);
    assert_int_equal(p.height, 32);
    assert_string_equal(notes.items[0],
                        "the preprocessor file has no crop_size: pictures are cropped to "
                        "40 x 32, image_size in config.json");
    assert_ok(read_from("preprocessor_config.json", uncropped, 28, 28, &p));
    assert_int_equal(p.width, 28);
    assert_non_null(strstr(notes.items[0], "what the graph takes"));
    assert_fails(
        read_knowing("preprocessor_config.json", NO_CLASS("\"do_center_crop\": true"), &model, &p),
        /* what is before the crop is not known */
        CDUL_ERR_INPUT, "key 'size' is missing");
    assert_ok(read_knowing("preprocess_cfg.json", "{}", &model, &p));
    assert_int_equal(p.height, 32);
    assert_int_equal(p.width, 40);
    assert_string_equal(
        notes.items[0],
        "preprocess_cfg has no size: pictures are resized to 40 x 32, image_size in config.json");
    assert_ok(read_knowing("preprocess_cfg.json", "{\"size\": 48}", &model, &p));
    assert_int_equal(p.height, 48);
    assert_int_equal(notes.count, 0);
    assert_ok(read_knowing("preprocessor_config.json",
                           "{\"image_processor_type\": \"CLIPImageProcessor\"}", &model, &p));
    assert_int_equal(p.height, 224); /* as transformers does */
}

/* Sizes and defaults as open_clip.create_model and transform.py take them; pixels:
 * golden/make_layouts.py. */
static void open_clips_configurations_are_read(void **state) {
    (void)state;
    cdul_preprocess p;
    assert_ok(read_from(
        "open_clip_config.json",
        "{\"model_cfg\": {\"vision_cfg\": {\"image_size\": 448}}, \"preprocess_cfg\": {}}", 0, 0,
        &p));
    assert_int_equal(p.width, 448); /* RN50x64's */
    assert_int_equal(p.mode, CDUL_RESIZE_SHORTEST);
    assert_int_equal(p.shortest, 0);
    assert_int_equal(p.filter, CDUL_BICUBIC);
    assert_false(p.crop_floor);
    assert_about(p.mean[2], 0.40821073);
    assert_about(p.scale, 1.0 / 255);
    assert_ok(read_from(
        "preprocess_cfg.json",
        "{\"size\": [256], \"mode\": \"RGB\", \"mean\": 0.5, \"std\": [0.5, 0.5, 0.25], "
        "\"interpolation\": \"bilinear\", \"resize_mode\": \"squash\", \"fill_color\": null}",
        0, 0, &p));
    assert_int_equal(p.height, 256);
    assert_int_equal(p.mode, CDUL_RESIZE_SQUASH);
    assert_int_equal(p.filter, CDUL_BILINEAR);
    assert_about(p.mean[1], 0.5);
    assert_about(p.std[2], 0.25);
    assert_int_equal(notes.count, 0);
    assert_ok(read_from("preprocess_cfg.json",
                        "{\"size\": 224, \"resize_mode\": \"longest\", "
                        "\"fill_color\": [1, 2, 255]}",
                        336, 336, &p));
    assert_int_equal(p.width, 336);
    assert_int_equal(p.fill[2], 255);
    assert_int_equal(notes.count, 1);
    /* all defaults, the graph's size */
    assert_ok(read_from("open_clip_config.json", "{}", 224, 224, &p));
    assert_int_equal(p.width, 224);
    assert_int_equal(notes.count, 0);
}

static void what_open_clip_does_not_know_is_an_error(void **state) {
    (void)state;
    static const struct {
        const char *json, *message;
    } wrong[] = {
        {"{}", "no size of the pictures"},
        {"[]", "expected JSON objects"},
        {"{\"size\": [1, 2, 3]}", "size is neither a number of pixels nor [height, width]"},
        {"{\"size\": 0}", "size is neither"},
        {"{\"size\": {\"height\": 3}}", "size is neither"},
        {"{\"size\": 8, \"resize_mode\": \"fit\"}", "resize_mode 'fit' is not one of open_clip's"},
        {"{\"size\": 8, \"resize_mode\": 1}", "resize_mode"},
        {"{\"size\": 8, \"interpolation\": \"lanczos\"}", "interpolation 'lanczos'"},
        {"{\"size\": 8, \"mode\": \"L\"}", "mode 'L'"},
        {"{\"size\": 8, \"mean\": [1, 2]}", "mean is not three numbers"},
        {"{\"size\": 8, \"std\": 0}", "std is not three positive numbers"},
        {"{\"size\": 8, \"fill_color\": 256}", "fill_color is not in 0 .. 255"},
        {"{\"size\": 8, \"crop_pct\": 0.9}", "key 'crop_pct' is not understood"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cdul_preprocess p;
        assert_fails(read_from("preprocess_cfg.json", wrong[i].json, 0, 0, &p), CDUL_ERR_INPUT,
                     wrong[i].message);
        assert_non_null(strstr(err.message, "folder/preprocess_cfg.json"));
    }
}

static void newer_files_nest_it_in_processor_config(void **state) {
    (void)state;
    cdul_preprocess p;
    assert_ok(read_from("processor_config.json",
                        "{\"image_processor\": {\"image_processor_type\": \"CLIPImageProcessor\"}, "
                        "\"processor_class\": \"CLIPProcessor\"}",
                        0, 0, &p));
    assert_int_equal(p.shortest, 224);
    assert_fails(
        read_from("processor_config.json", "{\"processor_class\": \"CLIPProcessor\"}", 0, 0, &p),
        CDUL_ERR_INPUT, "no image processor");
    remove("folder/processor_config.json");
    const cdul_input_size any = {0};
    assert_fails(cdul_preprocess_read("folder", &any, &p, &notes, &err), CDUL_ERR_INPUT,
                 "no preprocessor_config.json");
}

static void settings_as_text_differ_when_pixels_would(void **state) {
    (void)state;
    char a[256], b[256];
    cdul_preprocess p = good("{\"image_processor_type\": \"CLIPImageProcessor\"}"), q = p;
    cdul_preprocess_text(&p, a, sizeof a);
    assert_string_equal(
        a, "224x224, shortest 224 then centre crop (floor), bicubic, scale 0.00392156886, mean "
           "0.48145467 0.457827508 0.408210725, std 0.268629551 0.26130259 0.275777102");
    q.mean[2] = 0.40821072f;
    cdul_preprocess_text(&q, b, sizeof b);
    assert_string_equal(a, b); /* the same float32 */
    q.mean[2] = 0.4082108f;
    cdul_preprocess_text(&q, b, sizeof b);
    assert_string_not_equal(a, b);
    q = p;
    q.crop_floor = false;
    cdul_preprocess_text(&q, b, sizeof b);
    assert_string_not_equal(a, b);
    p = good("{\"image_processor_type\": \"CLIPImageProcessor\", \"size\": {\"height\": 256, "
             "\"width\": 240}}");
    cdul_preprocess_text(&p, a, sizeof a);
    assert_non_null(strstr(a, "224x224, squash to 240x256 then centre crop (floor), bicubic"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_sizes_are_the_shorter_side_for_clip),
        cmocka_unit_test(dictionaries_as_sizes_say_what_they_are),
        cmocka_unit_test(crops_need_not_be_of_the_size_before),
        cmocka_unit_test(steps_that_are_off_stay_off),
        cmocka_unit_test(without_a_class_every_key_must_be_there),
        cmocka_unit_test(what_is_not_understood_is_an_error),
        cmocka_unit_test(the_graphs_size_wins_and_is_noted),
        cmocka_unit_test(without_resizing_pictures_are_squashed),
        cmocka_unit_test(the_models_size_comes_last),
        cmocka_unit_test(open_clips_configurations_are_read),
        cmocka_unit_test(what_open_clip_does_not_know_is_an_error),
        cmocka_unit_test(newer_files_nest_it_in_processor_config),
        cmocka_unit_test(settings_as_text_differ_when_pixels_would),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cdul_strings_free(&notes);
    return failed;
}
