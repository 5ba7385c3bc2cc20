#include "test.h"

#include "train_fixture.h"
#include "watcher.h"

#include <math.h>
#include <sys/stat.h>

static cdul_error err;

typedef struct setting {
    cdul_dataset data;
    cdul_resnet *net;
    cdul_image_views views;
    cdul_activations cache;
} setting;

static setting open_setting(const char *root, size_t freeze, uint64_t seed) {
    setting s = {0};
    cdul_train_params params = fixture_set;
    params.root = root;
    assert_ok(cdul_dataset_open(&params, &s.data, &err));
    cdul_resnet_options net = cdul_resnet_defaults();
    assert_ok(cdul_resnet_arch_find("resnet18", &net.arch, &err));
    net.classes = FIXTURE_CLASSES;
    net.seed = 1;
    net.freeze = freeze;
    assert_ok(cdul_resnet_new(&net, NULL, NULL, &s.net, &err));
    s.views = (cdul_image_views){.decode = cdul_decode_defaults(),
                                 .preprocess = {.width = FIXTURE_SIDE,
                                                .height = FIXTURE_SIDE,
                                                .mode = CDUL_RESIZE_SQUASH,
                                                .filter = CDUL_BILINEAR,
                                                .scale = 1 / 255.0f,
                                                .std = {1, 1, 1}},
                                 .augment = {.scale = 0.5, .flip = true},
                                 .seed = seed};
    return s;
}

/* `views` points into the setting, so only once the setting lies where it stays. */
static cdul_status open_watched(setting *s, const char *folder, size_t copies,
                                const cdul_callbacks *callbacks) {
    const cdul_train_params params = {.output = "run",
                                      .activation_cache = folder,
                                      .activation_copies = copies,
                                      .threads = 2,
                                      .batch = 4,
                                      .callbacks = callbacks};
    s->views.data = &s->data;
    return cdul_activations_open(&s->cache, &params, &s->data, s->net, &s->views, &err);
}

static cdul_status open_cache(setting *s, const char *folder, size_t copies) {
    return open_watched(s, folder, copies, NULL);
}

static void close_setting(setting *s) {
    cdul_activations_close(&s->cache);
    cdul_resnet_free(s->net);
    cdul_dataset_free(&s->data);
}

static char *shard_path(const setting *s, const char *name) {
    char *path = cdul_path_join(s->cache.folder.folder, name);
    assert_non_null(path);
    return path;
}

/* What the frozen stages give for one view, computed here, against the record. Training in `epoch`
 * sees copy `copy`. */
static void assert_record(setting *s, bool plain, size_t epoch, size_t copy, size_t row) {
    cdul_image_views views = s->views;
    views.plain = plain;
    views.epoch = epoch;
    cdul_source source = cdul_activations_source(&s->cache, &views);
    const size_t *shape = s->cache.shape;
    size_t count = shape[0] * shape[1] * shape[2];
    assert_int_equal(source.bytes, count * sizeof(uint16_t));
    uint16_t *record = malloc(source.bytes);
    float *pixels = malloc(3 * FIXTURE_SIDE * FIXTURE_SIDE * sizeof *pixels),
          *want = malloc(count * sizeof *want);
    views.epoch = copy;
    cdul_source images = cdul_image_views_source(&views);
    assert_ok(images.read(images.user, row, pixels, &err));
    assert_ok(source.read(source.user, row, record, &err));
    cdul_scope scope = {.no_grad = true};
    cdul_tensor *x =
        cdul_tensor_from(&scope, pixels, CDUL_F32, 4, (size_t[]){1, 3, FIXTURE_SIDE, FIXTURE_SIDE});
    cdul_tensor_read(&scope,
                     cdul_resnet_forward_features(&scope, s->net, x, s->net->options.freeze),
                     CDUL_F32, want, count);
    assert_ok(cdul_scope_close(&scope, &err));
    for (size_t i = 0; i < count; i++) {
        /* want is [channels, height, width] */
        size_t channel = i / (shape[0] * shape[1]), place = i % (shape[0] * shape[1]);
        double got = (double)cdul_f16_to_f32(record[place * shape[2] + channel]);
        /* float16 has 11 bits */
        if (fabs(got - (double)want[i]) > fabs((double)want[i]) / 1024 + 1e-5)
            fail_msg("row %zu, value %zu: got %g, want %g", row, i, got, (double)want[i]);
    }
    free(want);
    free(pixels);
    free(record);
}

static void records_are_the_frozen_stages_outputs(void **state) {
    (void)state;
    for (size_t freeze = 1; freeze <= 4; freeze++) {
        setting s = open_setting("photos", freeze, 5);
        assert_ok(open_cache(&s, "outputs", 2));
        assert_record(&s, true, 0, 0, 4);
        assert_record(&s, false, 0, 0, FIXTURE_IMAGES - 1);
        assert_record(&s, false, 3, 1, 0);
        close_setting(&s);
    }
}

static void a_second_run_finds_the_cache_and_more_copies_extend_it(void **state) {
    (void)state;
    setting s = open_setting("photos", 3, 6);
    assert_ok(open_cache(&s, "shared", 1));
    char *plain = shard_path(&s, "plain-00000.safetensors"),
         *copy = shard_path(&s, "copy1-00000.safetensors");
    struct stat before, after;
    assert_int_equal(stat(plain, &before), 0);
    assert_false(cdul_path_exists(copy));
    close_setting(&s);
    s = open_setting("photos", 3, 6);
    assert_ok(open_cache(&s, "shared", 2));
    assert_int_equal(stat(plain, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(cdul_path_exists(copy));
    free(plain);
    free(copy);
    close_setting(&s);
}

/* Opens the cache again after something has happened to its shard: it must be as it was. Returns
 * what was said, until the next call. */
static const char *assert_made_again(const char *folder, uint64_t seed, const char *path,
                                     const char *before, size_t before_size) {
    char *after;
    size_t after_size;
    static watcher w;
    watcher_start(&w);
    setting s = open_setting("photos", 3, seed);
    assert_ok(open_watched(&s, folder, 1, &w.callbacks));
    assert_record(&s, true, 0, 0, 4);
    assert_ok(cdul_file_read_all(path, &after, &after_size, &err));
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(after);
    close_setting(&s);
    return w.said;
}

static void a_lost_or_damaged_shard_is_made_again_with_the_same_bytes(void **state) {
    (void)state;
    setting s = open_setting("photos", 3, 8);
    assert_ok(open_cache(&s, "lost", 1));
    const char *const names[] = {"copy0-00000.safetensors", "plain-00000.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        char *path = shard_path(&s, names[i]), *before;
        const char *said;
        size_t size;
        assert_ok(cdul_file_read_all(path, &before, &size, &err));
        assert_int_equal(unlink(path), 0);
        said = assert_made_again("lost", 8, path, before, size);
        assert_string_equal(said, "");
        assert_int_equal(truncate(path, 4000), 0);
        said = assert_made_again("lost", 8, path, before, size);
        assert_non_null(strstr(said, names[i]));
        assert_non_null(strstr(said, "is the file cut off?; it is computed again"));
        before[size / 2] ^= 1;
        assert_ok(cdul_file_write_all(path, before, size, &err));
        before[size / 2] ^= 1;
        said = assert_made_again("lost", 8, path, before, size);
        assert_non_null(strstr(said, names[i]));
        assert_non_null(
            strstr(said, "damaged: its bytes do not match its checksum; it is computed again"));
        free(before);
        free(path);
    }
    close_setting(&s);
}

static void another_seed_stage_or_set_of_images_has_another_cache(void **state) {
    (void)state;
    fixture_photos("others");
    setting s[4] = {open_setting("photos", 3, 9), open_setting("photos", 3, 10),
                    open_setting("photos", 2, 9), open_setting("others", 3, 9)};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(open_cache(&s[i], "keys", 1));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(s[i].cache.folder.folder, s[k].cache.folder.folder);
    }
    for (size_t i = 0; i < 4; i++) close_setting(&s[i]);
}

static void damaged_images_are_remembered_by_the_cache(void **state) {
    (void)state;
    fixture_photos("hurt");
    assert_int_equal(truncate("hurt/06.ppm", 50), 0);
    for (int run = 0; run < 2; run++) {
        setting s = open_setting("hurt", 3, 11);
        assert_ok(open_cache(&s, "hurt-cache", 1));
        assert_true(s.data.skipped[6]);
        assert_int_equal(s.data.list.paths.count, 1);
        assert_string_equal(s.data.list.paths.items[0], "06.ppm");
        assert_non_null(strstr(s.data.list.reasons.items[0], "hurt/06.ppm"));
        close_setting(&s);
    }
}

static void a_key_that_says_something_else_is_refused(void **state) {
    (void)state;
    setting s = open_setting("photos", 3, 13);
    assert_ok(open_cache(&s, "key", 1));
    char *path = shard_path(&s, "key.json");
    close_setting(&s);
    assert_ok(cdul_file_write_all(path, "{\"format\": 1}\n", 14, &err));
    s = open_setting("photos", 3, 13);
    assert_fails(open_cache(&s, "key", 1), CDUL_ERR_INPUT, "does not describe this run");
    free(path);
    close_setting(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_the_frozen_stages_outputs),
        cmocka_unit_test(a_second_run_finds_the_cache_and_more_copies_extend_it),
        cmocka_unit_test(a_lost_or_damaged_shard_is_made_again_with_the_same_bytes),
        cmocka_unit_test(another_seed_stage_or_set_of_images_has_another_cache),
        cmocka_unit_test(damaged_images_are_remembered_by_the_cache),
        cmocka_unit_test(a_key_that_says_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
