/* Element types and their conversions. Halves are converted in integer arithmetic: the result does
 * not depend on the processor's rounding and denormal modes. */
#include "base/safetensors.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [CDUL_F32] = {"F32", 4}, [CDUL_F16] = {"F16", 2},   [CDUL_BF16] = {"BF16", 2},
    [CDUL_F64] = {"F64", 8}, [CDUL_I64] = {"I64", 8},   [CDUL_I32] = {"I32", 4},
    [CDUL_U8] = {"U8", 1},   [CDUL_BOOL] = {"BOOL", 1}, [CDUL_I8] = {"I8", 1},
    [CDUL_I16] = {"I16", 2}, [CDUL_U16] = {"U16", 2},   [CDUL_U32] = {"U32", 4},
    [CDUL_U64] = {"U64", 8},
};

size_t cdul_dtype_size(cdul_dtype dtype) { return dtypes[dtype].size; }

const char *cdul_dtype_name(cdul_dtype dtype) { return dtypes[dtype].name; }

bool cdul_dtype_find(const char *name, cdul_dtype *out) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) != 0) continue;
        *out = (cdul_dtype)i;
        return true;
    }
    return false;
}

bool cdul_tensor_bytes(cdul_dtype dtype, size_t rank, const size_t *shape, size_t *elements,
                       size_t *bytes) {
    size_t product = 1;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(product, shape[i], &product)) return false;
    *elements = product;
    return !__builtin_mul_overflow(product, cdul_dtype_size(dtype), bytes);
}

/* --- Half precision --- */

uint16_t cdul_f32_to_f16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu, half;
    if (size > 0x7f800000u) {
        half = 0x7e00u | (size >> 13 & 0x3ffu); /* NaN, made quiet */
    } else if (size >= 0x477ff000u) {
        half = 0x7c00u; /* 65520 and up: nearer to 2^16 than to 65504, the largest half */
    } else if (size >= 0x38800000u) {
        /* Normal from 2^-14 up: move the exponent's bias from 127 to 15; a carry out of the
         * mantissa does right. */
        half = (size - (112u << 23) + 0xfffu + (size >> 13 & 1u)) >> 13;
    } else if (size > 0x33000000u) {
        /* Denormal: count in steps of 2^-24. */
        uint32_t mantissa = (size & 0x7fffffu) | 0x800000u, shift = 126u - (size >> 23);
        half = (mantissa + (1u << (shift - 1)) - 1 + (mantissa >> shift & 1u)) >> shift;
    } else {
        half = 0; /* 2^-25 and below: the tie goes to even */
    }
    return (uint16_t)(sign | half);
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float cdul_f16_to_f32(uint16_t value) {
    uint32_t sign = (uint32_t)(value & 0x8000u) << 16, exponent = value >> 10 & 0x1fu,
             mantissa = value & 0x3ffu;
    if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * (float)mantissa; /* exact */
    uint32_t bits =
        sign | (exponent == 0x1fu ? 0x7f800000u : (exponent + 112u) << 23) | mantissa << 13;
    return from_bits(bits);
}

#ifdef __x86_64__
/* Whether the processor converts halves, eight at a time. clang knows the name "f16c" only since
 * version 15; AVX says that the system keeps the wide registers. Asked once: in a virtual machine
 * CPUID goes to the host, which takes longer than converting an image's vectors. */
static bool has_f16c(void) {
    static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
    if (!known) {
        unsigned eax, ebx, ecx, edx;
        bool yes = __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) &&
                   (ecx & bit_F16C);
        known = yes ? 2 : 1;
    }
    return known == 2;
}

__attribute__((target("avx,f16c"))) static size_t convert_eights(const unsigned char *halves,
                                                                 size_t count, float *out) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + 2 * i))));
    return i;
}
#endif

void cdul_f16s_to_f32s(const void *halves, size_t count, float *out) {
    size_t done = 0;
#ifdef __x86_64__
    if (has_f16c()) done = convert_eights(halves, count, out);
#endif
    for (; done < count; done++) {
        uint16_t value;
        memcpy(&value, (const unsigned char *)halves + 2 * done, sizeof value);
        out[done] = cdul_f16_to_f32(value);
    }
}

/* --- Views --- */

void cdul_tensor_to_f32(const cdul_tensor_view *view, size_t first, size_t count, float *out) {
    const unsigned char *in =
        (const unsigned char *)view->data + first * cdul_dtype_size(view->dtype);
    if (count == 0) return;
    if (view->dtype == CDUL_F32) {
        memcpy(out, in, count * sizeof *out);
    } else if (view->dtype == CDUL_F64) {
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, in + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
    } else if (view->dtype == CDUL_BF16) { /* the upper 16 bits of a float32 */
        for (size_t i = 0; i < count; i++) {
            uint16_t value;
            memcpy(&value, in + i * sizeof value, sizeof value);
            out[i] = from_bits((uint32_t)value << 16);
        }
    } else {
        cdul_f16s_to_f32s(in, count, out);
    }
}

size_t cdul_tensor_first_bad(const cdul_tensor_view *view) {
    float values[256];
    if (view->dtype > CDUL_F64) return view->elements;
    for (size_t first = 0; first < view->elements; first += 256) {
        size_t count = view->elements - first < 256 ? view->elements - first : 256;
        cdul_tensor_to_f32(view, first, count, values);
        for (size_t i = 0; i < count; i++)
            if (!isfinite(values[i])) return first + i;
    }
    return view->elements;
}
