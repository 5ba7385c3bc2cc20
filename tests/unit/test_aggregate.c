/* Equations (1) to (6) of the paper, worked by hand; SigLIP's scores by transformers
 * (golden/make_scores.py). */
#include "test.h"

#include "base/safetensors.h"
#include "cdul/label.h"

#include <math.h>

/* A view of two classes whose softmax at T = 1 is (p, 1 - p): the cosine is log(p / (1 - p)). */
#define LOG_ODDS_0_6 0.405465108108164F
#define LOG_ODDS_0_9 2.197224577336219F
#define LOG_ODDS_0_2 -1.386294361119891F

/* The whole image says 0.6, its three crops 0.9, 0.5 and 0.2. */
static const float views[] = {LOG_ODDS_0_6, 0, LOG_ODDS_0_9, 0, 0, 0, LOG_ODDS_0_2, 0};

static void aggregate(cdul_aggregator kind, double zeta, double lambda, const float *cosines,
                      size_t s, float y[2]) {
    cdul_aggregate_options o = {
        .aggregator = kind, .temperature = 1, .zeta = zeta, .lambda = lambda};
    float scratch[64];
    cdul_aggregate(&o, cosines, s, 2, scratch, y);
}

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6)) fail_msg("got %.9g, want %.9g", got, want);
}

static void
cdul_takes_the_largest_crop_where_it_reaches_zeta_and_the_smallest_elsewhere(void **state) {
    (void)state;
    float y[2];
    /* alpha = (0.9, 0.8), beta = (0.2, 0.1), both alphas reach 0.4: s_agg = alpha; y = mean with
     * s_glob (0.6, 0.4). */
    aggregate(CDUL_AGGREGATE_CDUL, 0.4, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9));
    assert_near(y[1], 0.5 * (0.4 + 0.8));
    /* zeta = 0.85: class 0 keeps alpha, class 1 falls to beta. */
    aggregate(CDUL_AGGREGATE_CDUL, 0.85, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9));
    assert_near(y[1], 0.5 * (0.4 + 0.1));
    /* zeta = 0 is the pure maximum. */
    float max[2];
    aggregate(CDUL_AGGREGATE_CDUL, 0, 0, views, 3, y);
    aggregate(CDUL_AGGREGATE_MAX, 0, 0, views, 3, max);
    assert_memory_equal(y, max, sizeof y);
}

/* Equation (5): gamma = 1 if alpha >= zeta. A crop that sees nothing in particular gives both
 * classes exactly 1/2, which is alpha of class 0; its beta is 0.2. */
static void a_largest_crop_of_exactly_zeta_counts(void **state) {
    (void)state;
    const float tie[] = {LOG_ODDS_0_6, 0, 0, 0, LOG_ODDS_0_2, 0};
    float y[2];
    aggregate(CDUL_AGGREGATE_CDUL, 0.5, 0, tie, 2, y);
    assert_near(y[0], 0.5 * (0.6 + 0.5));
    aggregate(CDUL_AGGREGATE_CDUL, 0.5000001, 0, tie, 2, y);
    assert_near(y[0], 0.5 * (0.6 + 0.2));
}

/* Of two crops both count; of one, that one. */
static void top2_of_two_crops_is_their_mean_and_of_one_that_crop(void **state) {
    (void)state;
    const float two[] = {LOG_ODDS_0_6, 0, LOG_ODDS_0_9, 0, LOG_ODDS_0_2, 0};
    float y[2];
    aggregate(CDUL_AGGREGATE_TOP2, 0, 0, two, 2, y);
    assert_near(y[0], 0.5 * (0.6 + (0.9 + 0.2) / 2));
    aggregate(CDUL_AGGREGATE_TOP2, 0, 0, two, 1, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9));
    assert_near(y[1], 0.5 * (0.4 + 0.1));
}

static void lambda_moves_the_fusion_from_smaller_over_mean_to_larger(void **state) {
    (void)state;
    float y[2];
    aggregate(CDUL_AGGREGATE_MAX, 0, 1, views, 3, y);
    assert_near(y[0], 0.9);
    assert_near(y[1], 0.8);
    aggregate(CDUL_AGGREGATE_MAX, 0, -1, views, 3, y);
    assert_near(y[0], 0.6);
    assert_near(y[1], 0.4);
    aggregate(CDUL_AGGREGATE_MAX, 0, 0.5, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + 0.9 + 0.5 * 0.3));
}

static void the_other_aggregators_do_what_their_names_say(void **state) {
    (void)state;
    float y[2];
    aggregate(CDUL_AGGREGATE_GLOBAL, 0, 0, views, 3, y);
    assert_near(y[0], 0.6);
    aggregate(CDUL_AGGREGATE_MEAN, 0, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + (0.9 + 0.5 + 0.2) / 3));
    aggregate(CDUL_AGGREGATE_TOP2, 0, 0, views, 3, y);
    assert_near(y[0], 0.5 * (0.6 + (0.9 + 0.5) / 2));
    assert_near(y[1], 0.5 * (0.4 + (0.8 + 0.5) / 2));
    /* no crops: the whole image is the only evidence */
    aggregate(CDUL_AGGREGATE_CDUL, 0, 0, views, 0, y);
    assert_near(y[0], 0.6);
}

static void zscore_standardises_each_view_over_its_classes(void **state) {
    (void)state;
    /* Whole (1, 2, 3): mean 2, deviation sqrt(2/3). Crop (0, 0, 3): mean 1, deviation sqrt 2. */
    float cosines[] = {1, 2, 3, 0, 0, 3}, scratch[6], y[3];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_ZSCORE, .temperature = 1};
    cdul_aggregate(&o, cosines, 1, 3, scratch, y);
    double z = 0.5 * (1 / sqrt(2.0 / 3) + 2 / sqrt(2.0));
    assert_near(y[2], 1 / (1 + exp(-z)));
    assert_near(y[1], 1 / (1 + exp(0.5 / sqrt(2.0))));
}

static void a_flat_view_says_nothing_under_zscore(void **state) {
    (void)state;
    float cosines[] = {0.3F, 0.3F, 0.3F}, scratch[3], y[3];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_ZSCORE, .temperature = 1};
    cdul_aggregate(&o, cosines, 0, 3, scratch, y);
    for (int i = 0; i < 3; i++) assert_near(y[i], 0.5);
}

/* Cosines 0.1, 0.2 at T = 0.1 and bias -1: the logits are 0 and 1, whatever else is in the view. */
static void sigmoid_scores_are_each_class_by_itself(void **state) {
    (void)state;
    float cosines[] = {0.1F, 0.2F, 0.3F, 0}, scratch[4], y[2];
    const double e = exp(1), one = e / (1 + e);
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_CDUL,
                                .score = CDUL_SCORE_SIGMOID,
                                .temperature = 0.1,
                                .bias = -1};
    cdul_aggregate(&o, cosines, 1, 2, scratch, y); /* the crop's logits: 2 and -1 */
    assert_near(y[0], 0.5 * (0.5 + e * e / (1 + e * e)));
    assert_near(y[1], 0.5 * (one + 1 / (1 + e)));
    o.lambda = 1;
    cdul_aggregate(&o, cosines, 1, 2, scratch, y);
    assert_near(y[1], one);
    o.bias = 10; /* both sure: a view's scores need not sum to 1 */
    cdul_aggregate(&o, cosines, 1, 2, scratch, y);
    assert_true(y[0] > 0.999 && y[1] > 0.999);
    cosines[0] = -1; /* e^1000 is no number, and the score is 0 */
    o.temperature = 1e-3;
    o.aggregator = CDUL_AGGREGATE_GLOBAL;
    cdul_aggregate(&o, cosines, 0, 2, scratch, y);
    assert_near(y[0], 0);
}

static const float *golden(const cdul_safetensors *file, const char *name, cdul_tensor_view *view) {
    const cdul_tensor_view *found = cdul_safetensors_find(file, name);
    assert_non_null(found);
    float *values = malloc(found->elements * sizeof *values);
    cdul_tensor_to_f32(found, 0, found->elements, values);
    *view = *found;
    return values;
}

static void sigmoid_scores_are_those_of_transformers(void **state) {
    (void)state;
    cdul_error err;
    cdul_safetensors *file = NULL;
    cdul_tensor_view image, text, want, one;
    cdul_class_vectors vectors;
    assert_ok(cdul_safetensors_open(CDUL_GOLDEN "/scores/siglip.safetensors", &file, &err));
    const float *embeddings = golden(file, "image_embeds", &image),
                *classes = golden(file, "text_embeds", &text);
    const float *scores = golden(file, "scores", &want);
    const float *scale = golden(file, "logit_scale", &one),
                *bias = golden(file, "logit_bias", &one);
    size_t n = image.shape[0], c = text.shape[0], between = 0;
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_GLOBAL,
                                .score = CDUL_SCORE_SIGMOID,
                                .temperature = exp(-(double)scale[0]),
                                .bias = bias[0]};
    assert_ok(cdul_class_vectors_pack(classes, c, text.shape[1], &vectors, &err));
    for (size_t i = 0; i < n; i++) {
        float cosines[16], scratch[16], y[16];
        assert_true(c <= 16);
        cdul_similarity(&vectors, embeddings + i * image.shape[1], 1, cosines);
        cdul_aggregate(&o, cosines, 0, c, scratch, y);
        for (size_t j = 0; j < c; j++) {
            between += scores[i * c + j] > 0.05F && scores[i * c + j] < 0.95F;
            /* exp(4.7) = 110 times a float32's rounding */
            if (!(fabsf(y[j] - scores[i * c + j]) < 2e-5F))
                fail_msg("image %zu, class %zu: %.8g, want %.8g", i, j, y[j], scores[i * c + j]);
        }
    }
    assert_true(between >= 3); /* scores of 0 and 1 alone would show nothing */
    cdul_class_vectors_free(&vectors);
    cdul_safetensors_close(file);
    free((void *)embeddings);
    free((void *)classes);
    free((void *)scores);
    free((void *)scale);
    free((void *)bias);
}

static void background_words_take_probability_and_get_no_label(void **state) {
    (void)state;
    /* Odds 1 : 1 : 2 with the last a background word: labels 1/4 each, not 1/2. */
    float cosines[] = {0, 0, logf(2)}, scratch[3], y[3] = {-1, -1, -1};
    cdul_aggregate_options o = {
        .aggregator = CDUL_AGGREGATE_GLOBAL, .temperature = 1, .background = 1};
    cdul_aggregate(&o, cosines, 0, 3, scratch, y);
    assert_near(y[0], 0.25);
    assert_near(y[1], 0.25);
    assert_near(y[2], -1);
    /* (1, 2, 3) has mean 2 and deviation sqrt(2/3): the background word counts in both. */
    float more[] = {1, 2, 3};
    o.aggregator = CDUL_AGGREGATE_ZSCORE;
    cdul_aggregate(&o, more, 0, 3, scratch, y);
    assert_near(y[0], 1 / (1 + exp(1 / sqrt(2.0 / 3))));
    assert_near(y[1], 0.5);
    assert_near(y[2], -1);
}

static void background_words_among_sigmoid_scores_are_refused(void **state) {
    (void)state;
    cdul_error err;
    cdul_aggregate_options o = cdul_aggregate_defaults();
    o.background = 2;
    assert_ok(cdul_aggregate_check(&o, &err));
    o.score = CDUL_SCORE_SIGMOID;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "background words do nothing");
    o.aggregator = CDUL_AGGREGATE_ZSCORE; /* has no use for the score */
    assert_ok(cdul_aggregate_check(&o, &err));
    o.bias = NAN;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "bias");
}

/* SigLIP's cosines lie near 0.1 for what is in a picture and 0 for what is not; B/16 has T = 1/117,
 * bias -12.9. */
static void flat_sigmoid_labels_are_noticed_and_right_ones_are_not(void **state) {
    (void)state;
    enum { C = 20 };
    float cosines[C], scratch[C], y[C];
    for (int i = 0; i < C; i++) cosines[i] = 0.001F * (float)(i % 5);
    cosines[3] = 0.12F;
    cdul_error err;
    cdul_label_summary summary;
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_GLOBAL,
                                .score = CDUL_SCORE_SIGMOID,
                                .temperature = 1 / 117.0,
                                .bias = -12.9};
    const struct {
        double temperature, bias;
        bool flat;
    } cases[] = {{1 / 117.0, -12.9, false}, {log(100), -12.9, true}, {1 / 117.0, 12.9, true}};
    for (size_t k = 0; k < 3; k++) {
        o.temperature = cases[k].temperature;
        o.bias = cases[k].bias;
        cdul_aggregate(&o, cosines, 0, C, scratch, y);
        assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
        assert_int_equal(summary.flat, cases[k].flat);
    }
    cosines[3] = 0; /* nothing of the classes is there: scores of 1e-6, and rightly so */
    o.temperature = 1 / 117.0;
    o.bias = -12.9;
    for (int i = 0; i < C; i++) cosines[i] = 0.02F * sinf((float)i);
    cdul_aggregate(&o, cosines, 0, C, scratch, y);
    assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
    assert_false(summary.flat);
}

/* The public reimplementation divides cosines by ln(100) = 4.6 where CLIP multiplies by 100. */
static void labels_of_a_clear_image_are_not_flat_and_the_ln100_mistake_is_noticed(void **state) {
    (void)state;
    enum { C = 20 };
    float cosines[C], scratch[C], y[C];
    for (int i = 0; i < C; i++)
        cosines[i] = 0.18F; /* typical CLIP cosines: 0.18 for the absent, 0.28 for the present */
    cosines[7] = 0.28F;
    cdul_error err;
    cdul_label_summary summary;
    cdul_aggregate_options o = cdul_aggregate_defaults();
    cdul_aggregate(&o, cosines, 0, C, scratch, y);
    assert_true(y[7] > 0.99);
    assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
    assert_false(summary.flat);
    assert_near(summary.mass, 1);

    o.temperature = log(100);
    cdul_aggregate(&o, cosines, 0, C, scratch, y);
    assert_true(y[7] < 1.1 / C);
    assert_ok(cdul_label_summarise(y, 1, C, &summary, &err));
    assert_true(summary.flat);
}

static void large_cosines_over_small_temperatures_do_not_overflow(void **state) {
    (void)state;
    float cosines[] = {1, -1}, scratch[2], y[2];
    cdul_aggregate_options o = {.aggregator = CDUL_AGGREGATE_GLOBAL, .temperature = 1e-4};
    cdul_aggregate(&o, cosines, 0, 2, scratch, y);
    assert_near(y[0], 1);
    assert_near(y[1], 0);
}

static void options_out_of_range_are_refused_with_the_range(void **state) {
    (void)state;
    cdul_error err;
    cdul_aggregate_options o = cdul_aggregate_defaults();
    assert_ok(cdul_aggregate_check(&o, &err));
    o.temperature = 0;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "above 0");
    o.temperature = NAN;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "temperature");
    o = cdul_aggregate_defaults();
    o.zeta = 1.5;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "0 .. 1");
    o = cdul_aggregate_defaults();
    o.lambda = -2;
    assert_fails(cdul_aggregate_check(&o, &err), CDUL_ERR_USAGE, "-1 .. 1");
}

static void the_ends_of_a_range_belong_to_it(void **state) {
    (void)state;
    cdul_error err;
    const double ends[][2] = {{0, -1}, {0, 1}, {1, -1}, {1, 1}}; /* zeta, lambda */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        cdul_aggregate_options o = cdul_aggregate_defaults();
        o.zeta = ends[i][0];
        o.lambda = ends[i][1];
        assert_ok(cdul_aggregate_check(&o, &err));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            cdul_takes_the_largest_crop_where_it_reaches_zeta_and_the_smallest_elsewhere),
        cmocka_unit_test(a_largest_crop_of_exactly_zeta_counts),
        cmocka_unit_test(top2_of_two_crops_is_their_mean_and_of_one_that_crop),
        cmocka_unit_test(lambda_moves_the_fusion_from_smaller_over_mean_to_larger),
        cmocka_unit_test(the_other_aggregators_do_what_their_names_say),
        cmocka_unit_test(zscore_standardises_each_view_over_its_classes),
        cmocka_unit_test(a_flat_view_says_nothing_under_zscore),
        cmocka_unit_test(sigmoid_scores_are_each_class_by_itself),
        cmocka_unit_test(sigmoid_scores_are_those_of_transformers),
        cmocka_unit_test(background_words_take_probability_and_get_no_label),
        cmocka_unit_test(background_words_among_sigmoid_scores_are_refused),
        cmocka_unit_test(flat_sigmoid_labels_are_noticed_and_right_ones_are_not),
        cmocka_unit_test(labels_of_a_clear_image_are_not_flat_and_the_ln100_mistake_is_noticed),
        cmocka_unit_test(large_cosines_over_small_temperatures_do_not_overflow),
        cmocka_unit_test(options_out_of_range_are_refused_with_the_range),
        cmocka_unit_test(the_ends_of_a_range_belong_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
