/* BERT's tokenizer: normalised text, words by white space and punctuation, each word the longest
 * pieces of the vocabulary from its left (Wu et al. 2016; as Hugging Face's BertNormalizer,
 * BertPreTokenizer and WordPiece do it). */
#pragma once

#include "encoder/tokenizer/bpe.h"
#include "encoder/tokenizer/vocabulary.h"

#include <stdbool.h>

#define CDUL_WORDPIECE_PREFIX "##" /* of a piece that is not the first of its word */
/* Characters of a word at most; a longer one is unknown. BERT's own limit. */
#define CDUL_WORDPIECE_LONGEST 100

/* What tokenizer.json's BertNormalizer says. */
typedef struct cdul_bert_normalizer {
    bool clean; /* control characters go, white space becomes spaces */
    bool chinese; /* each ideograph is a word */
    bool strip_accents; /* NFD without its nonspacing marks */
    bool lowercase;
} cdul_bert_normalizer;

typedef struct cdul_wordpiece {
    cdul_bert_normalizer normalizer;
    int32_t unknown; /* the token of words that are not in the vocabulary */
} cdul_wordpiece;

/* Text before its words are looked for. *out, *size bytes and a NUL, is the caller's to free. The
 * text must be valid UTF-8. */
cdul_status cdul_bert_normalise(const cdul_bert_normalizer *normalizer, const char *text,
                                size_t length, char **out, size_t *size,
                                cdul_error *err) CDUL_MUST_CHECK;
/* Appends the pieces of normalised text to `out`, until there are `limit`. */
cdul_status cdul_wordpiece_split(const cdul_wordpiece *wordpiece, const cdul_vocabulary *vocabulary,
                                 const char *text, size_t length, size_t limit, cdul_ids *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
