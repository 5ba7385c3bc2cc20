/* Batches, and what ends a pass over them. */
#include "test.h"

#include "train/loader.h"

static cdul_error err;

/* A record is its row number four times; rows that end in 7 are unreadable. */
static cdul_status read_number(const void *user, size_t row, void *out, cdul_error *e) {
    (void)user;
    if (row % 10 == 7) return cdul_fail(e, CDUL_ERR_INPUT, "row %zu is damaged", row);
    for (size_t i = 0; i < 4; i++) ((size_t *)out)[i] = row;
    return CDUL_OK;
}

static const cdul_source numbers = {4 * sizeof(size_t), read_number, NULL};

/* What the callbacks see of one pass. */
typedef struct seen {
    size_t before; /* the row that came last */
    size_t records, batches, empty;
    cdul_dataset data; /* of 100 rows */
} seen;

static seen start(size_t before) {
    seen s = {.before = before};
    s.data.skipped = calloc(100, sizeof *s.data.skipped);
    for (unsigned row = 0; row < 100; row++) {
        char name[8];
        snprintf(name, sizeof name, "%u", row);
        assert_ok(cdul_strings_add(&s.data.labels.images, name, &err));
    }
    return s;
}

/* Checks which rows were skipped and why, and returns their number. */
static size_t finish(seen *s) {
    const size_t skipped = s->data.list.paths.count;
    for (size_t i = 0; i < skipped; i++) {
        assert_int_equal(atoi(s->data.list.paths.items[i]) % 10, 7);
        assert_non_null(strstr(s->data.list.reasons.items[i], "is damaged"));
    }
    cdul_dataset_free(&s->data);
    return skipped;
}

/* Rows descend, and every record is that of its row. */
static cdul_status check_batch(void *user, const cdul_batch *got, cdul_error *e) {
    (void)e;
    seen *s = user;
    s->batches++;
    s->empty += got->count == 0;
    for (size_t i = 0; i < got->count; i++) {
        assert_true(got->rows[i] < s->before);
        s->before = got->rows[i];
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(((const size_t *)got->data)[4 * i + k], got->rows[i]);
    }
    s->records += got->count;
    assert_int_equal(got->passed, s->records + s->data.list.paths.count);
    return CDUL_OK;
}

/* Reads rows 0 .. count - 1 backwards. */
static seen read_all(size_t count, size_t batch, size_t threads) {
    const cdul_train_params params = {.batch = batch, .threads = threads};
    size_t rows[100] = {0};
    for (size_t i = 0; i < count; i++) rows[i] = count - 1 - i;
    seen s = start(count);
    const cdul_pass pass = {&params, &s.data, numbers, rows, count, check_batch, &s};
    assert_ok(cdul_pass_run(&pass, &err));
    return s;
}

static void batches_are_the_same_at_any_thread_count(void **state) {
    (void)state;
    const size_t threads[] = {0, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        seen s = read_all(100, 8, threads[i]);
        assert_int_equal(s.records, 90);
        assert_int_equal(s.batches, 13);
        assert_int_equal(finish(&s), 10);
    }
}

static void a_batch_larger_than_the_set_holds_the_set(void **state) {
    (void)state;
    seen s = read_all(5, 64, 2);
    assert_int_equal(s.records, 5);
    assert_int_equal(s.batches, 1);
    finish(&s);
}

static void no_rows_are_no_batches(void **state) {
    (void)state;
    seen s = read_all(0, 4, 2);
    assert_int_equal(s.records, 0);
    assert_int_equal(s.batches, 0);
    finish(&s);
}

static void a_batch_of_unreadable_rows_is_empty_and_not_the_end(void **state) {
    (void)state;
    const size_t rows[] = {17, 7, 3};
    const cdul_train_params params = {.batch = 2, .threads = 1};
    seen s = start(100);
    const cdul_pass pass = {&params, &s.data, numbers, rows, 3, check_batch, &s};
    assert_ok(cdul_pass_run(&pass, &err));
    assert_int_equal(s.batches, 2);
    assert_int_equal(s.empty, 1);
    assert_int_equal(s.records, 1);
    assert_int_equal(finish(&s), 2);
}

static cdul_status refuse_batch(void *user, const cdul_batch *batch, cdul_error *e) {
    (void)batch;
    ++*(size_t *)user;
    return cdul_fail(e, CDUL_ERR_RUNTIME, "not this one");
}

static bool at_once(void *user) {
    (void)user;
    return true;
}

static void each_callback_can_end_the_pass(void **state) {
    (void)state;
    const size_t rows[] = {1, 2, 3, 4};
    size_t used = 0;
    const cdul_callbacks stop = {.should_stop = at_once};
    cdul_train_params params = {.batch = 2, .threads = 1};
    const cdul_pass pass = {&params, NULL, numbers, rows, 4, refuse_batch, &used};
    assert_fails(cdul_pass_run(&pass, &err), CDUL_ERR_RUNTIME, "not this one");
    assert_int_equal(used, 1);
    params.callbacks = &stop;
    assert_fails(cdul_pass_run(&pass, &err), CDUL_ERR_CANCELLED, "interrupted");
    assert_int_equal(used, 1);
}

static cdul_status no_memory(const void *user, size_t row, void *out, cdul_error *e) {
    (void)user;
    (void)row;
    (void)out;
    return cdul_fail_memory(e, "a view");
}

static void failures_that_are_not_the_row_s_fault_end_the_epoch(void **state) {
    (void)state;
    const size_t rows[] = {1};
    size_t used = 0;
    const cdul_train_params params = {.batch = 1};
    const cdul_pass pass = {&params, NULL, {8, no_memory, NULL}, rows, 1, refuse_batch, &used};
    assert_fails(cdul_pass_run(&pass, &err), CDUL_ERR_MEMORY, "a view");
    assert_int_equal(used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_same_at_any_thread_count),
        cmocka_unit_test(a_batch_larger_than_the_set_holds_the_set),
        cmocka_unit_test(no_rows_are_no_batches),
        cmocka_unit_test(a_batch_of_unreadable_rows_is_empty_and_not_the_end),
        cmocka_unit_test(each_callback_can_end_the_pass),
        cmocka_unit_test(failures_that_are_not_the_row_s_fault_end_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
