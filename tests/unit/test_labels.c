/* The label file: as Python's safetensors writes it (tests/golden/make_labels.py), as CSV, and
 * merged. */
#include "test.h"

#include "base/file.h"
#include "base/safetensors.h"
#include "cdul/labels.h"

#include <math.h>

#define GOLDEN(file) CDUL_GOLDEN "/labels/" file

static cdul_error err;

static const char *const image_names[] = {"a/\xc3\xa4 \"1\".jpg", "b.jpg"};
static const char *const class_names[] = {"cat", "salt, pepper", "\xe7\x8a\xac"};
static const float expected[] = {0.0f, 1.0f, 0.1f, 0.25f, 1e-20f, 1.0f / 3.0f};

static void check(const cdul_labels *labels) {
    assert_int_equal(labels->images.count, 2);
    assert_int_equal(labels->classes.count, 3);
    for (size_t i = 0; i < 2; i++) assert_string_equal(labels->images.items[i], image_names[i]);
    for (size_t i = 0; i < 3; i++) assert_string_equal(labels->classes.items[i], class_names[i]);
    assert_memory_equal(labels->values, expected, sizeof expected);
}

static void files_of_python_are_read(void **state) {
    (void)state;
    cdul_labels labels = {0};
    assert_ok(cdul_labels_read(GOLDEN("python.safetensors"), &labels, &err));
    check(&labels);
    assert_string_equal(labels.config, "{\"label\": {\"zeta\": 0.1}}");
    cdul_labels_free(&labels);
    assert_ok(cdul_labels_read(GOLDEN("half.safetensors"), &labels, &err));
    assert_float_equal(labels.values[2], 0.1f, 1e-4);
    cdul_labels_free(&labels);
}

static void both_formats_keep_every_bit(void **state) {
    (void)state;
    cdul_labels labels = {0}, again = {0};
    assert_ok(cdul_labels_read(GOLDEN("python.safetensors"), &labels, &err));
    assert_ok(cdul_labels_write("l.safetensors", &labels, &err));
    assert_ok(cdul_labels_read("l.safetensors", &again, &err));
    check(&again);
    assert_string_equal(again.config, labels.config);
    cdul_labels_free(&again);
    assert_ok(cdul_labels_write_csv("l.csv", &labels, &err));
    assert_ok(cdul_labels_read("l.csv", &again, &err));
    check(&again);
    assert_null(again.config);
    cdul_labels_free(&again);
    cdul_labels_free(&labels);
}

/* The format allows a header of 100 MB. */
static void names_that_no_header_takes_are_a_tensor(void **state) {
    (void)state;
    enum { IMAGES = 25, LENGTH = 4000000 };
    cdul_labels labels = {0}, again = {0};
    cdul_safetensors *file = NULL;
    char *name = malloc(LENGTH + 1);
    assert_non_null(name);
    memset(name, 'x', LENGTH);
    name[LENGTH] = '\0';
    for (int i = 0; i < IMAGES; i++) {
        name[0] = (char)('a' + i);
        assert_ok(cdul_strings_add(&labels.images, name, &err));
    }
    assert_ok(cdul_strings_add(&labels.classes, "cat", &err));
    assert_ok(cdul_labels_allocate(&labels, &err));
    labels.values[IMAGES - 1] = 0.5f;
    assert_ok(cdul_labels_write("many.safetensors", &labels, &err));
    assert_ok(cdul_safetensors_open("many.safetensors", &file, &err));
    assert_null(cdul_safetensors_metadata(file, "images"));
    assert_int_equal(cdul_safetensors_find(file, "images")->dtype, CDUL_U8);
    cdul_safetensors_close(file);
    assert_ok(cdul_labels_read("many.safetensors", &again, &err));
    assert_true(cdul_strings_equal(&labels.images, &again.images));
    assert_true(again.values[IMAGES - 1] == 0.5f);
    cdul_labels_free(&again);
    cdul_labels_free(&labels);
    free(name);
    remove("many.safetensors");
}

static void csv_is_written_for_people(void **state) {
    (void)state;
    cdul_labels labels = {0};
    char *text;
    size_t size;
    assert_ok(cdul_labels_read(GOLDEN("python.safetensors"), &labels, &err));
    assert_ok(cdul_labels_write_csv("p.csv", &labels, &err));
    assert_ok(cdul_file_read_all("p.csv", &text, &size, &err));
    assert_string_equal(text, "image,cat,\"salt, pepper\",\xe7\x8a\xac\n"
                              "\"a/\xc3\xa4 \"\"1\"\".jpg\",0,1,0.1\n"
                              "b.jpg,0.25,1e-20,0.333333343\n");
    free(text);
    cdul_labels_free(&labels);
}

static void wrong_files_are_refused_with_the_reason(void **state) {
    (void)state;
    cdul_labels labels = {0};
    assert_fails(cdul_labels_read(GOLDEN("range.safetensors"), &labels, &err), CDUL_ERR_INPUT,
                 "class \"salt, pepper\": label 1.5 is not");
    assert_fails(cdul_labels_read(GOLDEN("width.safetensors"), &labels, &err), CDUL_ERR_INPUT,
                 "\"classes\" has 3 names, tensor \"labels\" needs 2");
    assert_fails(cdul_labels_read(GOLDEN("name.safetensors"), &labels, &err), CDUL_ERR_INPUT,
                 "labels");
    assert_fails(cdul_labels_read(GOLDEN("bare.safetensors"), &labels, &err), CDUL_ERR_INPUT,
                 "metadata lacks \"images\", a JSON list of names");
    assert_fails(cdul_labels_read("nowhere.safetensors", &labels, &err), CDUL_ERR_IO,
                 "nowhere.safetensors");
    assert_null(labels.values);
}

static void refuse_csv(const char *text, const char *reason) {
    cdul_labels labels = {0};
    assert_ok(cdul_file_write_all("bad.csv", text, strlen(text), &err));
    assert_fails(cdul_labels_read("bad.csv", &labels, &err), CDUL_ERR_INPUT, reason);
    assert_null(labels.values);
}

static void wrong_csv_is_refused_with_line_and_class(void **state) {
    (void)state;
    refuse_csv("", "empty");
    refuse_csv("picture,cat\n", "the first column is \"picture\"");
    refuse_csv("image\na\n", "names no class");
    refuse_csv("image,cat,\na,1,1\n", "column 3 has no class name");
    refuse_csv("image,cat\na,1\nb\n", "line 3: 1 fields");
    refuse_csv("image,cat\na,\n", "line 2: class \"cat\": \"\" is not a number");
    refuse_csv("image,cat\na,0.5x\n", "\"0.5x\" is not a number");
    refuse_csv("image,cat\na,nan\n", "class \"cat\"");
    refuse_csv("image,cat\na,-1\n", "label -1");
    refuse_csv("image,cat\na,1\na,0\n", "a");
    refuse_csv("image,cat,cat\na,1,1\n", "cat");
}

static void nothing_wrong_is_written(void **state) {
    (void)state;
    cdul_labels labels = {0};
    assert_ok(cdul_labels_read(GOLDEN("python.safetensors"), &labels, &err));
    labels.values[4] = NAN;
    assert_fails(cdul_labels_write("nan.safetensors", &labels, &err), CDUL_ERR_INPUT,
                 "image \"b.jpg\", class \"salt, pepper\"");
    assert_fails(cdul_labels_write_csv("nan.csv", &labels, &err), CDUL_ERR_INPUT, "b.jpg");
    assert_false(cdul_path_exists("nan.safetensors") || cdul_path_exists("nan.csv"));
    cdul_labels_free(&labels);
}

static void no_images_is_a_valid_file(void **state) {
    (void)state;
    cdul_labels labels = {0}, again = {0};
    assert_ok(cdul_strings_add(&labels.classes, "cat", &err));
    assert_ok(cdul_labels_allocate(&labels, &err));
    assert_ok(cdul_labels_write("none.safetensors", &labels, &err));
    assert_ok(cdul_labels_read("none.safetensors", &again, &err));
    assert_int_equal(again.images.count, 0);
    assert_int_equal(again.classes.count, 1);
    cdul_labels_free(&again);
    cdul_labels_free(&labels);
}

static void write_part(const char *path, const char *classes, const char *rows) {
    char text[256];
    snprintf(text, sizeof text, "image,%s\n%s", classes, rows);
    assert_ok(cdul_file_write_all(path, text, strlen(text), &err));
}

static void parts_are_merged_in_order(void **state) {
    (void)state;
    write_part("1.csv", "cat,dog", "a,0,0.25\nb,0.5,0.75\n");
    write_part("2.csv", "cat,dog", "");
    write_part("3.csv", "cat,dog", "c,1,0\n");
    const char *const paths[] = {"1.csv", "2.csv", "3.csv"};
    const float values[] = {0, 0.25f, 0.5f, 0.75f, 1, 0};
    cdul_labels merged = {0};
    assert_ok(cdul_labels_merge(paths, 3, &merged, &err));
    assert_int_equal(merged.images.count, 3);
    assert_string_equal(merged.images.items[2], "c");
    assert_memory_equal(merged.values, values, sizeof values);
    assert_null(merged.config);
    cdul_labels_free(&merged);
}

static void merging_keeps_the_configs_of_all_parts(void **state) {
    (void)state;
    cdul_labels labels = {0}, merged = {0};
    const char *const paths[] = {GOLDEN("python.safetensors"), "other.safetensors"};
    assert_ok(cdul_labels_read(paths[0], &labels, &err));
    labels.images.items[0][0] = 'x';
    labels.images.items[1][0] = 'y';
    assert_ok(cdul_labels_write(paths[1], &labels, &err));
    assert_ok(cdul_labels_merge(paths, 2, &merged, &err));
    assert_string_equal(merged.config, labels.config);
    cdul_labels_free(&merged);
    memcpy(labels.config, "{\"label\": {\"zeta\": 0.2}}", strlen(labels.config));
    assert_ok(cdul_labels_write(paths[1], &labels, &err));
    assert_ok(cdul_labels_merge(paths, 2, &merged, &err));
    assert_string_equal(merged.config,
                        "{\"merged\":[{\"label\":{\"zeta\":0.1}},{\"label\":{\"zeta\":0.2}}]}");
    cdul_labels_free(&merged);
    cdul_labels_free(&labels);
}

static void parts_that_do_not_fit_are_refused_with_both_names(void **state) {
    (void)state;
    cdul_labels merged = {0};
    write_part("1.csv", "cat,dog", "a,0,0\n");
    write_part("2.csv", "dog,cat", "b,0,0\n");
    write_part("3.csv", "cat,dog", "b,0,0\na,0,0\n");
    const char *const classes[] = {"1.csv", "2.csv"}, *const images[] = {"1.csv", "3.csv"};
    assert_fails(cdul_labels_merge(classes, 2, &merged, &err), CDUL_ERR_INPUT,
                 "1.csv and 2.csv have different classes");
    assert_fails(cdul_labels_merge(images, 2, &merged, &err), CDUL_ERR_INPUT,
                 "1.csv and 3.csv both hold image \"a\"");
    assert_fails(cdul_labels_merge(images, 0, &merged, &err), CDUL_ERR_USAGE, "no label files");
    assert_null(merged.values);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_python_are_read),
        cmocka_unit_test(both_formats_keep_every_bit),
        cmocka_unit_test(names_that_no_header_takes_are_a_tensor),
        cmocka_unit_test(csv_is_written_for_people),
        cmocka_unit_test(wrong_files_are_refused_with_the_reason),
        cmocka_unit_test(wrong_csv_is_refused_with_line_and_class),
        cmocka_unit_test(nothing_wrong_is_written),
        cmocka_unit_test(no_images_is_a_valid_file),
        cmocka_unit_test(parts_are_merged_in_order),
        cmocka_unit_test(merging_keeps_the_configs_of_all_parts),
        cmocka_unit_test(parts_that_do_not_fit_are_refused_with_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
