/* Against the Python pipeline of golden/make_encoder.py. */
#include "encoder_fixture.h"

#include "encoder/encoder_internal.h"

static void graphs_that_are_no_image_tower_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *graph, *message;
    } cases[] = {
        {"nhwc",
         "pixel_values float32 [?, 8, 8, 3]: expected [B, 3, H, W]; export it with channels first"},
        {"grey", "expected three channels"},
        {"bytes", "expected [B, 3, H, W]; export it with channels first"},
        {"two_inputs", "2 inputs, where an image tower has one, the pixels: pixel_values float32 "
                       "[?, 3, 8, 8]; more"},
        {"naflex", "3 inputs, where an image tower has one, the pixels: pixel_values float32 [?, "
                   "?, 768]; pixel_att"},
        {"two_outputs", "no output image_embeds, and none other can be told for it; outputs: a "
                        "float32 [?, 192]; b"},
        {"tokens", "no output image_embeds"},
        {"wants_type", "2 inputs"},
        {"narrow_text", "expected float pixels [B, 3, H, W]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cdul_encoder *encoder = NULL;
        make_folder(cases[i].graph);
        assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                     cases[i].message);
        assert_non_null(strstr(err.message, "made/vision_model.onnx"));
        assert_null(encoder);
    }
}

static void an_export_without_projection_is_told(void **state) {
    (void)state;
    static const struct {
        const char *graph, *config, *message;
    } cases[] = {
        {"unprojected", "{\"model_type\": \"clip\", \"projection_dim\": 192}",
         "pooler_output of model_type clip is what comes before the projection: this export lacks "
         "the "
         "projection"},
        {"unprojected", "{\"model_type\": \"clip_vision_model\"}",
         "of model_type clip_vision_model is what"},
        {"unprojected", "{\"model_type\": \"mine\", \"projection_dim\": 64}",
         "pooler_output is 192 wide and config.json's projection_dim is 64: this export lacks the "
         "projection"},
        {"unnamed", "{\"embed_dim\": 64, \"vision_cfg\": {}}",
         "a is 192 wide and config.json's projection_dim is 64: this export lacks the projection"},
    };
    cdul_encoder *encoder = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_folder(cases[i].graph);
        write_text("made/config.json", cases[i].config);
        assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                     cases[i].message);
    }
    make_folder("unprojected"); /* without a config.json the text side tells */
    copy(CDUL_GOLDEN "/encoder/graphs/narrow_text.onnx", "made/text_model.onnx");
    copy(CLIP "/vocab.json", "made/vocab.json");
    copy(CLIP "/merges.txt", "made/merges.txt");
    assert_ok(cdul_encoder_open("made", NULL, &encoder, &err));
    cdul_classes classes;
    cdul_text text;
    make_classes(&classes);
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
                 "pooler_output is 192 wide, the text tower's text_embeds 8");
    copy(CDUL_GOLDEN "/encoder/graphs/wants_type.onnx", "made/text_model.onnx");
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
                 "pooler_output is 192 wide, the text tower's text_embeds 8");
    copy(CDUL_GOLDEN "/encoder/graphs/two_inputs.onnx", "made/text_model.onnx");
    assert_fails(
        cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
        "input pixel_values float32 [?, 3, 8, 8]: expected only input_ids, attention_mask, "
        "token_type_ids and position_ids");
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

/* What --inspect says of a folder. The caller frees. */
static char *description(const char *folder) {
    char *text = NULL;
    size_t size = 0;
    cdul_encoder *encoder = open_encoder(folder, 0);
    FILE *stream = open_memstream(&text, &size);
    assert_ok(cdul_encoder_describe(encoder, stream, &err));
    fclose(stream);
    cdul_encoder_close(encoder);
    return text;
}

/* Two matrices of unknown names: config.json's width tells them apart. */
static void an_output_is_told_by_its_width(void **state) {
    (void)state;
    make_folder("two_widths");
    write_text("made/config.json", "{\"projection_dim\": 64}");
    char *text = description("made");
    assert_non_null(
        strstr(text, "b float32 [?, 64] (the only output as wide as config.json says), D = 64"));
    free(text);
}

static void graphs_of_both_towers_are_checked(void **state) {
    (void)state;
    cdul_encoder *encoder = NULL;
    cdul_classes classes;
    cdul_text text;
    make_folder(NULL);
    copy(CDUL_GOLDEN "/encoder/graphs/both_unnamed.onnx", "made/model.onnx");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "no output image_embeds, and none other can be told for it; outputs: a float32 "
                 "[?, 192]; c");
    copy(CDUL_GOLDEN "/encoder/graphs/narrow_text.onnx", "made/model.onnx");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "expected float pixels [B, 3, H, W]");
    copy(CDUL_GOLDEN "/encoder/graphs/both_narrow.onnx", "made/model.onnx");
    copy(CLIP "/vocab.json", "made/vocab.json");
    copy(CLIP "/merges.txt", "made/merges.txt");
    assert_ok(cdul_encoder_open("made", NULL, &encoder, &err));
    make_classes(&classes);
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
                 "the length of the token sequence is not known");
    cdul_encoder_close(encoder);
    write_text("made/config.json", "{\"text_config\": {\"max_position_embeddings\": 8}}");
    assert_ok(cdul_encoder_open("made", NULL, &encoder, &err));
    assert_fails(
        cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
        "output text_embeds is 8 wide, the other tower's 192: an export lacks the projection");
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
    make_folder(NULL); /* called model.onnx, and an image tower alone */
    copy(CDUL_GOLDEN "/encoder/graphs/free_width.onnx", "made/model.onnx");
    encoder = open_encoder("made", 0);
    assert_int_equal(cdul_encoder_width(encoder), 192);
    cdul_encoder_close(encoder);
}

static void widths_and_sizes_that_the_graph_leaves_free_are_found(void **state) {
    (void)state;
    make_folder("free_width");
    cdul_encoder *encoder = open_encoder("made", 0);
    assert_int_equal(cdul_encoder_width(encoder), 192);
    assert_int_equal(cdul_encoder_preprocess(encoder)->width, 8);
    cdul_encoder_close(encoder);
}

static void the_models_size_is_used_when_nothing_else_says_one(void **state) {
    (void)state;
    static const char sizeless[] =
        "{\"image_processor_type\": \"CLIPImageProcessor\", \"do_resize\": false, "
        "\"do_center_crop\": false}";
    static const struct {
        const char *config;
        size_t height, width;
    } cases[] = {
        {"{\"model_type\": \"clip\", \"vision_config\": {\"image_size\": 8}}", 8, 8},
        {"{\"vision_cfg\": {\"image_size\": [6, 8]}}", 6, 8},
        {"{\"model_type\": \"clip_vision_model\", \"image_size\": 12}", 12, 12},
    };
    cdul_encoder *encoder = NULL;
    make_folder("free_width");
    write_text("made/preprocessor_config.json", sizeless);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text("made/config.json", cases[i].config);
        encoder = open_encoder("made", 0);
        assert_int_equal(cdul_encoder_preprocess(encoder)->height, cases[i].height);
        assert_int_equal(cdul_encoder_preprocess(encoder)->width, cases[i].width);
        cdul_encoder_close(encoder);
    }
    char *text = description("made");
    assert_non_null(strstr(text, "pictures are squashed to 12 x 12, image_size in config.json"));
    free(text);
    write_text("made/config.json", "{\"vision_config\": {\"image_size\": null}}");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "do_resize is false, so pictures of any size would go in");
    write_text("made/config.json", "{\"vision_config\": {\"image_size\": \"large\"}}");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "config.json: image_size is neither a number of pixels nor [height, width]");
}

static void folders_that_lack_a_part_say_which(void **state) {
    (void)state;
    cdul_encoder *encoder = NULL;
    assert_fails(cdul_encoder_open("nowhere", NULL, &encoder, &err), CDUL_ERR_IO,
                 "nowhere: no such folder");
    make_folder(NULL);
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "not an encoder folder");
    make_folder("zero");
    remove("made/preprocessor_config.json");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "no preprocessor_config.json");
    make_folder("zero");
    write_text("made/config.json", "{\"model_type\": 3}");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "config.json: model_type");
    write_text("made/config.json", "[]");
    assert_fails(cdul_encoder_open("made", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "expected a JSON object");
    make_folder("zero");
    encoder = open_encoder("made", 0);
    cdul_text text;
    cdul_classes classes;
    make_classes(&classes);
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_USAGE,
                 "give class vectors with --text");
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static cdul_encoder_score score_of(const char *folder) {
    cdul_encoder *encoder = open_encoder(folder, 0);
    cdul_encoder_score score = cdul_encoder_score_of(encoder);
    cdul_encoder_close(encoder);
    return score;
}

static void scores_are_the_trained_ones(void **state) {
    (void)state;
    cdul_encoder *none = NULL;
    cdul_encoder_score score = score_of(CLIP);
    /* not 1 / exp(2.6592), where training began */
    assert_true(fabs(score.temperature - 0.01) < 1e-12);
    assert_true(!score.sigmoid && isnan(score.bias));
    score = score_of(SIGLIP);
    assert_true(fabs(score.temperature - 0.1) < 1e-12);
    assert_true(score.sigmoid && score.bias == 2);
    make_folder("zero");
    score = score_of("made");
    assert_true(!score.sigmoid && isnan(score.temperature) && isnan(score.bias));
    write_text("made/config.json", "{\"model_type\": \"siglip2\"}");
    score = score_of("made"); /* SigLIP by name, but neither scale nor bias is known */
    assert_true(score.sigmoid && isnan(score.temperature) && isnan(score.bias));
    remove("made/config.json");
    write_text("made/cdul.json", "{\"logit_scale\": 4.6, \"logit_bias\": 0}");
    score = score_of("made"); /* a bias, even of 0, is trained with a sigmoid */
    assert_true(score.sigmoid && score.bias == 0);
    write_text("made/cdul.json", "{\"logit_bias\": \"-12\"}");
    assert_fails(cdul_encoder_open("made", NULL, &none, &err), CDUL_ERR_INPUT, "logit_bias");
    remove("made/cdul.json");
    /* open_clip's: a CLIP, or a SigLIP, which starts with a bias */
    write_text("made/open_clip_config.json", "{\"model_cfg\": {\"embed_dim\": 192}}");
    score = score_of("made");
    assert_true(!score.sigmoid && fabs(score.temperature - 0.01) < 1e-12);
    write_text("made/open_clip_config.json",
               "{\"model_cfg\": {\"embed_dim\": 192, \"init_logit_bias\": -10}}");
    score = score_of("made");
    assert_true(score.sigmoid && isnan(score.temperature) && isnan(score.bias));
    write_text("made/open_clip_config.json", "{\"model_cfg\": {\"embed_dim\": \"wide\"}}");
    assert_fails(cdul_encoder_open("made", NULL, &none, &err), CDUL_ERR_INPUT,
                 "open_clip_config.json: embed_dim");
    write_text("made/cdul.json", "{\"logit_scale\": 100}");
    remove("made/open_clip_config.json");
    assert_fails(cdul_encoder_open("made", NULL, &none, &err), CDUL_ERR_INPUT,
                 "it is an exponent, such as 4.605");
}

static void what_was_understood_is_described(void **state) {
    (void)state;
    char *text = description(SIGLIP);
    static const char *const parts[] = {
        "model_type siglip",
        "random weights",
        "pixel_values float16 [4, 3, 32, 32], 4 views a run (fixed",
        "pooler_output float16",
        "D = 16",
        "32x32, squash, bicubic",
        "input_ids int64 [1, 24] and attention_mask",
        "CLIP BPE, 514 tokens, context 24",
        "temperature: 0.1",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("lacks \"%s\":\n%s", parts[i], text);
    free(text);
    /* class vectors made elsewhere do without the text tower: the rest is of use */
    make_folder("zero");
    copy(CDUL_GOLDEN "/encoder/graphs/narrow_text.onnx", "made/text_model.onnx");
    text = description("made");
    assert_non_null(strstr(text, "cannot be used: made: no tokenizer"));
    assert_non_null(strstr(text, "temperature: not known"));
    free(text);
}

/* To the last bit: an interrupted run that goes on has other neighbours in its batches. */
/* Labels from a cache need what the graph says, not the graph. */
static void a_tower_is_made_ready_to_run_when_it_first_runs(void **state) {
    (void)state;
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    const cdul_preprocess *p = cdul_encoder_preprocess(encoder);
    float *pixels = calloc(2 * 3 * p->height * p->width, sizeof *pixels), vectors[2 * WIDTH];
    assert_non_null(pixels);
    pixels[0] = 1;
    assert_false(encoder->ready);
    assert_int_equal(cdul_encoder_width(encoder), WIDTH);
    assert_ok(cdul_encoder_views(encoder, pixels, 2, vectors, &err));
    assert_true(encoder->ready);
    free(pixels);
    cdul_encoder_close(encoder);
}

static void a_views_vector_does_not_depend_on_its_neighbours(void **state) {
    (void)state;
    const char *const folders[] = {CLIP, SIGLIP};
    const size_t size = 3 * 32 * 32;
    float *pixels = malloc(9 * size * sizeof *pixels);
    for (size_t i = 0; i < 9 * size; i++) pixels[i] = sinf((float)i * 0.37f);
    for (size_t f = 0; f < 2; f++) {
        cdul_encoder *encoder = open_encoder(folders[f], 0);
        float all[9 * WIDTH], some[9 * WIDTH];
        assert_ok(cdul_encoder_views(encoder, pixels, 9, all, &err));
        for (size_t first = 0; first < 9; first++)
            for (size_t n = 1; first + n <= 9; n++) {
                assert_ok(cdul_encoder_views(encoder, pixels + first * size, n, some, &err));
                assert_memory_equal(some, all + first * WIDTH, n * WIDTH * sizeof *all);
            }
        cdul_encoder_close(encoder);
    }
    make_folder("zero");
    cdul_encoder *zero = open_encoder("made", 0);
    float row[192];
    assert_fails(cdul_encoder_views(zero, pixels, 1, row, &err), CDUL_ERR_RUNTIME,
                 "view 0 is zero");
    cdul_encoder_close(zero);
    free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_that_are_no_image_tower_are_refused),
        cmocka_unit_test(an_export_without_projection_is_told),
        cmocka_unit_test(an_output_is_told_by_its_width),
        cmocka_unit_test(graphs_of_both_towers_are_checked),
        cmocka_unit_test(widths_and_sizes_that_the_graph_leaves_free_are_found),
        cmocka_unit_test(the_models_size_is_used_when_nothing_else_says_one),
        cmocka_unit_test(folders_that_lack_a_part_say_which),
        cmocka_unit_test(scores_are_the_trained_ones),
        cmocka_unit_test(what_was_understood_is_described),
        cmocka_unit_test(a_tower_is_made_ready_to_run_when_it_first_runs),
        cmocka_unit_test(a_views_vector_does_not_depend_on_its_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
