/* A folder of shards: what is written comes back, damage is found, and a key keeps others out. */
#include "test.h"
#include "watcher.h"

#include "base/file.h"
#include "base/shards.h"

static cdul_error err;

static const uint16_t whole[2 * 2] = {1, 2, 3, 4}, parts[2 * 3] = {5, 6, 7, 8, 9, 10};
static const void *const data[] = {whole, parts};

static cJSON *make_key(double version) {
    cJSON *key = cJSON_CreateObject();
    assert_non_null(cJSON_AddStringToObject(key, "name", "rows"));
    assert_non_null(cJSON_AddNumberToObject(key, "version", version));
    return key;
}

static cdul_shards open_folder(bool sealed) {
    cdul_shards shards = {
        .form = {.tensor_count = 2,
                 .tensors = {{"whole", CDUL_F16, 2, {0, 2}}, {"parts", CDUL_F16, 2, {0, 3}}},
                 .sealed = sealed}};
    cJSON *key = make_key(1), *was;
    const cJSON *part;
    assert_ok(cdul_shards_open(&shards, "shards", "key.json", key, &was, &part, &err));
    assert_null(part);
    cJSON_Delete(was);
    cJSON_Delete(key);
    return shards;
}

static int start(void **state) {
    (void)state;
    return system("rm -rf shards");
}

static void assert_no_flipped_bit_passes(bool sealed) {
    cdul_shards shards = open_folder(sealed);
    const cdul_metadata metadata = {"note", "two rows"};
    cdul_shard shard = {0};
    char *bytes;
    size_t size;
    assert_ok(cdul_shard_write(&shards, "a.safetensors", 2, data, &metadata, 1, &err));
    assert_ok(cdul_file_read_all("shards/a.safetensors", &bytes, &size, &err));
    assert_ok(cdul_shard_open(&shards, "a.safetensors", &shard, &err));
    assert_ok(cdul_shard_check(&shard, &err));
    assert_int_equal(shard.rows, 2);
    assert_memory_equal(shard.tensors[0].data, whole, sizeof whole);
    assert_memory_equal(shard.tensors[1].data, parts, sizeof parts);
    assert_string_equal(cdul_safetensors_metadata(shard.file, "note"), "two rows");
    cdul_shard_close(&shard);
    /* A seal covers the whole file, metadata "checksum" the data at its end. */
    for (size_t i = sealed ? 0 : size - sizeof whole - sizeof parts; i < size; i++) {
        bytes[i] ^= 4;
        assert_ok(cdul_file_write_all("shards/a.safetensors", bytes, size, &err));
        bytes[i] ^= 4;
        cdul_status status = cdul_shard_open(&shards, "a.safetensors", &shard, &err);
        if (status == CDUL_OK) status = cdul_shard_check(&shard, &err);
        if (status != CDUL_ERR_INPUT) fail_msg("byte %zu may change", i);
        cdul_shard_close(&shard);
    }
    free(bytes);
    cdul_shards_close(&shards);
}

static void damage_is_found_in_shards_of_both_forms(void **state) {
    (void)state;
    assert_no_flipped_bit_passes(true);
    assert_no_flipped_bit_passes(false);
}

static void the_order_of_tensors_in_the_file_does_not_matter(void **state) {
    (void)state;
    cdul_shards shards = open_folder(false);
    cdul_shard shard;
    cdul_safetensors_writer *writer;
    assert_ok(cdul_shard_write(&shards, "a.safetensors", 2, data, NULL, 0, &err));
    assert_ok(cdul_shard_open(&shards, "a.safetensors", &shard, &err));
    /* As Python's safetensors would have it: by name. */
    const cdul_metadata metadata = {"checksum", cdul_safetensors_metadata(shard.file, "checksum")};
    const cdul_tensor_decl tensors[] = {{"parts", CDUL_F16, 2, {2, 3}},
                                        {"whole", CDUL_F16, 2, {2, 2}}};
    assert_ok(
        cdul_safetensors_create("shards/b.safetensors", &metadata, 1, tensors, 2, &writer, &err));
    assert_ok(cdul_safetensors_append(writer, parts, sizeof parts, &err));
    assert_ok(cdul_safetensors_append(writer, whole, sizeof whole, &err));
    assert_ok(cdul_safetensors_commit(&writer, &err));
    cdul_shard_close(&shard);
    assert_ok(cdul_shard_open(&shards, "b.safetensors", &shard, &err));
    assert_ok(cdul_shard_check(&shard, &err));
    assert_memory_equal(shard.tensors[0].data, whole, sizeof whole);
    cdul_shard_close(&shard);
    cdul_shards_close(&shards);
}

static void a_shard_of_another_form_is_refused(void **state) {
    (void)state;
    cdul_shards shards = open_folder(true);
    cdul_shard shard;
    assert_ok(cdul_shard_write(&shards, "a.safetensors", 2, data, NULL, 0, &err));
    shards.form.tensors[1].shape[1] = 4;
    assert_fails(cdul_shard_open(&shards, "a.safetensors", &shard, &err), CDUL_ERR_INPUT,
                 "a.safetensors: tensor \"parts\": dimension 2 is 3; expected 4");
    shards.form.tensors[1] = (cdul_tensor_decl){"parts", CDUL_F32, 2, {0, 3}};
    assert_fails(cdul_shard_open(&shards, "a.safetensors", &shard, &err), CDUL_ERR_INPUT,
                 "is not F32");
    assert_null(shard.file);
    cdul_shards_close(&shards);
}

static void a_folder_with_another_key_names_the_part(void **state) {
    (void)state;
    cdul_shards shards = open_folder(true);
    cdul_shards_close(&shards);
    cJSON *key = make_key(2), *was;
    const cJSON *part;
    assert_ok(cdul_shards_open(&shards, "shards", "key.json", key, &was, &part, &err));
    assert_string_equal(part->string, "version");
    assert_true(cJSON_GetObjectItem(was, "version")->valuedouble == 1);
    cJSON_Delete(was);
    cdul_shards_close(&shards);
    assert_ok(cdul_file_write_all("shards/000003.safetensors", "", 0, &err));
    assert_int_equal(remove("shards/key.json"), 0);
    assert_fails(cdul_shards_open(&shards, "shards", "key.json", key, &was, &part, &err),
                 CDUL_ERR_INPUT, "shards: shards but no key.json");
    cdul_shards_close(&shards);
    cJSON_Delete(key);
}

static void numbered_shards_are_listed_in_order_those_set_aside_too(void **state) {
    (void)state;
    static watcher w;
    watcher_start(&w);
    cdul_shards shards = open_folder(false);
    cdul_strings names = {0};
    static const char *const files[] = {"000010.safetensors", "000002.safetensors", "1.safetensors",
                                        "000001.safetensors.tmp", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = cdul_path_join("shards", files[i]);
        assert_ok(cdul_file_write_all(path, "", 0, &err));
        free(path);
    }
    cdul_shards_set_aside(&shards, "000002.safetensors", "bad", "made again", &w.callbacks);
    assert_string_equal(w.said, "warning: bad; made again (kept as 000002.safetensors.damaged)\n");
    cdul_shards_set_aside(&shards, "000003.safetensors", "gone", "made again", &w.callbacks);
    assert_non_null(strstr(w.said, "gone; made again (it could not be renamed: No such file"));
    assert_ok(cdul_shards_list("shards", &names, &err));
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "000002.safetensors.damaged");
    assert_string_equal(names.items[1], "000010.safetensors");
    cdul_strings_free(&names);
    cdul_shards_close(&shards);
}

static void one_at_a_time_holds_the_lock(void **state) {
    (void)state;
    cdul_shards a = open_folder(true), b = open_folder(true);
    assert_ok(cdul_shards_lock(&a, &err));
    assert_true(a.lock >= 0);
    assert_ok(cdul_shards_lock(&b, &err));
    assert_true(b.lock < 0);
    cdul_shards_close(&a);
    assert_ok(cdul_shards_lock(&b, &err));
    assert_true(b.lock >= 0);
    cdul_shards_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(damage_is_found_in_shards_of_both_forms, start),
        cmocka_unit_test_setup(the_order_of_tensors_in_the_file_does_not_matter, start),
        cmocka_unit_test_setup(a_shard_of_another_form_is_refused, start),
        cmocka_unit_test_setup(a_folder_with_another_key_names_the_part, start),
        cmocka_unit_test_setup(numbered_shards_are_listed_in_order_those_set_aside_too, start),
        cmocka_unit_test_setup(one_at_a_time_holds_the_lock, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
