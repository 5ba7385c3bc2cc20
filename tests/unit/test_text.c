/* Against the Python pipeline of golden/make_encoder.py. */
#include "encoder_fixture.h"

#include "base/json.h"

/* text.safetensors, as embed_text.py writes it. */
static void write_vectors(const char *path, const cdul_text *text) {
    const size_t rows = text->class_of ? text->rows : text->classes.count;
    char *classes = NULL, *class_of = NULL;
    size_t size = 0;
    FILE *list = open_memstream(&class_of, &size);
    assert_non_null(list);
    for (size_t r = 0; text->class_of && r < rows; r++)
        fprintf(list, "%c%zu", r ? ',' : '[', text->class_of[r]);
    fputc(']', list);
    fclose(list);
    assert_ok(cdul_json_from_strings(&text->classes, &classes, &err));
    const cdul_metadata metadata[] = {{"classes", classes}, {"class_of", class_of}};
    const cdul_tensor_decl tensor = {"text_embeds", CDUL_F32, 2, {rows, text->width}};
    const size_t bytes = rows * text->width * sizeof *text->vectors;
    cdul_safetensors_writer *writer = NULL;
    assert_ok(
        cdul_safetensors_create(path, metadata, text->class_of ? 2 : 1, &tensor, 1, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, text->vectors, bytes, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    free(classes);
    free(class_of);
}

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
        assert_true(fabs((double)sum[d] / sqrt(length) - (double)text.vectors[2 * WIDTH + d]) <
                    1e-5);
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
        assert_true(worst_cosine(text.vectors + row * WIDTH, want + (row % 2 ? 3 : 0) * WIDTH, 1,
                                 WIDTH) >= 0.9999);
    free(want);
    cdul_text_free(&text);
    cdul_strings_free(&templates);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

/* Class vectors of `lines`, with a vector a word. */
static void embed_words(cdul_encoder *encoder, const char *lines, const char *path,
                        cdul_text *out) {
    cdul_classes classes;
    assert_ok(cdul_classes_parse(lines, strlen(lines), "classes.txt", &classes, &err));
    classes.synonyms = CDUL_SYNONYMS_MAX;
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, path, out, &err));
    cdul_classes_free(&classes);
}

static void a_file_keeps_a_vector_for_each_word(void **state) {
    (void)state;
    const size_t class_of[] = {0, 1, 1};
    cdul_classes classes;
    cdul_text text, some;
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    embed_words(encoder, "both\tcat, horse\ndog\nhorse\n", NULL, &text);
    write_vectors("words.safetensors", &text);
    embed_words(encoder, "horse\nboth\n", "words.safetensors", &some);
    assert_int_equal(some.rows, 3);
    assert_memory_equal(some.class_of, class_of, sizeof class_of);
    const size_t from[] = {3, 0, 1};
    for (size_t i = 0; i < 3 * WIDTH; i++)
        assert_true(fabsf(some.vectors[i] - text.vectors[from[i / WIDTH] * WIDTH + i % WIDTH]) <
                    1e-6f);
    cdul_text_free(&some);

    /* of a file of the one kind the other cannot be made */
    assert_ok(cdul_classes_parse("both\n", 5, "classes.txt", &classes, &err));
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, "words.safetensors", &some, &err),
                 CDUL_ERR_USAGE, "has a vector for each word, which only --synonyms max reads");
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &some, &err));
    write_vectors("means.safetensors", &some);
    cdul_text_free(&some);
    classes.synonyms = CDUL_SYNONYMS_MAX;
    assert_fails(
        cdul_encoder_text(encoder, &classes, NULL, "means.safetensors", &some, &err),
        CDUL_ERR_USAGE,
        "--synonyms max needs one a word: write it again with embed_text.py --synonyms max");
    cdul_classes_free(&classes);
    cdul_text_free(&text);
    cdul_encoder_close(encoder);
}

/* Writes two vectors for the classes cat and dog with that metadata `class_of`. */
static void write_class_of(const char *class_of) {
    const cdul_metadata metadata[] = {{"classes", "[\"cat\",\"dog\"]"}, {"class_of", class_of}};
    const cdul_tensor_decl tensor = {"text_embeds", CDUL_F32, 2, {2, 2}};
    const float vectors[] = {1, 0, 0, 1};
    cdul_safetensors_writer *writer = NULL;
    assert_ok(
        cdul_safetensors_create("class_of.safetensors", metadata, 2, &tensor, 1, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, vectors, sizeof vectors, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
}

static void rows_of_no_class_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"[0,0]",   "[0,2]",       "[1,1]", "[1,0]", "[0,1,1]",
                                        "[0,0.5]", "[0,\"dog\"]", "[]",    "{}",    "[-1,0]",
                                        "0"};
    cdul_text text;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_class_of(wrong[i]);
        cdul_status status = cdul_text_read("class_of.safetensors", &text, &err);
        if (status != CDUL_ERR_INPUT) fail_msg("%s: %d", wrong[i], (int)status);
    }
    write_class_of("[0,2]");
    assert_fails(cdul_text_read("class_of.safetensors", &text, &err), CDUL_ERR_INPUT,
                 "metadata 'class_of': entry 2: expected a list that counts up");
    write_class_of("[0,1]");
    assert_ok(cdul_text_read("class_of.safetensors", &text, &err));
    cdul_text_free(&text);
}

/* A folder with CLIP's golden text tower and a tokenizer that is not CLIP's. */
static void make_foreign(const char *folder) {
    char path[600];
    static const char *const files[] = {"config.json", "preprocessor_config.json",
                                        "onnx/vision_model.onnx", "onnx/text_model.onnx"};
    snprintf(path, sizeof path, "%s/onnx", folder);
    assert_ok(cdul_path_make_folder(path, &err));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[600];
        snprintf(from, sizeof from, CLIP "/%s", files[i]);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        copy(from, path);
    }
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    write_text(path, "{\"model\": {\"type\": \"Unigram\"}}");
    snprintf(path, sizeof path, "%s/text.safetensors", folder);
    remove(path);
}

/* With the prompts of the folder's cdul.json, unless there are others, by the vectors of the Python
 * pipeline. */
static void an_encoder_may_bring_its_own_prompts(void **state) {
    (void)state;
    cdul_classes classes;
    cdul_text own, others;
    cdul_strings templates = {0};
    float *want = expected(CLIP, "text", 4 * WIDTH);
    make_foreign("prompts");
    copy(CLIP "/vocab.json", "prompts/vocab.json");
    copy(CLIP "/merges.txt", "prompts/merges.txt");
    remove("prompts/tokenizer.json");
    write_text("prompts/cdul.json", "{\"templates\": [\"a photo of a {}.\", \"the {}\"]}");
    cdul_encoder *encoder = open_encoder("prompts", 0);
    make_classes(&classes);
    assert_ok(cdul_encoder_text(encoder, &classes, &templates, NULL, &own, &err));
    assert_true(worst_cosine(own.vectors, want, 4, WIDTH) >= 0.9999);
    assert_ok(cdul_strings_add(&templates, "a {}", &err));
    assert_ok(cdul_encoder_text(encoder, &classes, &templates, NULL, &others, &err));
    assert_true(worst_cosine(others.vectors, want, 4, WIDTH) < 0.9999);
    cdul_encoder_close(encoder);
    write_text("prompts/cdul.json", "{\"templates\": [\"a photo\"]}");
    assert_fails(cdul_encoder_open("prompts", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "cdul.json: templates: expected texts with {}");
    write_text("prompts/cdul.json", "{\"templates\": \"a {}\"}");
    assert_fails(cdul_encoder_open("prompts", NULL, &encoder, &err), CDUL_ERR_INPUT,
                 "cdul.json: templates is no list");
    cdul_text_free(&own);
    cdul_text_free(&others);
    cdul_classes_free(&classes);
    cdul_strings_free(&templates);
    free(want);
}

static void a_foreign_tokenizer_is_answered_with_what_helps(void **state) {
    (void)state;
    cdul_classes classes;
    cdul_text text;
    make_foreign("foreign");
    cdul_encoder *encoder = open_encoder("foreign", 0);
    make_classes(&classes);
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err), CDUL_ERR_INPUT,
                 "model.type is 'Unigram', expected BPE or WordPiece; make text.safetensors in the "
                 "folder with embed_text.py of cdul's sources: docs/encoders.md");
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void class_vectors_in_the_folder_stand_in_for_a_foreign_tokenizer(void **state) {
    (void)state;
    cdul_classes classes;
    cdul_text text, got;
    make_classes(&classes);
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err));
    cdul_encoder_close(encoder);
    make_foreign("foreign");
    write_vectors("foreign/text.safetensors", &text);
    encoder = open_encoder("foreign", 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &got, &err));
    assert_int_equal(got.prompts, 0);
    for (size_t i = 0; i < 4 * WIDTH; i++)
        assert_true(fabsf(got.vectors[i] - text.vectors[i]) < 1e-6f);
    cdul_text_free(&got);
    write_text("foreign/tokenizer.json", "{\"model\": "); /* damaged is not foreign */
    assert_fails(cdul_encoder_text(encoder, &classes, NULL, NULL, &got, &err), CDUL_ERR_INPUT,
                 "tokenizer.json");
    cdul_text_free(&text);
    cdul_classes_free(&classes);
    cdul_encoder_close(encoder);
}

static void background_words_have_vectors_like_classes(void **state) {
    (void)state;
    cdul_classes classes, words = {0};
    cdul_text text, some;
    assert_ok(cdul_classes_parse("cat\n", 4, "classes.txt", &classes, &err));
    write_text(
        "background.txt",
        "horse\nmeadow\ta background word that is far too long for the context of the tower\n");
    assert_ok(cdul_classes_read_background("background.txt", &classes, &err));
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_ok(cdul_encoder_text(encoder, &classes, NULL, NULL, &text, &err));
    assert_int_equal(text.rows, 3);
    assert_int_equal(text.background, 2);
    assert_int_equal(text.cut_prompts, 1);
    write_vectors("text.safetensors", &text);

    /* From a file by name; without classes, all others of the file are classes. */
    write_text("background.txt", "horse\n");
    assert_ok(cdul_classes_read_background("background.txt", &words, &err));
    assert_fails(cdul_encoder_text(encoder, &words, NULL, NULL, &some, &err), CDUL_ERR_USAGE,
                 "no classes");
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
    assert_fails(cdul_encoder_text(encoder, &words, NULL, "text.safetensors", &some, &err),
                 CDUL_ERR_INPUT, "no vector for class 'hors'");
    cdul_classes_free(&words);
    write_text("background.txt", "cat\nhorse\nmeadow\n");
    assert_ok(cdul_classes_read_background("background.txt", &words, &err));
    assert_fails(cdul_encoder_text(encoder, &words, NULL, "text.safetensors", &some, &err),
                 CDUL_ERR_INPUT, "nothing but background words");
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
    write_vectors("text.safetensors", &all);
    assert_ok(cdul_classes_parse("horse\ncat\n", 10, "classes.txt", &two, &err));
    assert_ok(cdul_encoder_text(encoder, &two, NULL, "text.safetensors", &some, &err));
    assert_int_equal(some.classes.count, 2);
    for (size_t d = 0; d < WIDTH; d++) {
        assert_true(fabsf(some.vectors[d] - all.vectors[3 * WIDTH + d]) < 1e-6f);
        assert_true(fabsf(some.vectors[WIDTH + d] - all.vectors[d]) < 1e-6f);
    }
    cdul_text_free(&some);
    assert_ok(
        /* all of the file's */
        cdul_encoder_text(encoder, NULL, NULL, "text.safetensors", &some, &err));
    assert_true(cdul_strings_equal(&some.classes, &classes.names));
    cdul_text_free(&some);
    cdul_classes_free(&two);
    assert_ok(cdul_classes_parse("hors\n", 5, "classes.txt", &two, &err));
    assert_fails(cdul_encoder_text(encoder, &two, NULL, "text.safetensors", &some, &err),
                 CDUL_ERR_INPUT, "no vector for class 'hors'; did you mean 'horse'?");
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
    write_vectors("zero.safetensors", &narrow);
    assert_fails(cdul_text_read("zero.safetensors", &got, &err), CDUL_ERR_INPUT,
                 "class 'dog' is zero");
    narrow.vectors[3] = 3;
    write_vectors("narrow.safetensors", &narrow);
    assert_ok(cdul_text_read("narrow.safetensors", &got, &err));
    assert_true(got.vectors[3] == 1.0f); /* normalised on reading */
    cdul_text_free(&got);
    cdul_encoder *encoder = open_encoder(CLIP, 0);
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, "narrow.safetensors", &got, &err),
                 CDUL_ERR_INPUT, "class vectors are 2 wide, the encoder's image vectors 16");
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, CLIP "/expected.safetensors", &got, &err),
                 CDUL_ERR_INPUT, "no metadata 'classes'");
    assert_fails(cdul_encoder_text(encoder, NULL, NULL, NULL, &got, &err), CDUL_ERR_USAGE,
                 "no classes");
    cdul_encoder_close(encoder);
    cdul_strings_free(&narrow.classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_vectors_are_those_of_the_python_pipeline),
        cmocka_unit_test(words_of_a_class_are_averaged),
        cmocka_unit_test(words_of_a_class_keep_vectors_of_their_own_for_the_largest),
        cmocka_unit_test(a_file_keeps_a_vector_for_each_word),
        cmocka_unit_test(rows_of_no_class_are_refused),
        cmocka_unit_test(an_encoder_may_bring_its_own_prompts),
        cmocka_unit_test(a_foreign_tokenizer_is_answered_with_what_helps),
        cmocka_unit_test(class_vectors_in_the_folder_stand_in_for_a_foreign_tokenizer),
        cmocka_unit_test(background_words_have_vectors_like_classes),
        cmocka_unit_test(prompts_that_are_cut_are_counted),
        cmocka_unit_test(text_file_round_trip_and_choice_by_name),
        cmocka_unit_test(text_files_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
