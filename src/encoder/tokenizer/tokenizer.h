/* The tokenizer's insides: made by tokenizer_file.c, used by tokenizer.c. */
#pragma once

#include "cdul/encoder.h"
#include "encoder/tokenizer/bpe.h"
#include "encoder/tokenizer/wordpiece.h"

/* A token that is looked for in the text itself, such as <|endoftext|>. A padding token such as "!"
 * is one too. */
typedef struct cdul_added_token {
    char *text;
    size_t length;
    int32_t id;
    bool normalized; /* looked for after normalisation, instead of before */
} cdul_added_token;

struct cdul_tokenizer {
    cdul_vocabulary vocabulary;
    bool is_wordpiece; /* BERT's; else CLIP's */
    cdul_wordpiece wordpiece;
    cdul_bpe bpe;
    cdul_added_token *added;
    size_t n_added;
    bool literals; /* the splitting pattern knows <|startoftext|> and <|endoftext|> */
    int32_t start, end, padding;
    size_t size;
};

/* As cdul_tokenizer_open. *foreign, on failure: no file is damaged, but what is there, if anything,
 * is of a kind that is not read here. */
cdul_status cdul_tokenizer_open_or_tell(const char *folder, cdul_tokenizer **out, bool *foreign,
                                        cdul_error *err) CDUL_MUST_CHECK;
