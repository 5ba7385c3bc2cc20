/* A tokenizer from tokenizer.json, CLIP's or BERT's, or CLIP's from vocab.json and merges.txt. */
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "encoder/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* CLIP's splitting pattern, in both spellings that are about: with and without the special tokens
 * in front. */
#define CLIP_PATTERN  "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
#define CLIP_LITERALS "<\\|startoftext\\|>|<\\|endoftext\\|>|"

#define SPECIALS 3

typedef struct loader {
    cdul_tokenizer *tokenizer;
    const char *where; /* the file being read */
    char *special[SPECIALS]; /* texts of the start, end and padding tokens, where files say them */
    bool foreign; /* see cdul_tokenizer_open_or_tell */
} loader;

/* --- Vocabulary and merges --- */

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static int32_t find_token(const loader *l, const char *text) {
    return cdul_vocabulary_find(&l->tokenizer->vocabulary, text);
}

static bool id_of(const cJSON *item, int32_t *id) {
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble >= 1 << 24 ||
        item->valuedouble != (double)(int32_t)item->valuedouble)
        return false;
    *id = (int32_t)item->valuedouble;
    return true;
}

static cdul_status read_vocabulary(loader *l, const cJSON *vocab, cdul_error *err) {
    if (!cJSON_IsObject(vocab) || !vocab->child)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no vocabulary: expected an object of token: id",
                         l->where);
    cdul_vocabulary *v = &l->tokenizer->vocabulary;
    size_t count = (size_t)cJSON_GetArraySize(vocab);
    v->ids = calloc(count, sizeof *v->ids);
    if (!v->ids) return cdul_fail_memory(err, "vocabulary");
    cdul_status status = CDUL_OK;
    for (const cJSON *item = vocab->child; status == CDUL_OK && item; item = item->next) {
        int32_t id = 0;
        if (!id_of(item, &id))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: token '%s': its id is not a whole number",
                             l->where, item->string);
        v->ids[v->tokens.count] = id;
        if ((size_t)id >= l->tokenizer->size) l->tokenizer->size = (size_t)id + 1;
        status = cdul_strings_add(&v->tokens, item->string, err);
    }
    return status == CDUL_OK ? cdul_index_new(&v->tokens, &v->index, err) : status;
}

/* The ids of every byte inside a word and at its end. Without all of them some text would have no
 * tokens. In the vocabulary a byte is the character of Latin-1 that it would be, if that is
 * printable, else one from U+0100 on (bytes_to_unicode of GPT-2's encoder). */
static cdul_status read_bytes(loader *l, cdul_error *err) {
    cdul_bpe *bpe = &l->tokenizer->bpe;
    for (int b = 0, shifted = 256; b < 256; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        char token[16] = "";
        ssize_t n = utf8proc_encode_char(printable ? b : shifted++, (utf8proc_uint8_t *)token);
        bpe->byte_ids[b] = find_token(l, token);
        strcpy(token + n, "</w>");
        bpe->end_ids[b] = find_token(l, token);
        if (bpe->byte_ids[b] < 0 || bpe->end_ids[b] < 0)
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: not CLIP's vocabulary: no token for byte 0x%02x, alone and with </w>",
                l->where, (unsigned)b);
    }
    return CDUL_OK;
}

/* Adds the merge "left right" number `rank` (from 1). */
static cdul_status add_merge(loader *l, const char *left, const char *right, size_t rank,
                             cdul_error *err) {
    char *both = NULL;
    if (asprintf(&both, "%s%s", left, right) < 0) return cdul_fail_memory(err, "merges");
    const int32_t a = find_token(l, left), b = find_token(l, right), ab = find_token(l, both);
    free(both);
    if (a < 0 || b < 0 || ab < 0)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: merge %zu, '%s %s': a token of it is not in the vocabulary", l->where,
                         rank, left, right);
    cdul_status status = cdul_bpe_add(&l->tokenizer->bpe, (cdul_merge){a, b, ab}, err);
    if (status != CDUL_OK)
        cdul_error_prefix(err, "%s: merge %zu, '%s %s'", l->where, rank, left, right);
    return status;
}

/* "left right" in `size` bytes. */
static cdul_status add_merge_text(loader *l, const char *text, size_t size, size_t rank,
                                  cdul_error *err) {
    char *pair = strndup(text, size), *space = pair ? strchr(pair, ' ') : NULL;
    cdul_status status = pair ? CDUL_OK : cdul_fail_memory(err, "merges");
    if (pair && !space)
        status =
            cdul_fail(err, CDUL_ERR_INPUT,
                      "%s: merge %zu: expected two tokens with a space between", l->where, rank);
    if (status == CDUL_OK) {
        *space = '\0';
        status = add_merge(l, pair, space + 1, rank, err);
    }
    free(pair);
    return status;
}

static cdul_status read_merges_json(loader *l, const cJSON *merges, cdul_error *err) {
    if (!cJSON_IsArray(merges))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: model.merges is no list", l->where);
    cdul_status status = read_bytes(l, err);
    size_t rank = 0;
    for (const cJSON *item = merges->child; status == CDUL_OK && item; item = item->next) {
        rank++;
        if (cJSON_IsString(item)) { /* older files */
            status = add_merge_text(l, item->valuestring, strlen(item->valuestring), rank, err);
            continue;
        }
        const cJSON *left = cJSON_GetArrayItem(item, 0), *right = cJSON_GetArrayItem(item, 1);
        if (!cJSON_IsString(left) || !cJSON_IsString(right) || cJSON_GetArraySize(item) != 2)
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: merge %zu: expected a pair of tokens",
                             l->where, rank);
        status = add_merge(l, left->valuestring, right->valuestring, rank, err);
    }
    return status;
}

/* merges.txt: a line "#version: 0.2" (or none), then "left right" a line. */
static cdul_status read_merges_text(loader *l, const char *text, size_t size, cdul_error *err) {
    const char *end = text + size;
    size_t rank = 0;
    cdul_status status = read_bytes(l, err);
    for (const char *line = text, *stop; status == CDUL_OK && line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        size_t length = (size_t)(stop - line);
        if (length > 0 && line[length - 1] == '\r') length--;
        if (length == 0 || (line == text && length > 8 && memcmp(line, "#version", 8) == 0))
            continue;
        status = add_merge_text(l, line, length, ++rank, err);
    }
    return status;
}

/* --- Special tokens --- */

/* Each is compared with all others, and looked for at each byte of a text. */
#define MAX_ADDED 4096

static cdul_status add_token(const loader *l, const char *text, int32_t id, bool normalized,
                             cdul_error *err) {
    cdul_tokenizer *t = l->tokenizer;
    size_t length = strlen(text), bad;
    /* a text is cut where a token stands: bytes out of a character would leave its others alone */
    if (!cdul_utf8_valid(text, length, &bad))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: added token '%s' is not UTF-8 at byte %zu",
                         l->where, text, bad + 1);
    for (size_t i = 0; i < t->n_added; i++)
        if (strcmp(t->added[i].text, text) == 0) return CDUL_OK;
    if (t->n_added == MAX_ADDED)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: more than %d added tokens are not supported",
                         l->where, MAX_ADDED);
    cdul_added_token *grown = realloc(t->added, (t->n_added + 1) * sizeof *grown);
    if (!grown) return cdul_fail_memory(err, "special tokens");
    t->added = grown;
    char *copy = strdup(text);
    if (!copy) return cdul_fail_memory(err, "special tokens");
    t->added[t->n_added++] = (cdul_added_token){copy, length, id, normalized};
    if ((size_t)id >= t->size) t->size = (size_t)id + 1;
    return CDUL_OK;
}

/* tokenizer.json's added_tokens. */
static cdul_status read_added(loader *l, const cJSON *list, cdul_error *err) {
    static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
    cdul_status status = CDUL_OK;
    for (const cJSON *item = list ? list->child : NULL; status == CDUL_OK && item;
         item = item->next) {
        const char *text = NULL;
        bool normalized = false, on = false, found = false;
        int32_t id = 0;
        status = cdul_json_string(item, "content", l->where, &text, NULL, err);
        if (status == CDUL_OK)
            status = cdul_json_bool(item, "normalized", l->where, &normalized, &found, err);
        for (size_t i = 0; status == CDUL_OK && !on && i < sizeof unsupported / sizeof *unsupported;
             i++)
            status = cdul_json_bool(item, unsupported[i], l->where, &on, &found, err);
        if (status != CDUL_OK) return status;
        l->foreign = on;
        if (on || !*text || !id_of(member(item, "id"), &id))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: added token '%s': empty, without an id, or with single_word, "
                             "lstrip or rstrip, which are not supported",
                             l->where, text);
        status = add_token(l, text, id, normalized, err);
    }
    return status;
}

/* The special tokens in tokenizer_config.json or special_tokens_map.json: each a string, or an
 * object with content. The first file that has one counts. */
static cdul_status read_special_file(loader *l, const char *folder, const char *name,
                                     cdul_error *err) {
    static const char *const clip[SPECIALS] = {"bos_token", "eos_token", "pad_token"};
    static const char *const bert[SPECIALS] = {"cls_token", "sep_token", "pad_token"};
    const char *const *keys = l->tokenizer->is_wordpiece ? bert : clip;
    char *path = cdul_path_join(folder, name);
    cJSON *json = NULL;
    if (!path) return cdul_fail_memory(err, "path");
    cdul_status status = cdul_path_exists(path) ? cdul_json_read(path, &json, err) : CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < SPECIALS; i++) {
        const cJSON *item = member(json, keys[i]);
        if (cJSON_IsObject(item)) item = member(item, "content");
        if (l->special[i] || !item || cJSON_IsNull(item)) continue;
        if (!cJSON_IsString(item) || !*item->valuestring)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %s is not a token's text", path, keys[i]);
        else if (!(l->special[i] = strdup(item->valuestring)))
            status = cdul_fail_memory(err, "special tokens");
    }
    cJSON_Delete(json);
    free(path);
    return status;
}

/* Ids of the special tokens, which from then on are looked for in texts, as transformers does. */
static cdul_status read_specials(loader *l, const char *folder, cdul_error *err) {
    cdul_tokenizer *t = l->tokenizer;
    int32_t *const ids[SPECIALS] = {&t->start, &t->end, &t->padding};
    cdul_status status = read_special_file(l, folder, "tokenizer_config.json", err);
    if (status == CDUL_OK) status = read_special_file(l, folder, "special_tokens_map.json", err);
    const char *end = l->special[1] ? l->special[1] : "<|endoftext|>";
    const char *const clip[SPECIALS] = {"<|startoftext|>", end, end};
    static const char *const bert[SPECIALS] = {"[CLS]", "[SEP]", "[PAD]"};
    const char *const *defaults = t->is_wordpiece ? bert : clip;
    for (size_t k = 0; status == CDUL_OK && k < SPECIALS; k++) {
        const char *text = l->special[k] ? l->special[k] : defaults[k];
        *ids[k] = find_token(l, text);
        for (size_t i = 0; i < t->n_added; i++)
            if (strcmp(t->added[i].text, text) == 0) *ids[k] = t->added[i].id;
        status = *ids[k] >= 0
                     ? add_token(l, text, *ids[k], false, err)
                     : cdul_fail(err, CDUL_ERR_INPUT, "%s: no special token '%s' in the vocabulary",
                                 l->where, text);
    }
    return status;
}

/* --- tokenizer.json: is it CLIP's? --- */

/* The text of a member, "" if it is no string. */
static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(member(object, key));
    return text ? text : "";
}

static bool is(const cJSON *object, const char *key, const char *text) {
    return strcmp(text_of(object, key), text) == 0;
}

static cdul_status refuse(loader *l, const char *part, const char *found, const char *wanted,
                          cdul_error *err) {
    l->foreign = true;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: neither CLIP's tokenizer nor BERT's: %s is '%.200s', expected %s",
                     l->where, part, *found ? found : "missing", wanted);
}

static cdul_status check_steps(loader *l, const cJSON *json, cdul_error *err) {
    const cJSON *steps = member(member(json, "normalizer"), "normalizers");
    const cJSON *replace = cJSON_GetArrayItem(steps, 1);
    if (cJSON_GetArraySize(steps) != 3 || !is(cJSON_GetArrayItem(steps, 0), "type", "NFC") ||
        !is(replace, "type", "Replace") || !is(member(replace, "pattern"), "Regex", "\\s+") ||
        !is(replace, "content", " ") || !is(cJSON_GetArrayItem(steps, 2), "type", "Lowercase"))
        return refuse(l, "normalizer", text_of(member(json, "normalizer"), "type"),
                      "NFC, white space to one space, Lowercase", err);

    steps = member(member(json, "pre_tokenizer"), "pretokenizers");
    const cJSON *split = cJSON_GetArrayItem(steps, 0), *bytes = cJSON_GetArrayItem(steps, 1);
    const char *pattern = text_of(member(split, "pattern"), "Regex");
    l->tokenizer->literals = strncmp(pattern, CLIP_LITERALS, strlen(CLIP_LITERALS)) == 0;
    if (strcmp(l->tokenizer->literals ? pattern + strlen(CLIP_LITERALS) : pattern, CLIP_PATTERN) !=
        0)
        return refuse(l, "the splitting pattern", pattern, CLIP_PATTERN, err);
    if (cJSON_GetArraySize(steps) != 2 || !is(split, "type", "Split") ||
        !is(split, "behavior", "Removed") || !cJSON_IsTrue(member(split, "invert")) ||
        !is(bytes, "type", "ByteLevel") || cJSON_IsTrue(member(bytes, "add_prefix_space")) ||
        cJSON_IsFalse(member(bytes, "use_regex")))
        return refuse(l, "pre_tokenizer", text_of(bytes, "type"),
                      "Split, then ByteLevel with its own pattern", err);
    const char *post = text_of(member(json, "post_processor"), "type");
    if (strcmp(post, "RobertaProcessing") != 0)
        return refuse(l, "post_processor", post, "RobertaProcessing", err);
    return CDUL_OK;
}

static cdul_status check_model(loader *l, const cJSON *model, cdul_error *err) {
    if (!is(model, "end_of_word_suffix", "</w>"))
        return refuse(l, "model.end_of_word_suffix", text_of(model, "end_of_word_suffix"), "</w>",
                      err);
    if (!is(model, "continuing_subword_prefix", ""))
        return refuse(l, "model.continuing_subword_prefix",
                      text_of(model, "continuing_subword_prefix"), "none", err);
    if (cJSON_IsTrue(member(model, "byte_fallback")) ||
        cJSON_IsTrue(member(model, "ignore_merges")))
        return refuse(l, "model", "byte_fallback or ignore_merges", "neither", err);
    return CDUL_OK;
}

static cdul_status read_clip(loader *l, const cJSON *json, cdul_error *err) {
    const cJSON *model = member(json, "model");
    cdul_status status = check_model(l, model, err);
    if (status == CDUL_OK) status = check_steps(l, json, err);
    if (status == CDUL_OK) status = read_vocabulary(l, member(model, "vocab"), err);
    return status == CDUL_OK ? read_merges_json(l, member(model, "merges"), err) : status;
}

/* --- tokenizer.json: is it BERT's? --- */

static cdul_status check_bert(loader *l, const cJSON *json, cdul_error *err) {
    const cJSON *model = member(json, "model"),
                *longest = member(model, "max_input_chars_per_word");
    const char *normalizer = text_of(member(json, "normalizer"), "type");
    const char *words = text_of(member(json, "pre_tokenizer"), "type");
    const char *post = text_of(member(json, "post_processor"), "type");
    if (strcmp(normalizer, "BertNormalizer") != 0)
        return refuse(l, "normalizer", normalizer, "BertNormalizer", err);
    if (strcmp(words, "BertPreTokenizer") != 0)
        return refuse(l, "pre_tokenizer", words, "BertPreTokenizer", err);
    if (strcmp(post, "TemplateProcessing") != 0 && strcmp(post, "BertProcessing") != 0)
        return refuse(l, "post_processor", post, "TemplateProcessing or BertProcessing", err);
    if (!is(model, "continuing_subword_prefix", CDUL_WORDPIECE_PREFIX))
        return refuse(l, "model.continuing_subword_prefix",
                      text_of(model, "continuing_subword_prefix"), CDUL_WORDPIECE_PREFIX, err);
    if (longest && (!cJSON_IsNumber(longest) || longest->valuedouble != CDUL_WORDPIECE_LONGEST))
        return refuse(l, "model.max_input_chars_per_word", "another number", "100", err);
    return CDUL_OK;
}

static cdul_status read_bert(loader *l, const cJSON *json, cdul_error *err) {
    const cJSON *model = member(json, "model"), *steps = member(json, "normalizer");
    const char *unknown = text_of(model, "unk_token");
    cdul_wordpiece *w = &l->tokenizer->wordpiece;
    l->tokenizer->is_wordpiece = true;
    bool found = false;
    cdul_status status = check_bert(l, json, err);
    if (status == CDUL_OK)
        status = cdul_json_bool(steps, "clean_text", l->where, &w->normalizer.clean, &found, err);
    if (status == CDUL_OK)
        status = cdul_json_bool(steps, "handle_chinese_chars", l->where, &w->normalizer.chinese,
                                &found, err);
    if (status == CDUL_OK)
        status =
            cdul_json_bool(steps, "lowercase", l->where, &w->normalizer.lowercase, &found, err);
    w->normalizer.strip_accents = w->normalizer.lowercase; /* where the file says null */
    if (status == CDUL_OK && !cJSON_IsNull(member(steps, "strip_accents")))
        status = cdul_json_bool(steps, "strip_accents", l->where, &w->normalizer.strip_accents,
                                &found, err);
    if (status == CDUL_OK) status = read_vocabulary(l, member(model, "vocab"), err);
    if (status == CDUL_OK && (w->unknown = find_token(l, unknown)) < 0)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: no token '%s', model.unk_token, in the "
                           "vocabulary",
                           l->where, unknown);
    return status;
}

static cdul_status read_tokenizer_json(loader *l, const char *path, cdul_error *err) {
    cJSON *json = NULL;
    l->where = path;
    cdul_status status = cdul_json_read(path, &json, err);
    const cJSON *model = member(json, "model");
    if (status == CDUL_OK && is(model, "type", "WordPiece"))
        status = read_bert(l, json, err);
    else if (status == CDUL_OK && is(model, "type", "BPE"))
        status = read_clip(l, json, err);
    else if (status == CDUL_OK)
        status = refuse(l, "model.type", text_of(model, "type"), "BPE or WordPiece", err);
    if (status == CDUL_OK) status = read_added(l, member(json, "added_tokens"), err);
    cJSON_Delete(json);
    return status;
}

static cdul_status read_vocab_and_merges(loader *l, const char *vocab, const char *merges,
                                         cdul_error *err) {
    cJSON *json = NULL;
    char *text = NULL;
    size_t size = 0;
    l->where = vocab;
    l->tokenizer->literals = true;
    cdul_status status = cdul_json_read(vocab, &json, err);
    if (status == CDUL_OK) status = read_vocabulary(l, json, err);
    cJSON_Delete(json);
    if (status == CDUL_OK) status = cdul_file_read_regular(merges, &text, &size, err);
    l->where = merges;
    if (status == CDUL_OK) status = read_merges_text(l, text, size, err);
    free(text);
    l->where = vocab;
    return status;
}

/* --- Opening --- */

cdul_status cdul_tokenizer_open_or_tell(const char *folder, cdul_tokenizer **out, bool *foreign,
                                        cdul_error *err) {
    *out = NULL;
    loader l = {.tokenizer = calloc(1, sizeof(cdul_tokenizer))};
    char *single = cdul_path_join(folder, "tokenizer.json");
    char *vocab = cdul_path_join(folder, "vocab.json");
    char *merges = cdul_path_join(folder, "merges.txt");
    cdul_status status = CDUL_OK;
    if (!l.tokenizer || !single || !vocab || !merges)
        status = cdul_fail_memory(err, "tokenizer");
    else if (cdul_path_exists(single))
        status = read_tokenizer_json(&l, single, err);
    else if (cdul_path_exists(vocab) && cdul_path_exists(merges))
        status = read_vocab_and_merges(&l, vocab, merges, err);
    else
        l.foreign = true;
    if (l.foreign && status == CDUL_OK)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: no tokenizer: neither tokenizer.json nor vocab.json and merges.txt",
                           folder);
    if (status == CDUL_OK) status = read_specials(&l, folder, err);
    if (status == CDUL_OK)
        *out = l.tokenizer;
    else
        cdul_tokenizer_close(l.tokenizer);
    *foreign = l.foreign;
    for (size_t i = 0; i < SPECIALS; i++) free(l.special[i]);
    free(single);
    free(vocab);
    free(merges);
    return status;
}

cdul_status cdul_tokenizer_open(const char *folder, cdul_tokenizer **out, cdul_error *err) {
    bool foreign;
    return cdul_tokenizer_open_or_tell(folder, out, &foreign, err);
}

void cdul_tokenizer_close(cdul_tokenizer *tokenizer) {
    if (!tokenizer) return;
    cdul_bpe_free(&tokenizer->bpe);
    cdul_index_free(tokenizer->vocabulary.index);
    cdul_strings_free(&tokenizer->vocabulary.tokens);
    free(tokenizer->vocabulary.ids);
    for (size_t i = 0; i < tokenizer->n_added; i++) free(tokenizer->added[i].text);
    free(tokenizer->added);
    free(tokenizer);
}
