/* scores.safetensors with and without background words, and labels made of it
 * (cdul_label_scores). */
#include "test.h"

#include "cdul/label.h"
#include "label/scores.h"

#include <math.h>

static cdul_error err;

static void make_names(cdul_strings *list, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) assert_ok(cdul_strings_add(list, names[i], &err));
}

/* One image, no crops: cat, dog, sky, wall with odds 1 : 1 : 2 : 4 at T = 1, once all are divided
 * by 10. */
static void write_scores(const char *path, size_t background) {
    const float cosines[] = {0, 0, logf(2) / 10, logf(4) / 10};
    cdul_scores_writer writer = {0};
    cdul_strings images = {0}, classes = {0};
    make_names(&images, (const char *const[]){"a.jpg"}, 1);
    make_names(&classes, (const char *const[]){"cat", "dog", "sky", "wall"}, 4);
    assert_ok(cdul_scores_create(path, 0, 4, &writer, &err));
    assert_ok(cdul_scores_append(&writer, cosines, &err));
    assert_ok(cdul_scores_commit(&writer, &images, &classes, background, &err));
    cdul_scores_discard(&writer);
    cdul_strings_free(&images);
    cdul_strings_free(&classes);
}

/* A file of two classes with this `background` in its metadata. */
static void write_with(const char *path, const char *background) {
    const cdul_metadata metadata[] = {
        {"images", "[\"a.jpg\"]"}, {"classes", "[\"cat\", \"sky\"]"}, {"background", background}};
    const cdul_tensor_decl tensor = {"cosine_global", CDUL_F32, 2, {1, 2}};
    const float cosines[2] = {0};
    cdul_safetensors_writer *writer = NULL;
    assert_ok(cdul_safetensors_create(path, metadata, 3, &tensor, 1, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, cosines, sizeof cosines, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
}

static void background_words_are_classes_that_the_metadata_names(void **state) {
    (void)state;
    cdul_scores scores;
    write_scores("scores.safetensors", 2);
    assert_ok(cdul_scores_open("scores.safetensors", &scores, &err));
    assert_int_equal(scores.c, 4);
    assert_int_equal(scores.background.count, 2);
    assert_string_equal(scores.background.items[0], "sky");
    assert_string_equal(scores.background.items[1], "wall");
    cdul_scores_close(&scores);
    write_scores("scores.safetensors", 0); /* as files were before there were background words */
    assert_ok(cdul_scores_open("scores.safetensors", &scores, &err));
    assert_null(cdul_safetensors_metadata(scores.file, "background"));
    assert_int_equal(scores.background.count, 0);
    cdul_scores_close(&scores);
}

static void metadata_that_cannot_be_is_refused(void **state) {
    (void)state;
    cdul_scores scores;
    static const struct {
        const char *background, *message;
    } cases[] = {
        {"[\"wall\"]", "background word \"wall\" is not one of the classes"},
        {"[\"sky\", \"sky\"]", "sky"},
        {"[\"sky\", \"cat\"]", "nothing but background words"},
        {"\"sky\"", "background"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_with("bad.safetensors", cases[i].background);
        assert_fails(cdul_scores_open("bad.safetensors", &scores, &err), CDUL_ERR_INPUT,
                     cases[i].message);
    }
}

/* The labels of the one image must be `want` [count]. */
static void assert_labels(const cdul_classes *classes, const cdul_label_params *params,
                          const double *want, size_t count) {
    cdul_label_params with = *params;
    cdul_label_result result;
    with.classes = classes;
    assert_ok(cdul_label_scores("scores.safetensors", &with, &result, &err));
    assert_int_equal(result.labels.classes.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(fabs((double)result.labels.values[i] - want[i]) < 1e-6);
    cdul_label_result_free(&result);
}

static void assert_refused(const cdul_classes *classes, const cdul_label_params *params,
                           cdul_status status, const char *message) {
    cdul_label_params with = *params;
    cdul_label_result none;
    with.classes = classes;
    assert_fails(cdul_label_scores("scores.safetensors", &with, &none, &err), status, message);
}

static void choose(cdul_classes *classes, const char *names, const char *background) {
    *classes = (cdul_classes){0};
    if (names) assert_ok(cdul_classes_parse(names, strlen(names), "classes.txt", classes, &err));
    if (!background) return;
    FILE *file = fopen("background.txt", "w");
    fputs(background, file);
    fclose(file);
    assert_ok(cdul_classes_read_background("background.txt", classes, &err));
}

/* The format allows a header of 100 MB. */
static void names_that_no_header_takes_are_a_tensor(void **state) {
    (void)state;
    enum { IMAGES = 25, LENGTH = 4000000 };
    cdul_strings images = {0}, classes = {0};
    cdul_scores_writer writer = {0};
    cdul_scores scores = {0};
    char *name = malloc(LENGTH + 1);
    assert_non_null(name);
    memset(name, 'x', LENGTH);
    name[LENGTH] = '\0';
    assert_ok(cdul_strings_add(&classes, "cat", &err));
    assert_ok(cdul_scores_create("many.safetensors", 1, 1, &writer, &err));
    for (int i = 0; i < IMAGES; i++) {
        name[0] = (char)('a' + i);
        assert_ok(cdul_strings_add(&images, name, &err));
        assert_ok(cdul_scores_append(&writer, (float[]){0.25F, (float)i / 100}, &err));
    }
    assert_ok(cdul_scores_commit(&writer, &images, &classes, 0, &err));
    cdul_scores_discard(&writer);
    assert_ok(cdul_scores_open("many.safetensors", &scores, &err));
    assert_null(cdul_safetensors_metadata(scores.file, "images"));
    assert_true(cdul_strings_equal(&images, &scores.images));
    float row[2];
    assert_ok(cdul_scores_read(&scores, IMAGES - 1, row, &err));
    assert_true(row[0] == 0.25F && row[1] == 0.24F);
    cdul_scores_close(&scores);
    cdul_strings_free(&images);
    cdul_strings_free(&classes);
    free(name);
    remove("many.safetensors");
}

static void labels_of_scores_take_background_words_from_the_file_or_from_the_user(void **state) {
    (void)state;
    cdul_label_params params = cdul_label_defaults();
    cdul_classes classes;
    params.aggregate.aggregator = CDUL_AGGREGATE_GLOBAL;
    params.aggregate.temperature = 0.1;
    write_scores("scores.safetensors", 2);
    assert_labels(NULL, &params, (double[]){0.125, 0.125}, 2); /* 1 of 1 + 1 + 2 + 4 */
    choose(&classes, "dog\n", NULL); /* cat does not take part */
    assert_labels(&classes, &params, (double[]){1 / 7.0}, 1);
    cdul_classes_free(&classes);
    choose(&classes, NULL, "wall\n"); /* the file's other word is left out */
    assert_labels(&classes, &params, (double[]){1 / 6.0, 1 / 6.0}, 2);
    cdul_classes_free(&classes);
    choose(&classes, "sky\n", NULL);
    assert_refused(&classes, &params, CDUL_ERR_INPUT, "class \"sky\" is a background word there");
    cdul_classes_free(&classes);
    write_scores("scores.safetensors", 0);
    assert_labels(NULL, &params, (double[]){0.125, 0.125, 0.25, 0.5}, 4);
    choose(&classes, "cat\ndog\n", "sky\n");
    assert_labels(&classes, &params, (double[]){0.25, 0.25}, 2);
    cdul_classes_free(&classes);
    choose(&classes, "cat\n", "grass\n");
    assert_refused(&classes, &params, CDUL_ERR_INPUT, "has no class \"grass\"");
    cdul_classes_free(&classes);
}

static void sigmoid_labels_of_scores_leave_the_file_s_background_words_out(void **state) {
    (void)state;
    cdul_label_params params = cdul_label_defaults();
    cdul_classes classes;
    params.aggregate.aggregator = CDUL_AGGREGATE_GLOBAL;
    params.aggregate.score = CDUL_SCORE_SIGMOID;
    params.aggregate.temperature = 0.1;
    params.aggregate.bias = -log(3);
    write_scores("scores.safetensors", 1);
    assert_labels(NULL, &params, (double[]){0.25, 0.25, 0.4}, 3); /* odds 1/3, 1/3, 2/3 */
    choose(&classes, NULL, "sky\n");
    assert_refused(&classes, &params, CDUL_ERR_USAGE,
                   "background words do nothing to sigmoid scores");
    cdul_classes_free(&classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(background_words_are_classes_that_the_metadata_names),
        cmocka_unit_test(metadata_that_cannot_be_is_refused),
        cmocka_unit_test(names_that_no_header_takes_are_a_tensor),
        cmocka_unit_test(labels_of_scores_take_background_words_from_the_file_or_from_the_user),
        cmocka_unit_test(sigmoid_labels_of_scores_leave_the_file_s_background_words_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
