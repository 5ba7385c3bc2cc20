/* Threads that decode at once share a number of pixels: each takes those of its image before they
 * are allocated, and waits while there are too few. An image that is larger than all of them goes
 * alone. */
#include "image/decode.h"

#include <pthread.h>
#include <stdlib.h>

struct cdul_decode_gate {
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    size_t limit, taken;
};

cdul_status cdul_decode_gate_of(size_t pixels, cdul_decode_gate **out, cdul_error *err) {
    cdul_decode_gate *gate = calloc(1, sizeof *gate);
    *out = gate;
    if (!gate) return cdul_fail_memory(err, "decoding");
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->freed, NULL);
    gate->limit = pixels;
    return CDUL_OK;
}

void cdul_decode_gate_free(cdul_decode_gate *gate) {
    if (!gate) return;
    pthread_cond_destroy(&gate->freed);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void cdul_decode_gate_take(cdul_decode_gate *gate, size_t pixels) {
    if (!gate) return;
    pthread_mutex_lock(&gate->mutex);
    while (gate->taken > 0 && (gate->taken >= gate->limit || pixels > gate->limit - gate->taken))
        pthread_cond_wait(&gate->freed, &gate->mutex);
    gate->taken += pixels;
    pthread_mutex_unlock(&gate->mutex);
}

void cdul_decode_gate_give(cdul_decode_gate *gate, size_t pixels) {
    if (!gate) return;
    pthread_mutex_lock(&gate->mutex);
    gate->taken -= pixels;
    pthread_cond_broadcast(&gate->freed);
    pthread_mutex_unlock(&gate->mutex);
}
