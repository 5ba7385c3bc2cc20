/* Ordered, bounded, parallel production: worker threads make item 0, 1, 2, ... ahead of the
 * consumer, which receives them in that order whatever the number of threads. The decode stage of
 * label and predict and the loader of train are this. */
#pragma once

#include "cdul/error.h"

#include <stddef.h>

/* Makes item `i` into `slot` (one of `depth` caller-owned buffers, reused in turn). Called from
 * worker threads, never twice for one slot at a time. A failure is handed to the consumer with the
 * item; it stops nothing. */
typedef cdul_status cdul_produce(void *user, size_t i, size_t slot, cdul_error *err);

typedef struct cdul_prefetch cdul_prefetch;

/* depth: slots in flight, >= 1. threads: 0 = the call of `next` produces. */
cdul_status cdul_prefetch_open(size_t count, size_t threads, size_t depth, cdul_produce *produce,
                               void *user, cdul_prefetch **out, cdul_error *err) CDUL_MUST_CHECK;

typedef struct cdul_prefetched {
    size_t i; /* which item */
    size_t slot; /* where it lies */
    cdul_status status; /* what its producer returned */
    cdul_error error; /* filled if status is not CDUL_OK */
} cdul_prefetched;

/* Waits for the next item in order. Returns 0 after the last, else 1. The slot stays the consumer's
 * until it is released; slots are released in the order they were received, so a batch may hold
 * several, `depth` at most: asking for one more answers CDUL_ERR_USAGE in out->status and moves
 * nothing. One consumer thread. */
int cdul_prefetch_next(cdul_prefetch *prefetch, cdul_prefetched *out);
/* Gives back the slot of the oldest item still held. */
void cdul_prefetch_release(cdul_prefetch *prefetch);
/* Stops workers (items in progress are finished and dropped), joins them. Takes NULL. */
void cdul_prefetch_close(cdul_prefetch *prefetch);
