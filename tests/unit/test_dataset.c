#include "test.h"

#include "train_fixture.h"

static cdul_error err;

static cdul_dataset open_set(const cdul_train_params *options) {
    cdul_dataset data = {0};
    assert_ok(cdul_dataset_open(options, &data, &err));
    return data;
}

static void images_are_found_under_a_root_and_in_a_folder(void **state) {
    (void)state;
    const cdul_strings photos = {.items = (char *[]){"photos"}, .count = 1};
    cdul_train_params by_folder = fixture_set;
    by_folder.root = NULL;
    by_folder.images = &photos;
    cdul_dataset a = open_set(&fixture_set), b = open_set(&by_folder);
    assert_int_equal(a.labels.images.count, FIXTURE_IMAGES);
    assert_true(cdul_strings_equal(&a.paths, &b.paths));
    assert_string_equal(a.paths.items[3], "photos/03.ppm");
    assert_int_equal(a.list.paths.count, 0);
    cdul_dataset_free(&a);
    cdul_dataset_free(&b);
}

static void a_missing_image_is_skipped_with_its_reason(void **state) {
    (void)state;
    fixture_photos("fewer");
    assert_int_equal(unlink("fewer/05.ppm"), 0);
    cdul_train_params options = fixture_set;
    options.root = "fewer";
    cdul_dataset data = open_set(&options);
    size_t rows[FIXTURE_IMAGES];
    assert_int_equal(data.list.paths.count, 1);
    assert_string_equal(data.list.paths.items[0], "05.ppm");
    assert_string_equal(data.list.reasons.items[0], "not found");
    assert_int_equal(cdul_dataset_rows(&data, CDUL_SUBSET_ALL, rows), FIXTURE_IMAGES - 1);
    for (size_t i = 0; i < FIXTURE_IMAGES - 1; i++) assert_int_not_equal(rows[i], 5);
    cdul_dataset_free(&data);
}

static void the_wrong_folder_is_an_error(void **state) {
    (void)state;
    cdul_train_params options = fixture_set;
    options.root = "elsewhere";
    cdul_dataset data = {0};
    assert_fails(cdul_dataset_open(&options, &data, &err), CDUL_ERR_INPUT,
                 "11 of the 11 images in labels.csv are not under elsewhere (the first: 00.ppm)");
    cdul_dataset_free(&data);
}

static void the_held_out_share_is_exact_and_disjoint_from_training(void **state) {
    (void)state;
    cdul_dataset data = open_set(&fixture_set);
    size_t train[FIXTURE_IMAGES], held[FIXTURE_IMAGES];
    size_t n_train = cdul_dataset_rows(&data, CDUL_SUBSET_TRAIN, train);
    size_t n_held = cdul_dataset_rows(&data, CDUL_SUBSET_HELD, held);
    assert_int_equal(n_held, 2); /* 0.2 x 11, rounded */
    assert_int_equal(n_train + n_held, FIXTURE_IMAGES);
    for (size_t i = 0; i < n_train; i++)
        for (size_t k = 0; k < n_held; k++) assert_int_not_equal(train[i], held[k]);
    cdul_dataset_free(&data);
}

static void held_out_images_depend_on_names_and_seed_not_on_order(void **state) {
    (void)state;
    FILE *file = fopen("reversed.csv", "w");
    fprintf(file, "image,a\n");
    for (unsigned i = FIXTURE_IMAGES; i-- > 0;) fprintf(file, "%02u.ppm,0.5\n", i);
    fclose(file);
    cdul_train_params options = fixture_set;
    options.labels = "reversed.csv";
    cdul_dataset a = open_set(&fixture_set), b = open_set(&options);
    for (size_t i = 0; i < FIXTURE_IMAGES; i++)
        assert_int_equal(a.held[i], b.held[FIXTURE_IMAGES - 1 - i]);
    cdul_dataset_free(&b);
    size_t different = 0;
    for (options.seed = 8; options.seed < 18; options.seed++) {
        b = open_set(&options);
        for (size_t i = 0; i < FIXTURE_IMAGES; i++)
            different += a.held[i] != b.held[FIXTURE_IMAGES - 1 - i];
        cdul_dataset_free(&b);
    }
    assert_true(different > 0);
    cdul_dataset_free(&a);
}

static void holding_everything_out_is_refused(void **state) {
    (void)state;
    cdul_train_params options = fixture_set;
    options.holdout = 0.99;
    cdul_dataset data = {0};
    assert_fails(cdul_dataset_open(&options, &data, &err), CDUL_ERR_USAGE,
                 "leaves none to train on");
    cdul_dataset_free(&data);
}

static void an_epoch_s_order_is_a_permutation_that_depends_on_seed_and_epoch(void **state) {
    (void)state;
    cdul_dataset data = open_set(&fixture_set);
    size_t a[FIXTURE_IMAGES], b[FIXTURE_IMAGES], sorted[FIXTURE_IMAGES], seen = 0;
    size_t n = cdul_dataset_shuffle(&data, 7, 1, a);
    assert_int_equal(cdul_dataset_shuffle(&data, 7, 1, b), n);
    assert_memory_equal(a, b, n * sizeof *a);
    cdul_dataset_shuffle(&data, 7, 2, b);
    assert_true(memcmp(a, b, n * sizeof *a) != 0);
    assert_int_equal(cdul_dataset_rows(&data, CDUL_SUBSET_TRAIN, sorted), n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) seen += sorted[i] == a[k];
    assert_int_equal(seen, n);
    cdul_dataset_free(&data);
}

static void an_image_is_skipped_once(void **state) {
    (void)state;
    cdul_dataset data = open_set(&fixture_set);
    assert_ok(cdul_dataset_skip(&data, 4, "damaged", &err));
    assert_ok(cdul_dataset_skip(&data, 4, "again", &err));
    assert_int_equal(data.list.paths.count, 1);
    cdul_dataset_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_found_under_a_root_and_in_a_folder),
        cmocka_unit_test(a_missing_image_is_skipped_with_its_reason),
        cmocka_unit_test(the_wrong_folder_is_an_error),
        cmocka_unit_test(the_held_out_share_is_exact_and_disjoint_from_training),
        cmocka_unit_test(held_out_images_depend_on_names_and_seed_not_on_order),
        cmocka_unit_test(holding_everything_out_is_refused),
        cmocka_unit_test(an_epoch_s_order_is_a_permutation_that_depends_on_seed_and_epoch),
        cmocka_unit_test(an_image_is_skipped_once),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
