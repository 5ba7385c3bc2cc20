/* How many processors and how much memory there are for this process. */
#include "base/machine.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

size_t cdul_threads(size_t asked) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return asked > 0 ? asked : n > 0 ? (size_t)n : 1;
}

/* The number that a file of /sys consists of; SIZE_MAX if there is none, or "max" in its place. */
static size_t read_limit(const char *path) {
    unsigned long long value = 0;
    FILE *file = fopen(path, "re");
    int found = file ? fscanf(file, "%llu", &value) : 0;
    if (file) fclose(file);
    return found == 1 ? (size_t)value : SIZE_MAX;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

size_t cdul_memory_limit(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t limit = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    struct rlimit space;
    limit = smaller(limit, read_limit("/sys/fs/cgroup/memory.max"));
    /* version 1 */
    limit = smaller(limit, read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        limit = smaller(limit, (size_t)space.rlim_cur);
    return limit;
}
