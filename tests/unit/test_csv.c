#include "test.h"

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"

#include <sys/stat.h>
#include <unistd.h>

static cdul_error err;

static void write_text(const char *path, const char *text, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, size, stream), size);
    fclose(stream);
}

/* Reads "in.csv" to its end; `rows` (may be NULL) is what must come. */
static cdul_status read_all(char separator, const cJSON *rows, const char *name) {
    cdul_csv *csv = NULL;
    const cdul_strings *fields;
    bool end = false;
    const cJSON *row = rows ? rows->child : NULL;
    cdul_status status = CDUL_OK;
    assert_ok(cdul_csv_open("in.csv", separator, &csv, &err));
    while ((status = cdul_csv_next(csv, &fields, &end, &err)) == CDUL_OK && !end) {
        if (!rows) continue;
        if (!row) fail_msg("%s: a row too many, at line %zu", name, cdul_csv_line(csv));
        if ((size_t)cJSON_GetArraySize(row) != fields->count)
            fail_msg("%s: %zu fields", name, fields->count);
        for (int i = 0; i < cJSON_GetArraySize(row); i++)
            assert_string_equal(fields->items[i], cJSON_GetArrayItem(row, i)->valuestring);
        row = row->next;
    }
    if (status == CDUL_OK && row) fail_msg("%s: a row is missing", name);
    cdul_csv_close(csv);
    return status;
}

static const char *string_of(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key)->valuestring;
}

static void reads_what_pythons_csv_module_reads(void **state) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(*state, "read")) {
        const char *text = string_of(item, "text"), *name = string_of(item, "name");
        const cJSON *rows = cJSON_GetObjectItemCaseSensitive(item, "rows");
        write_text("in.csv", text, strlen(text));
        cdul_status status =
            read_all(string_of(item, "separator")[0], cJSON_IsNull(rows) ? NULL : rows, name);
        if (status != (cJSON_IsNull(rows) ? CDUL_ERR_INPUT : CDUL_OK))
            fail_msg("%s: status %d: %s", name, status, err.message);
    }
}

static void writes_what_pythons_csv_module_writes(void **state) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(*state, "write")) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        const cJSON *field;
        cJSON_ArrayForEach(field, cJSON_GetObjectItemCaseSensitive(item, "row")) {
            cdul_csv_write_field(stream, field->valuestring);
            fputs(field->next ? "," : "\r\n", stream);
        }
        fclose(stream);
        assert_string_equal(text, string_of(item, "text"));
        free(text);
    }
}

static void any_bytes_survive_both_ways(void **state) {
    (void)state;
    const char *wanted[] = {"", "\xff\xfe name.jpg", "tab\there", "\"", "\n", " "};
    FILE *stream = fopen("in.csv", "wb");
    cdul_csv_write_field(stream, ""); /* alone in its record: not an empty line */
    fputc('\n', stream);
    for (int i = 0; i < 6; i++) {
        if (i) fputc('\t', stream);
        cdul_csv_write_field(stream, wanted[i]);
    }
    fclose(stream);
    cdul_csv *csv = NULL;
    const cdul_strings *got;
    bool end = false;
    assert_ok(cdul_csv_open("in.csv", '\t', &csv, &err));
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_int_equal(got->count, 1);
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_int_equal(got->count, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(got->items[i], wanted[i]);
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_true(end);
    cdul_csv_close(csv);
}

static void byte_order_mark_is_skipped_once(void **state) {
    (void)state;
    write_text("in.csv",
               "\xEF\xBB\xBF\"a\"\n\xEF\xBB\xBF"
               "b\n",
               12);
    cdul_csv *csv = NULL;
    const cdul_strings *got = NULL;
    bool end = false;
    assert_ok(cdul_csv_open("in.csv", ',', &csv, &err));
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_string_equal(got->items[0], "a");
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_string_equal(got->items[0], "\xEF\xBB\xBF"
                                       "b");
    cdul_csv_close(csv);
    write_text("in.csv", "\xEF\xBB\xBF", 3);
    assert_ok(cdul_csv_open("in.csv", ',', &csv, &err));
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_true(end);
    cdul_csv_close(csv);
}

static void lines_count_every_kind_of_line_end(void **state) {
    (void)state;
    const char text[] = "a\r\n\"b\nb\"\r\rc\n\nd";
    const size_t want[] = {1, 2, 5, 7};
    cdul_csv *csv = NULL;
    const cdul_strings *got = NULL;
    bool end = false;
    write_text("in.csv", text, sizeof text - 1);
    assert_ok(cdul_csv_open("in.csv", ',', &csv, &err));
    for (int i = 0; i < 4; i++) {
        assert_ok(cdul_csv_next(csv, &got, &end, &err));
        assert_false(end);
        assert_int_equal(cdul_csv_line(csv), want[i]);
    }
    assert_ok(cdul_csv_next(csv, &got, &end, &err));
    assert_true(end);
    cdul_csv_close(csv);
}

static void errors_name_file_and_line(void **state) {
    (void)state;
    cdul_csv *csv = NULL;
    assert_fails(cdul_csv_open("missing.csv", ',', &csv, &err), CDUL_ERR_IO,
                 "missing.csv: cannot be opened: No such");
    write_text("in.csv", "a\nb,\"c\nd\ne", 10);
    assert_fails(read_all(',', NULL, ""), CDUL_ERR_INPUT, "in.csv: line 2: a quote opens here");
    write_text("in.csv", "a\n\"b\" c\n", 8);
    assert_fails(read_all(',', NULL, ""), CDUL_ERR_INPUT,
                 "in.csv: line 2: text after a closing quote");
    write_text("in.csv", "a\nb\0c\n", 6);
    assert_fails(read_all(',', NULL, ""), CDUL_ERR_INPUT, "in.csv: line 2: a NUL byte");
    cdul_csv_close(NULL);
}

static void a_folder_is_an_error_and_not_an_empty_file(void **state) {
    (void)state;
    unlink("in.csv");
    mkdir("in.csv", 0777);
    assert_fails(read_all(',', NULL, ""), CDUL_ERR_IO, "in.csv: cannot be read: Is a directory");
    rmdir("in.csv");
}

static int setup(void **state) {
    cJSON *golden = NULL;
    if (cdul_json_read(CDUL_GOLDEN "/csv/csv.json", &golden, &err) != CDUL_OK) return -1;
    *state = golden;
    return 0;
}

static int teardown(void **state) {
    cJSON_Delete(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_pythons_csv_module_reads),
        cmocka_unit_test(writes_what_pythons_csv_module_writes),
        cmocka_unit_test(any_bytes_survive_both_ways),
        cmocka_unit_test(byte_order_mark_is_skipped_once),
        cmocka_unit_test(lines_count_every_kind_of_line_end),
        cmocka_unit_test(errors_name_file_and_line),
        cmocka_unit_test(a_folder_is_an_error_and_not_an_empty_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
