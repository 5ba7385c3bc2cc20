/* Laying ground truth beside scored images. */
#include "test.h"

#include "cdul/eval.h"

static cdul_error err;

static void fill(cdul_strings *list, const char *const *names) {
    for (; *names; names++) assert_ok(cdul_strings_add(list, *names, &err));
}

typedef struct fixture {
    cdul_truth truth;
    cdul_strings images, classes;
    cdul_matched matched;
} fixture;

/* truth->values[i, c] = (i + c) % 3: every row can be told from its neighbours. */
static fixture make(const char *const *truth_images, const char *const *truth_classes,
                    const char *const *images, const char *const *classes) {
    fixture f = {0};
    fill(&f.truth.images, truth_images);
    fill(&f.truth.classes, truth_classes);
    fill(&f.images, images);
    fill(&f.classes, classes);
    size_t c = f.truth.classes.count;
    f.truth.values = calloc(f.truth.images.count * c, 1);
    for (size_t i = 0; i < f.truth.images.count * c; i++)
        f.truth.values[i] = (uint8_t)((i / c + i % c) % 3);
    return f;
}

static void drop(fixture *f) {
    cdul_truth_free(&f->truth);
    cdul_strings_free(&f->images);
    cdul_strings_free(&f->classes);
    cdul_matched_free(&f->matched);
}

#define LIST(...)                                                                                  \
    (const char *const[]) { __VA_ARGS__, NULL }

static cdul_status align(fixture *f) {
    return cdul_truth_match(&f->truth, &f->images, &f->classes, &f->matched, &err);
}

static void the_intersection_is_kept_and_the_rest_counted(void **state) {
    (void)state;
    fixture f = make(LIST("a.jpg", "b.jpg", "c.jpg"), LIST("cat", "dog", "cow"),
                     LIST("x.jpg", "c.jpg", "a.jpg"), LIST("cow", "cat"));
    assert_ok(align(&f));
    assert_int_equal(f.matched.images, 2);
    assert_int_equal(f.matched.rows[0], 1);
    assert_int_equal(f.matched.rows[1], 2);
    const uint8_t expected[] = {(2 + 2) % 3, 2, 2, 0}; /* c: cow, cat; a: cow, cat */
    assert_memory_equal(f.matched.values, expected, sizeof expected);
    assert_int_equal(f.matched.without_truth, 1);
    assert_int_equal(f.matched.without_scores, 1);
    assert_int_equal(f.matched.unused_classes, 1);
    assert_int_equal(f.matched.ambiguous, 0);
    drop(&f);
}

static void base_names_match_where_whole_names_do_not(void **state) {
    (void)state;
    fixture f = make(LIST("000005", "v1.5", "train/7.png"), LIST("cat"),
                     LIST("images/000005.JPG", "v1.5.jpeg", "7.jpg", "v1.jpg"), LIST("cat"));
    assert_ok(align(&f));
    assert_int_equal(f.matched.images, 3);
    const uint8_t expected[] = {0, 1, 2};
    assert_memory_equal(f.matched.values, expected, sizeof expected);
    assert_int_equal(f.matched.without_truth, 1);
    drop(&f);
}

static void ambiguous_base_names_match_nothing(void **state) {
    (void)state;
    fixture f = make(LIST("a/1.jpg", "b/1.jpg", "c/2.jpg", "3"), LIST("cat"),
                     LIST("1.jpg", "x/2.jpg", "y/2.jpg", "a/1.jpg", "z/3.jpg"), LIST("cat"));
    assert_ok(align(&f));
    assert_int_equal(f.matched.images, 2); /* a/1.jpg by its whole name, 3 by its base name */
    assert_int_equal(f.matched.rows[0], 3);
    assert_int_equal(f.matched.rows[1], 4);
    assert_int_equal(f.matched.ambiguous, 3);
    assert_int_equal(f.matched.without_truth, 0);
    drop(&f);
}

static void an_unknown_class_is_refused_with_the_nearest_name(void **state) {
    (void)state;
    fixture f = make(LIST("a.jpg"), LIST("tvmonitor", "dog"), LIST("a.jpg"), LIST("tvmoniter"));
    assert_fails(align(&f), CDUL_ERR_INPUT,
                 "class \"tvmoniter\" is not in the ground truth; did you mean \"tvmonitor\"?");
    drop(&f);
}

static void no_common_image_is_refused(void **state) {
    (void)state;
    fixture f = make(LIST("a.jpg", "c.jpg"), LIST("dog"), LIST("b.jpg"), LIST("dog"));
    assert_fails(align(&f), CDUL_ERR_INPUT,
                 "none of the 1 scored images is among the 2 of the ground truth (there: "
                 "\"a.jpg\")");
    drop(&f);
}

static void scores_without_classes_match_images_all_the_same(void **state) {
    (void)state;
    fixture f = make(LIST("a.jpg"), LIST("dog", "cat"), LIST("a.jpg"), (const char *const[]){NULL});
    assert_ok(align(&f));
    assert_int_equal(f.matched.images, 1);
    assert_int_equal(f.matched.classes, 0);
    assert_int_equal(f.matched.unused_classes, 2);
    drop(&f);
}

static void empty_images_are_dropped_on_request(void **state) {
    (void)state;
    fixture f = make(LIST("a", "b", "c", "d"), LIST("dog"), LIST("d", "c", "b", "a"), LIST("dog"));
    assert_ok(align(&f)); /* a and d are absent */
    cdul_matched_drop_empty(&f.matched);
    assert_int_equal(f.matched.images, 2);
    assert_int_equal(f.matched.rows[0], 1);
    assert_int_equal(f.matched.rows[1], 2);
    const uint8_t expected[] = {2, 1};
    assert_memory_equal(f.matched.values, expected, sizeof expected);
    drop(&f);
}

/* Two classes an image: what is kept moves up by whole rows. Truth [i, c] = (i + c) % 3, and row d
 * is made empty. */
static void rows_that_stay_keep_all_their_classes(void **state) {
    (void)state;
    fixture f = make(LIST("a", "b", "c", "d"), LIST("dog", "cat"), LIST("d", "c", "b", "a"),
                     LIST("dog", "cat"));
    f.truth.values[3 * 2] = f.truth.values[3 * 2 + 1] = CDUL_ABSENT;
    assert_ok(align(&f));
    cdul_matched_drop_empty(&f.matched);
    assert_int_equal(f.matched.images, 3); /* a is (absent, present) and stays */
    const size_t rows[] = {1, 2, 3};
    assert_memory_equal(f.matched.rows, rows, sizeof rows);
    const uint8_t expected[] = {2, 0, 1, 2, 0, 1};
    assert_memory_equal(f.matched.values, expected, sizeof expected);
    f.matched.values[2] = f.matched.values[3] = CDUL_ABSENT; /* now b, the second that is left */
    cdul_matched_drop_empty(&f.matched);
    assert_int_equal(f.matched.images, 2); /* the first stays where it is */
    assert_int_equal(f.matched.rows[0], 1);
    assert_int_equal(f.matched.rows[1], 3);
    assert_memory_equal(f.matched.values, ((const uint8_t[]){2, 0, 0, 1}), 4);
    drop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_intersection_is_kept_and_the_rest_counted),
        cmocka_unit_test(base_names_match_where_whole_names_do_not),
        cmocka_unit_test(ambiguous_base_names_match_nothing),
        cmocka_unit_test(an_unknown_class_is_refused_with_the_nearest_name),
        cmocka_unit_test(no_common_image_is_refused),
        cmocka_unit_test(scores_without_classes_match_images_all_the_same),
        cmocka_unit_test(empty_images_are_dropped_on_request),
        cmocka_unit_test(rows_that_stay_keep_all_their_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
