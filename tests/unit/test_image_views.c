#include "test.h"

#include "train_fixture.h"

enum { RECORD = 3 * FIXTURE_SIDE * FIXTURE_SIDE };

static cdul_error err;

static cdul_image_views views_of(const cdul_dataset *data) {
    return (cdul_image_views){.data = data,
                              .decode = cdul_decode_defaults(),
                              .preprocess = {.width = FIXTURE_SIDE,
                                             .height = FIXTURE_SIDE,
                                             .mode = CDUL_RESIZE_SQUASH,
                                             .filter = CDUL_BILINEAR,
                                             .scale = 1 / 255.0f,
                                             .mean = {0.5f, 0.4f, 0.3f},
                                             .std = {0.2f, 0.3f, 0.4f}},
                              .augment = {.scale = 0.5, .flip = true},
                              .seed = 3};
}

static void read_record(const cdul_image_views *views, size_t row, float *out) {
    cdul_source source = cdul_image_views_source(views);
    assert_int_equal(source.bytes, RECORD * sizeof(float));
    assert_ok(source.read(source.user, row, out, &err));
}

static void a_plain_view_is_the_whole_image_squashed(void **state) {
    (void)state;
    cdul_dataset data = {0};
    assert_ok(cdul_dataset_open(&fixture_set, &data, &err));
    cdul_image_views views = views_of(&data);
    views.plain = true;
    float got[RECORD], want[RECORD];
    uint8_t scratch[RECORD];
    read_record(&views, 2, got);
    cdul_image image = {0};
    assert_ok(cdul_image_decode_file("photos/02.ppm", &views.decode, &image, &err));
    assert_ok(cdul_preprocess_apply(&views.preprocess, &image, NULL, scratch, want, &err));
    assert_memory_equal(got, want, sizeof got);
    /* The augmented view of the whole image is the same pixels by the other path. */
    cdul_augmentation nothing = {{0, 0, image.width, image.height}, false, {0, 1, 2}, {1, 1, 1}};
    assert_ok(cdul_augment_apply(&nothing, &views.preprocess, &image, scratch, want, &err));
    assert_memory_equal(got, want, sizeof got);
    /* Without crops training sees what alignment and prediction see, the middle square too. */
    views.preprocess.mode = CDUL_RESIZE_SHORTEST;
    views.augment = (cdul_augment_options){.scale = 1};
    read_record(&views, 2, want);
    assert_memory_not_equal(got, want, sizeof got);
    views.plain = false;
    read_record(&views, 2, got);
    assert_memory_equal(got, want, sizeof got);
    cdul_image_free(&image);
    cdul_dataset_free(&data);
}

static void an_augmented_view_changes_with_the_epoch_only(void **state) {
    (void)state;
    cdul_dataset data = {0};
    assert_ok(cdul_dataset_open(&fixture_set, &data, &err));
    cdul_image_views views = views_of(&data);
    float a[RECORD], b[RECORD], c[RECORD];
    read_record(&views, 5, a);
    read_record(&views, 5, b);
    views.epoch = 1;
    read_record(&views, 5, c);
    assert_memory_equal(a, b, sizeof a);
    assert_true(memcmp(a, c, sizeof a) != 0);
    cdul_dataset_free(&data);
}

/* Where the records of an epoch go. */
typedef struct epoch {
    const size_t *rows;
    float *out;
    size_t records;
} epoch;

static cdul_status keep(void *user, const cdul_batch *batch, cdul_error *e) {
    (void)e;
    epoch *to = user;
    assert_memory_equal(batch->rows, to->rows + to->records, batch->count * sizeof *to->rows);
    memcpy(to->out + to->records * RECORD, batch->data, batch->count * RECORD * sizeof(float));
    to->records += batch->count;
    return CDUL_OK;
}

/* All records of an epoch, in batches of 4, with so many threads of the loader. */
static void read_epoch(cdul_dataset *data, const cdul_source *source, const size_t *rows,
                       size_t count, size_t threads, float *out) {
    epoch to = {rows, out, 0};
    const cdul_train_params params = {.batch = 4, .threads = threads};
    const cdul_pass pass = {&params, data, *source, rows, count, keep, &to};
    assert_ok(cdul_pass_run(&pass, &err));
    assert_int_equal(to.records, count);
}

/* Every chance that a view has: crop, mirror and colours. */
static void augmented_views_are_the_same_at_any_thread_count(void **state) {
    (void)state;
    enum { ROWS = 5 * FIXTURE_IMAGES };
    cdul_dataset data = {0};
    assert_ok(cdul_dataset_open(&fixture_set, &data, &err));
    cdul_image_views views = views_of(&data);
    views.augment.brightness = views.augment.contrast = views.augment.saturation = 0.4;
    cdul_source source = cdul_image_views_source(&views);
    size_t rows[ROWS];
    for (size_t i = 0; i < ROWS; i++) rows[i] = i * 7 % FIXTURE_IMAGES;
    float *want = malloc(ROWS * source.bytes), *got = malloc(ROWS * source.bytes);
    assert_non_null(want);
    assert_non_null(got);
    for (views.epoch = 0; views.epoch < 2; views.epoch++) {
        for (size_t i = 0; i < ROWS; i++) read_record(&views, rows[i], want + i * RECORD);
        for (size_t threads = 0; threads <= 4; threads++) {
            memset(got, 0, ROWS * source.bytes);
            read_epoch(&data, &source, rows, ROWS, threads, got);
            if (memcmp(got, want, ROWS * source.bytes) != 0)
                fail_msg("%zu threads: other bytes in epoch %zu", threads, views.epoch);
        }
    }
    free(want);
    free(got);
    cdul_dataset_free(&data);
}

static void a_damaged_image_is_an_input_error_that_names_it(void **state) {
    (void)state;
    fixture_photos("broken");
    assert_int_equal(truncate("broken/01.ppm", 100), 0);
    cdul_train_params options = fixture_set;
    options.root = "broken";
    cdul_dataset data = {0};
    assert_ok(cdul_dataset_open(&options, &data, &err));
    cdul_image_views views = views_of(&data);
    cdul_source source = cdul_image_views_source(&views);
    float record[RECORD];
    assert_fails(source.read(source.user, 1, record, &err), CDUL_ERR_INPUT, "broken/01.ppm");
    cdul_dataset_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_view_is_the_whole_image_squashed),
        cmocka_unit_test(an_augmented_view_changes_with_the_epoch_only),
        cmocka_unit_test(augmented_views_are_the_same_at_any_thread_count),
        cmocka_unit_test(a_damaged_image_is_an_input_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
