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

static cdul_status count_skip(void *user, size_t row, const char *reason, cdul_error *e) {
    (void)e;
    assert_int_equal(row % 10, 7);
    assert_non_null(strstr(reason, "is damaged"));
    ++*(size_t *)user;
    return CDUL_OK;
}

/* Reads rows 0 .. count - 1 backwards and checks every record. Returns the number of records. */
static size_t read_all(size_t count, size_t batch, size_t threads, size_t *skipped,
                       size_t *batches) {
    size_t rows[100] = {0}, records = 0;
    for (size_t i = 0; i < count; i++) rows[i] = count - 1 - i;
    *skipped = *batches = 0;
    cdul_loader_options options = {batch, threads, count_skip, skipped};
    cdul_loader *loader = NULL;
    assert_ok(cdul_loader_open(&numbers, rows, count, &options, &loader, &err));
    size_t before = count;
    for (;;) {
        cdul_batch got;
        int end;
        assert_ok(cdul_loader_next(loader, &got, &end, &err));
        if (end) break;
        ++*batches;
        for (size_t i = 0; i < got.count; i++) {
            assert_true(got.rows[i] < before);
            before = got.rows[i];
            for (size_t k = 0; k < 4; k++)
                assert_int_equal(((const size_t *)got.data)[4 * i + k], got.rows[i]);
        }
        records += got.count;
        assert_int_equal(got.passed, records + *skipped);
    }
    cdul_loader_close(loader);
    return records;
}

static void batches_are_the_same_at_any_thread_count(void **state) {
    (void)state;
    const size_t threads[] = {0, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        size_t skipped, batches;
        assert_int_equal(read_all(100, 8, threads[i], &skipped, &batches), 90);
        assert_int_equal(skipped, 10);
        assert_int_equal(batches, 13);
    }
}

static void a_batch_larger_than_the_set_holds_the_set(void **state) {
    (void)state;
    size_t skipped, batches;
    assert_int_equal(read_all(5, 64, 2, &skipped, &batches), 5);
    assert_int_equal(batches, 1);
}

static void no_rows_are_no_batches(void **state) {
    (void)state;
    size_t skipped, batches;
    assert_int_equal(read_all(0, 4, 2, &skipped, &batches), 0);
    assert_int_equal(batches, 0);
}

static void a_batch_of_unreadable_rows_is_empty_and_not_the_end(void **state) {
    (void)state;
    const size_t rows[] = {7, 17, 3};
    size_t skipped = 0;
    cdul_loader_options options = {2, 1, count_skip, &skipped};
    cdul_loader *loader = NULL;
    cdul_batch batch;
    int end;
    assert_ok(cdul_loader_open(&numbers, rows, 3, &options, &loader, &err));
    assert_ok(cdul_loader_next(loader, &batch, &end, &err));
    assert_false(end);
    assert_int_equal(batch.count, 0);
    assert_ok(cdul_loader_next(loader, &batch, &end, &err));
    assert_int_equal(batch.count, 1);
    cdul_loader_close(loader);
}

static cdul_status refuse(void *user, size_t row, const char *reason, cdul_error *e) {
    (void)user;
    (void)row;
    return cdul_fail(e, CDUL_ERR_CANCELLED, "stopped: %s", reason);
}

static void the_skip_callback_can_stop(void **state) {
    (void)state;
    const size_t rows[] = {1, 7};
    cdul_loader_options options = {2, 1, refuse, NULL};
    cdul_loader *loader = NULL;
    cdul_batch batch;
    int end;
    assert_ok(cdul_loader_open(&numbers, rows, 2, &options, &loader, &err));
    assert_fails(cdul_loader_next(loader, &batch, &end, &err), CDUL_ERR_CANCELLED,
                 "row 7 is damaged");
    cdul_loader_close(loader);
}

static cdul_status no_memory(const void *user, size_t row, void *out, cdul_error *e) {
    (void)user;
    (void)row;
    (void)out;
    return cdul_fail_memory(e, "a view");
}

static void failures_that_are_not_the_row_s_fault_end_the_epoch(void **state) {
    (void)state;
    const cdul_source source = {8, no_memory, NULL};
    const size_t rows[] = {1};
    cdul_loader_options options = {1, 0, refuse, NULL};
    cdul_loader *loader = NULL;
    cdul_batch batch;
    int end;
    assert_ok(cdul_loader_open(&source, rows, 1, &options, &loader, &err));
    assert_fails(cdul_loader_next(loader, &batch, &end, &err), CDUL_ERR_MEMORY, "a view");
    cdul_loader_close(loader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_same_at_any_thread_count),
        cmocka_unit_test(a_batch_larger_than_the_set_holds_the_set),
        cmocka_unit_test(no_rows_are_no_batches),
        cmocka_unit_test(a_batch_of_unreadable_rows_is_empty_and_not_the_end),
        cmocka_unit_test(the_skip_callback_can_stop),
        cmocka_unit_test(failures_that_are_not_the_row_s_fault_end_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
