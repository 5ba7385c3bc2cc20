/* The table and the JSON of an evaluation. The measures themselves: test_metrics.c. */
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "cdul/report.h"

#include <math.h>

static cdul_error err;

static void write_file(const char *path, const char *text) {
    assert_ok(cdul_file_write_all(path, text, strlen(text), &err));
}

typedef struct fixture {
    cdul_evaluation *evaluation;
} fixture;

static void judge(fixture *f, const char *path) {
    assert_ok(cdul_evaluation_add(f->evaluation, path, &err));
}

/* Truth: a has cat, b has dog and a difficult cat, c nothing. "cow" never occurs. */
static int set_up(void **state) {
    static fixture f;
    f = (fixture){0};
    assert_ok(cdul_path_make_folder("deep", &err));
    write_file("truth.csv", "image,cat,dog,cow\na.jpg,1,-1,-1\nb.jpg,0,1,-1\nc.jpg,-1,-1,-1\n");
    write_file("labels.csv", "image,cat,dog,cow\na.jpg,0.9,0.1,0.2\nb.jpg,0.8,0.4,0.2\nc.jpg,0.1,0."
                             "6,0.1\nx.jpg,0,0,0\n");
    write_file("deep/labels.csv", "image,dog,cat\nb.jpg,0.7,0.2\n");
    write_file("part.jsonl",
               "{\"image\":\"a.jpg\",\"labels\":[{\"name\":\"cat\",\"score\":0.9}]}\n"
               "{\"image\":\"b.jpg\",\"labels\":[]}\n{\"image\":\"c.jpg\",\"labels\":[]}\n");
    const cdul_evaluation_options options = cdul_evaluation_defaults();
    assert_ok(cdul_evaluation_open("truth.csv", &options, &f.evaluation, &err));
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    cdul_evaluation_close(f->evaluation);
    return 0;
}

static char *print(const fixture *f, bool per_class) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    cdul_evaluation_print(f->evaluation, per_class, stream);
    fclose(stream);
    return text;
}

static void contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* cat: a 0.9 right, c 0.1 wrong: AP 1. dog: c 0.6 wrong, b 0.4 right, a 0.1 wrong: AP 1/2. */
static void the_table_says_what_was_measured_and_left_out(void **state) {
    fixture *f = *state;
    judge(f, "labels.csv");
    char *text = print(f, true);
    contains(text, "CSV, 1 present, 0 difficult, -1 absent; 3 images, 3 classes\n");
    contains(text, "1 difficult entry ignored\n");
    contains(text, "mAP %                                 75.0\n");
    contains(text, "dog                          1                      50.0\n");
    contains(text, "cow                          0                         -\n");
    contains(text, "labels.csv: 1 image without ground truth left out\n");
    contains(text, "labels.csv: 1 class without a positive left out of mAP");
    free(text);
}

static void files_stand_side_by_side_within_80_columns(void **state) {
    fixture *f = *state;
    const char *const paths[] = {"labels.csv", "deep/labels.csv", "part.jsonl",
                                 "labels.csv", "labels.csv",      "labels.csv"};
    for (size_t i = 0; i < 6; i++) judge(f, paths[i]);
    char *text = print(f, true);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 80) fail_msg("%zu columns: %s", strlen(line), line);
    free(text);
    text = print(f, false);
    contains(text, "deep/labels.csv: 2 images of the ground truth not in it\n");
    contains(text, "deep/labels.csv: 1 class of the ground truth not in it\n");
    contains(text, "part.jsonl: holds 11.1 % of the scores");
    contains(text, "different images");
    free(text);
}

static void json_holds_the_same_figures(void **state) {
    fixture *f = *state;
    char *text = NULL;
    size_t size;
    cJSON *json = NULL;
    judge(f, "labels.csv");
    FILE *stream = open_memstream(&text, &size);
    assert_ok(cdul_evaluation_print_json(f->evaluation, stream, &err));
    fclose(stream);
    assert_ok(cdul_json_parse(text, size, "json", &json, &err));
    const cJSON *input = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "inputs"), 0);
    const cdul_metrics *metrics = cdul_evaluation_metrics(f->evaluation, 0);
    assert_true(cJSON_GetObjectItem(input, "map")->valuedouble == metrics->map);
    assert_true(cJSON_GetObjectItem(input, "bce")->valuedouble == metrics->bce);
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(input, "at_top"), "of1")->valuedouble ==
                metrics->at_top.of1);
    const cJSON *cow = cJSON_GetArrayItem(cJSON_GetObjectItem(input, "per_class"), 2);
    assert_string_equal(cJSON_GetObjectItem(cow, "name")->valuestring, "cow");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cow, "ap")));
    cJSON_Delete(json);
    free(text);
}

static void empty_images_are_left_out_on_request(void **state) {
    fixture *f = *state;
    cdul_evaluation_options options = cdul_evaluation_defaults();
    options.drop_empty = true;
    cdul_evaluation_close(f->evaluation);
    assert_ok(cdul_evaluation_open("truth.csv", &options, &f->evaluation, &err));
    judge(f, "labels.csv");
    assert_int_equal(cdul_evaluation_metrics(f->evaluation, 0)->images, 2);
    char *text = print(f, false);
    contains(text, "images without any class left out\n");
    free(text);
}

static void a_failure_names_the_file(void **state) {
    fixture *f = *state;
    write_file("other.csv", "image,cat\nz.jpg,1\n");
    assert_fails(cdul_evaluation_add(f->evaluation, "other.csv", &err), CDUL_ERR_INPUT,
                 "other.csv: none of the 1 scored images");
    write_file("names.csv", "image,kat\na.jpg,1\n");
    assert_fails(cdul_evaluation_add(f->evaluation, "names.csv", &err), CDUL_ERR_INPUT,
                 "names.csv: class \"kat\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_table_says_what_was_measured_and_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(files_stand_side_by_side_within_80_columns, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(json_holds_the_same_figures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_images_are_left_out_on_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_names_the_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
