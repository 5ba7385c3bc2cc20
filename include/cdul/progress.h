/* Progress and cancellation: two callbacks that a caller may give to whatever takes long.
 *
 *     static void show(void *user, const cdul_event *event) {
 *         if (event->kind == CDUL_EVENT_STEP) printf("\r%zu/%zu", event->done, event->total);
 *     }
 *     const cdul_callbacks callbacks = {.on_progress = show};
 *
 * The struct is borrowed: it must live as long as the call, or the object, that it was given to.
 * Where a pointer to it is taken, NULL means: silent, and never stopped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cdul_event_kind {
    CDUL_EVENT_BEGIN, /* a pass over images begins: text = its verb ("label"), total */
    /* After each image or batch: done, total, text = a note ("skipped 3", "loss 0.213") or NULL. */
    CDUL_EVENT_STEP,
    CDUL_EVENT_END, /* the pass is over, also when it failed or was stopped */
    CDUL_EVENT_DETAIL, /* a message that only the curious read */
    CDUL_EVENT_NOTE, /* a message for everybody */
    CDUL_EVENT_WARNING, /* a message about what should be mended */
} cdul_event_kind;

typedef struct cdul_event {
    cdul_event_kind kind;
    /* One line without its end, valid during the call; NULL where the kind has none. UTF-8, but
     * file names stand in it as they are: any bytes, control characters too. */
    const char *text;
    size_t done, total; /* images of this pass; total 0: not known. Both 0 in messages */
} cdul_event;

typedef struct cdul_callbacks {
    /* Called in the thread that called the library. Passes do not nest; messages may come between
     * the events of one. Should return soon: the work waits for it. NULL = silence. */
    void (*on_progress)(void *user, const cdul_event *event);
    /* Asked between batches, and ten times a second by a thread of each open network, which ends a
     * batch that is running: it must be safe in any thread. Once true it must stay true until the
     * call has returned CDUL_ERR_CANCELLED; finished work is kept. NULL = never. */
    bool (*should_stop)(void *user);
    void *user; /* given to both */
} cdul_callbacks;

#ifdef __cplusplus
}
#endif
