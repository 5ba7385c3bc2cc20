#include "test.h"

#include "base/json.h"
#include "base/safetensors.h"
#include "cdul/strings.h"

#include <math.h>

static cdul_error err;

/* IEEE 754-2019, 3.4: the value of a finite half, by its definition. */
static double half_value(unsigned half) {
    unsigned exponent = half >> 10 & 31, mantissa = half & 1023;
    double size = exponent ? ldexp(1024 + mantissa, (int)exponent - 25) : ldexp(mantissa, -24);
    return half & 0x8000 ? -size : size;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void every_half_has_its_value(void **state) {
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        float value = cdul_f16_to_f32((uint16_t)half);
        if ((half & 0x7fff) < 0x7c00)
            assert_true(bits_of(value) == bits_of((float)half_value(half)));
        else if ((half & 0x7fff) == 0x7c00)
            assert_true(isinf(value) && (value < 0) == (half > 0x8000));
        else
            assert_true(isnan(value));
    }
}

static void every_half_survives_float(void **state) {
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        unsigned again = cdul_f32_to_f16(cdul_f16_to_f32((uint16_t)half));
        if ((half & 0x7fff) > 0x7c00)
            assert_int_equal(again, half | 0x200); /* NaN keeps its payload and becomes quiet */
        else
            assert_int_equal(again, half);
    }
}

/* Between each two neighbours: the middle goes to the even one, the next float on either side to
 * the nearer. */
static void every_tie_goes_to_even(void **state) {
    (void)state;
    for (unsigned low = 0; low < 0x7c00; low++) {
        /* infinity is where 65536 would be */
        double above = low + 1 < 0x7c00 ? half_value(low + 1) : 65536;
        float middle = (float)((half_value(low) + above) / 2);
        unsigned even = low & 1 ? low + 1 : low;
        assert_int_equal(cdul_f32_to_f16(middle), even);
        assert_int_equal(cdul_f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(cdul_f32_to_f16(nextafterf(middle, 0)), low);
        assert_int_equal(cdul_f32_to_f16(nextafterf(middle, INFINITY)), low + 1);
    }
}

static void extremes_become_zero_and_infinity(void **state) {
    (void)state;
    assert_int_equal(cdul_f32_to_f16(0x1p-149f), 0);
    assert_int_equal(cdul_f32_to_f16(-0x1p-149f), 0x8000);
    assert_int_equal(cdul_f32_to_f16(3e38f), 0x7c00);
    assert_int_equal(cdul_f32_to_f16(-INFINITY), 0xfc00);
}

static void floats_become_what_numpy_makes_of_them(void **state) {
    (void)state;
    cJSON *golden = NULL;
    double step = 0, count = 0;
    const char *want = NULL;
    const char *path = CDUL_GOLDEN "/half/half.json";
    assert_ok(cdul_json_read(path, &golden, &err));
    assert_ok(cdul_json_number(golden, "step", path, &step, NULL, &err));
    assert_ok(cdul_json_number(golden, "count", path, &count, NULL, &err));
    assert_ok(cdul_json_string(golden, "fnv1a", path, &want, NULL, &err));
    unsigned long long hash = CDUL_HASH_START;
    size_t n = 0;
    for (uint64_t i = 0; i < 1ull << 32; i += (uint64_t)step) {
        uint32_t bits = (uint32_t)i;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value)) continue;
        uint16_t half = cdul_f32_to_f16(value);
        hash = cdul_hash(hash, &half, sizeof half);
        n++;
    }
    char got[17];
    snprintf(got, sizeof got, "%016llx", hash);
    assert_int_equal(n, (size_t)count);
    assert_string_equal(got, want);
    cJSON_Delete(golden);
}

static void views_convert_a_part_at_any_alignment(void **state) {
    (void)state;
    const float f32[] = {0.5f, -2, 3};
    const double f64[] = {0.5, -2, 3};
    const uint16_t f16[] = {0x3800, 0xc000, 0x4200}, bf16[] = {0x3f00, 0xc000, 0x4040};
    const void *data[] = {f32, f16, bf16, f64};
    const cdul_dtype dtypes[] = {CDUL_F32, CDUL_F16, CDUL_BF16, CDUL_F64};
    for (int t = 0; t < 4; t++) {
        unsigned char shifted[1 + sizeof f64];
        float out[2] = {0};
        memcpy(shifted + 1, data[t], 3 * cdul_dtype_size(dtypes[t]));
        cdul_tensor_view view = {
            .dtype = dtypes[t], .rank = 1, .shape = {3}, .elements = 3, .data = shifted + 1};
        cdul_tensor_to_f32(&view, 1, 2, out);
        assert_true(out[0] == -2 && out[1] == 3);
        cdul_tensor_to_f32(&view, 3, 0, NULL);
    }
}

static void sizes_of_shapes_do_not_overflow(void **state) {
    (void)state;
    size_t elements = 7, bytes = 7, half = (size_t)1 << 32;
    assert_true(cdul_tensor_bytes(CDUL_F64, 0, NULL, &elements, &bytes));
    assert_true(elements == 1 && bytes == 8);
    assert_true(cdul_tensor_bytes(CDUL_F16, 3, (size_t[]){2, 3, 5}, &elements, &bytes));
    assert_true(elements == 30 && bytes == 60);
    assert_true(cdul_tensor_bytes(CDUL_F16, 2, (size_t[]){0, SIZE_MAX}, &elements, &bytes));
    assert_true(elements == 0 && bytes == 0);
    assert_false(cdul_tensor_bytes(CDUL_U8, 2, (size_t[]){half, half}, &elements, &bytes));
    assert_false(cdul_tensor_bytes(CDUL_F32, 1, (size_t[]){SIZE_MAX / 2}, &elements, &bytes));
}

static void dtypes_have_names_and_sizes(void **state) {
    (void)state;
    for (int i = CDUL_F32; i <= CDUL_U64; i++) {
        cdul_dtype found;
        assert_true(cdul_dtype_find(cdul_dtype_name((cdul_dtype)i), &found));
        assert_int_equal(found, i);
        const char *digits = cdul_dtype_name((cdul_dtype)i);
        digits += strcspn(digits, "0123456789");
        assert_int_equal(cdul_dtype_size((cdul_dtype)i) * 8, *digits ? atoi(digits) : 8);
    }
    cdul_dtype found;
    assert_false(cdul_dtype_find("f32", &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(every_half_survives_float),
        cmocka_unit_test(every_tie_goes_to_even),
        cmocka_unit_test(extremes_become_zero_and_infinity),
        cmocka_unit_test(floats_become_what_numpy_makes_of_them),
        cmocka_unit_test(views_convert_a_part_at_any_alignment),
        cmocka_unit_test(sizes_of_shapes_do_not_overflow),
        cmocka_unit_test(dtypes_have_names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
