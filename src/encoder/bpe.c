#include "encoder/bpe.h"

#include <stdlib.h>
#include <string.h>

/* A merge in the hash table. rank 0 marks a free place, so ranks count from 1. */
typedef struct merge {
    int32_t left, right, merged;
    uint32_t rank;
} merge;

struct cdul_bpe {
    int32_t byte_ids[256], end_ids[256];
    merge *table; /* [capacity], a power of two, at most half full */
    size_t capacity, count, announced;
};

cdul_status cdul_bpe_new(const int32_t byte_ids[256], const int32_t end_ids[256], size_t merges,
                         cdul_bpe **out, cdul_error *err) {
    *out = NULL;
    cdul_bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe) return cdul_fail_memory(err, "merges");
    memcpy(bpe->byte_ids, byte_ids, sizeof bpe->byte_ids);
    memcpy(bpe->end_ids, end_ids, sizeof bpe->end_ids);
    bpe->announced = merges;
    bpe->capacity = 16;
    while (bpe->capacity / 2 < merges) bpe->capacity *= 2;
    bpe->table = calloc(bpe->capacity, sizeof *bpe->table);
    if (!bpe->table) {
        free(bpe);
        return cdul_fail_memory(err, "merges");
    }
    *out = bpe;
    return CDUL_OK;
}

void cdul_bpe_free(cdul_bpe *bpe) {
    if (!bpe) return;
    free(bpe->table);
    free(bpe);
}

/* Where the pair is, or the free place where it would be. */
static merge *find(const cdul_bpe *bpe, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    /* Fibonacci hashing: the high bits are mixed */
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15ull >> 20);
    for (;; at++) {
        merge *m = &bpe->table[at & (bpe->capacity - 1)];
        if (m->rank == 0 || (m->left == left && m->right == right)) return m;
    }
}

bool cdul_bpe_add(cdul_bpe *bpe, int32_t left, int32_t right, int32_t merged) {
    merge *m = find(bpe, left, right);
    if (m->rank != 0 || bpe->count == bpe->announced) return false;
    *m = (merge){left, right, merged, (uint32_t)++bpe->count};
    return true;
}

cdul_status cdul_ids_add(cdul_ids *ids, int32_t id, cdul_error *err) {
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 128;
        int32_t *items = realloc(ids->items, capacity * sizeof *items);
        if (!items) return cdul_fail_memory(err, "tokens");
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = id;
    return CDUL_OK;
}

/* --- One word --- */

/* Tokens of the word as a linked list in an array; `next` of the last is the word's size. */
typedef struct symbol {
    int32_t id; /* -1 once it was merged into the one before it */
    size_t previous, next;
} symbol;

/* A merge that was possible when it was put on the heap. */
typedef struct candidate {
    uint32_t rank;
    size_t at; /* position of its left symbol */
    int32_t merged;
} candidate;

typedef struct workspace {
    symbol *symbols;
    candidate *heap;
    size_t size, heaped;
} workspace;

static bool before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(workspace *w, candidate c) {
    size_t i = w->heaped++;
    for (; i > 0 && before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static candidate pop(workspace *w) {
    candidate top = w->heap[0], last = w->heap[--w->heaped];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heaped) break;
        if (child + 1 < w->heaped && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* Puts the merge of the symbol at `at` with the one after it on the heap, if there is such a
 * merge. */
static void consider(const cdul_bpe *bpe, workspace *w, size_t at) {
    const symbol *left = &w->symbols[at];
    if (left->next >= w->size) return;
    const merge *m = find(bpe, left->id, w->symbols[left->next].id);
    if (m->rank) push(w, (candidate){m->rank, at, m->merged});
}

static void apply(const cdul_bpe *bpe, workspace *w, candidate c) {
    symbol *left = &w->symbols[c.at];
    if (left->id < 0 || left->next >= w->size) return; /* gone since it was heaped */
    symbol *right = &w->symbols[left->next];
    const merge *m = find(bpe, left->id, right->id);
    if (m->rank != c.rank) return; /* one of the two has become another token */
    left->id = c.merged;
    left->next = right->next;
    right->id = -1;
    if (left->next < w->size) w->symbols[left->next].previous = c.at;
    if (left->previous < w->size) consider(bpe, w, left->previous);
    consider(bpe, w, c.at);
}

cdul_status cdul_bpe_word(const cdul_bpe *bpe, const unsigned char *word, size_t size,
                          cdul_ids *out, cdul_error *err) {
    /* at most size - 1 merges happen, and each puts two candidates on the heap */
    workspace w = {malloc(size * sizeof *w.symbols), malloc(3 * size * sizeof *w.heap), size, 0};
    cdul_status status = w.symbols && w.heap ? CDUL_OK : cdul_fail_memory(err, "a word's tokens");
    if (status == CDUL_OK) {
        /* previous of the first wraps to a value beyond the word */
        for (size_t i = 0; i < size; i++)
            w.symbols[i] = (symbol){i + 1 < size ? bpe->byte_ids[word[i]] : bpe->end_ids[word[i]],
                                    i - 1, i + 1};
        for (size_t i = 0; i < size; i++) consider(bpe, &w, i);
        while (w.heaped > 0) apply(bpe, &w, pop(&w));
        for (size_t i = 0; status == CDUL_OK && i < size; i = w.symbols[i].next)
            status = cdul_ids_add(out, w.symbols[i].id, err);
    }
    free(w.symbols);
    free(w.heap);
    return status;
}
