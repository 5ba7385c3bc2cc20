/* What this process may use of the machine, and what the processor can do.
 *
 * FOR_AVX2_TOO compiles a function twice, and the copy that the processor can run is chosen while
 * the program loads: for loops that gain much from AVX2 and give the same without. Nothing but
 * speed may depend on it: no fused multiply-add is in it. ThreadSanitizer cannot bear a choice made
 * so early. */
#ifndef CDUL_BASE_MACHINE_H
#define CDUL_BASE_MACHINE_H

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h> /* any header of the C library: they define __GLIBC__ */

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

/* Processors that this process may use, at least 1: in a container or under taskset fewer than the
 * machine's. */
size_t cdul_processors(void);
/* What an option says of threads: 0 = as many as there are processors. At least 1. */
size_t cdul_threads(size_t asked);
/* Bytes that it may have at most: the machine's, its control group's limit, or that of its address
 * space, whichever is least. Not what happens to be free: two runs on one machine are told the
 * same. */
size_t cdul_memory_limit(void);

/* Conversion of halves, eight at a time. clang knows the name "f16c" of it only since version 15;
 * AVX says that the system keeps the wide registers. Asked once: a virtual machine leaves to its
 * host what CPUID answers, which takes longer than converting an image's vectors. */
static inline bool cdul_processor_has_f16c(void) {
#ifdef __x86_64__
    static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
    if (!known) {
        unsigned eax, ebx, ecx, edx;
        known = __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
                        (ecx & bit_F16C)
                    ? 2
                    : 1;
    }
    return known == 2;
#else
    return false;
#endif
}

/* Products of bfloat16: without these instructions they take longer than float32's. */
static inline bool cdul_processor_has_bfloat16(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

#endif
