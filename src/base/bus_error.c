#include "base/bus_error.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

/* In a signal handler: nothing here but system calls and string.h. */

#define LINE 4352 /* of /proc/self/maps: addresses, then a path of up to PATH_MAX */

static uintptr_t read_hex(const char **at) {
    uintptr_t value = 0;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* "7f00-7f10 r--p 00000000 08:01 1234    /the/path" */
static const char *path_if_in(const char *line, uintptr_t address) {
    uintptr_t first = read_hex(&line), end = *line == '-' ? (line++, read_hex(&line)) : 0;
    return address >= first && address < end ? strchr(line, '/') : NULL;
}

/* The mapped file that the address lies in, or NULL. */
static const char *find_file(uintptr_t address, char line[LINE]) {
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    const char *path = NULL;
    size_t length = 0;
    char c;
    while (fd >= 0 && !path && read(fd, &c, 1) == 1) {
        line[length] = c == '\n' ? '\0' : c;
        if (c != '\n') {
            length = MIN(length + 1, LINE - 1);
            continue;
        }
        length = 0;
        path = path_if_in(line, address);
    }
    if (fd >= 0) close(fd);
    return path;
}

static void say(const char *text) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    char line[LINE];
    const char *path = find_file((uintptr_t)info->si_addr, line);
    say(program_invocation_short_name);
    say(": ");
    say(path ? path : "a file that is being read");
    say(": was cut short while it was being read, or its disk fails: run the same command again\n");
    _exit(1);
}

void cdul_bus_error_install(void) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
