/* Any bytes as a tokenizer's files. */
#include "input.h"

#include "cdul/encoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "merges.txt",
                                        "vocab.json"};
    static const char text[] = "A photo of a caf\xc3\xa9, <|endoftext|>!";
    cdul_tokenizer *tokenizer = NULL;
    cdul_error err = {{0}};
    int64_t ids[16];
    input_files(data, size, names, 4);
    cdul_status status = cdul_tokenizer_open(input_folder(), &tokenizer, &err);
    CLAIM(status == CDUL_OK || (status == CDUL_ERR_INPUT && err.message[0]));
    if (status != CDUL_OK) return 0;
    CLAIM(cdul_tokenizer_encode(tokenizer, text, 16, ids, NULL, NULL, &err) == CDUL_OK);
    for (size_t i = 0; i < 16; i++)
        CLAIM(ids[i] >= 0 && (size_t)ids[i] < cdul_tokenizer_size(tokenizer));
    cdul_tokenizer_close(tokenizer);
    return 0;
}
