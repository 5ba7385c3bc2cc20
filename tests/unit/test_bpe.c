/* Merges worked by hand. */
#include "test.h"

#include "encoder/tokenizer/bpe.h"

static cdul_error err;

/* Tokens of bytes are the bytes; at a word's end, 256 more. */
static cdul_bpe *make(size_t merges) {
    int32_t inside[256], last[256];
    cdul_bpe *bpe = NULL;
    for (int b = 0; b < 256; b++) {
        inside[b] = b;
        last[b] = 256 + b;
    }
    assert_ok(cdul_bpe_new(inside, last, merges, &bpe, &err));
    return bpe;
}

static void check(const cdul_bpe *bpe, const char *word, size_t n, const int32_t *want) {
    cdul_ids ids = {0};
    assert_ok(cdul_bpe_word(bpe, (const unsigned char *)word, strlen(word), &ids, &err));
    assert_int_equal(ids.count, n);
    assert_memory_equal(ids.items, want, n * sizeof *want);
    free(ids.items);
}

static void without_merges_a_word_is_its_bytes(void **state) {
    (void)state;
    cdul_bpe *bpe = make(0);
    check(bpe, "a", 1, (int32_t[]){256 + 'a'});
    check(bpe, "ab\xff", 3, (int32_t[]){'a', 'b', 256 + 255});
    assert_false(cdul_bpe_add(bpe, 'a', 'b', 600)); /* none were announced */
    cdul_bpe_free(bpe);
    cdul_bpe_free(NULL);
}

static void earlier_merges_go_first_wherever_they_stand(void **state) {
    (void)state;
    cdul_bpe *bpe = make(4);
    assert_true(cdul_bpe_add(bpe, 'b', 'c', 600));
    assert_true(cdul_bpe_add(bpe, 'a', 'b', 601));
    assert_true(cdul_bpe_add(bpe, 601, 600, 602));
    assert_true(cdul_bpe_add(bpe, 600, 256 + 'd', 603));
    assert_false(cdul_bpe_add(bpe, 'a', 'b', 604)); /* there already */
    /* "bc" inside a word is not "bc" at its end */
    check(bpe, "abc", 2, (int32_t[]){601, 256 + 'c'});
    check(bpe, "abcx", 3, (int32_t[]){'a', 600, 256 + 'x'}); /* b c before a b */
    check(bpe, "ababcx", 4, (int32_t[]){601, 'a', 600, 256 + 'x'});
    check(bpe, "xbcd", 2, (int32_t[]){'x', 603});
    cdul_bpe_free(bpe);
}

static void of_equal_merges_the_leftmost_goes_first(void **state) {
    (void)state;
    cdul_bpe *bpe = make(2);
    assert_true(cdul_bpe_add(bpe, 'a', 'a', 600));
    assert_true(cdul_bpe_add(bpe, 600, 600, 601));
    check(bpe, "aaab", 3, (int32_t[]){600, 'a', 256 + 'b'});
    check(bpe, "aaaab", 2, (int32_t[]){601, 256 + 'b'});
    check(bpe, "aaaaaab", 3, (int32_t[]){601, 600, 256 + 'b'});
    check(bpe, "aa", 2, (int32_t[]){'a', 256 + 'a'}); /* the last letter is another token */
    cdul_bpe_free(bpe);
}

static void a_word_without_end_is_refused(void **state) {
    (void)state;
    static unsigned char word[CDUL_BPE_LONGEST + 1];
    cdul_bpe *bpe = make(1);
    cdul_ids ids = {0};
    memset(word, 'a', sizeof word);
    assert_true(cdul_bpe_add(bpe, 'a', 'a', 600));
    assert_ok(cdul_bpe_word(bpe, word, sizeof word - 1, &ids, &err));
    assert_int_equal(ids.count, CDUL_BPE_LONGEST / 2 + 1); /* the last letter is another token */
    assert_fails(cdul_bpe_word(bpe, word, sizeof word, &ids, &err), CDUL_ERR_INPUT,
                 "a word of 4097 bytes, \"aaaaaaaaaaaaaaaa...\": at most 4096 are read");
    free(ids.items);
    cdul_bpe_free(bpe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_merges_a_word_is_its_bytes),
        cmocka_unit_test(earlier_merges_go_first_wherever_they_stand),
        cmocka_unit_test(of_equal_merges_the_leftmost_goes_first),
        cmocka_unit_test(a_word_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
