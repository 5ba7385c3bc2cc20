/* What this process may use of the machine, and what the processor can do. FOR_AVX2_TOO compiles a
 * function with and without AVX2; the one that the processor can run is chosen while the program
 * loads. It is for loops that gain much, and only speed may depend on it: no fused multiply-add is
 * used. ThreadSanitizer cannot bear a choice made so early. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h> /* as any header of the C library, defines __GLIBC__ */

#if defined(__has_feature) /* clang */
#define CDUL_THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__) /* GCC */
#define CDUL_THREAD_SANITIZER 1
#else
#define CDUL_THREAD_SANITIZER 0
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !CDUL_THREAD_SANITIZER
#define FOR_AVX2_TOO   __attribute__((target_clones("avx2", "default")))
#define FOR_AVX512_TOO __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_AVX2_TOO
#define FOR_AVX512_TOO
#endif

/* Threads of an option: `asked`, or if that is 0 one for each processor that this process may use;
 * taskset and containers allow fewer than all. At least 1. */
size_t cdul_threads(size_t asked);
/* Most bytes that this process may have by the machine's memory, its control group and its address
 * space; not what happens to be free, so that two runs get the same answer. */
size_t cdul_memory_limit(void);

/* Whether it multiplies bfloat16: without these instructions that takes longer than float32. */
static inline bool cdul_processor_has_bfloat16(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}
