/* Predictions written and read back; JSON as a JSON parser sees it. */
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "cdul/report.h"

static cdul_error err;

static cdul_strings three_classes(void) {
    cdul_strings classes = {0};
    assert_ok(cdul_strings_add(&classes, "cat", &err));
    assert_ok(cdul_strings_add(&classes, "salt, \"pepper\"", &err));
    assert_ok(cdul_strings_add(&classes, "\xe7\x8a\xac", &err));
    return classes;
}

static const float scores[2][3] = {{0.25f, 0.1f, 0.75f}, {0.5f, 0.5f, 0.0f}};
static const bool picked[2][3] = {{true, false, true}, {false, false, false}};

static void write_both(const char *path, cdul_predictions_format format,
                       const cdul_strings *classes, bool all) {
    cdul_predictions *predictions;
    assert_ok(cdul_predictions_open(path, format, classes, &predictions, &err));
    cdul_predictions_add(predictions, "a\n\"b\".jpg", scores[0], all ? NULL : picked[0]);
    cdul_predictions_add(predictions, "c.jpg", scores[1], all ? NULL : picked[1]);
    assert_ok(cdul_predictions_commit(&predictions, &err));
    assert_null(predictions);
}

static void expect_text(const char *path, const char *expected) {
    char *text;
    size_t size;
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    assert_string_equal(text, expected);
    free(text);
}

static void lines_hold_picked_classes_by_falling_score(void **state) {
    (void)state;
    cdul_strings classes = three_classes();
    write_both("picked.jsonl", CDUL_PREDICTIONS_JSONL, &classes, false);
    expect_text(
        "picked.jsonl",
        "{\"image\":\"a\\n\\\"b\\\".jpg\",\"labels\":[{\"name\":\"\xe7\x8a\xac\",\"score\":0.75},"
        "{\"name\":\"cat\",\"score\":0.25}]}\n{\"image\":\"c.jpg\",\"labels\":[]}\n");
    write_both("picked.csv", CDUL_PREDICTIONS_CSV, &classes, false);
    expect_text("picked.csv",
                "image,cat,\"salt, "
                "\"\"pepper\"\"\",\xe7\x8a\xac\n\"a\n\"\"b\"\".jpg\",0.25,,0.75\nc.jpg,,,\n");
    cdul_strings_free(&classes);
}

static void both_formats_read_back_the_same(void **state) {
    (void)state;
    const char *const paths[] = {"all.jsonl", "all.csv"};
    cdul_strings classes = three_classes();
    for (int format = 0; format < 2; format++) {
        cdul_labels labels = {0};
        size_t given;
        write_both(paths[format], (cdul_predictions_format)format, &classes, true);
        assert_ok(cdul_predictions_read(paths[format], &classes, &labels, &given, &err));
        assert_int_equal(given, 6);
        assert_int_equal(labels.images.count, 2);
        assert_string_equal(labels.images.items[0], "a\n\"b\".jpg");
        assert_true(cdul_strings_equal(&labels.classes, &classes));
        assert_memory_equal(labels.values, scores, sizeof scores);
        cdul_labels_free(&labels);
    }
    cdul_strings_free(&classes);
}

static void what_is_not_stated_is_zero_and_counted(void **state) {
    (void)state;
    const char *const paths[] = {"part.jsonl", "part.csv"};
    cdul_strings classes = three_classes();
    for (int format = 0; format < 2; format++) {
        cdul_labels labels = {0};
        size_t given;
        write_both(paths[format], (cdul_predictions_format)format, &classes, false);
        assert_ok(cdul_predictions_read(paths[format], &classes, &labels, &given, &err));
        assert_int_equal(given, 2);
        const float expected[] = {0.25f, 0, 0.75f, 0, 0, 0};
        assert_memory_equal(labels.values, expected, sizeof expected);
        cdul_labels_free(&labels);
    }
    cdul_strings_free(&classes);
}

static void discarding_leaves_nothing(void **state) {
    (void)state;
    cdul_strings classes = three_classes();
    cdul_predictions *predictions;
    assert_ok(
        cdul_predictions_open("gone.jsonl", CDUL_PREDICTIONS_JSONL, &classes, &predictions, &err));
    cdul_predictions_add(predictions, "a", scores[0], NULL);
    cdul_predictions_discard(&predictions);
    cdul_predictions_discard(&predictions);
    assert_false(cdul_path_exists("gone.jsonl"));
    cdul_strings_free(&classes);
}

static void refuse(const char *text, const char *reason) {
    cdul_strings classes = three_classes();
    cdul_labels labels = {0};
    size_t given;
    assert_ok(cdul_file_write_all("bad.jsonl", text, strlen(text), &err));
    assert_fails(cdul_predictions_read("bad.jsonl", &classes, &labels, &given, &err),
                 CDUL_ERR_INPUT, reason);
    assert_null(labels.values);
    cdul_strings_free(&classes);
}

static void wrong_lines_are_refused_with_number_and_reason(void **state) {
    (void)state;
    const char *good = "{\"image\":\"a\",\"labels\":[]}\n";
    char text[256];
    refuse("{\"image\":\"a\"}", "line 1: labels: expected a list");
    refuse("{\"labels\":[]}", "line 1: image: missing");
    refuse("{\"image\":\"a\",\"labels\":[{\"name\":\"cot\",\"score\":0}]}",
           "\"cot\" is not known; did you mean \"cat\"?");
    refuse("{\"image\":\"a\",\"labels\":[{\"name\":\"cat\",\"score\":2}]}",
           "score 2 is not in [0, 1]");
    refuse("{\"image\":\"a\",\"labels\":[{\"name\":\"cat\",\"score\":\"1\"}]}",
           "score: expected a number");
    refuse("{\"image\":\"a\",\"labels\":[{\"name\":\"cat\",\"score\":1},{\"name\":\"cat\","
           "\"score\":1}]}",
           "occurs twice");
    snprintf(text, sizeof text, "%s\n%s", good, "{\"image\":");
    refuse(text, "line 3");
    snprintf(text, sizeof text, "%s%s", good, good);
    refuse(text, "images");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_hold_picked_classes_by_falling_score),
        cmocka_unit_test(both_formats_read_back_the_same),
        cmocka_unit_test(what_is_not_stated_is_zero_and_counted),
        cmocka_unit_test(discarding_leaves_nothing),
        cmocka_unit_test(wrong_lines_are_refused_with_number_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
