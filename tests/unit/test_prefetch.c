#include "test.h"

#include "base/prefetch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum { COUNT = 500, DEPTH = 8 };

static cdul_error err;

typedef struct factory {
    size_t slots[DEPTH];
    atomic_int busy[DEPTH]; /* producers in a slot at this moment */
    atomic_size_t produced;
    atomic_bool clash;
    pthread_t consumer;
    atomic_bool in_consumer; /* some item was made in the consumer's thread */
} factory;

/* Every seventh item fails; some take longer, so that later ones overtake them. */
static cdul_status produce(void *user, size_t i, size_t slot, cdul_error *error) {
    factory *f = user;
    if (atomic_fetch_add(&f->busy[slot], 1) != 0) f->clash = true;
    if (pthread_equal(pthread_self(), f->consumer)) f->in_consumer = true;
    if (i % 5 == 0) nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    f->slots[slot] = i * i;
    atomic_fetch_add(&f->produced, 1);
    atomic_fetch_sub(&f->busy[slot], 1);
    return i % 7 == 3 ? cdul_fail(error, CDUL_ERR_INPUT, "item %zu is bad", i) : CDUL_OK;
}

static void consume(size_t threads, size_t depth, size_t held_at_most) {
    factory f = {.consumer = pthread_self()};
    cdul_prefetch *prefetch = NULL;
    cdul_prefetched item;
    size_t i = 0, held = 0;
    assert_ok(cdul_prefetch_open(COUNT, threads, depth, produce, &f, &prefetch, &err));
    for (; cdul_prefetch_next(prefetch, &item); i++) {
        assert_int_equal(item.i, i);
        assert_in_range(item.slot, 0, depth - 1);
        assert_int_equal(f.slots[item.slot], i * i);
        assert_int_equal(item.status, i % 7 == 3 ? CDUL_ERR_INPUT : CDUL_OK);
        if (item.status != CDUL_OK) {
            char want[32];
            snprintf(want, sizeof want, "item %zu is bad", i);
            assert_string_equal(item.error.message, want);
        }
        /* A batch: filled, looked at as a whole, given back as a whole. */
        if (++held < held_at_most) continue;
        for (size_t back = 0; back < held; back++)
            assert_int_equal(f.slots[(i - back) % depth], (i - back) * (i - back));
        while (held) {
            cdul_prefetch_release(prefetch);
            held--;
        }
    }
    assert_int_equal(i, COUNT);
    assert_int_equal(f.produced, COUNT);
    assert_false(f.clash);
    assert_int_equal(f.in_consumer, threads == 0);
    assert_int_equal(cdul_prefetch_next(prefetch, &item), 0);
    cdul_prefetch_close(prefetch);
}

static void items_come_in_order_at_any_number_of_threads(void **state) {
    (void)state;
    const size_t threads[] = {0, 1, 2, 4, 16};
    for (int t = 0; t < 5; t++) {
        consume(threads[t], DEPTH, 1);
        consume(threads[t], 1, 1);
        consume(threads[t], 3, 2);
    }
}

static void a_batch_may_hold_all_slots(void **state) {
    (void)state;
    consume(0, DEPTH, DEPTH);
    consume(1, DEPTH, DEPTH);
    consume(4, DEPTH, DEPTH);
    consume(4, DEPTH, 5);
}

static void one_slot_more_than_there_are_is_an_error_and_no_deadlock(void **state) {
    (void)state;
    for (size_t threads = 0; threads < 3; threads++) {
        factory f = {.consumer = pthread_self()};
        cdul_prefetch *prefetch = NULL;
        cdul_prefetched item;
        assert_ok(cdul_prefetch_open(COUNT, threads, 2, produce, &f, &prefetch, &err));
        assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
        assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
        assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
        assert_int_equal(item.status, CDUL_ERR_USAGE);
        assert_string_equal(item.error.message, "prefetch: all 2 slots are held");
        cdul_prefetch_release(prefetch);
        assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
        assert_int_equal(item.i, 2);
        assert_int_equal(item.status, CDUL_OK);
        cdul_prefetch_close(prefetch);
    }
}

static void producers_keep_to_the_depth(void **state) {
    (void)state;
    factory f = {.consumer = pthread_self()};
    cdul_prefetch *prefetch = NULL;
    cdul_prefetched item;
    assert_ok(cdul_prefetch_open(COUNT, 4, 3, produce, &f, &prefetch, &err));
    assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(f.produced, 3);
    cdul_prefetch_release(prefetch);
    cdul_prefetch_release(prefetch); /* nothing held: changes nothing */
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(f.produced, 4);
    cdul_prefetch_close(prefetch);
}

static void closing_early_joins_every_thread(void **state) {
    (void)state;
    for (size_t taken = 0; taken < 20; taken++) {
        factory f = {.consumer = pthread_self()};
        cdul_prefetch *prefetch = NULL;
        cdul_prefetched item;
        assert_ok(cdul_prefetch_open(COUNT, 4, DEPTH, produce, &f, &prefetch, &err));
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal(cdul_prefetch_next(prefetch, &item), 1);
            if (i % 2 == 0) cdul_prefetch_release(prefetch);
            if (i + 1 == DEPTH) break;
        }
        cdul_prefetch_close(prefetch);
        size_t produced = f.produced;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        assert_int_equal(f.produced, produced);
        assert_true(produced < COUNT);
    }
    cdul_prefetch_close(NULL);
}

static void nothing_to_do_and_no_slots(void **state) {
    (void)state;
    cdul_prefetch *prefetch = NULL;
    cdul_prefetched item;
    assert_ok(cdul_prefetch_open(0, 4, DEPTH, produce, NULL, &prefetch, &err));
    assert_int_equal(cdul_prefetch_next(prefetch, &item), 0);
    cdul_prefetch_close(prefetch);
    assert_fails(cdul_prefetch_open(1, 1, 0, produce, NULL, &prefetch, &err), CDUL_ERR_USAGE,
                 "depth");
    assert_fails(cdul_prefetch_open(1, 1, SIZE_MAX / 2, produce, NULL, &prefetch, &err),
                 CDUL_ERR_MEMORY, "memory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_in_order_at_any_number_of_threads),
        cmocka_unit_test(a_batch_may_hold_all_slots),
        cmocka_unit_test(one_slot_more_than_there_are_is_an_error_and_no_deadlock),
        cmocka_unit_test(producers_keep_to_the_depth),
        cmocka_unit_test(closing_early_joins_every_thread),
        cmocka_unit_test(nothing_to_do_and_no_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
