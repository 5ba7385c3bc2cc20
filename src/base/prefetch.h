/* Ordered, bounded, parallel production: threads make item 0, 1, 2, ... ahead of the consumer,
 * which receives them in that order. Pictures are decoded this way. */
#pragma once

#include "cdul/error.h"

#include <stddef.h>

/* Makes item `i` into `slot`, one of `depth` buffers of the caller; never two at a time into one. A
 * failure is handed to the consumer with the item; it stops nothing. */
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

/* Waits for the next item in order, in the one consumer thread. Returns 0 after the last, else 1.
 * The slot is the consumer's until released. A batch may hold several, `depth` at most: asking for
 * one more answers CDUL_ERR_USAGE in out->status and moves nothing. */
int cdul_prefetch_next(cdul_prefetch *prefetch, cdul_prefetched *out);
/* Gives back the slot of the oldest item still held. */
void cdul_prefetch_release(cdul_prefetch *prefetch);
/* Stops workers (items in progress are finished and dropped), joins them. Takes NULL. */
void cdul_prefetch_close(cdul_prefetch *prefetch);
