/* SIGINT and SIGTERM set a flag; a second signal, or the limit's end, ends the process. */
#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Set in a signal handler, read from any thread. */
static atomic_bool interrupted;
/* Set before there are threads. */
static unsigned limit_seconds;
static const char *limit_words;

static void on_alarm(int number) {
    (void)number;
    ssize_t written = write(STDERR_FILENO, limit_words, strlen(limit_words));
    (void)written;
    _exit(130);
}

static void on_signal(int number) {
    (void)number;
    if (atomic_exchange(&interrupted, true)) _exit(130);
    if (limit_seconds) alarm(limit_seconds);
}

void cdul_interrupt_install(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    /* A job in the background of a script ignores the terminal's interrupt, and goes on doing
     * so. */
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
}

void cdul_interrupt_limit(unsigned seconds, const char *words) {
    struct sigaction action = {.sa_handler = on_alarm};
    sigemptyset(&action.sa_mask);
    limit_words = words;
    limit_seconds = seconds;
    sigaction(SIGALRM, &action, NULL);
}

bool cdul_interrupted(void) { return atomic_load(&interrupted); }
