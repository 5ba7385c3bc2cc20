/* A caller of the library that notes what it is told, and may say stop. */
#ifndef CDUL_TESTS_WATCHER_H
#define CDUL_TESTS_WATCHER_H

#include "test.h"

#include "cdul/progress.h"

#include <stdatomic.h>

typedef struct watcher {
    cdul_callbacks callbacks;
    atomic_bool stop;
    char verb[64];
    size_t begun, steps, ended;
    size_t done, total; /* of the last step */
    char said[8192]; /* messages, a line each */
} watcher;

static inline void watcher_told(void *user, const cdul_event *event) {
    static const char *const kinds[] = {[CDUL_EVENT_DETAIL] = "detail",
                                        [CDUL_EVENT_NOTE] = "note",
                                        [CDUL_EVENT_WARNING] = "warning"};
    watcher *w = user;
    size_t used = strlen(w->said);
    switch (event->kind) {
    case CDUL_EVENT_BEGIN:
        assert_int_equal(w->begun++, w->ended);
        snprintf(w->verb, sizeof w->verb, "%s", event->text);
        w->done = 0;
        w->total = event->total;
        break;
    case CDUL_EVENT_STEP:
        assert_int_equal(w->begun, w->ended + 1);
        assert_int_equal(event->total, w->total);
        assert_in_range(event->done, w->done, w->total);
        w->done = event->done;
        w->steps++;
        break;
    case CDUL_EVENT_END:
        assert_int_equal(w->begun, ++w->ended);
        break;
    default:
        snprintf(w->said + used, sizeof w->said - used, "%s: %s\n", kinds[event->kind],
                 event->text);
    }
}

static inline bool watcher_stops(void *user) { return atomic_load(&((watcher *)user)->stop); }

static inline void watcher_start(watcher *w) {
    memset(w, 0, sizeof *w);
    w->callbacks = (cdul_callbacks){watcher_told, watcher_stops, w};
}

#endif
