/* Any bytes as a prompt. */
#include "input.h"

#include "cdul/encoder.h"

#define LONG  77
#define SHORT 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static cdul_tokenizer *tokenizers[2];
    static const char *const folders[2] = {CDUL_GOLDEN "/tokenizer/plain",
                                           CDUL_GOLDEN "/tokenizer/single"};
    char *copy = strndup((const char *)data, size);
    CLAIM(copy);
    const char *text = guarded((const uint8_t *)copy, strlen(copy) + 1);
    cdul_error err = {{0}};
    for (size_t t = 0; t < 2; t++) {
        if (!tokenizers[t]) CLAIM(cdul_tokenizer_open(folders[t], &tokenizers[t], &err) == CDUL_OK);
        int64_t ids[LONG], few[SHORT];
        size_t used = 0, used_few = 0;
        bool cut = false, cut_few = false;
        cdul_status status =
            cdul_tokenizer_encode(tokenizers[t], text, LONG, ids, &used, &cut, &err);
        if (status != CDUL_OK) {
            CLAIM(status == CDUL_ERR_INPUT && err.message[0]);
            continue;
        }
        CLAIM(used >= 2 && used <= LONG && (!cut || used == LONG));
        for (size_t i = 0; i < LONG; i++)
            CLAIM(ids[i] >= 0 && (size_t)ids[i] < cdul_tokenizer_size(tokenizers[t]));
        /* with less room the same tokens, as many as fit */
        CLAIM(cdul_tokenizer_encode(tokenizers[t], text, SHORT, few, &used_few, &cut_few, &err) ==
              CDUL_OK);
        CLAIM(used_few == (used < SHORT ? used : SHORT) &&
              cut_few == (used > SHORT || (cut && LONG == SHORT)));
        CLAIM(memcmp(ids, few, (used_few - 1) * sizeof *ids) == 0 &&
              few[used_few - 1] == ids[used - 1]);
    }
    free(copy);
    return 0;
}
