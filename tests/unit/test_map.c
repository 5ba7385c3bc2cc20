#include "test.h"

#include "base/map.h"

static cdul_error err;

static void arrays_grow_and_keep_what_they_hold(void **state) {
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        assert_ok(cdul_grow(&items, (size_t)i + 1, &capacity, sizeof *items, "numbers", &err));
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(items[i], i);
    assert_ok(cdul_grow(&items, 5000, &capacity, sizeof *items, "numbers", &err));
    assert_true(capacity >= 5000 && items[999] == 999);
    const size_t before = capacity;
    assert_fails(cdul_grow(&items, SIZE_MAX / 2, &capacity, sizeof *items, "numbers", &err),
                 CDUL_ERR_MEMORY, "out of memory: numbers");
    assert_fails(cdul_grow(&items, SIZE_MAX, &capacity, sizeof *items, "numbers", &err),
                 CDUL_ERR_MEMORY, "out of memory: numbers");
    assert_true(capacity == before && items[999] == 999);
    free(items);
}

static void positions_with_one_hash_come_one_after_another(void **state) {
    (void)state;
    cdul_map map = {0};
    size_t step = 0;
    assert_true(cdul_map_next(&map, 7, &step) == CDUL_NOT_FOUND);
    /* The same slot for all, in every size of the table; then others' slots between them. */
    for (size_t i = 0; i < 100; i++) assert_ok(cdul_map_add(&map, 7, i, &err));
    for (uint32_t i = 0; i < 100; i++) assert_ok(cdul_map_add(&map, 8 + i, 100 + i, &err));
    bool seen[100] = {false};
    size_t at, count = 0;
    for (step = 0; (at = cdul_map_next(&map, 7, &step)) != CDUL_NOT_FOUND; count++) {
        assert_true(at < 100 && !seen[at]);
        seen[at] = true;
    }
    assert_int_equal(count, 100);
    step = 0;
    assert_int_equal(cdul_map_next(&map, 107, &step), 199);
    assert_true(cdul_map_next(&map, 107, &step) == CDUL_NOT_FOUND);
    cdul_map_free(&map);
}

static void names_keep_the_order_in_which_they_came(void **state) {
    (void)state;
    cdul_names names = {0};
    size_t position = 0;
    char name[16];
    assert_true(cdul_index_find(&names, "0") == CDUL_NOT_FOUND);
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < 10000; i++) {
            snprintf(name, sizeof name, "%zu", i);
            assert_ok(cdul_names_get(&names, name, &position, &err));
            assert_int_equal(position, i);
        }
    assert_int_equal(names.list.count, 10000);
    assert_string_equal(names.list.items[1234], "1234");
    assert_int_equal(cdul_index_find(&names, "9999"), 9999);
    assert_true(cdul_index_find(&names, "10000") == CDUL_NOT_FOUND);
    cdul_names_free(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_grow_and_keep_what_they_hold),
        cmocka_unit_test(positions_with_one_hash_come_one_after_another),
        cmocka_unit_test(names_keep_the_order_in_which_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
