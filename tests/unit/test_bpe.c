/* Merges worked by hand. */
#include "test.h"

#include "encoder/tokenizer/bpe.h"

static cdul_error err;

/* Tokens of bytes are the bytes; at a word's end, 256 more. */
static cdul_bpe make(void) {
    cdul_bpe bpe = {0};
    for (int b = 0; b < 256; b++) {
        bpe.byte_ids[b] = b;
        bpe.end_ids[b] = 256 + b;
    }
    return bpe;
}

static void check(const cdul_bpe *bpe, const char *word, size_t n, const int32_t *want) {
    cdul_ids ids = {0};
    assert_ok(cdul_bpe_word(bpe, word, strlen(word), &ids, &err));
    assert_int_equal(ids.count, n);
    assert_memory_equal(ids.items, want, n * sizeof *want);
    free(ids.items);
}

static void without_merges_a_word_is_its_bytes(void **state) {
    (void)state;
    cdul_bpe bpe = make();
    check(&bpe, "a", 1, (int32_t[]){256 + 'a'});
    check(&bpe, "ab\xff", 3, (int32_t[]){'a', 'b', 256 + 255});
    cdul_bpe_free(&bpe);
}

static void earlier_merges_go_first_wherever_they_stand(void **state) {
    (void)state;
    cdul_bpe bpe = make();
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){'b', 'c', 600}, &err));
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){'a', 'b', 601}, &err));
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){601, 600, 602}, &err));
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){600, 256 + 'd', 603}, &err));
    assert_fails(cdul_bpe_add(&bpe, (cdul_merge){'a', 'b', 604}, &err), CDUL_ERR_INPUT, "twice");
    /* "bc" inside a word is not "bc" at its end */
    check(&bpe, "abc", 2, (int32_t[]){601, 256 + 'c'});
    check(&bpe, "abcx", 3, (int32_t[]){'a', 600, 256 + 'x'}); /* b c before a b */
    check(&bpe, "ababcx", 4, (int32_t[]){601, 'a', 600, 256 + 'x'});
    check(&bpe, "xbcd", 2, (int32_t[]){'x', 603});
    cdul_bpe_free(&bpe);
}

static void of_equal_merges_the_leftmost_goes_first(void **state) {
    (void)state;
    cdul_bpe bpe = make();
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){'a', 'a', 600}, &err));
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){600, 600, 601}, &err));
    check(&bpe, "aaab", 3, (int32_t[]){600, 'a', 256 + 'b'});
    check(&bpe, "aaaab", 2, (int32_t[]){601, 256 + 'b'});
    check(&bpe, "aaaaaab", 3, (int32_t[]){601, 600, 256 + 'b'});
    check(&bpe, "aa", 2, (int32_t[]){'a', 256 + 'a'}); /* the last letter is another token */
    cdul_bpe_free(&bpe);
}

static void a_word_without_end_is_refused(void **state) {
    (void)state;
    static char word[CDUL_BPE_LONGEST + 1];
    cdul_bpe bpe = make();
    cdul_ids ids = {0};
    memset(word, 'a', sizeof word);
    assert_ok(cdul_bpe_add(&bpe, (cdul_merge){'a', 'a', 600}, &err));
    assert_ok(cdul_bpe_word(&bpe, word, sizeof word - 1, &ids, &err));
    assert_int_equal(ids.count, CDUL_BPE_LONGEST / 2 + 1); /* the last letter is another token */
    assert_fails(cdul_bpe_word(&bpe, word, sizeof word, &ids, &err), CDUL_ERR_INPUT,
                 "a word of 4097 bytes, \"aaaaaaaaaaaaaaaa...\": at most 4096 are read");
    free(ids.items);
    cdul_bpe_free(&bpe);
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
