/* Loops that gain much from AVX2 and give the same without: FOR_AVX2_TOO compiles a function twice, and the
 * copy that the processor can run is chosen while the program loads. Nothing but speed may depend on it: no
 * fused multiply-add is in it. ThreadSanitizer cannot bear a choice made so early. */
#ifndef CDUL_BASE_CLONES_H
#define CDUL_BASE_CLONES_H

#if defined(__has_feature) /* clang */
#define CDUL_THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__) /* GCC */
#define CDUL_THREAD_SANITIZER 1
#else
#define CDUL_THREAD_SANITIZER 0
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && !CDUL_THREAD_SANITIZER
#define FOR_AVX2_TOO __attribute__((target_clones("avx2", "default")))
#else
#define FOR_AVX2_TOO
#endif

#endif
