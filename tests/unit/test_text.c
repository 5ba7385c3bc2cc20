/* Against the Python pipeline of golden/make_encoder.py. */
#include "encoder_fixture.h"

static void class_vectors_are_those_of_the_python_pipeline(void **state) {
    (void)state;
    const char *const folders[] = {CLIP, SIGLIP};
    cdul_classes classes;
    cdul_strings templates = {0};
    make_classes(&classes);
    assert_ok(cdul_strings_add(&templates, "a photo of a {}.", &err));
    assert_ok(cdul_strings_add(&templates, "the {c}", &err));
    for (size_t f = 0; f < 2; f++) {
        float *want = expected(folders[f], "text", 4 * WIDTH);
        cdul_encoder *encoder = open_encoder(folders[f], 0);
        cdul_text text;
        assert_ok(cdul_encoder_text(encoder, &classes, &templates, NULL, &text, &err));
        assert_true(cdul_strings_equal(&text.classes, &classes.names));
        assert_int_equal(text.width, WIDTH);
        assert_int_equal(text.prompts, 2 * 4);
        assert_int_equal(text.cut_prompts, 0);
        double cosine = worst_cosine(text.vectors, want, 4, WIDTH);
        if (!(cosine >= 0.9999)) fail_msg("%s: cosine %.6f", folders[f], cosine);
        cdul_text_free(&text);
        cdul_encoder_close(encoder);
        free(want);
    }
    cdul_strings_free(&templates);
    cdul_classes_free(&classes);
}

static void words_of_a_class_are_averaged(void **state) {
    (void)state;
    static const char lines[] = "cat\nhorse\nboth\tcat, horse\n";
    cdul_classes classes;
    cdul_text text;
    assert_ok(cdul_classes_parse(lines, sizeof lines - 1, "classes.txt", &classes, &err));
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err));
    float sum[WIDTH];
    double length = 0;
    for (size_t d = 0; d < WIDTH; d++) {
        sum[d] = text.vectors[d] + text.vectors[WIDTH + d];
        length += (double)sum[d] * (double)sum[d];
    }
    for (size_t d = 0; d < WIDTH; d++)
        assert_true(fabs((double)sum[d] / sqrt(length) - (double)text.vectors[2 * WIDTH + d]) < 1e-5);
    cdul_text_free(&text);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void words_of_a_class_keep_vectors_of_their_own_for_the_largest(void **state) {
    (void)state;
    static const char lines[] = "both\tcat, horse\ncat\nhorse\n";
    const size_t class_of[] = {0, 0, 1, 2};
    cdul_classes classes;
    cdul_text text;
    cdul_strings templates = {0};
    assert_ok(cdul_strings_add(&templates, "a photo of a {}.", &err));
    assert_ok(cdul_strings_add(&templates, "the {c}", &err));
    assert_ok(cdul_classes_parse(lines, sizeof lines - 1, "classes.txt", &classes, &err));
    classes.synonyms = CDUL_SYNONYMS_MAX;
    float *want = expected(CLIP, "text", 4 * WIDTH); /* cat, dining table, café, horse */
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, &templates, NULL, &text, &err));
    assert_int_equal(text.rows, 4);
    assert_int_equal(text.classes.count, 3);
    assert_memory_equal(text.class_of, class_of, sizeof class_of);
    for (size_t row = 0; row < 4; row++) /* each the mean of its prompts alone */
        assert_true(worst_cosine(text.vectors + row * WIDTH, want + (row % 2 ? 3 : 0) * WIDTH, 1, WIDTH) >=
                    0.9999);
    assert_fails(cdul_text_write("words.safetensors", &text, &err), CDUL_ERR_USAGE, "one vector a class");
    cdul_text_free(&text);
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, "words.safetensors", &text, &err), CDUL_ERR_USAGE,
                 "--synonyms max");
    free(want);
    cdul_strings_free(&templates);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void background_words_have_vectors_like_classes(void **state) {
    (void)state;
    cdul_classes classes, words = {0};
    cdul_text text, some;
    assert_ok(cdul_classes_parse("cat\n", 4, "classes.txt", &classes, &err));
    write_text("background.txt",
               "horse\nmeadow\ta background word that is far too long for the context of the tower\n");
    assert_ok(cdul_classes_read_background("background.txt", &classes, &err));
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err));
    assert_int_equal(text.rows, 3);
    assert_int_equal(text.background, 2);
    assert_int_equal(text.cut_prompts, 1);
    assert_ok(cdul_text_write("text.safetensors", &text, &err));

    /* From a file by name; without classes, all others of the file are classes. */
    write_text("background.txt", "horse\n");
    assert_ok(cdul_classes_read_background("background.txt", &words, &err));
    assert_fails(cdul_encoder_text(encoder, &words, NULL, NULL, &some, &err), CDUL_ERR_USAGE, "no classes");
    assert_ok(cdul_encoder_text(encoder, &words, NULL, "text.safetensors", &some, &err));
    assert_int_equal(some.background, 1);
    assert_int_equal(some.classes.count, 3);
    assert_string_equal(some.classes.items[1], "meadow");
    assert_string_equal(some.classes.items[2], "horse");
    for (size_t d = 0; d < WIDTH; d++)
        assert_true(fabsf(some.vectors[2 * WIDTH + d] - text.vectors[WIDTH + d]) < 1e-6f);
    cdul_text_free(&some);
    write_text("background.txt", "hors\n");
    assert_ok(cdul_classes_read_background("background.txt", &words, &err));
    assert_fails(cdul_encoder_text(encoder, &words, NULL, "text.safetensors", &some, &err), CDUL_ERR_INPUT,
                 "no vector for class 'hors'");
    cdul_classes_free(&words);
    write_text("background.txt", "cat\nhorse\nmeadow\n");
    assert_ok(cdul_classes_read_background("background.txt", &words, &err));
    assert_fails(cdul_encoder_text(encoder, &words, NULL, "text.safetensors", &some, &err), CDUL_ERR_INPUT,
                 "nothing but background words");
    cdul_classes_free(&words);
    cdul_text_free(&text);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void prompts_that_are_cut_are_counted(void **state) {
    (void)state;
    cdul_classes classes;
    cdul_text text;
    static const char lines[] = "cat\na class with a name that is far too long for the context\n";
    assert_ok(cdul_classes_parse(lines, sizeof lines - 1, "classes.txt", &classes, &err));
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err));
    assert_int_equal(text.cut_prompts, 1);
    cdul_text_free(&text);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void text_file_round_trip_and_choice_by_name(void **state) {
    (void)state;
    cdul_classes classes, two;
    cdul_text all, some;
    make_classes(&classes);
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &all, &err));
    assert_ok(cdul_text_write("text.safetensors", &all, &err));
    assert_ok(cdul_classes_parse("horse\ncat\n", 10, "classes.txt", &two, &err));
    assert_ok(cdul_encoder_text(encoder, &two, NULL, "text.safetensors", &some, &err));
    assert_int_equal(some.classes.count, 2);
    for (size_t d = 0; d < WIDTH; d++) {
        assert_true(fabsf(some.vectors[d] - all.vectors[3 * WIDTH + d]) < 1e-6f);
        assert_true(fabsf(some.vectors[WIDTH + d] - all.vectors[d]) < 1e-6f);
    }
    cdul_text_free(&some);
    assert_ok(
        cdul_encoder_text(encoder, NULL, NULL, "text.safetensors", &some, &err)); /* all of the file's */
    assert_true(cdul_strings_equal(&some.classes, &classes.names));
    cdul_text_free(&some);
    cdul_classes_free(&two);
    assert_ok(cdul_classes_parse("hors\n", 5, "classes.txt", &two, &err));
    assert_fails(cdul_encoder_text(encoder, &two, NULL, "text.safetensors", &some, &err), CDUL_ERR_INPUT,
                 "no vector for class 'hors'; did you mean 'horse'?");
    cdul_classes_free(&two);
    cdul_text_free(&all);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void text_files_that_do_not_fit_are_refused(void **state) {
    (void)state;
    cdul_text narrow = {.width = 2, .vectors = (float[]){1, 0, 0, 0}}, got;
    assert_ok(cdul_strings_add(&narrow.classes, "cat", &err));
    assert_ok(cdul_strings_add(&narrow.classes, "dog", &err));
    assert_ok(cdul_text_write("zero.safetensors", &narrow, &err));
    assert_fails(cdul_text_read("zero.safetensors", &got, &err), CDUL_ERR_INPUT, "class 'dog' is zero");
    narrow.vectors[3] = 3;
    assert_ok(cdul_text_write("narrow.safetensors", &narrow, &err));
    assert_ok(cdul_text_read("narrow.safetensors", &got, &err));
    assert_true(got.vectors[3] == 1.0f); /* normalised on reading */
    cdul_text_free(&got);
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, "narrow.safetensors", &got, &err), CDUL_ERR_INPUT,
                 "class vectors are 2 wide, the encoder's image vectors 16");
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, CLIP "/expected.safetensors", &got, &err),
                 CDUL_ERR_INPUT, "no metadata 'classes'");
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, NULL, &got, &err), CDUL_ERR_USAGE, "no classes");
    cdul_encoder_close(encoder);
    cdul_strings_free(&narrow.classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_vectors_are_those_of_the_python_pipeline),
        cmocka_unit_test(words_of_a_class_are_averaged),
        cmocka_unit_test(words_of_a_class_keep_vectors_of_their_own_for_the_largest),
        cmocka_unit_test(background_words_have_vectors_like_classes),
        cmocka_unit_test(prompts_that_are_cut_are_counted),
        cmocka_unit_test(text_file_round_trip_and_choice_by_name),
        cmocka_unit_test(text_files_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
