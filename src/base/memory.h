/* How much memory there is. */
#ifndef CDUL_BASE_MEMORY_H
#define CDUL_BASE_MEMORY_H

#include <stddef.h>

/* Bytes that this process may have at most: the machine's, its control group's limit, or that of
 * its address space, whichever is least. Not what happens to be free: two runs on one machine are
 * told the same. */
size_t cdul_memory_limit(void);

#endif
