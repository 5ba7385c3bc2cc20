/* Measures against scikit-learn (tests/golden/make_eval.py) and against sums done by hand. */
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "cdul/eval.h"

#include <math.h>

static cdul_error err;

typedef struct golden {
    cJSON *expected;
    float *scores;
    cdul_matched matched;
} golden;

static int set_up(void **state) {
    static golden g;
    char *bytes;
    size_t size;
    assert_ok(cdul_json_read(CDUL_GOLDEN "/eval/expected.json", &g.expected, &err));
    g.matched.images = (size_t)cJSON_GetObjectItem(g.expected, "images")->valueint;
    g.matched.classes = (size_t)cJSON_GetObjectItem(g.expected, "classes")->valueint;
    assert_ok(cdul_file_read_all(CDUL_GOLDEN "/eval/scores.f32", &bytes, &size, &err));
    assert_int_equal(size, g.matched.images * g.matched.classes * sizeof(float));
    g.scores = (float *)(void *)bytes;
    assert_ok(cdul_file_read_all(CDUL_GOLDEN "/eval/truth.u8", &bytes, &size, &err));
    assert_int_equal(size, g.matched.images * g.matched.classes);
    g.matched.values = (uint8_t *)bytes;
    g.matched.rows = calloc(g.matched.images, sizeof *g.matched.rows);
    for (size_t i = 0; i < g.matched.images; i++) g.matched.rows[i] = i;
    *state = &g;
    return 0;
}

static int tear_down(void **state) {
    golden *g = *state;
    cJSON_Delete(g->expected);
    free(g->scores);
    cdul_matched_free(&g->matched);
    return 0;
}

static void near(const cJSON *object, const char *key, double got) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_non_null(item);
    if (cJSON_IsNull(item)) {
        if (!isnan(got)) fail_msg("%s: %.17g instead of NaN", key, got);
    } else if (!(fabs(got - item->valuedouble) <= 1e-12)) {
        fail_msg("%s: %.17g instead of %.17g", key, got, item->valuedouble);
    }
}

static const char *const difficult_names[] = {"ignore", "positive", "negative"};
static const char *const ap_names[] = {"area", "voc2010", "11point"};

static void average_precision_equals_the_references(void **state) {
    const golden *g = *state;
    for (int d = 0; d < 3; d++)
        for (int a = 0; a < 3; a++) {
            const cJSON *expected = cJSON_GetObjectItem(g->expected, difficult_names[d]), *one;
            cdul_metrics_options options = cdul_metrics_defaults();
            options.difficult = (cdul_difficult)d;
            options.ap = (cdul_ap)a;
            cdul_metrics metrics;
            assert_ok(cdul_metrics_compute(g->scores, &g->matched, &options, &metrics, &err));
            near(expected, ap_names[a], metrics.map);
            size_t c = 0;
            cJSON_ArrayForEach(one, cJSON_GetObjectItem(expected, "per_class")) {
                near(one, ap_names[a], metrics.per_class[c].ap);
                near(one, "positives", (double)metrics.per_class[c].positives);
                near(one, "entries", (double)metrics.per_class[c].entries);
                c++;
            }
            assert_int_equal(c, metrics.classes);
            cdul_metrics_free(&metrics);
        }
}

static void near_f1(const cJSON *expected, const cdul_f1 *f1) {
    near(expected, "cp", f1->cp);
    near(expected, "cr", f1->cr);
    near(expected, "cf1", f1->cf1);
    near(expected, "op", f1->op);
    near(expected, "or", f1->or_);
    near(expected, "of1", f1->of1);
}

static void scalar_measures_equal_the_references(void **state) {
    const golden *g = *state;
    for (int d = 0; d < 3; d++) {
        const cJSON *expected = cJSON_GetObjectItem(g->expected, difficult_names[d]);
        cdul_metrics_options options = cdul_metrics_defaults();
        options.difficult = (cdul_difficult)d;
        cdul_metrics metrics;
        assert_ok(cdul_metrics_compute(g->scores, &g->matched, &options, &metrics, &err));
        near(expected, "bce", metrics.bce);
        near(expected, "brier", metrics.brier);
        near(expected, "ece", metrics.ece);
        near(expected, "mass", metrics.mass);
        near(expected, "truth_mass", metrics.truth_mass);
        near_f1(cJSON_GetObjectItem(expected, "at_threshold"), &metrics.at_threshold);
        near_f1(cJSON_GetObjectItem(expected, "at_top"), &metrics.at_top);
        cdul_metrics_free(&metrics);
    }
}

static void result_does_not_depend_on_threads(void **state) {
    const golden *g = *state;
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics one, three;
    assert_ok(cdul_metrics_compute(g->scores, &g->matched, &options, &one, &err));
    options.threads = 3;
    assert_ok(cdul_metrics_compute(g->scores, &g->matched, &options, &three, &err));
    assert_true(one.map == three.map && one.bce == three.bce && one.ece == three.ece &&
                one.mass == three.mass);
    assert_memory_equal(one.per_class, three.per_class, one.classes * sizeof *one.per_class);
    cdul_metrics_free(&one);
    cdul_metrics_free(&three);
}

/* Enough classes and images that the threads rank at the same time. */
static void threads_do_not_disturb_each_other(void **state) {
    (void)state;
    enum { N = 6000, C = 64 };
    float *scores = malloc(N * C * sizeof *scores);
    uint8_t *values = malloc(N * C);
    size_t *rows = malloc(N * sizeof *rows);
    uint32_t random = 1;
    for (size_t i = 0; i < N * C; i++) {
        random = random * 1664525u + 1013904223u;
        scores[i] = (float)(random >> 8) / (float)(1 << 24);
        values[i] = (random >> 4) % 2 ? CDUL_PRESENT : CDUL_ABSENT;
    }
    for (size_t i = 0; i < N; i++) rows[i] = i;
    const cdul_matched matched = {.images = N, .classes = C, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics one, four;
    options.threads = 1;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &one, &err));
    options.threads = 4;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &four, &err));
    assert_memory_equal(one.per_class, four.per_class, C * sizeof *one.per_class);
    cdul_metrics_free(&one);
    cdul_metrics_free(&four);
    free(scores);
    free(values);
    free(rows);
}

static void curve_contains_the_average_precision(void **state) {
    const golden *g = *state;
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(g->scores, &g->matched, &options, &metrics, &err));
    for (size_t c = 0; c < metrics.classes; c++) {
        cdul_curve curve;
        assert_ok(cdul_curve_compute(g->scores, &g->matched, c, options.difficult, &curve, &err));
        double area = 0, recall = 0;
        for (size_t i = 0; i < curve.count; i++) {
            area += (curve.points[i].recall - recall) * curve.points[i].precision;
            recall = curve.points[i].recall;
            if (i) assert_true(curve.points[i].threshold < curve.points[i - 1].threshold);
        }
        if (metrics.per_class[c].positives)
            assert_true(fabs(area - metrics.per_class[c].ap) < 1e-12);
        cdul_curve_free(&curve);
    }
    cdul_metrics_free(&metrics);
}

/* Scores 0.9 (right), 0.8 (wrong), 0.7 (right), judged through rows in another order than the
 * scores'. */
static void rows_pick_the_images_to_judge(void **state) {
    (void)state;
    const float scores[] = {0.1f, 0.7f, 0.3f, 0.9f, 0.8f};
    size_t rows[] = {1, 3, 4};
    uint8_t values[] = {CDUL_PRESENT, CDUL_PRESENT, CDUL_ABSENT};
    const cdul_matched matched = {.images = 3, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_float_equal(metrics.map, (1.0 + 2.0 / 3.0) / 2, 1e-12);
    assert_float_equal(metrics.mass, (0.7 + 0.9 + 0.8) / 3, 1e-7);
    assert_float_equal(metrics.bce, -(log(0.7) + log(0.9) + log(0.2)) / 3, 1e-7);
    cdul_metrics_free(&metrics);
}

/* One positive among three images that are all predicted: P = 1/3, R = 1. */
static void f1_where_precision_is_below_recall(void **state) {
    (void)state;
    const float scores[] = {0.9f, 0.8f, 0.7f};
    size_t rows[] = {0, 1, 2};
    uint8_t values[] = {CDUL_PRESENT, CDUL_ABSENT, CDUL_ABSENT};
    const cdul_matched matched = {.images = 3, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_float_equal(metrics.at_threshold.cp, 1.0 / 3, 1e-12);
    assert_float_equal(metrics.at_threshold.cr, 1, 1e-12);
    assert_float_equal(metrics.at_threshold.cf1, 0.5, 1e-12);
    assert_float_equal(metrics.at_threshold.of1, 0.5, 1e-12);
    cdul_metrics_free(&metrics);
}

/* Nothing is predicted right: precision and recall are 0, and so is F1, which would be 0 / 0. */
static void f1_of_nothing_right_is_0(void **state) {
    (void)state;
    const float scores[] = {0.1f, 0.8f};
    size_t rows[] = {0, 1};
    uint8_t values[] = {CDUL_PRESENT, CDUL_ABSENT};
    const cdul_matched matched = {.images = 2, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_true(metrics.at_threshold.cf1 == 0 && metrics.at_threshold.of1 == 0);
    cdul_metrics_free(&metrics);
}

static void ignored_entries_of_all_classes_are_counted(void **state) {
    (void)state;
    const float scores[] = {0.1f, 0.7f, 0.3f, 0.9f, 0.8f, 0.2f};
    size_t rows[] = {0, 1};
    uint8_t values[] = {CDUL_PRESENT, CDUL_DIFFICULT, CDUL_ABSENT,
                        CDUL_ABSENT,  CDUL_PRESENT,   CDUL_DIFFICULT};
    const cdul_matched matched = {.images = 2, .classes = 3, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_int_equal(metrics.ignored, 2);
    assert_int_equal(metrics.entries, 4);
    cdul_metrics_free(&metrics);
}

/* Images are measured 512 at a time. All 1600 score 3/4 and the first 700 are right,
 * so Brier is (700 / 16 + 900 x 9 / 16) / 1600. */
static void every_image_of_many_counts_once(void **state) {
    (void)state;
    enum { N = 1600, RIGHT = 700 };
    static float scores[N];
    static size_t rows[N];
    static uint8_t values[N];
    for (size_t i = 0; i < N; i++) {
        scores[i] = 0.75f;
        rows[i] = i;
        values[i] = i < RIGHT ? CDUL_PRESENT : CDUL_ABSENT;
    }
    const cdul_matched matched = {.images = N, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_int_equal(metrics.entries, N);
    assert_int_equal(metrics.per_class[0].predicted, N);
    assert_int_equal(metrics.per_class[0].true_positives, RIGHT);
    assert_float_equal(metrics.mass, 0.75, 1e-12);
    assert_float_equal(metrics.brier, (RIGHT + (N - RIGHT) * 9.0) / 16 / N, 1e-12);
    cdul_metrics_free(&metrics);
}

/* Bins are 1/15 wide: 0.9 is 13.5 of them. */
static void a_score_of_1_counts_in_the_last_bin(void **state) {
    (void)state;
    const float scores[] = {1, 0.9f, 0};
    size_t rows[] = {0, 1, 2};
    uint8_t values[] = {CDUL_PRESENT, CDUL_PRESENT, CDUL_ABSENT};
    const cdul_matched matched = {.images = 3, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_int_equal(metrics.bins[14].count, 1);
    assert_int_equal(metrics.bins[13].count, 1);
    assert_int_equal(metrics.bins[0].count, 1);
    cdul_metrics_free(&metrics);
}

/* How often each of `classes` is among the `top` best of one image. */
static void assert_top(const float *scores, size_t classes, size_t top, const char *want) {
    size_t row = 0;
    uint8_t values[8] = {0};
    const cdul_matched matched = {.images = 1, .classes = classes, .rows = &row, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    options.top = top;
    cdul_metrics metrics;
    char got[9] = "";
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    for (size_t c = 0; c < classes; c++) got[c] = (char)('0' + metrics.per_class[c].top_predicted);
    assert_string_equal(got, want);
    cdul_metrics_free(&metrics);
}

static void of_equally_good_classes_the_first_is_picked(void **state) {
    (void)state;
    const float equal[] = {0.5f, 0.5f, 0.5f}, behind[] = {0.5f, 0.5f, 0.9f};
    assert_top(equal, 3, 2, "110");
    assert_top(behind, 3, 2, "101");
}

static void the_best_class_alone_can_be_picked(void **state) {
    (void)state;
    const float scores[] = {0.3f, 0.8f, 0.6f};
    assert_top(scores, 3, 1, "010");
}

static void without_images_or_classes_there_is_nothing_to_evaluate(void **state) {
    (void)state;
    float score = 0.5f;
    size_t row = 0;
    uint8_t value = CDUL_PRESENT;
    cdul_matched matched = {.images = 0, .classes = 1, .rows = &row, .values = &value};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_fails(cdul_metrics_compute(&score, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "nothing to evaluate: 0 images, 1 classes");
    matched.images = 1;
    matched.classes = 0;
    assert_fails(cdul_metrics_compute(&score, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "nothing to evaluate: 1 images, 0 classes");
}

/* 0 and 1 are probabilities; the first that is none is named, wherever it stands. */
static void a_score_of_0_or_1_is_not_blamed_for_another(void **state) {
    (void)state;
    float scores[] = {0, 1, 0.5f, NAN};
    size_t rows[] = {0, 1};
    uint8_t values[4] = {0};
    const cdul_matched matched = {.images = 2, .classes = 2, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_fails(cdul_metrics_compute(scores, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "image 2, class 2 is not");
    scores[0] = -0.5f;
    assert_fails(cdul_metrics_compute(scores, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "score -0.5 of image 1, class 1 is not");
}

static void a_score_that_is_no_probability_is_named(void **state) {
    (void)state;
    float scores[] = {0.1f, 0.7f, NAN, 0.9f};
    size_t rows[] = {0, 1};
    uint8_t values[4] = {0};
    const cdul_matched matched = {.images = 2, .classes = 2, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_fails(cdul_metrics_compute(scores, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "image 2, class 1");
    scores[2] = 1.5f;
    assert_fails(cdul_metrics_compute(scores, &matched, &options, &metrics, &err), CDUL_ERR_INPUT,
                 "1.5");
}

static void truth_without_positives_has_no_map(void **state) {
    (void)state;
    const float scores[] = {0.25f, 0.75f};
    size_t rows[] = {0, 1};
    uint8_t values[] = {CDUL_ABSENT, CDUL_DIFFICULT};
    const cdul_matched matched = {.images = 2, .classes = 1, .rows = rows, .values = values};
    cdul_metrics_options options = cdul_metrics_defaults();
    cdul_metrics metrics;
    assert_ok(cdul_metrics_compute(scores, &matched, &options, &metrics, &err));
    assert_true(isnan(metrics.map));
    assert_int_equal(metrics.classes_with_positives, 0);
    assert_int_equal(metrics.ignored, 1);
    assert_float_equal(metrics.bce, -log(0.75), 1e-12);
    cdul_metrics_free(&metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(average_precision_equals_the_references),
        cmocka_unit_test(scalar_measures_equal_the_references),
        cmocka_unit_test(result_does_not_depend_on_threads),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(curve_contains_the_average_precision),
        cmocka_unit_test(rows_pick_the_images_to_judge),
        cmocka_unit_test(f1_where_precision_is_below_recall),
        cmocka_unit_test(f1_of_nothing_right_is_0),
        cmocka_unit_test(ignored_entries_of_all_classes_are_counted),
        cmocka_unit_test(every_image_of_many_counts_once),
        cmocka_unit_test(a_score_of_1_counts_in_the_last_bin),
        cmocka_unit_test(of_equally_good_classes_the_first_is_picked),
        cmocka_unit_test(the_best_class_alone_can_be_picked),
        cmocka_unit_test(without_images_or_classes_there_is_nothing_to_evaluate),
        cmocka_unit_test(a_score_of_0_or_1_is_not_blamed_for_another),
        cmocka_unit_test(a_score_that_is_no_probability_is_named),
        cmocka_unit_test(truth_without_positives_has_no_map),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
