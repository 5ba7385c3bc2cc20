/* Text to token ids. */
#include "encoder/tokenizer/tokenizer.h"

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

/* Text becomes ids in the steps of CLIP's tokenizer.json (BERT's has others for 2 and 4:
 * wordpiece.h):
 *   1. added tokens that are looked for in the raw text are cut out
 *   2. what lies between is normalised: NFC, white space to single spaces, lower case
 *   3. added tokens that are looked for in normalised text are cut out
 *   4. the rest is split by the pattern 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *   5. each piece is a word of bytes for BPE */

/* --- 4: splitting --- */

/* The pattern's fixed alternatives. */
static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d", NULL};
/* Texts of special tokens that no added token took (in capitals, say): one match of the pattern,
 * which ByteLevel's own pattern then takes apart. */
static const char *const literals[] = {"<|startoftext|>", "<|endoftext|>", NULL};

/* Bytes of the first of these that the text begins with, 0 if it begins with none. */
static size_t prefix(const char *text, size_t length, const char *const *list) {
    for (; *list; list++) {
        size_t n = strlen(*list);
        if (n <= length && memcmp(text, *list, n) == 0) return n;
    }
    return 0;
}

/* Ids so far, and how many of them are wanted. */
typedef struct output {
    cdul_ids ids;
    size_t limit; /* one more than fits: enough to know that text was cut */
} output;

static cdul_status split(const cdul_tokenizer *t, const char *text, size_t length, output *out,
                         cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t at = 0; status == CDUL_OK && at < length && out->ids.count < out->limit;) {
        size_t n = t->literals ? prefix(text + at, length - at, literals) : 0, bytes = 0;
        if (n) {
            status = cdul_bpe_word(&t->bpe, text + at, 2, &out->ids, err);
            if (status == CDUL_OK)
                status = cdul_bpe_word(&t->bpe, text + at + 2, n - 4, &out->ids, err);
            if (status == CDUL_OK)
                status = cdul_bpe_word(&t->bpe, text + at + n - 2, 2, &out->ids, err);
            at += n;
            continue;
        }
        n = prefix(text + at, length - at, contractions);
        if (!n) {
            cdul_unicode_kind first = cdul_unicode_kind_at(text + at, length - at, &n);
            /* digits are words of their own */
            bool run = first == CDUL_UNICODE_LETTER || first == CDUL_UNICODE_OTHER;
            /* A longer word is several. The first seam lies behind any context, and the loop ends
             * there: the time does not depend on a hostile word's length. */
            while (run && at + n < length &&
                   cdul_unicode_kind_at(text + at + n, length - at - n, &bytes) == first &&
                   n + bytes <= CDUL_BPE_LONGEST)
                n += bytes;
            if (first == CDUL_UNICODE_SPACE) {
                at += n;
                continue;
            }
        }
        status = cdul_bpe_word(&t->bpe, text + at, n, &out->ids, err);
        at += n;
    }
    return status;
}

/* --- 1 and 3: added tokens --- */

/* The leftmost added token of the given kind in the text, the longest of several; NULL if there is
 * none. */
static const cdul_added_token *find_added(const cdul_tokenizer *t, bool normalized,
                                          const char *text, size_t length, size_t *at) {
    for (*at = 0; *at < length; ++*at) {
        const cdul_added_token *best = NULL;
        for (size_t i = 0; i < t->n_added; i++) {
            const cdul_added_token *a = &t->added[i];
            if (a->normalized == normalized && a->length <= length - *at &&
                (!best || a->length > best->length) && memcmp(text + *at, a->text, a->length) == 0)
                best = a;
        }
        if (best) return best;
    }
    return NULL;
}

typedef cdul_status encode_rest(const cdul_tokenizer *t, const char *text, size_t length,
                                output *out, cdul_error *err);

/* Cuts added tokens out of the text and hands what lies between to `rest`. */
static cdul_status cut_added(const cdul_tokenizer *t, bool normalized, const char *text,
                             size_t length, encode_rest *rest, output *out, cdul_error *err) {
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && length > 0 && out->ids.count < out->limit) {
        size_t at = 0;
        const cdul_added_token *a = find_added(t, normalized, text, length, &at);
        if (at > 0) status = rest(t, text, at, out, err);
        if (!a) break;
        if (status == CDUL_OK) status = cdul_ids_add(&out->ids, a->id, err);
        text += at + a->length;
        length -= at + a->length;
    }
    return status;
}

static cdul_status split_bert(const cdul_tokenizer *t, const char *text, size_t length, output *out,
                              cdul_error *err) {
    return cdul_wordpiece_split(&t->wordpiece, &t->vocabulary, text, length, out->limit, &out->ids,
                                err);
}

static cdul_status encode_raw(const cdul_tokenizer *t, const char *text, size_t length, output *out,
                              cdul_error *err) {
    char *normal = NULL;
    size_t size = 0;
    cdul_status status = t->is_wordpiece ? cdul_bert_normalise(&t->wordpiece.normalizer, text,
                                                               length, &normal, &size, err)
                                         : cdul_unicode_fold(text, length, &normal, &size, err);
    if (status == CDUL_OK)
        status = cut_added(t, true, normal, size, t->is_wordpiece ? split_bert : split, out, err);
    free(normal);
    return status;
}

/* --- The whole --- */

cdul_status cdul_tokenizer_encode(const cdul_tokenizer *t, const char *text, size_t context,
                                  int64_t *ids, size_t *used, bool *cut, cdul_error *err) {
    size_t bad = 0, length = strlen(text);
    if (context < 2)
        return cdul_fail(err, CDUL_ERR_USAGE, "a context of %zu tokens has no room for text",
                         context);
    if (!cdul_utf8_valid(text, length, &bad))
        return cdul_fail(err, CDUL_ERR_INPUT, "text is not UTF-8 at byte %zu", bad + 1);
    const size_t room = context - 2; /* start and end */
    output out = {{0}, room + 1};
    cdul_status status = cut_added(t, false, text, length, encode_raw, &out, err);
    if (status == CDUL_OK) {
        size_t n = out.ids.count < room ? out.ids.count : room;
        ids[0] = t->start;
        for (size_t i = 0; i < n; i++) ids[1 + i] = out.ids.items[i];
        ids[1 + n] = t->end;
        for (size_t i = n + 2; i < context; i++) ids[i] = t->padding;
        if (used) *used = n + 2;
        if (cut) *cut = out.ids.count > room;
    }
    free(out.ids.items);
    return status;
}

size_t cdul_tokenizer_size(const cdul_tokenizer *tokenizer) { return tokenizer->size; }
