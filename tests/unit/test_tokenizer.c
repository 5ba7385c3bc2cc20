/* Against ids that transformers' CLIPTokenizer and open_clip's SimpleTokenizer gave
 * (golden/make_tokenizer.py). With CDUL_CLIP_VOCAB naming a folder made by `make_tokenizer.py
 * --full`, CLIP's whole vocabulary is tested too. */
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "cdul/encoder.h"

#define CONTEXT 77

static cdul_error err;

static void write_text(const char *path, const char *text) {
    assert_ok(cdul_file_write_all(path, text, strlen(text), &err));
}

/* A copy of golden/tokenizer/plain's files in folder `to`, with `from` replaced by `with` in
 * tokenizer file `name`. */
static void copy_replacing(const char *source, const char *name, const char *to, const char *from,
                           const char *with) {
    char path[512], target[512], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, CDUL_GOLDEN "/tokenizer/%s/%s", source, name);
    snprintf(target, sizeof target, "%s/%s", to, name);
    assert_ok(cdul_path_make_folder(to, &err));
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t before = (size_t)(at - text), after = strlen(from);
    char *changed = malloc(size + strlen(with) + 1);
    int n =
        snprintf(changed, size + strlen(with) + 1, "%.*s%s%s", (int)before, text, with, at + after);
    assert_ok(cdul_file_write_all(target, changed, (size_t)n, &err));
    free(changed);
    free(text);
}

#define ANY_PADDING (-1)

static cJSON *read_json(const char *path) {
    char *text = NULL;
    size_t size = 0;
    cJSON *json = NULL;
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    assert_ok(cdul_json_parse(text, size, path, &json, &err));
    free(text);
    return json;
}

/* Tokenizes every text and compares with the ids in the file. Texts that `differs` marks (NULL:
 * none) must have others. */
static void compare_all(const char *folder, const char *ids_path, int64_t padding,
                        const bool *differs) {
    char *raw = NULL;
    size_t raw_size = 0, wrong = 0, index = 0;
    cdul_tokenizer *tokenizer = NULL;
    cJSON *texts = read_json(CDUL_GOLDEN "/tokenizer/texts.json");
    assert_ok(cdul_file_read_all(ids_path, &raw, &raw_size, &err));
    assert_ok(cdul_tokenizer_open(folder, &tokenizer, &err));
    assert_true(cJSON_GetArraySize(texts) >= 2000);

    const unsigned char *at = (const unsigned char *)raw;
    for (const cJSON *item = texts->child; item; item = item->next, index++) {
        int64_t want[CONTEXT], got[CONTEXT];
        size_t n = (size_t)(at[0] | at[1] << 8), used = 0;
        at += 2;
        for (size_t i = 0; i < CONTEXT; i++)
            want[i] = i < n ? at[2 * i] | at[2 * i + 1] << 8 : padding;
        at += 2 * n;
        assert_ok(
            cdul_tokenizer_encode(tokenizer, item->valuestring, CONTEXT, got, &used, NULL, &err));
        size_t compared = padding == ANY_PADDING ? n : CONTEXT;
        bool same = used == n && memcmp(want, got, compared * sizeof *want) == 0;
        if (same != (differs && differs[index])) continue;
        wrong++;
        print_error("%s: %s\n", same ? "does not differ" : "differs", item->valuestring);
    }
    assert_ptr_equal(at, (const unsigned char *)raw + raw_size);
    assert_int_equal(wrong, 0);
    cdul_tokenizer_close(tokenizer);
    cJSON_Delete(texts);
    free(raw);
}

/* open_clip's ids, but for texts that are listed under the name of a known difference
 * (docs/encoder-folders.md). */
static void compare_with_open_clip(const char *folder, const char *vocabulary) {
    static const char *const known[] = {"cleaning", "final sigma", "cleaning and final sigma",
                                        "special tokens", "iota subscript"};
    bool differs[4096] = {false};
    int listed = 0, count = 0;
    char ids[512];
    cJSON *all = read_json(CDUL_GOLDEN "/tokenizer/open_clip/differences.json");
    const cJSON *differences = cJSON_GetObjectItem(all, vocabulary);
    assert_non_null(differences);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const cJSON *indices = cJSON_GetObjectItem(differences, known[i]), *index;
        print_message("%s, %s: %d texts differ\n", vocabulary, known[i],
                      cJSON_GetArraySize(indices));
        listed += indices != NULL;
        cJSON_ArrayForEach(index, indices) {
            assert_in_range(index->valueint, 0, 4095);
            differs[index->valueint] = true;
            count++;
        }
    }
    assert_int_equal(listed, cJSON_GetArraySize(differences)); /* no name but these */
    assert_in_range(count, 1, 400);
    cJSON_Delete(all);
    snprintf(ids, sizeof ids, CDUL_GOLDEN "/tokenizer/open_clip/%s.ids", vocabulary);
    compare_all(folder, ids, ANY_PADDING, differs);
}

static void vocab_and_merges_give_the_ids_of_transformers(void **state) {
    (void)state;
    compare_all(CDUL_GOLDEN "/tokenizer/plain", CDUL_GOLDEN "/tokenizer/plain.ids", 2353, NULL);
}

static void tokenizer_json_with_its_own_padding_gives_the_ids_of_transformers(void **state) {
    (void)state;
    compare_all(CDUL_GOLDEN "/tokenizer/single", CDUL_GOLDEN "/tokenizer/single.ids", 0, NULL);
}

/* make_wordpiece.py */
static void berts_tokenizer_json_gives_the_ids_of_tokenizers(void **state) {
    (void)state;
    bool younger[4096] = {false};
    cJSON *indices = read_json(CDUL_GOLDEN "/tokenizer/bert/younger.json"), *index;
    assert_in_range(cJSON_GetArraySize(indices), 1, 20);
    cJSON_ArrayForEach(index, indices) younger[index->valueint] = true;
    compare_all(CDUL_GOLDEN "/tokenizer/bert", CDUL_GOLDEN "/tokenizer/bert.ids", 0, younger);
    cJSON_Delete(indices);
}

static void vocab_and_merges_give_the_ids_of_open_clip(void **state) {
    (void)state;
    compare_with_open_clip(CDUL_GOLDEN "/tokenizer/plain", "plain");
}

static const char *clip_vocabulary(void) {
    const char *folder = getenv("CDUL_CLIP_VOCAB");
    if (!folder) {
        print_message(
            "skipped: CDUL_CLIP_VOCAB names no folder made by make_tokenizer.py --full\n");
        skip();
    }
    return folder;
}

static void clips_whole_vocabulary_gives_the_ids_of_open_clip(void **state) {
    (void)state;
    compare_with_open_clip(clip_vocabulary(), "clip");
}

static void clips_whole_vocabulary_gives_the_ids_of_transformers(void **state) {
    (void)state;
    const char *folder = clip_vocabulary();
    char ids[512];
    snprintf(ids, sizeof ids, "%s/clip.ids", folder);
    compare_all(folder, ids, 49407, NULL);
}

static void long_text_is_cut_and_keeps_its_end_token(void **state) {
    (void)state;
    cdul_tokenizer *t = NULL;
    int64_t ids[8], whole[64];
    size_t used = 0;
    bool cut = false;
    const char text[] = "a cat and a dog and a horse and a cow";
    assert_ok(cdul_tokenizer_open(CDUL_GOLDEN "/tokenizer/plain", &t, &err));
    assert_ok(cdul_tokenizer_encode(t, text, 64, whole, &used, &cut, &err));
    assert_false(cut);
    assert_true(used > 8 && used < 64);
    assert_ok(cdul_tokenizer_encode(t, text, 8, ids, &used, &cut, &err));
    assert_true(cut);
    assert_int_equal(used, 8);
    assert_memory_equal(ids, whole, 7 * sizeof *ids);
    assert_int_equal(ids[7], 2353);
    /* exactly as much as fits is not cut */
    assert_ok(cdul_tokenizer_encode(t, "a a a a a a", 8, ids, &used, &cut, &err));
    assert_false(cut);
    assert_ok(cdul_tokenizer_encode(t, "a a a a a a ", 8, ids, &used, &cut, &err));
    assert_false(cut);
    cdul_tokenizer_close(t);
}

static void a_word_of_a_megabyte_takes_no_quadratic_time(void **state) {
    (void)state;
    cdul_tokenizer *t = NULL;
    int64_t ids[CONTEXT];
    const size_t size = 1 << 20;
    char *word = calloc(1, size + 1);
    for (size_t i = 0; i < size; i++) word[i] = "abcdefgh"[i * 2654435761u >> 7 & 7];
    assert_ok(cdul_tokenizer_open(CDUL_GOLDEN "/tokenizer/plain", &t, &err));
    assert_ok(cdul_tokenizer_encode(t, word, CONTEXT, ids, NULL, NULL, &err));
    cdul_tokenizer_close(t);
    free(word);
}

static void invalid_utf8_is_refused_with_its_byte(void **state) {
    (void)state;
    cdul_tokenizer *t = NULL;
    int64_t ids[CONTEXT];
    assert_ok(cdul_tokenizer_open(CDUL_GOLDEN "/tokenizer/plain", &t, &err));
    assert_fails(cdul_tokenizer_encode(t, "caf\xe9 x", CONTEXT, ids, NULL, NULL, &err),
                 CDUL_ERR_INPUT, "byte 4");
    assert_fails(cdul_tokenizer_encode(t, "\xc0\x80", CONTEXT, ids, NULL, NULL, &err),
                 CDUL_ERR_INPUT, "byte 1");
    assert_fails(cdul_tokenizer_encode(t, "a\xed\xa0\x80", CONTEXT, ids, NULL, NULL, &err),
                 CDUL_ERR_INPUT, "byte 2"); /* a surrogate */
    assert_fails(cdul_tokenizer_encode(t, "ab\xf0\x9f\x90", CONTEXT, ids, NULL, NULL, &err),
                 CDUL_ERR_INPUT, "byte 3"); /* ends inside a character */
    assert_fails(cdul_tokenizer_encode(t, "a", 1, ids, NULL, NULL, &err), CDUL_ERR_USAGE,
                 "context of 1");
    cdul_tokenizer_close(t);
}

static void another_kind_of_tokenizer_is_named_and_refused(void **state) {
    (void)state;
    static const struct {
        const char *from, *with, *message;
    } changes[] = {
        {"\"type\":\"BPE\"", "\"type\":\"Unigram\"",
         "other/tokenizer.json: neither CLIP's tokenizer nor BERT's: model.type is 'Unigram', "
         "expected BPE or WordPiece"},
        {"\"end_of_word_suffix\":\"</w>\"", "\"end_of_word_suffix\":null",
         "end_of_word_suffix is 'missing'"},
        {"{\"type\":\"Lowercase\"}", "{\"type\":\"NFKC\"}", "normalizer"},
        {"'s|'t|", "'t|'s|", "splitting pattern"},
        {"\"RobertaProcessing\"", "\"BertProcessing\"",
         "'BertProcessing', expected RobertaProcessing"},
        {"\"byte_fallback\":false", "\"byte_fallback\":true", "byte_fallback"},
        {"\"use_regex\":true", "\"use_regex\":false", "pre_tokenizer"},
        {"\"lstrip\":false", "\"lstrip\":true", "added token"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        cdul_tokenizer *t = NULL;
        copy_replacing("single", "tokenizer.json", "other", changes[i].from, changes[i].with);
        assert_fails(cdul_tokenizer_open("other", &t, &err), CDUL_ERR_INPUT, changes[i].message);
        assert_null(t);
    }
}

static void damaged_vocabularies_are_errors_that_name_the_token(void **state) {
    (void)state;
    cdul_tokenizer *t = NULL;
    copy_replacing("plain", "merges.txt", "bad", "#version", "#version");
    copy_replacing("plain", "vocab.json", "bad", "\"a\":64", "\"a\":\"x\"");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT, "token 'a': its id");
    copy_replacing("plain", "vocab.json", "bad", "\"a\":64,", "");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT, "byte 0x61");
    copy_replacing("plain", "vocab.json", "bad", "\"<|endoftext|>\"", "\"<|end|>\"");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT,
                 "no special token '<|endoftext|>'");
    copy_replacing("plain", "vocab.json", "bad", "{", "{");
    copy_replacing("plain", "merges.txt", "bad", "a n\n", "a n\na n\n");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT, "'a n': it is there twice");
    copy_replacing("plain", "merges.txt", "bad", "a n\n", "a qqq\n");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT, "'a qqq': a token of it");
    copy_replacing("plain", "merges.txt", "bad", "a n\n", "an\n");
    assert_fails(cdul_tokenizer_open("bad", &t, &err), CDUL_ERR_INPUT, "expected two tokens");
    write_text("bad/merges.txt", "#version: 0.2\n");
    assert_ok(cdul_tokenizer_open("bad", &t, &err)); /* bytes alone are a tokenizer */
    cdul_tokenizer_close(t);
    assert_fails(cdul_tokenizer_open(".", &t, &err), CDUL_ERR_INPUT, "no tokenizer");
}

static void more_added_tokens_than_there_can_be_are_refused(void **state) {
    (void)state;
    char *list = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&list, &size);
    assert_non_null(stream);
    fputs("\"added_tokens\":[", stream);
    for (int i = 0; i < 4097; i++) fprintf(stream, "{\"id\":%d,\"content\":\"<%d>\"},", i, i);
    assert_int_equal(fclose(stream), 0);
    cdul_tokenizer *t = NULL;
    copy_replacing("single", "tokenizer.json", "many", "\"added_tokens\":[", list);
    assert_fails(cdul_tokenizer_open("many", &t, &err), CDUL_ERR_INPUT,
                 "more than 4096 added tokens");
    free(list);
}

static void an_added_token_of_half_a_character_is_refused(void **state) {
    (void)state;
    cdul_tokenizer *t = NULL;
    copy_replacing("single", "tokenizer.json", "half", "\"added_tokens\":[",
                   "\"added_tokens\":[{\"id\":1,\"content\":\"\xa9\"},");
    assert_fails(cdul_tokenizer_open("half", &t, &err), CDUL_ERR_INPUT,
                 "half/tokenizer.json: added token '\xa9' is not UTF-8 at byte 1");
    assert_null(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocab_and_merges_give_the_ids_of_transformers),
        cmocka_unit_test(tokenizer_json_with_its_own_padding_gives_the_ids_of_transformers),
        cmocka_unit_test(berts_tokenizer_json_gives_the_ids_of_tokenizers),
        cmocka_unit_test(vocab_and_merges_give_the_ids_of_open_clip),
        cmocka_unit_test(clips_whole_vocabulary_gives_the_ids_of_transformers),
        cmocka_unit_test(clips_whole_vocabulary_gives_the_ids_of_open_clip),
        cmocka_unit_test(long_text_is_cut_and_keeps_its_end_token),
        cmocka_unit_test(a_word_of_a_megabyte_takes_no_quadratic_time),
        cmocka_unit_test(invalid_utf8_is_refused_with_its_byte),
        cmocka_unit_test(another_kind_of_tokenizer_is_named_and_refused),
        cmocka_unit_test(damaged_vocabularies_are_errors_that_name_the_token),
        cmocka_unit_test(more_added_tokens_than_there_can_be_are_refused),
        cmocka_unit_test(an_added_token_of_half_a_character_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
