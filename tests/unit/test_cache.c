/* The embedding cache: what is put in comes out, and nothing else, whatever happens in between. Its
 * files are read back by Python's safetensors in the end-to-end tests; here with our own reader. */
#include "encoder_fixture.h"
#include "watcher.h"

#include "base/safetensors.h"
#include "encoder/cache.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define D 5
#define S 2
#define V (1 + S)

static double boxes[4 * S] = {0, 0, 0.5, 1, 0.5, 0, 1, 1};
static const cdul_crops crops = {S, boxes};

/* The key of those crops, as cache.json has it. */
static const char key[] =
    "{\"version\": 1, \"encoder\": \"0000000000001234\", \"width\": 5, \"preprocess\": \"8x8, "
    "squash\","
    " \"decode\": \"EXIF\", \"mirror\": false, \"crops\": [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]}";
static const char key_of_7x7[] =
    "{\"version\": 1, \"encoder\": \"0000000000001234\", \"crops\": \"dense 7x7\"}";
static const char key_of_14x14[] =
    "{\"version\": 1, \"encoder\": \"0000000000001234\", \"crops\": \"dense 14x14\"}";

/* An empty folder "cache", and files "0" .. "9" whose identities the cache keeps. */
static int start(void **state) {
    (void)state;
    if (system("rm -rf cache") != 0) return -1;
    for (int i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        write_text(name, "some picture");
    }
    return 0;
}

static cdul_status open_key(const char *text, size_t width, size_t locals,
                            const cdul_callbacks *callbacks, cdul_cache **out) {
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    cdul_status status = cdul_cache_open_key("cache", json, width, locals, callbacks, out, &err);
    cJSON_Delete(json);
    return status;
}

static cdul_cache *open_cache(const cdul_callbacks *callbacks) {
    cdul_cache *cache = NULL;
    assert_ok(open_key(key, D, S, callbacks, &cache));
    return cache;
}

/* Views of an image: numbers that float16 holds exactly. */
static void make_views(int image, float views[V * D]) {
    for (int i = 0; i < V * D; i++) views[i] = (float)(image % 1000) / 8.0f - (float)i;
}

static void append(cdul_cache *cache, const char *name, const char *path, int image) {
    float views[V * D];
    make_views(image, views);
    assert_ok(cdul_cache_append(cache, name, path, views, &err));
}

static void assert_holds(cdul_cache *cache, const char *name, const char *path, int image) {
    float want[V * D], got[V * D];
    size_t row = cdul_cache_find(cache, name, path);
    if (row == CDUL_NOT_FOUND || !cdul_cache_check(cache, row))
        fail_msg("%s is not in the cache", name);
    cdul_cache_read(cache, row, got);
    make_views(image, want);
    assert_memory_equal(want, got, sizeof want);
}

static void assert_lacks(cdul_cache *cache, const char *name, const char *path) {
    size_t row = cdul_cache_find(cache, name, path);
    if (row != CDUL_NOT_FOUND && cdul_cache_check(cache, row)) fail_msg("%s is in the cache", name);
}

/* A cache with images "a" (file 0), "b" (file 1) in one shard and "c" (file 2) in another. */
static void fill(void) {
    cdul_cache *cache = open_cache(NULL);
    assert_ok(cdul_cache_begin(cache, &err));
    append(cache, "a", "0", 10);
    append(cache, "b", "1", 11);
    assert_ok(cdul_cache_flush(cache, &err));
    append(cache, "c", "2", 12);
    assert_ok(cdul_cache_flush(cache, &err));
    cdul_cache_close(cache);
}

static void rows_come_back_before_and_after_they_are_written(void **state) {
    (void)state;
    cdul_cache *cache = open_cache(NULL);
    assert_lacks(cache, "a", "0");
    assert_ok(cdul_cache_begin(cache, &err));
    append(cache, "a", "0", 1);
    assert_holds(cache, "a", "0", 1); /* waits in memory */
    assert_ok(cdul_cache_flush(cache, &err));
    assert_holds(cache, "a", "0", 1); /* in its shard */
    append(cache, "b", "1", 2);
    cdul_cache_close(cache); /* b was not flushed */
    cache = open_cache(NULL);
    assert_holds(cache, "a", "0", 1);
    assert_lacks(cache, "b", "1");
    cdul_cache_close(cache);
    cdul_cache_close(NULL);
}

static void a_shard_is_written_when_it_is_full(void **state) {
    (void)state;
    const int n = 2 * CDUL_CACHE_ROWS + 100;
    cdul_cache *cache = open_cache(NULL);
    char name[40];
    assert_ok(cdul_cache_begin(cache, &err));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "folder/image %d.jpg", i);
        append(cache, name, "0", i);
    }
    assert_true(cdul_path_exists("cache/000001.safetensors"));
    assert_false(cdul_path_exists("cache/000002.safetensors"));
    assert_ok(cdul_cache_flush(cache, &err));
    assert_ok(cdul_cache_flush(cache, &err)); /* nothing waits: writes nothing */
    assert_false(cdul_path_exists("cache/000003.safetensors"));
    cdul_cache_close(cache);
    cache = open_cache(NULL);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "folder/image %d.jpg", i);
        assert_holds(cache, name, "0", i);
    }
    cdul_cache_close(cache);
}

static void long_rows_make_shards_of_fewer_images(void **state) {
    (void)state;
    enum { WIDE = 4096, SIDE = 64, ROWS = 3 }; /* 33.6 MB a row, 128 MiB a shard */
    cdul_cache *cache = NULL;
    float *views = calloc((1 + SIDE * SIDE) * WIDE, sizeof *views);
    assert_non_null(views);
    views[WIDE + 1] = 0.5f;
    assert_ok(open_key(key, WIDE, SIDE * SIDE, NULL, &cache));
    assert_ok(cdul_cache_begin(cache, &err));
    for (int i = 0; i < ROWS; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        assert_false(cdul_path_exists("cache/000000.safetensors"));
        assert_ok(cdul_cache_append(cache, name, name, views, &err));
    }
    assert_true(cdul_path_exists("cache/000000.safetensors"));
    views[WIDE + 1] = 0;
    size_t row = cdul_cache_find(cache, "2", "2");
    assert_true(cdul_cache_check(cache, row));
    cdul_cache_read(cache, row, views);
    assert_true(views[WIDE + 1] == 0.5f);
    cdul_cache_close(cache);
    free(views);
    assert_int_equal(system("rm -rf cache"), 0);
}

static void a_cache_of_patches_is_refused_with_their_grid(void **state) {
    (void)state;
    cdul_cache *cache = NULL;
    assert_ok(open_key(key_of_7x7, D, 49, NULL, &cache));
    cdul_cache_close(cache);
    assert_fails(open_key(key_of_14x14, D, 196, NULL, &cache), CDUL_ERR_USAGE,
                 "--local or --grid: 'dense 7x7', now 'dense 14x14'");
    assert_fails(open_key("{\"version\": 1, \"crops\": [[0, 0, 1, 1]]}", D, 1, NULL, &cache),
                 CDUL_ERR_USAGE, "another choice of --local or --grid;");
    assert_ok(open_key(key_of_7x7, D, 49, NULL, &cache));
    cdul_cache_close(cache);
}

static void shards_are_plain_safetensors_files(void **state) {
    (void)state;
    fill();
    cdul_safetensors *file = NULL;
    assert_ok(cdul_safetensors_open("cache/000000.safetensors", &file, &err));
    const cdul_tensor_view *global = cdul_safetensors_find(file, "global"),
                           *parts = cdul_safetensors_find(file, "crops");
    assert_int_equal(global->dtype, CDUL_F16);
    assert_int_equal(global->rank, 2);
    assert_int_equal(global->shape[0], 2);
    assert_int_equal(parts->rank, 3);
    assert_int_equal(parts->shape[1], S);
    assert_int_equal(parts->shape[2], D);
    assert_string_equal(cdul_safetensors_metadata(file, "images"), "[\"a\",\"b\"]");
    assert_int_equal(strlen(cdul_safetensors_metadata(file, "checksum")), 16);
    cdul_safetensors_close(file);
}

static void a_file_that_changed_is_missing_and_its_new_row_counts(void **state) {
    (void)state;
    fill();
    write_text("1", "another picture");
    cdul_cache *cache = open_cache(NULL);
    assert_holds(cache, "a", "0", 10);
    assert_lacks(cache, "b", "1");
    assert_ok(cdul_cache_begin(cache, &err));
    append(cache, "b", "1", 21);
    assert_ok(cdul_cache_flush(cache, &err));
    cdul_cache_close(cache);
    cache = open_cache(NULL);
    assert_holds(cache, "b", "1", 21);
    /* same size, other time */
    const struct timespec times[2] = {{1000, 0}, {1000, 5}};
    assert_int_equal(utimensat(AT_FDCWD, "0", times, 0), 0);
    assert_lacks(cache, "a", "0");
    assert_lacks(cache, "b", "gone");
    cdul_cache_close(cache);
}

static void a_file_that_changes_while_it_is_embedded_is_computed_again(void **state) {
    (void)state;
    cdul_cache *cache = open_cache(NULL);
    assert_ok(cdul_cache_begin(cache, &err));
    assert_lacks(cache, "a", "0"); /* looked at, then decoded ... */
    write_text("0", "changed meanwhile");
    append(cache, "a", "0", 1); /* ... from what it was before */
    assert_lacks(cache, "a", "0");
    assert_lacks(cache, "b", "vanishes");
    append(cache, "b", "vanishes", 2); /* no reason to stop the run */
    append(cache, "a", "0", 3);
    assert_holds(cache, "a", "0", 3);
    assert_ok(cdul_cache_flush(cache, &err));
    assert_holds(cache, "a", "0", 3);
    cdul_cache_close(cache);
}

static void another_key_is_refused_with_the_part_that_differs(void **state) {
    (void)state;
    fill();
    static const struct {
        const char *from, *to, *part;
    } changes[] = {
        {"1234", "1235", "another encoder (the image tower's file): '0000000000001234', now"},
        {"5,", "6,", "embedding width"},
        {"8x8, squash", "9x9", "preprocessing: '8x8, squash', now '9x9'"},
        {"EXIF", "eXIF", "decoding of pictures"},
        {"[0.5,", "[0.25,", "another choice of --local or --grid;"},
        {"[[0, 0, 0.5, 1], [0.5, 0, 1, 1]]", "[]", "another choice of --local or --grid;"},
        {"[[0, 0, 0.5, 1], [0.5, 0, 1, 1]]", "\"dense 1x2\"", "choice of --local or --grid;"},
        {"false", "true", "another choice of --mirror"},
        {": 1,", ": 2,", "another version of the cache's layout"},
    };
    cdul_cache *cache = NULL;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char other[400];
        const char *at = strstr(key, changes[i].from);
        snprintf(other, sizeof other, "%.*s%s%s", (int)(at - key), key, changes[i].to,
                 at + strlen(changes[i].from));
        assert_fails(open_key(other, D, S, NULL, &cache), CDUL_ERR_USAGE, changes[i].part);
        assert_non_null(strstr(err.message, "use another --cache folder"));
        assert_null(cache);
    }
    remove("cache/cache.json");
    assert_fails(open_key(key, D, S, NULL, &cache), CDUL_ERR_INPUT, "shards but no cache.json");
    assert_false(cdul_path_exists("cache/cache.json"));
    write_text("cache/cache.json", "{\"photos\": 3}");
    assert_fails(open_key(key, D, S, NULL, &cache), CDUL_ERR_INPUT, "no key 'version'");
    write_text("cache/cache.json", "{");
    assert_fails(open_key(key, D, S, NULL, &cache), CDUL_ERR_INPUT, "cache/cache.json");
}

/* Flips one bit of a file, `from_end` bytes before its end. */
static void damage(const char *path, long from_end) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, -from_end, SEEK_END);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void assert_said(const watcher *w, const char *text) {
    if (!strstr(w->said, text)) fail_msg("\"%s\" lacks \"%s\"", w->said, text);
}

static void damaged_data_are_named_set_aside_and_computed_again(void **state) {
    (void)state;
    fill();
    static watcher w;
    watcher_start(&w);
    damage("cache/000000.safetensors", 1);
    cdul_cache *cache = open_cache(&w.callbacks);
    assert_lacks(cache, "a", "0");
    assert_int_equal(cdul_cache_find(cache, "b", "1"), CDUL_NOT_FOUND); /* in the same shard */
    assert_holds(cache, "c", "2", 12); /* the other one is whole */
    assert_true(cdul_path_exists("cache/000000.safetensors.damaged"));
    assert_false(cdul_path_exists("cache/000000.safetensors"));
    assert_ok(cdul_cache_begin(cache, &err));
    append(cache, "a", "0", 31);
    assert_ok(cdul_cache_flush(cache, &err));
    cdul_cache_close(cache);
    assert_said(&w, "cache/000000.safetensors: damaged: its data do not match its checksum");
    cache = open_cache(NULL);
    assert_holds(cache, "a", "0", 31);
    assert_true(cdul_path_exists("cache/000002.safetensors")); /* no number is used twice */
    cdul_cache_close(cache);
}

static void files_that_are_no_shards_are_named_and_set_aside(void **state) {
    (void)state;
    fill();
    static watcher w;
    watcher_start(&w);
    assert_int_equal(truncate("cache/000001.safetensors", 50), 0);
    write_text("cache/000005.safetensors", "garbage");
    write_text("cache/notes.txt", "not ours");
    write_text("cache/1.safetensors", "not ours");
    cdul_cache *cache = open_cache(&w.callbacks);
    assert_holds(cache, "a", "0", 10);
    assert_lacks(cache, "c", "2");
    assert_true(cdul_path_exists("cache/000001.safetensors.damaged"));
    assert_true(cdul_path_exists("cache/000005.safetensors.damaged"));
    assert_true(cdul_path_exists("cache/1.safetensors"));
    cdul_cache_close(cache);
    assert_said(&w, "000005.safetensors");
}

static void one_process_writes_at_a_time_and_others_read(void **state) {
    (void)state;
    fill();
    pid_t child = fork();
    if (child == 0) {
        int lock = open("cache/lock", O_RDWR);
        if (lock < 0 || flock(lock, LOCK_EX) != 0) _exit(1);
        write_text("locked", "");
        for (;;) pause();
    }
    for (int i = 0; i < 500 && !cdul_path_exists("locked"); i++) usleep(10000);
    cdul_cache *cache = open_cache(NULL);
    assert_holds(cache, "b", "1", 11);
    assert_fails(cdul_cache_begin(cache, &err), CDUL_ERR_IO,
                 "cache: another process is writing this cache");
    float views[V * D] = {0};
    assert_fails(cdul_cache_append(cache, "d", "3", views, &err), CDUL_ERR_USAGE,
                 "cdul_cache_begin");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(cdul_cache_begin(cache, &err)); /* the lock dies with its process */
    cdul_cache_close(cache);
    remove("locked");
}

static void rows_that_another_process_wrote_are_seen_when_writing_begins(void **state) {
    (void)state;
    cdul_cache *early = open_cache(NULL);
    assert_lacks(early, "a", "0");
    fill();
    assert_ok(cdul_cache_begin(early, &err));
    assert_holds(early, "a", "0", 10);
    append(early, "d", "3", 13);
    assert_ok(cdul_cache_flush(early, &err)); /* under a number that is free */
    cdul_cache_close(early);
    cdul_cache *cache = open_cache(NULL);
    assert_holds(cache, "c", "2", 12);
    assert_holds(cache, "d", "3", 13);
    cdul_cache_close(cache);
}

static const char *text_of(const cJSON *json, const char *member) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, member));
}

static void the_key_of_an_encoder_follows_its_graph_and_settings(void **state) {
    (void)state;
    cdul_encoder *clip = open_encoder(CLIP, 0), *siglip = open_encoder(SIGLIP, 0);
    cdul_embed_options options = {.crops = &crops, .decode = cdul_decode_defaults(), .threads = 1};
    cJSON *a = NULL, *b = NULL, *c = NULL;
    assert_ok(cdul_cache_key(clip, &options, &a, &err));
    assert_ok(cdul_cache_key(siglip, &options, &b, &err));
    options.decode.exif = false;
    options.mirror = true;
    options.crops = NULL;
    options.patches = (cdul_patches){3, 4};
    assert_ok(cdul_cache_key(clip, &options, &c, &err));
    char *text = cJSON_PrintUnformatted(a);
    const char *const made = "\"mirror\":false,\"crops\":[[0,0,0.5,1],[0.5,0,1,1]]}";
    assert_string_equal(text + strlen(text) - strlen(made), made);
    free(text);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(c, "mirror")));
    assert_string_equal(text_of(c, "crops"), "dense 3x4");
    assert_true(cJSON_GetObjectItem(a, "width")->valuedouble == WIDTH);
    assert_string_not_equal(text_of(a, "encoder"), text_of(b, "encoder"));
    assert_string_not_equal(text_of(a, "preprocess"), text_of(b, "preprocess"));
    assert_string_equal(text_of(a, "encoder"), text_of(c, "encoder"));
    assert_string_equal(text_of(a, "decode"), "EXIF orientation applied, background 255 255 255");
    assert_string_equal(text_of(c, "decode"), "EXIF orientation ignored, background 255 255 255");
    cJSON_Delete(a);
    cJSON_Delete(b);
    cJSON_Delete(c);
    cdul_encoder_close(clip);
    cdul_encoder_close(siglip);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_come_back_before_and_after_they_are_written, start),
        cmocka_unit_test_setup(a_shard_is_written_when_it_is_full, start),
        cmocka_unit_test_setup(long_rows_make_shards_of_fewer_images, start),
        cmocka_unit_test_setup(a_cache_of_patches_is_refused_with_their_grid, start),
        cmocka_unit_test_setup(shards_are_plain_safetensors_files, start),
        cmocka_unit_test_setup(a_file_that_changed_is_missing_and_its_new_row_counts, start),
        cmocka_unit_test_setup(a_file_that_changes_while_it_is_embedded_is_computed_again, start),
        cmocka_unit_test_setup(another_key_is_refused_with_the_part_that_differs, start),
        cmocka_unit_test_setup(damaged_data_are_named_set_aside_and_computed_again, start),
        cmocka_unit_test_setup(files_that_are_no_shards_are_named_and_set_aside, start),
        cmocka_unit_test_setup(one_process_writes_at_a_time_and_others_read, start),
        cmocka_unit_test_setup(rows_that_another_process_wrote_are_seen_when_writing_begins, start),
        cmocka_unit_test(the_key_of_an_encoder_follows_its_graph_and_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
