/* With a network that gives back three numbers of a view, which are worked out by hand from a
 * picture whose columns and rows are told apart by their colours. */
#include "test.h"

#include "image/views.h"

#include <pthread.h>

#define SIDE   6 /* of the picture and of the network's input: nothing is resized but crops */
#define IMAGES 7

static cdul_error err;

typedef struct collected {
    float rows[IMAGES][12][3];
    size_t order[IMAGES], done, order_skipped[IMAGES], skipped;
    size_t views, largest, runs;
    int kept, dropped; /* counted under the lock: keep is called by workers */
    pthread_mutex_t lock;
    char reason[300];
    size_t reject; /* the picture number that `check` turns down, + 1 */
    size_t fail_at_run;
} collected;

/* Red of the left upper pixel, green of it, red of the right upper pixel. */
static cdul_status corners(void *user, const float *pixels, size_t n, float *rows,
                           cdul_error *error) {
    collected *c = user;
    if (++c->runs == c->fail_at_run)
        return cdul_fail(error, CDUL_ERR_RUNTIME, "the network is tired");
    if (n > c->largest) c->largest = n;
    for (size_t v = 0; v < n; v++, pixels += 3 * SIDE * SIDE, rows += 3) {
        rows[0] = pixels[0];
        rows[1] = pixels[SIDE * SIDE];
        rows[2] = pixels[SIDE - 1];
    }
    return CDUL_OK;
}

static const char *turn_down(void *user, float *rows) {
    collected *c = user;
    for (size_t v = 0; v < c->views; v++) rows[3 * v + 1] += 1000; /* check may change rows */
    return c->reject && c->done + 1 == c->reject ? "turned down" : NULL;
}

static cdul_status collect(void *user, size_t i, const float *rows, void *kept, cdul_error *error) {
    collected *c = user;
    (void)error;
    c->order[c->done++] = i;
    memcpy(c->rows[i], rows, c->views * 3 * sizeof *rows);
    if (kept) assert_int_equal(*(size_t *)kept, i);
    return CDUL_OK;
}

static void note(void *user, size_t i, const char *reason) {
    collected *c = user;
    c->order_skipped[c->skipped++] = i;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

/* The count is reached through the kept number, as `drop` gets nothing else. */
typedef struct kept_number {
    size_t image;
    collected *owner;
} kept_number;

static cdul_status keep(void *user, size_t i, const cdul_image *image, void **kept,
                        cdul_error *error) {
    collected *c = user;
    kept_number *number = malloc(sizeof *number);
    if (!number) return cdul_fail_memory(error, "number");
    assert_int_equal(image->width, SIDE);
    *number = (kept_number){i, c};
    *kept = number;
    pthread_mutex_lock(&c->lock);
    c->kept++;
    pthread_mutex_unlock(&c->lock);
    return CDUL_OK;
}

static void drop(void *kept) {
    kept_number *number = kept;
    number->owner->dropped++;
    free(number);
}

/* Pixel (x, y) of the picture is (10 x, 10 y, 0), red first. */
static void write_picture(const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6 %d %d 255\n", SIDE, SIDE);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) fprintf(file, "%c%c%c", 10 * x, 10 * y, 0);
    fclose(file);
}

static const cdul_preprocess plain = {.width = SIDE,
                                      .height = SIDE,
                                      .mode = CDUL_RESIZE_SQUASH,
                                      .filter = CDUL_NEAREST,
                                      .scale = 1,
                                      .std = {1, 1, 1}};

static cdul_status run(const char *grid, bool mirror, size_t batch, size_t threads,
                       const size_t *which, size_t n, bool keeps, collected *out) {
    cdul_strings paths = {0};
    cdul_crops crops = {0};
    for (int i = 0; i < IMAGES; i++)
        assert_ok(cdul_strings_add(&paths, i == 5 ? "gone.ppm" : "p.ppm", &err));
    if (grid) assert_ok(cdul_crops_parse(grid, &crops, &err));
    const cdul_view_options options = {.preprocess = &plain,
                                       .crops = grid ? &crops : NULL,
                                       .mirror = mirror,
                                       .decode = cdul_decode_defaults(),
                                       .threads = threads,
                                       .batch = batch,
                                       .width = 3,
                                       .verb = "test"};
    const cdul_view_calls calls = {.network = corners,
                                   .check = turn_down,
                                   .done = collect,
                                   .skipped = note,
                                   .keep = keeps ? keep : NULL,
                                   .drop = drop,
                                   .user = out};
    out->views = cdul_views_count(&options);
    pthread_mutex_init(&out->lock, NULL);
    cdul_status status = cdul_views_run(&paths, which, n, &options, &calls, &err);
    pthread_mutex_destroy(&out->lock);
    cdul_crops_free(&crops);
    cdul_strings_free(&paths);
    return status;
}

static void the_views_are_the_whole_the_crops_and_their_mirror_images(void **state) {
    (void)state;
    collected got = {0};
    assert_ok(run("2x2", true, 4, 0, NULL, 1, false, &got));
    assert_int_equal(got.views, 10);
    /* left, top (+ 1000), right of: whole, four tiles of 3 x 3 pixels; then with left and right
     * swapped */
    static const float want[10][3] = {{0, 1000, 50},  {0, 1000, 20}, {30, 1000, 50}, {0, 1030, 20},
                                      {30, 1030, 50}, {50, 1000, 0}, {20, 1000, 0},  {50, 1000, 30},
                                      {20, 1030, 0},  {50, 1030, 30}};
    assert_memory_equal(got.rows[0], want, sizeof want);
}

static void images_come_in_order_whatever_the_batch_and_the_threads(void **state) {
    (void)state;
    for (size_t batch = 1; batch < 24; batch++)
        for (size_t threads = 0; threads < 4; threads++) {
            collected got = {0};
            assert_ok(run(batch % 2 ? "2x2" : NULL, batch % 3 == 0, batch, threads, NULL, IMAGES,
                          true, &got));
            const size_t order[] = {0, 1, 2, 3, 4, 6};
            assert_int_equal(got.done, 6);
            assert_memory_equal(got.order, order, sizeof order);
            assert_int_equal(got.skipped, 1);
            assert_int_equal(got.order_skipped[0], 5);
            assert_non_null(strstr(got.reason, "gone.ppm"));
            assert_true(got.largest <= batch);
            assert_int_equal(got.runs,
                             /* batches are full but the last */
                             (6 * got.views + batch - 1) / batch);
            assert_memory_equal(got.rows[6], got.rows[0], got.views * 3 * sizeof(float));
            assert_int_equal(got.kept, 6);
            assert_int_equal(got.dropped, 6);
        }
}

static void a_selection_keeps_its_numbers(void **state) {
    (void)state;
    collected got = {0};
    const size_t which[] = {6, 5, 2};
    assert_ok(run(NULL, false, 2, 2, which, 3, true, &got));
    assert_int_equal(got.done, 2);
    assert_int_equal(got.order[0], 6);
    assert_int_equal(got.order[1], 2);
    assert_int_equal(got.order_skipped[0], 5);
}

static void an_image_whose_rows_are_turned_down_is_skipped(void **state) {
    (void)state;
    collected got = {.reject = 2};
    assert_ok(run(NULL, false, 8, 0, NULL, 2, true, &got));
    assert_int_equal(got.done, 1);
    assert_int_equal(got.skipped, 1);
    assert_int_equal(got.order_skipped[0], 1);
    assert_string_equal(got.reason, "turned down");
    assert_int_equal(got.dropped, 2);
}

static void the_networks_failure_ends_the_run_and_drops_what_was_kept(void **state) {
    (void)state;
    for (size_t threads = 0; threads < 4; threads++) {
        collected got = {.fail_at_run = 2};
        assert_fails(run("2x2", false, 4, threads, NULL, IMAGES, true, &got), CDUL_ERR_RUNTIME,
                     "tired");
        assert_int_equal(got.done, 0); /* four of five views were computed */
        assert_true(got.kept >= 1);
        assert_int_equal(got.dropped, got.kept);
    }
}

static int set_up(void **state) {
    (void)state;
    write_picture("p.ppm");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_views_are_the_whole_the_crops_and_their_mirror_images),
        cmocka_unit_test(images_come_in_order_whatever_the_batch_and_the_threads),
        cmocka_unit_test(a_selection_keeps_its_numbers),
        cmocka_unit_test(an_image_whose_rows_are_turned_down_is_skipped),
        cmocka_unit_test(the_networks_failure_ends_the_run_and_drops_what_was_kept),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
