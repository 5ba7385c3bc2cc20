/* Against the Python pipeline of golden/make_encoder.py. */
#include "encoder_fixture.h"
#include "watcher.h"

typedef struct collected {
    float views[PICTURES + 1][(1 + CELLS) * WIDTH];
    size_t n_views, width, embedded, skipped, last;
    char reason[300];
    size_t stop_after; /* the sink fails, or the caller says stop, at this image */
    watcher *watcher; /* who then says stop */
} collected;

static cdul_status collect(void *user, size_t i, const float *views, cdul_error *error) {
    collected *c = user;
    assert_true(c->embedded == 0 || i > c->last); /* in order */
    c->last = i;
    c->embedded++;
    memcpy(c->views[i], views, c->n_views * c->width * sizeof *views);
    if (c->embedded != c->stop_after) return CDUL_OK;
    if (c->watcher) {
        atomic_store(&c->watcher->stop, true);
        return CDUL_OK;
    }
    return cdul_fail(error, CDUL_ERR_IO, "the disk is full");
}

static void note_skipped(void *user, size_t i, const char *reason) {
    collected *c = user;
    (void)i;
    c->skipped++;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static cdul_status embed(cdul_encoder *encoder, const cdul_strings *paths, const size_t *which,
                         size_t n, size_t threads, const char *grid, bool mirror, collected *out) {
    cdul_crops crops = {0};
    if (grid) assert_ok(cdul_crops_parse(grid, &crops, &err));
    cdul_embed_options options = {.crops = grid ? &crops : NULL,
                                  .mirror = mirror,
                                  .decode = cdul_decode_defaults(),
                                  .threads = threads};
    const cdul_embed_sink sink = {collect, note_skipped, out};
    out->n_views = 1 + crops.count;
    out->width = cdul_encoder_width(encoder);
    cdul_status status = cdul_encoder_embed(encoder, paths, which, n, &options, &sink, &err);
    cdul_crops_free(&crops);
    return status;
}

static void views_are_those_of_the_python_pipeline(void **state) {
    (void)state;
    const char *const folders[] = {CLIP, SIGLIP};
    const size_t batches[] = {1, 3, 10, 32, 64}, threads[] = {0, 1, 3};
    cdul_strings paths = {0};
    list_pictures(&paths);
    for (size_t f = 0; f < 4; f++) {
        bool mirror = f >= 2;
        const char *folder = folders[f % 2];
        float *want = expected(folder, mirror ? "mirrored" : "views", PICTURES * VIEWS * WIDTH);
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            cdul_encoder *encoder = open_encoder(folder, batches[b]);
            assert_int_equal(cdul_encoder_batch(encoder),
                             f % 2 == 1 ? 4 : batches[b]); /* the second fixes its batch */
            static collected got;
            got = (collected){0};
            assert_ok(embed(encoder, &paths, NULL, PICTURES, threads[b % 3], "3x3", mirror, &got));
            assert_int_equal(got.embedded, PICTURES);
            for (size_t i = 0; i < PICTURES; i++) {
                double cosine = worst_cosine(got.views[i], want + i * VIEWS * WIDTH, VIEWS, WIDTH);
                if (!(cosine >= 0.9999))
                    fail_msg("%s, picture %zu: cosine %.6f", folder, i, cosine);
            }
            cdul_encoder_close(encoder);
        }
        free(want);
    }
    cdul_strings_free(&paths);
}

static cdul_status embed_patches(cdul_encoder *encoder, const cdul_strings *paths,
                                 cdul_embed_options options, collected *out) {
    const cdul_embed_sink sink = {collect, note_skipped, out};
    *out = (collected){.n_views = 1 + CELLS, .width = WIDTH};
    options.decode = cdul_decode_defaults();
    return cdul_encoder_embed(encoder, paths, NULL, PICTURES, &options, &sink, &err);
}

static void
patch_tokens_come_with_the_whole_image_and_match_those_of_its_mirror_image(void **state) {
    (void)state;
    cdul_strings paths = {0};
    list_pictures(&paths);
    for (size_t batch = 1; batch < 6; batch++) { /* one left over is padded to two */
        bool mirror = batch % 2 == 0;
        float *want =
            expected(DENSE, mirror ? "dense_mirrored" : "dense", PICTURES * (1 + CELLS) * WIDTH);
        cdul_encoder *encoder = open_encoder(DENSE, batch);
        cdul_embed_options options = {.mirror = mirror, .threads = batch % 3};
        static collected got;
        assert_ok(cdul_encoder_patches(encoder, &options.patches, &err));
        assert_int_equal(cdul_embed_locals(&options), CELLS);
        assert_ok(embed_patches(encoder, &paths, options, &got));
        assert_int_equal(got.embedded, PICTURES);
        for (size_t i = 0; i < PICTURES; i++)
            assert_true(worst_cosine(got.views[i], want + i * (1 + CELLS) * WIDTH, 1 + CELLS,
                                     WIDTH) >= 0.9999);
        cdul_encoder_close(encoder);
        free(want);
    }
    cdul_strings_free(&paths);
}

static void patch_tokens_that_the_graph_does_not_give_end_the_run(void **state) {
    (void)state;
    cdul_strings paths = {0};
    list_pictures(&paths);
    cdul_encoder *encoder = open_encoder(DENSE, 4);
    cdul_embed_options options = {.patches = {3, 3}};
    cdul_crops crops = {0};
    static collected got;
    assert_fails(embed_patches(encoder, &paths, options, &got), CDUL_ERR_RUNTIME,
                 "gave dense_embeds float32 [4, 12, 16], expected dense_embeds float32 [4, 9, 16]");
    assert_ok(cdul_crops_parse("2x2", &crops, &err));
    options.crops = &crops;
    assert_fails(embed_patches(encoder, &paths, options, &got), CDUL_ERR_USAGE,
                 "crops or patch tokens");
    cdul_crops_free(&crops);
    cdul_encoder_close(encoder);
    cdul_strings_free(&paths);
}

static void a_subset_without_crops_is_embedded_under_its_own_numbers(void **state) {
    (void)state;
    cdul_strings paths = {0};
    list_pictures(&paths);
    float *want = expected(CLIP, "views", PICTURES * VIEWS * WIDTH);
    cdul_encoder *encoder = open_encoder(CLIP, 32);
    static collected got;
    got = (collected){0};
    const size_t which[2] = {1, 3};
    assert_ok(embed(encoder, &paths, which, 2, 1, NULL, false, &got));
    assert_int_equal(got.embedded, 2);
    assert_true(worst_cosine(got.views[3], want + 3 * VIEWS * WIDTH, 1, WIDTH) >= 0.9999);
    assert_true(worst_cosine(got.views[1], want + VIEWS * WIDTH, 1, WIDTH) >= 0.9999);
    got = (collected){0};
    assert_ok(embed(encoder, &paths, NULL, 0, 1, NULL, false, &got)); /* nothing to do */
    assert_int_equal(got.embedded, 0);
    cdul_encoder_close(encoder);
    cdul_strings_free(&paths);
    free(want);
}

static void unreadable_pictures_are_skipped_with_the_reason(void **state) {
    (void)state;
    cdul_strings paths = {0};
    assert_ok(cdul_strings_add(&paths, CDUL_GOLDEN "/encoder/pictures/0.png", &err));
    assert_ok(cdul_strings_add(&paths, "gone.png", &err));
    assert_ok(cdul_strings_add(&paths, CDUL_GOLDEN "/encoder/clip/config.json", &err));
    assert_ok(cdul_strings_add(&paths, CDUL_GOLDEN "/encoder/pictures/1.png", &err));
    for (size_t threads = 0; threads < 3; threads++) {
        cdul_encoder *encoder = open_encoder(CLIP, 7);
        static collected got;
        got = (collected){0};
        assert_ok(embed(encoder, &paths, NULL, 4, threads, "2x2", false, &got));
        assert_int_equal(got.embedded, 2);
        assert_int_equal(got.skipped, 2);
        assert_non_null(strstr(got.reason, "config.json"));
        cdul_encoder_close(encoder);
    }
    cdul_strings_free(&paths);
}

static void the_sinks_failure_ends_the_run(void **state) {
    (void)state;
    cdul_strings paths = {0};
    list_pictures(&paths);
    cdul_encoder *encoder = open_encoder(CLIP, 10);
    static collected got;
    got = (collected){.stop_after = 2};
    assert_fails(embed(encoder, &paths, NULL, PICTURES, 1, "3x3", false, &got), CDUL_ERR_IO,
                 "the disk is full");
    assert_int_equal(got.embedded, 2);
    cdul_encoder_close(encoder);
    cdul_strings_free(&paths);
}

static void a_vector_of_zeros_skips_its_image(void **state) {
    (void)state;
    make_folder("zero");
    cdul_encoder *encoder = open_encoder("made", 0);
    cdul_strings paths = {0};
    list_pictures(&paths);
    static collected got;
    got = (collected){0};
    assert_ok(embed(encoder, &paths, NULL, PICTURES, 1, NULL, false, &got));
    assert_int_equal(got.embedded, 0);
    assert_int_equal(got.skipped, PICTURES);
    assert_non_null(strstr(got.reason, "zero or not finite"));
    cdul_encoder_close(encoder);
    cdul_strings_free(&paths);
}

static void the_caller_sees_progress_and_a_stop_keeps_what_is_finished(void **state) {
    (void)state;
    cdul_strings paths = {0};
    list_pictures(&paths);
    static watcher w;
    static collected got;
    watcher_start(&w);
    cdul_encoder_options options = cdul_encoder_defaults();
    options.batch = 10;
    options.callbacks = &w.callbacks;
    cdul_encoder *encoder = NULL;
    assert_ok(cdul_encoder_open(CLIP, &options, &encoder, &err));
    got = (collected){0};
    assert_ok(embed(encoder, &paths, NULL, PICTURES, 1, "3x3", false, &got));
    assert_string_equal(w.verb, "label");
    assert_int_equal(w.done, PICTURES);
    assert_int_equal(w.total, PICTURES);
    assert_in_range(w.steps, PICTURES, PICTURES + 1);
    assert_int_equal(w.ended, 1);
    got = (collected){.stop_after = 2, .watcher = &w};
    assert_fails(embed(encoder, &paths, NULL, PICTURES, 1, "3x3", false, &got), CDUL_ERR_CANCELLED,
                 "interrupted after 2 of 4");
    assert_int_equal(got.embedded, 2);
    assert_int_equal(w.ended, 2);
    cdul_encoder_close(encoder);
    cdul_strings_free(&paths);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_those_of_the_python_pipeline),
        cmocka_unit_test(
            patch_tokens_come_with_the_whole_image_and_match_those_of_its_mirror_image),
        cmocka_unit_test(patch_tokens_that_the_graph_does_not_give_end_the_run),
        cmocka_unit_test(a_subset_without_crops_is_embedded_under_its_own_numbers),
        cmocka_unit_test(unreadable_pictures_are_skipped_with_the_reason),
        cmocka_unit_test(the_sinks_failure_ends_the_run),
        cmocka_unit_test(a_vector_of_zeros_skips_its_image),
        cmocka_unit_test(the_caller_sees_progress_and_a_stop_keeps_what_is_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
