/* Counter-based random numbers: a value is a pure function of (seed, stream, counter), so results
 * do not depend on threads or the order of work. SplitMix64's finaliser (Steele et al. 2014). */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct cdul_random {
    uint64_t key;
    uint64_t counter;
} cdul_random;

/* An independent sequence for each (seed, a, b): for instance (seed, epoch, image). */
cdul_random cdul_random_seeded(uint64_t seed, uint64_t a, uint64_t b);
uint64_t cdul_random_bits(cdul_random *random);
/* Uniform in [0, 1). */
double cdul_random_uniform(cdul_random *random);
/* Uniform in 0 .. n - 1, without modulo bias; n >= 1. */
size_t cdul_random_below(cdul_random *random, size_t n);
/* Fisher-Yates. */
void cdul_random_shuffle(cdul_random *random, size_t *items, size_t n);
