#include "test.h"

#include "cdul/label.h"

#include <math.h>

/* Small whole numbers, so that the sums below are exact in float32 whatever the order. */
static float entry(size_t i, size_t j) { return (float)((i * 7 + j * 3) % 11) - 5; }

static void products_equal_the_definition_at_every_odd_size(void **state) {
    (void)state;
    cdul_error err;
    /* M, C, D */
    const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {4, 8, 16}, {9, 17, 33}, {10, 80, 512}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t m = sizes[k][0], c = sizes[k][1], d = sizes[k][2];
        float *embeddings = malloc(m * d * sizeof(float)), *classes = malloc(c * d * sizeof(float));
        float *cosines = malloc(m * c * sizeof(float));
        for (size_t i = 0; i < m * d; i++) embeddings[i] = entry(i / d, i % d);
        for (size_t i = 0; i < c * d; i++) classes[i] = entry(i / d + 2, i % d + 1);
        cdul_class_vectors vectors;
        assert_ok(cdul_class_vectors_pack(classes, c, d, &vectors, &err));
        cdul_similarity(&vectors, embeddings, m, cosines);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < c; j++) {
                float want = 0;
                for (size_t l = 0; l < d; l++) want += embeddings[i * d + l] * classes[j * d + l];
                assert_true(cosines[i * c + j] == want);
            }
        cdul_class_vectors_free(&vectors);
        free(embeddings);
        free(classes);
        free(cosines);
    }
}

static void a_row_does_not_depend_on_its_neighbours(void **state) {
    (void)state;
    cdul_error err;
    enum { M = 7, C = 13, D = 50 };
    float embeddings[M * D], classes[C * D], all[M * C], one[C];
    for (size_t i = 0; i < M * D; i++) embeddings[i] = sinf((float)i);
    for (size_t i = 0; i < C * D; i++) classes[i] = cosf((float)i);
    cdul_class_vectors vectors;
    assert_ok(cdul_class_vectors_pack(classes, C, D, &vectors, &err));
    cdul_similarity(&vectors, embeddings, M, all);
    for (size_t i = 0; i < M; i++) {
        cdul_similarity(&vectors, embeddings + i * D, 1, one);
        assert_memory_equal(one, all + i * C, sizeof one);
    }
    cdul_class_vectors_free(&vectors);
}

static void the_largest_of_a_class_s_words_counts(void **state) {
    (void)state;
    /* Two views, words of classes 0, 1, 1, 1, 2. */
    float cosines[] = {0.1F, -0.3F, -0.1F, -0.2F, 0.4F, /**/ 0.5F, 0.2F, 0.1F, 0.3F, -1};
    const size_t class_of[] = {0, 1, 1, 1, 2};
    const float want[] = {0.1F, -0.1F, 0.4F, 0.5F, 0.3F, -1};
    cdul_similarity_of_words(cosines, 2, 5, class_of, 3);
    assert_memory_equal(cosines, want, sizeof want);
    /* The first word is the best one: of class 0 as of a later class. */
    float falling[] = {0.5F, 0.2F, 0.4F, 0.3F, 0.1F};
    const size_t pairs[] = {0, 0, 1, 1, 1};
    const float best[] = {0.5F, 0.4F};
    cdul_similarity_of_words(falling, 1, 5, pairs, 2);
    assert_memory_equal(falling, best, sizeof best);
}

static void empty_class_vectors_are_refused(void **state) {
    (void)state;
    cdul_error err;
    cdul_class_vectors vectors;
    float x = 1;
    assert_fails(cdul_class_vectors_pack(&x, 0, 1, &vectors, &err), CDUL_ERR_INPUT, "empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_the_definition_at_every_odd_size),
        cmocka_unit_test(a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(the_largest_of_a_class_s_words_counts),
        cmocka_unit_test(empty_class_vectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
