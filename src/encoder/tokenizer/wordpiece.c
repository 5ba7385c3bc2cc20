/* Splits text into words and words into pieces, as BERT does. */
#include "encoder/tokenizer/wordpiece.h"

#include "encoder/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- Normalising --- */

/* CJK ideographs: the blocks that BERT's tokenizer.py names. */
static bool is_ideograph(int32_t c) {
    static const int32_t blocks[][2] = {
        {0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i][0] && c <= blocks[i][1]) return true;
    return false;
}

/* Cc, Cf, Co, Cs, but for tabs and line ends. */
static bool is_control(int32_t c) {
    const utf8proc_category_t category = utf8proc_category(c);
    if (c == '\t' || c == '\n' || c == '\r') return false;
    return category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO;
}

static bool is_punctuation(int32_t c) {
    const utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) ||
           (c < 0x80 && c > ' ' && strchr("$+<=>^`|~", c)); /* ASCII's other signs count too */
}

/* Writes what becomes of a code point: nothing, a space, small letters, an ideograph between
 * spaces. At most twice its bytes, or 6. */
static size_t put(const cdul_bert_normalizer *n, int32_t c, char *out) {
    if (n->clean && (c == 0xfffd || is_control(c))) return 0;
    if (n->clean && cdul_unicode_is_space(c)) c = ' ';
    if (n->strip_accents && utf8proc_category(c) == UTF8PROC_CATEGORY_MN) return 0;
    const bool apart = n->chinese && is_ideograph(c);
    size_t size = 0;
    if (apart) out[size++] = ' ';
    size += n->lowercase ? cdul_unicode_put_lower(c, out + size) : cdul_unicode_put(c, out + size);
    if (apart) out[size++] = ' ';
    return size;
}

cdul_status cdul_bert_normalise(const cdul_bert_normalizer *normalizer, const char *text,
                                size_t length, char **out, size_t *size, cdul_error *err) {
    const int form = normalizer->strip_accents ? UTF8PROC_DECOMPOSE : 0;
    char *decomposed = NULL;
    *size = 0;
    cdul_status status =
        cdul_unicode_map(text, length, UTF8PROC_STABLE | form, &decomposed, &length, err);
    if (status == CDUL_OK && !(*out = malloc(3 * length + 1)))
        status = cdul_fail_memory(err, "text");
    for (size_t at = 0; status == CDUL_OK && at < length;) {
        int32_t c;
        at += cdul_unicode_get(decomposed + at, length - at, &c);
        *size += put(normalizer, c, *out + *size);
    }
    if (status == CDUL_OK) (*out)[*size] = '\0';
    free(decomposed);
    return status;
}

/* --- Words and pieces --- */

/* Bytes at `text` until the end of the piece with most characters that the vocabulary has, and its
 * id; 0 if it has none. `ends` [count] are where the word's characters end. */
static size_t longest_piece(const cdul_vocabulary *v, const char *word, size_t from,
                            const size_t *ends, size_t count, int32_t *id) {
    char piece[sizeof CDUL_WORDPIECE_PREFIX + 4 * CDUL_WORDPIECE_LONGEST];
    const size_t prefix = from ? strlen(CDUL_WORDPIECE_PREFIX) : 0;
    memcpy(piece, CDUL_WORDPIECE_PREFIX, prefix);
    for (size_t i = count; i-- > 0 && ends[i] > from;) {
        memcpy(piece + prefix, word + from, ends[i] - from);
        piece[prefix + ends[i] - from] = '\0';
        *id = cdul_vocabulary_find(v, piece);
        if (*id >= 0) return ends[i] - from;
    }
    return 0;
}

/* A word that is not made of pieces to its end is unknown as a whole. */
static cdul_status add_word(const cdul_wordpiece *w, const cdul_vocabulary *v, const char *word,
                            size_t size, cdul_ids *out, cdul_error *err) {
    size_t ends[CDUL_WORDPIECE_LONGEST], count = 0, at = 0;
    const size_t first = out->count;
    int32_t c;
    while (at < size && count < CDUL_WORDPIECE_LONGEST)
        ends[count++] = at += cdul_unicode_get(word + at, size - at, &c);
    if (at < size) return cdul_ids_add(out, w->unknown, err);
    cdul_status status = CDUL_OK;
    for (size_t bytes, from = 0; status == CDUL_OK && from < size; from += bytes) {
        int32_t id;
        bytes = longest_piece(v, word, from, ends, count, &id);
        if (!bytes) {
            out->count = first;
            return cdul_ids_add(out, w->unknown, err);
        }
        status = cdul_ids_add(out, id, err);
    }
    return status;
}

cdul_status cdul_wordpiece_split(const cdul_wordpiece *wordpiece, const cdul_vocabulary *vocabulary,
                                 const char *text, size_t length, size_t limit, cdul_ids *out,
                                 cdul_error *err) {
    cdul_status status = CDUL_OK;
    size_t word = 0; /* where it begins */
    for (size_t at = 0, bytes; status == CDUL_OK && at < length && out->count < limit;
         at += bytes) {
        int32_t c;
        bytes = cdul_unicode_get(text + at, length - at, &c);
        const bool space = cdul_unicode_is_space(c), sign = is_punctuation(c);
        if (!space && !sign) continue;
        if (at > word) status = add_word(wordpiece, vocabulary, text + word, at - word, out, err);
        if (status == CDUL_OK && sign)
            status = add_word(wordpiece, vocabulary, text + at, bytes, out, err);
        word = at + bytes;
    }
    if (status == CDUL_OK && word < length && out->count < limit)
        status = add_word(wordpiece, vocabulary, text + word, length - word, out, err);
    return status;
}
