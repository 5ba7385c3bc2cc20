#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/safetensors.h"

#include <dirent.h>
#include <unistd.h>

#define FOLDER CDUL_GOLDEN "/safetensors/"
#define VALID  FOLDER "valid.safetensors"

static cdul_error err;

static void reads_what_the_reference_wrote(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    cJSON *golden = NULL;
    assert_ok(cdul_json_read(FOLDER "valid.json", &golden, &err));
    assert_ok(cdul_safetensors_open(VALID, &file, &err));
    assert_int_equal(file->count, 9);
    assert_string_equal(cdul_safetensors_path(file), VALID);

    const cJSON *tensor, *metadata = cJSON_GetObjectItem(golden, "metadata");
    cJSON_ArrayForEach(tensor, cJSON_GetObjectItem(golden, "float32_bits")) {
        const cdul_tensor_view *view = cdul_safetensors_find(file, tensor->string);
        float values[16];
        assert_non_null(view);
        assert_int_equal(view->elements, cJSON_GetArraySize(tensor));
        cdul_tensor_to_f32(view, 0, view->elements, values);
        for (size_t i = 0; i < view->elements; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            assert_int_equal(bits, (uint32_t)cJSON_GetArrayItem(tensor, (int)i)->valuedouble);
        }
    }
    assert_string_equal(cdul_safetensors_metadata(file, "images"),
                        cJSON_GetObjectItem(metadata, "images")->valuestring);
    assert_null(cdul_safetensors_metadata(file, "Images"));
    assert_null(cdul_safetensors_find(file, "__metadata__"));

    const cdul_tensor_view *view = cdul_safetensors_find(file, "g.bool \xc3\xbc\"\n");
    assert_non_null(view);
    assert_int_equal(view->dtype, CDUL_BOOL);
    assert_memory_equal(view->data, "\1\0", 2);
    view = cdul_safetensors_find(file, "empty");
    assert_true(view->rank == 2 && view->shape[0] == 0 && view->shape[1] == 4 &&
                view->elements == 0);
    view = cdul_safetensors_find(file, "scalar");
    assert_true(view->rank == 0 && view->elements == 1);

    cdul_safetensors_drop_metadata(file);
    cdul_safetensors_drop_metadata(file);
    cdul_mapping_release(&file->map);
    assert_null(cdul_safetensors_metadata(file, "images"));
    view = cdul_safetensors_find(file, "g.bool \xc3\xbc\"\n");
    assert_memory_equal(view->data, "\1\0", 2);
    cdul_safetensors_close(file);
    cJSON_Delete(golden);
}

/* With the same content in the same order, our file and the reference implementation's are equal
 * byte for byte. */
static void writes_the_bytes_that_the_reference_writes(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    cdul_safetensors_writer *writer = NULL;
    cdul_tensor_decl decls[9];
    assert_ok(cdul_safetensors_open(VALID, &file, &err));
    for (size_t i = 0; i < 9; i++) {
        cdul_tensor_view view = file->tensors[i];
        decls[i] = (cdul_tensor_decl){.name = view.name, .dtype = view.dtype, .rank = view.rank};
        memcpy(decls[i].shape, view.shape, sizeof view.shape);
    }
    cdul_metadata metadata = {"images", cdul_safetensors_metadata(file, "images")};
    assert_ok(cdul_safetensors_create("out.safetensors", &metadata, 1, decls, 9, &writer, &err));
    for (size_t i = 0; i < 9; i++) {
        cdul_tensor_view view = file->tensors[i];
        assert_ok(cdul_safetensors_append(writer, view.data,
                                          view.elements * cdul_dtype_size(view.dtype), &err));
    }
    assert_ok(cdul_safetensors_commit(&writer, &err));
    assert_null(writer);
    cdul_safetensors_close(file);

    cdul_mapping want = {0}, got = {0};
    assert_ok(cdul_mapping_open(VALID, &want, &err));
    assert_ok(cdul_mapping_open("out.safetensors", &got, &err));
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data, want.size);
    cdul_mapping_close(&want);
    cdul_mapping_close(&got);
}

static void every_lying_file_is_refused(void **state) {
    (void)state;
    size_t count = 0;
    DIR *folder = opendir(FOLDER "lies");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char path[4096];
        cdul_safetensors *file = NULL;
        snprintf(path, sizeof path, FOLDER "lies/%s", entry->d_name);
        cdul_status status = cdul_safetensors_open(path, &file, &err);
        if (status != CDUL_ERR_INPUT || file) fail_msg("%s: status %d", entry->d_name, status);
        assert_memory_equal(err.message, path, strlen(path)); /* every message names the file */
        count++;
    }
    closedir(folder);
    assert_in_range(count, 40, 100);
}

static void messages_say_what_is_wrong(void **state) {
    (void)state;
    const char *cases[][2] = {
        {"seven_bytes", "7 bytes are too few for a safetensors file"},
        {"header_giant", "is not a safetensors file (header of 9223372036854775808 bytes)"},
        {"header_truncated", "the header's 500 bytes reach beyond the file"},
        {"header_no_object", "the header is no JSON object"},
        {"data_truncated", "tensor \"a\": ends at byte 8 of 7; is the file cut off?"},
        {"data_left_over", "1 bytes behind the last tensor belong to none"},
        {"overlap", "tensor \"b\": begins at byte 4, which makes an overlap: expected 8"},
        {"hole", "tensor \"b\": begins at byte 12, which makes a hole: expected 8"},
        {"size_differs", "tensor \"a\": shape and dtype make 12 bytes, data_offsets 8"},
        {"shape_overflow", "tensor \"a\": shape: too large"},
        {"rank_9", "tensor \"a\": more than 8 dimensions"},
        {"unsupported_dtype", "tensor \"a\": dtype C64 is not supported"},
        {"dtype_missing", "tensor \"a\": dtype (missing) is not supported"},
        {"duplicate_name", "key \"a\" occurs twice"},
        {"metadata_number", "__metadata__: k: expected a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[4096];
        cdul_safetensors *file = NULL;
        snprintf(path, sizeof path, FOLDER "lies/%s.safetensors", cases[i][0]);
        assert_fails(cdul_safetensors_open(path, &file, &err), CDUL_ERR_INPUT, cases[i][1]);
    }
    cdul_safetensors *file = NULL;
    assert_fails(cdul_safetensors_open("missing", &file, &err), CDUL_ERR_IO,
                 "missing: cannot be opened: No such");
    cdul_safetensors_close(NULL);
}

/* No cut of a valid file may pass, nor crash the reader. */
static void every_cut_of_a_valid_file_is_refused(void **state) {
    (void)state;
    char *data = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(VALID, &data, &size, &err));
    FILE *stream = fopen("cut.safetensors", "wb");
    for (size_t length = 0; length < size; length++) {
        cdul_safetensors *file = NULL;
        assert_int_equal(cdul_safetensors_open("cut.safetensors", &file, &err), CDUL_ERR_INPUT);
        fputc(data[length], stream);
        fflush(stream);
    }
    fclose(stream);
    free(data);
}

/* Every bit of a sealed file counts. */
static void a_sealed_file_shows_every_flipped_bit(void **state) {
    (void)state;
    const cdul_metadata metadata = {"epoch", "12"};
    const cdul_tensor_decl tensors[] = {{"x", CDUL_F32, 1, {3}}, CDUL_SEAL};
    const float values[3] = {1, 2, 3};
    cdul_safetensors_writer *writer = NULL;
    cdul_safetensors *file = NULL;
    char *data = NULL;
    size_t size = 0;
    assert_ok(
        cdul_safetensors_create("sealed.safetensors", &metadata, 1, tensors, 2, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, values, sizeof values, &err));
    assert_ok(cdul_safetensors_seal(writer, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    assert_ok(cdul_safetensors_open("sealed.safetensors", &file, &err));
    assert_ok(cdul_safetensors_check(file, &err));
    cdul_safetensors_close(file);
    assert_ok(cdul_file_read_all("sealed.safetensors", &data, &size, &err));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        FILE *stream = fopen("flipped.safetensors", "wb"); /* not synced: it is one of thousands */
        assert_int_equal(fwrite(data, 1, size, stream), size);
        fclose(stream);
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        cdul_status status = cdul_safetensors_open("flipped.safetensors", &file, &err);
        if (status == CDUL_OK) {
            status = cdul_safetensors_check(file, &err);
            cdul_safetensors_close(file);
        }
        assert_int_equal(status, CDUL_ERR_INPUT);
        assert_non_null(strstr(err.message, "flipped.safetensors: "));
    }
    free(data);
    assert_ok(cdul_safetensors_open(VALID, &file, &err));
    assert_fails(cdul_safetensors_check(file, &err), CDUL_ERR_INPUT, "has no checksum");
    cdul_safetensors_close(file);
}

/* A header with a few bytes changed is refused, or describes tensors inside the file. */
static void mutated_headers_never_lead_outside_the_file(void **state) {
    (void)state;
    char *data = NULL;
    size_t size = 0, taken = 0;
    cdul_random random = cdul_random_seeded(1, 0, 0);
    const char alphabet[] = "0123456789{}[]\",:\\-.eEnu ";
    assert_ok(cdul_file_read_all(VALID, &data, &size, &err));
    char *changed = malloc(size);
    for (int round = 0; round < 3000; round++) {
        memcpy(changed, data, size);
        for (size_t n = 1 + cdul_random_below(&random, 3); n; n--)
            changed[cdul_random_below(&random, size)] =
                alphabet[cdul_random_below(&random, sizeof alphabet - 1)];
        FILE *stream = fopen("mutated.safetensors", "wb");
        fwrite(changed, 1, size, stream);
        fclose(stream);
        cdul_safetensors *file = NULL;
        if (cdul_safetensors_open("mutated.safetensors", &file, &err) != CDUL_OK) continue;
        size_t bytes = 0;
        for (size_t i = 0; i < file->count; i++) {
            cdul_tensor_view view = file->tensors[i];
            bytes += view.elements * cdul_dtype_size(view.dtype);
        }
        assert_true(bytes < size);
        cdul_safetensors_close(file);
        taken++;
    }
    assert_in_range(taken, 1, 2999);
    free(changed);
    free(data);
}

static void expect_checks_rank_shape_and_dtype(void **state) {
    (void)state;
    cdul_safetensors *file = NULL;
    cdul_tensor_view view;
    size_t shape[2] = {0, 3};
    assert_ok(cdul_safetensors_open(VALID, &file, &err));
    assert_ok(cdul_safetensors_expect(file, "b.f32", 2, shape, &view, &err));
    assert_true(shape[0] == 2 && shape[1] == 3 && view.elements == 6);
    assert_ok(cdul_safetensors_expect(file, "scalar", 0, NULL, &view, &err));
    shape[1] = 4;
    assert_fails(cdul_safetensors_expect(file, "b.f32", 2, shape, &view, &err), CDUL_ERR_INPUT,
                 "tensor \"b.f32\": dimension 2 is 3; expected 4");
    assert_fails(cdul_safetensors_expect(file, "b.f32", 1, shape, &view, &err), CDUL_ERR_INPUT,
                 "has 2 dimensions; expected 1");
    assert_fails(cdul_safetensors_expect(file, "e.i64", 1, shape, &view, &err), CDUL_ERR_INPUT,
                 "is I64; expected F32");
    assert_fails(cdul_safetensors_expect(file, "z", 1, shape, &view, &err), CDUL_ERR_INPUT,
                 VALID ": tensor \"z\": is missing");
    cdul_safetensors_close(file);
}

static void data_must_be_as_long_as_declared(void **state) {
    (void)state;
    cdul_tensor_decl decls[2] = {{.name = "a", .rank = 1, .shape = {2}},
                                 {.name = "b", .rank = 1, .shape = {1}}};
    float values[4] = {1, 2, 3, 4};
    cdul_safetensors_writer *writer = NULL;
    cdul_safetensors *file = NULL;
    unlink("w.safetensors");
    assert_ok(cdul_safetensors_create("w.safetensors", NULL, 0, decls, 2, &writer, &err));
    assert_fails(cdul_safetensors_append(writer, values, 16, &err), CDUL_ERR_USAGE,
                 "more data than the 12 bytes");
    assert_ok(cdul_safetensors_append(writer, values, 4, &err));
    assert_fails(cdul_safetensors_commit(&writer, &err), CDUL_ERR_USAGE,
                 "4 bytes of data appended of 12 declared");
    assert_null(writer);
    assert_false(cdul_path_exists("w.safetensors"));

    assert_ok(cdul_safetensors_create("w.safetensors", NULL, 0, decls, 2, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, values, 12, &err)); /* into the next tensor */
    assert_ok(cdul_safetensors_commit(&writer, &err));
    assert_ok(cdul_safetensors_open("w.safetensors", &file, &err));
    assert_memory_equal(cdul_safetensors_find(file, "b")->data, values + 2, 4);
    assert_int_equal((uintptr_t)file->tensors[0].data % 8, 0);
    cdul_safetensors_close(file);
    cdul_safetensors_discard(&writer);
    cdul_safetensors_discard(NULL);

    assert_ok(cdul_safetensors_create("w.safetensors", NULL, 0, NULL, 0, &writer, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    assert_ok(cdul_safetensors_open("w.safetensors", &file, &err));
    assert_int_equal(file->count, 0);
    cdul_safetensors_close(file);
}

static void what_could_not_be_read_is_not_written(void **state) {
    (void)state;
    cdul_safetensors_writer *writer = NULL;
    cdul_tensor_decl twice[2] = {{.name = "a"}, {.name = "a"}}, reserved = {.name = "__metadata__"};
    cdul_tensor_decl deep = {.name = "a", .rank = 9},
                     vast = {.name = "a", .rank = 1, .shape = {SIZE_MAX / 4}};
    cdul_metadata keys[2] = {{"k", "1"}, {"k", "2"}};
    size_t length = 100000001;
    char *long_value = malloc(length + 1);
    memset(long_value, 'x', length);
    long_value[length] = '\0';
    cdul_metadata too_long = {"k", long_value};
    const char *path = "no.safetensors";
    assert_fails(cdul_safetensors_create(path, NULL, 0, twice, 2, &writer, &err), CDUL_ERR_INPUT,
                 "no.safetensors: tensor names: \"a\" occurs twice");
    assert_fails(cdul_safetensors_create(path, NULL, 0, &reserved, 1, &writer, &err),
                 CDUL_ERR_INPUT, "\"__metadata__\" occurs twice");
    assert_fails(cdul_safetensors_create(path, NULL, 0, &deep, 1, &writer, &err), CDUL_ERR_INPUT,
                 "more than 8 dimensions");
    assert_fails(cdul_safetensors_create(path, NULL, 0, &vast, 1, &writer, &err), CDUL_ERR_INPUT,
                 "tensor \"a\": too large");
    assert_fails(cdul_safetensors_create(path, keys, 2, NULL, 0, &writer, &err), CDUL_ERR_INPUT,
                 "metadata \"k\" occurs twice");
    assert_fails(cdul_safetensors_create(path, &too_long, 1, NULL, 0, &writer, &err),
                 CDUL_ERR_INPUT, "the format allows 100000000");
    assert_null(writer);
    assert_false(cdul_path_exists(path));
    free(long_value);
}

static void a_million_names_survive_as_metadata(void **state) {
    (void)state;
    cdul_strings names = {0}, again = {0};
    cdul_safetensors_writer *writer = NULL;
    cdul_safetensors *file = NULL;
    char name[64], *text = NULL;
    for (int i = 0; i < 1000000; i++) {
        snprintf(name, sizeof name, "train/photos/COCO_%012d.jpg", i);
        assert_ok(cdul_strings_add(&names, name, &err));
    }
    assert_ok(cdul_strings_add(&names, "\xff no UTF-8 \\\".jpg", &err));
    assert_ok(cdul_json_from_strings(&names, &text, &err));
    cdul_metadata metadata = {"images", text};
    assert_ok(cdul_safetensors_create("many.safetensors", &metadata, 1, NULL, 0, &writer, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    assert_ok(cdul_safetensors_open("many.safetensors", &file, &err));
    const char *value = cdul_safetensors_metadata(file, "images");
    assert_ok(cdul_json_to_strings(value, strlen(value), "images", &again, &err));
    assert_true(cdul_strings_equal(&names, &again));
    cdul_safetensors_close(file);
    cdul_strings_free(&names);
    cdul_strings_free(&again);
    free(text);
    unlink("many.safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_reference_wrote),
        cmocka_unit_test(writes_the_bytes_that_the_reference_writes),
        cmocka_unit_test(every_lying_file_is_refused),
        cmocka_unit_test(messages_say_what_is_wrong),
        cmocka_unit_test(every_cut_of_a_valid_file_is_refused),
        cmocka_unit_test(a_sealed_file_shows_every_flipped_bit),
        cmocka_unit_test(mutated_headers_never_lead_outside_the_file),
        cmocka_unit_test(expect_checks_rank_shape_and_dtype),
        cmocka_unit_test(data_must_be_as_long_as_declared),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(a_million_names_survive_as_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
