/* Byte-pair encoding of one word, and the merges that it takes. */
#include "encoder/tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

void cdul_bpe_free(cdul_bpe *bpe) {
    cdul_map_free(&bpe->ranks);
    free(bpe->merges);
}

static uint32_t hash_of(int32_t left, int32_t right) {
    return cdul_map_hash((uint64_t)(uint32_t)left << 32 | (uint32_t)right);
}

/* Rank of the merge of the pair, CDUL_NOT_FOUND if there is none. */
static size_t rank_of(const cdul_bpe *bpe, int32_t left, int32_t right) {
    const uint32_t hash = hash_of(left, right);
    size_t step = 0, rank = cdul_map_next(&bpe->ranks, hash, &step);
    while (rank != CDUL_NOT_FOUND &&
           (bpe->merges[rank].left != left || bpe->merges[rank].right != right))
        rank = cdul_map_next(&bpe->ranks, hash, &step);
    return rank;
}

cdul_status cdul_bpe_add(cdul_bpe *bpe, cdul_merge merge, cdul_error *err) {
    if (rank_of(bpe, merge.left, merge.right) != CDUL_NOT_FOUND)
        return cdul_fail(err, CDUL_ERR_INPUT, "it is there twice");
    cdul_status status =
        cdul_grow(&bpe->merges, bpe->count + 1, &bpe->capacity, sizeof *bpe->merges, "merges", err);
    if (status == CDUL_OK)
        status = cdul_map_add(&bpe->ranks, hash_of(merge.left, merge.right), bpe->count, err);
    if (status == CDUL_OK) bpe->merges[bpe->count++] = merge;
    return status;
}

cdul_status cdul_ids_add(cdul_ids *ids, int32_t id, cdul_error *err) {
    cdul_status status =
        cdul_grow(&ids->items, ids->count + 1, &ids->capacity, sizeof *ids->items, "tokens", err);
    if (status == CDUL_OK) ids->items[ids->count++] = id;
    return status;
}

/* Lowest rank among the neighbours, *at: the leftmost pair that has it. CDUL_NOT_FOUND, which is
 * above all ranks: none can be merged. */
static size_t best_pair(const cdul_bpe *bpe, const int32_t *ids, size_t n, size_t *at) {
    size_t best = CDUL_NOT_FOUND;
    for (size_t i = 0; i + 1 < n; i++) {
        size_t rank = rank_of(bpe, ids[i], ids[i + 1]);
        if (rank >= best) continue;
        best = rank;
        *at = i;
    }
    return best;
}

cdul_status cdul_bpe_word(const cdul_bpe *bpe, const char *word, size_t size, cdul_ids *out,
                          cdul_error *err) {
    int32_t ids[CDUL_BPE_LONGEST];
    if (size > CDUL_BPE_LONGEST)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "a word of %zu bytes, \"%.16s...\": at most %d are read", size, word,
                         CDUL_BPE_LONGEST);
    for (size_t i = 0; i < size; i++) ids[i] = bpe->byte_ids[(unsigned char)word[i]];
    ids[size - 1] = bpe->end_ids[(unsigned char)word[size - 1]];
    size_t n = size, at;
    for (size_t rank; (rank = best_pair(bpe, ids, n, &at)) != CDUL_NOT_FOUND; n--) {
        ids[at] = bpe->merges[rank].merged;
        memmove(&ids[at + 1], &ids[at + 2], (n - at - 2) * sizeof *ids);
    }
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < n; i++) status = cdul_ids_add(out, ids[i], err);
    return status;
}
