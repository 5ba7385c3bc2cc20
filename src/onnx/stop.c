/* Ends a run in the middle when the caller says stop: a batch of RN50x64 can take more than five
 * seconds. A thread asks the caller's callback and sets the flag of the run options at which ONNX
 * Runtime stops between two nodes of the graph. */
#include "base/progress.h"
#include "onnx/session_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NANOSECONDS 100000000 /* ten times a second */

struct cdul_stop {
    const OrtApi *api;
    const cdul_callbacks *callbacks;
    OrtRunOptions *options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool end;
};

static void *look(void *user) {
    cdul_stop *stop = user;
    pthread_mutex_lock(&stop->lock);
    while (!stop->end && !cdul_stopped(stop->callbacks)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NANOSECONDS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&stop->ended, &stop->lock, &until);
    }
    bool end = stop->end;
    pthread_mutex_unlock(&stop->lock);
    if (!end) cdul_ort_drop(stop->api, stop->api->RunOptionsSetTerminate(stop->options));
    return NULL;
}

cdul_status cdul_stop_open(const cdul_ort *ort, const cdul_callbacks *callbacks, cdul_stop **out,
                           cdul_error *err) {
    *out = NULL;
    if (!callbacks || !callbacks->should_stop) return CDUL_OK;
    cdul_stop *stop = calloc(1, sizeof *stop);
    if (!stop) return cdul_fail_memory(err, "session");
    stop->api = ort->api;
    stop->callbacks = callbacks;
    cdul_status status =
        cdul_ort_check(ort, ort->api->CreateRunOptions(&stop->options), "run options", err);
    pthread_mutex_init(&stop->lock, NULL);
    pthread_cond_init(&stop->ended, NULL);
    if (status == CDUL_OK && pthread_create(&stop->thread, NULL, look, stop) == 0) {
        *out = stop;
        return CDUL_OK;
    }
    /* No thread is no failure: the run then stops at the end of its batch. */
    if (stop->options) ort->api->ReleaseRunOptions(stop->options);
    free(stop);
    return status;
}

const OrtRunOptions *cdul_stop_options(const cdul_stop *stop) {
    return stop ? stop->options : NULL;
}

void cdul_stop_close(cdul_stop *stop) {
    if (!stop) return;
    pthread_mutex_lock(&stop->lock);
    stop->end = true;
    pthread_cond_signal(&stop->ended);
    pthread_mutex_unlock(&stop->lock);
    pthread_join(stop->thread, NULL);
    pthread_cond_destroy(&stop->ended);
    pthread_mutex_destroy(&stop->lock);
    stop->api->ReleaseRunOptions(stop->options);
    free(stop);
}
