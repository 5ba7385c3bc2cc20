/* Threads that produce items ahead of one consumer, which receives them in order. */
#include "base/prefetch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct outcome {
    bool ready; /* holds an item that the consumer has not received yet */
    cdul_status status;
    cdul_error error;
} outcome;

/* Item i lies in slot i % depth. Always released <= received <= claimed <= released + depth. */
struct cdul_prefetch {
    cdul_produce *produce;
    void *user;
    size_t count, depth;
    size_t claimed; /* items that workers began */
    size_t received; /* items handed to the consumer */
    size_t released; /* items whose slot the consumer gave back */
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t may_claim; /* a slot became free, or stop */
    pthread_cond_t is_ready; /* the consumer's next item is produced */
    pthread_t *threads;
    size_t n_threads;
    outcome *slots; /* [depth] */
};

static void *work(void *argument) {
    cdul_prefetch *p = argument;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->claimed < p->count && p->claimed == p->released + p->depth)
            pthread_cond_wait(&p->may_claim, &p->lock);
        if (p->stop || p->claimed == p->count) break;
        size_t i = p->claimed++;
        outcome *done = &p->slots[i % p->depth];
        pthread_mutex_unlock(&p->lock);

        cdul_status status = p->produce(p->user, i, i % p->depth, &done->error);

        pthread_mutex_lock(&p->lock);
        done->status = status;
        done->ready = true;
        if (i == p->received) pthread_cond_signal(&p->is_ready);
    }
    /* The others wait for a slot that will not be asked for again. */
    pthread_cond_broadcast(&p->may_claim);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

cdul_status cdul_prefetch_open(size_t count, size_t threads, size_t depth, cdul_produce *produce,
                               void *user, cdul_prefetch **out, cdul_error *err) {
    if (depth == 0) return cdul_fail(err, CDUL_ERR_USAGE, "prefetch: depth must be at least 1");
    cdul_prefetch *p = depth <= SIZE_MAX / sizeof *p->slots ? malloc(sizeof *p) : NULL;
    if (!p) return cdul_fail_memory(err, "prefetch");
    if (threads > count) threads = count;
    *p = (cdul_prefetch){.produce = produce,
                         .user = user,
                         .count = count,
                         .depth = depth,
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .may_claim = PTHREAD_COND_INITIALIZER,
                         .is_ready = PTHREAD_COND_INITIALIZER,
                         .threads = calloc(threads + 1, sizeof *p->threads),
                         .slots = calloc(depth, sizeof *p->slots)};
    cdul_status status = p->threads && p->slots ? CDUL_OK : cdul_fail_memory(err, "prefetch");
    while (status == CDUL_OK && p->n_threads < threads) {
        if (pthread_create(&p->threads[p->n_threads], NULL, work, p) != 0)
            status =
                cdul_fail(err, CDUL_ERR_IO, "cannot start thread %zu of %zu; ask for fewer (-j)",
                          p->n_threads + 1, threads);
        else
            p->n_threads++;
    }
    if (status == CDUL_OK)
        *out = p;
    else
        cdul_prefetch_close(p);
    return status;
}

int cdul_prefetch_next(cdul_prefetch *p, cdul_prefetched *out) {
    if (p->received == p->count) return 0;
    size_t i = p->received;
    outcome *done = &p->slots[i % p->depth];
    *out = (cdul_prefetched){.i = i, .slot = i % p->depth};
    if (i == p->released + p->depth) {
        out->status =
            cdul_fail(&out->error, CDUL_ERR_USAGE, "prefetch: all %zu slots are held", p->depth);
        return 1;
    }
    if (p->n_threads == 0) done->status = p->produce(p->user, i, out->slot, &done->error);
    pthread_mutex_lock(&p->lock);
    while (p->n_threads > 0 && !done->ready) pthread_cond_wait(&p->is_ready, &p->lock);
    done->ready = false;
    p->received++;
    pthread_mutex_unlock(&p->lock);
    out->status = done->status;
    if (done->status != CDUL_OK) out->error = done->error;
    return 1;
}

void cdul_prefetch_release(cdul_prefetch *p) {
    pthread_mutex_lock(&p->lock);
    if (p->released < p->received) {
        p->released++;
        pthread_cond_signal(&p->may_claim);
    }
    pthread_mutex_unlock(&p->lock);
}

void cdul_prefetch_close(cdul_prefetch *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->may_claim);
    pthread_mutex_unlock(&p->lock);
    for (size_t t = 0; t < p->n_threads; t++) pthread_join(p->threads[t], NULL);
    pthread_cond_destroy(&p->is_ready);
    pthread_cond_destroy(&p->may_claim);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p->slots);
    free(p);
}
