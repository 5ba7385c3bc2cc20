/* Random numbers by counter: SplitMix64 with a key. */
#include "base/random.h"

#define GOLDEN 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio, odd */

/* Stafford's variant 13 of the MurmurHash3 finaliser, as SplitMix64 uses it. A bijection. */
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

cdul_random cdul_random_seeded(uint64_t seed, uint64_t a, uint64_t b) {
    uint64_t key = mix(seed + GOLDEN);
    key = mix((key ^ a) + GOLDEN);
    key = mix((key ^ b) + GOLDEN);
    return (cdul_random){.key = key};
}

uint64_t cdul_random_bits(cdul_random *random) {
    return mix(random->key + ++random->counter * GOLDEN);
}

double cdul_random_uniform(cdul_random *random) {
    return (double)(cdul_random_bits(random) >> 11) * 0x1p-53;
}

size_t cdul_random_below(cdul_random *random, size_t n) {
    /* 2^64 mod n values at the bottom would make some remainders more likely: draw again. */
    uint64_t biased = (0 - (uint64_t)n) % n, bits;
    do bits = cdul_random_bits(random);
    while (bits < biased);
    return (size_t)(bits % n);
}

void cdul_random_shuffle(cdul_random *random, size_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = cdul_random_below(random, i);
        size_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}
