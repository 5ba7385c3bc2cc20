/* Readers of ground truth, on files written by hand (tests/golden/truth). */
#include "test.h"

#include "base/file.h"
#include "cdul/eval.h"

#define TRUTH(file) CDUL_GOLDEN "/truth/" file

static cdul_error err;

static void read_truth(const char *path, cdul_truth_kind kind, size_t images, size_t classes,
                       cdul_truth *truth) {
    *truth = (cdul_truth){0};
    assert_ok(cdul_truth_read(path, truth, &err));
    assert_int_equal(truth->kind, kind);
    assert_int_equal(truth->images.count, images);
    assert_int_equal(truth->classes.count, classes);
}

/* "cat=1 dog=2" of one image, classes in file order, absent ones left out. */
static void expect(const cdul_truth *truth, const char *image, const char *facts) {
    char got[256] = "";
    size_t row = 0, c = truth->classes.count;
    while (row < truth->images.count && strcmp(truth->images.items[row], image) != 0) row++;
    if (row == truth->images.count) fail_msg("no image \"%s\"", image);
    for (size_t i = 0; i < c; i++) {
        int value = truth->values[row * c + i];
        size_t used = strlen(got);
        if (value != CDUL_ABSENT)
            snprintf(got + used, sizeof got - used, "%s%s=%d", used ? " " : "",
                     truth->classes.items[i], value);
    }
    assert_string_equal(got, facts);
}

static void csv_of_one_and_zero_has_no_difficult_entries(void **state) {
    (void)state;
    cdul_truth truth;
    read_truth(TRUTH("plain.csv"), CDUL_TRUTH_CSV, 2, 3, &truth);
    expect(&truth, "sub/a.jpg", "cat=1");
    expect(&truth, "sub/b.jpg", "salt, pepper=1 chat noir=1");
    cdul_truth_free(&truth);
}

static void csv_with_minus_one_takes_zero_for_difficult(void **state) {
    (void)state;
    cdul_truth truth;
    read_truth(TRUTH("voc-signs.csv"), CDUL_TRUTH_CSV_VOC, 2, 2, &truth);
    expect(&truth, "a, \"b\".jpg", "cat=1");
    expect(&truth, "c.jpg", "cat=2 dog=1");
    cdul_truth_free(&truth);
}

static void csv_of_tags_lists_what_is_present(void **state) {
    (void)state;
    cdul_truth truth;
    read_truth(TRUTH("tags.csv"), CDUL_TRUTH_TAGS, 3, 3, &truth);
    expect(&truth, "a.jpg", "cat=1 dog=1");
    expect(&truth, "b.jpg", "");
    expect(&truth, "c.jpg", "dog=1 salt & pepper=1");
    cdul_truth_free(&truth);
}

static void malformed_csv_is_refused_with_line_and_reason(void **state) {
    (void)state;
    cdul_truth truth = {0};
    const struct {
        const char *path, *text;
    } cases[] = {
        {TRUTH("bad-tags.csv"), "separated by ';' in one place and '|'"},
        {TRUTH("bad-value.csv"), "line 2: class \"cat\": \"2\" is none of"},
        {TRUTH("bad-fields.csv"), "line 3: 3 fields, the header line has 2"},
        {TRUTH("bad-twice.csv"), "line 3: image \"a.jpg\" occurs twice"},
        {TRUTH("bad-class.csv"), "cat"},
        {TRUTH("bad-header.csv"), "no header line"},
        {TRUTH("bad-quote.csv"), "line 2"},
        {TRUTH("empty.csv"), "no header line"},
        {TRUTH("plain.csv") "/nowhere.csv", "Not a directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cdul_status status = cdul_truth_read(cases[i].path, &truth, &err);
        assert_true(status == CDUL_ERR_INPUT || status == CDUL_ERR_IO);
        if (!strstr(err.message, cases[i].text))
            fail_msg("\"%s\" is not in: %s", cases[i].text, err.message);
        assert_null(truth.values);
    }
}

static void voc_class_is_difficult_only_if_all_its_objects_are(void **state) {
    (void)state;
    cdul_truth truth;
    read_truth(TRUTH("voc"), CDUL_TRUTH_VOC, 3, 4, &truth);
    expect(&truth, "000001", "dog=1 person=2");
    expect(&truth, "000002", "person=1 salt & pepper=1 cat=1");
    expect(&truth, "000003", "");
    cdul_truth_free(&truth);
    read_truth(TRUTH("voc/Annotations"), CDUL_TRUTH_VOC, 3, 4, &truth);
    cdul_truth_free(&truth);
}

static void malformed_voc_is_refused_with_file_and_reason(void **state) {
    (void)state;
    cdul_truth truth = {0};
    assert_fails(cdul_truth_read(TRUTH("bad-voc-entity"), &truth, &err), CDUL_ERR_INPUT,
                 "a.xml: declares the XML entity");
    assert_fails(cdul_truth_read(TRUTH("bad-voc-cut"), &truth, &err), CDUL_ERR_INPUT,
                 "a.xml: line 2");
    assert_fails(cdul_truth_read(TRUTH("bad-voc-root"), &truth, &err), CDUL_ERR_INPUT,
                 "<html>, not <annotation>");
    assert_fails(cdul_truth_read(TRUTH("bad-voc-name"), &truth, &err), CDUL_ERR_INPUT,
                 "an object has no name");
    assert_fails(cdul_truth_read(TRUTH("bad-voc-long"), &truth, &err), CDUL_ERR_INPUT,
                 "longer than 255");
    assert_ok(cdul_path_make_folder("empty-folder", &err));
    assert_fails(cdul_truth_read("empty-folder", &truth, &err), CDUL_ERR_INPUT, "no .xml files");
    assert_null(truth.values);
}

static void coco_ids_may_be_sparse_and_lists_in_any_order(void **state) {
    (void)state;
    cdul_truth truth;
    read_truth(TRUTH("coco.json"), CDUL_TRUTH_COCO, 3, 2, &truth);
    expect(&truth, "COCO_val2014_000000581929.jpg", "toothbrush=1");
    expect(&truth, "COCO_val2014_000000000009.jpg", "person=1");
    expect(&truth, "na\xc3\xafve.jpg", "");
    cdul_truth_free(&truth);
}

static void malformed_coco_is_refused_with_place_and_reason(void **state) {
    (void)state;
    cdul_truth truth = {0};
    assert_fails(cdul_truth_read(TRUTH("bad-coco-image.json"), &truth, &err), CDUL_ERR_INPUT,
                 "annotations[2]: no image has id 10");
    assert_fails(cdul_truth_read(TRUTH("bad-coco-twice.json"), &truth, &err), CDUL_ERR_INPUT,
                 "two images have id 581929");
    assert_fails(cdul_truth_read(TRUTH("bad-coco-type.json"), &truth, &err), CDUL_ERR_INPUT,
                 "annotations[2]: category_id: expected a number");
    assert_fails(cdul_truth_read(TRUTH("bad-coco-list.json"), &truth, &err), CDUL_ERR_INPUT,
                 "no list \"categories\"");
    assert_fails(cdul_truth_read(TRUTH("bad-coco-cut.json"), &truth, &err), CDUL_ERR_INPUT,
                 "byte 420");
    assert_fails(cdul_truth_read(TRUTH("bad-coco-tail.json"), &truth, &err), CDUL_ERR_INPUT,
                 "the end of the file");
    assert_null(truth.values);
}

/* Every prefix of a good file must be read or refused, never crash: run under the address
 * sanitizer. */
static void cut_files_never_crash(void **state) {
    (void)state;
    const char *const paths[] = {TRUTH("coco.json"), TRUTH("voc-signs.csv"), TRUTH("tags.csv")};
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
        char *data;
        size_t size;
        assert_ok(cdul_file_read_all(paths[p], &data, &size, &err));
        for (size_t cut = 0; cut < size; cut++) {
            cdul_truth truth = {0};
            FILE *file = fopen("cut", "wb");
            assert_non_null(file);
            fwrite(data, 1, cut, file);
            fclose(file);
            if (cdul_truth_read("cut", &truth, &err) == CDUL_OK) cdul_truth_free(&truth);
        }
        free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_of_one_and_zero_has_no_difficult_entries),
        cmocka_unit_test(csv_with_minus_one_takes_zero_for_difficult),
        cmocka_unit_test(csv_of_tags_lists_what_is_present),
        cmocka_unit_test(malformed_csv_is_refused_with_line_and_reason),
        cmocka_unit_test(voc_class_is_difficult_only_if_all_its_objects_are),
        cmocka_unit_test(malformed_voc_is_refused_with_file_and_reason),
        cmocka_unit_test(coco_ids_may_be_sparse_and_lists_in_any_order),
        cmocka_unit_test(malformed_coco_is_refused_with_place_and_reason),
        cmocka_unit_test(cut_files_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
