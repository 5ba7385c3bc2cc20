/* The element types that a graph may have, and numbers from and to them. */
#include "onnx/values.h"

#include "base/safetensors.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool floating;
} elements[] = {
    [CDUL_ELEMENT_F32] = {"float32", 4, true}, [CDUL_ELEMENT_F16] = {"float16", 2, true},
    [CDUL_ELEMENT_F64] = {"float64", 8, true}, [CDUL_ELEMENT_I64] = {"int64", 8, false},
    [CDUL_ELEMENT_I32] = {"int32", 4, false},  [CDUL_ELEMENT_OTHER] = {"another type", 0, false},
};

const char *cdul_element_name(cdul_element element) {
    return elements[element].name;
}

size_t cdul_element_size(cdul_element element) {
    return elements[element].size;
}

bool cdul_element_accepts(cdul_element element, bool floating) {
    return element != CDUL_ELEMENT_OTHER && elements[element].floating == floating;
}

static cdul_status encode_i32(const cdul_feed *feed, size_t count, int32_t *out, cdul_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (feed->i64[i] < INT32_MIN || feed->i64[i] > INT32_MAX)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "input %s takes int32, which cannot hold %lld (element %zu)",
                             feed->name, (long long)feed->i64[i], i);
        out[i] = (int32_t)feed->i64[i];
    }
    return CDUL_OK;
}

cdul_status cdul_values_encode(cdul_element element, const cdul_feed *feed, size_t count, void *out,
                               cdul_error *err) {
    switch (element) {
    case CDUL_ELEMENT_F32:
        memcpy(out, feed->f32, count * sizeof(float));
        break;
    case CDUL_ELEMENT_F16:
        for (size_t i = 0; i < count; i++) ((uint16_t *)out)[i] = cdul_f32_to_f16(feed->f32[i]);
        break;
    case CDUL_ELEMENT_F64:
        for (size_t i = 0; i < count; i++) ((double *)out)[i] = (double)feed->f32[i];
        break;
    case CDUL_ELEMENT_I64:
        memcpy(out, feed->i64, count * sizeof(int64_t));
        break;
    case CDUL_ELEMENT_I32:
        return encode_i32(feed, count, out, err);
    case CDUL_ELEMENT_OTHER:
        break;
    }
    return CDUL_OK;
}

void cdul_values_decode(cdul_element element, const void *data, size_t count, float *out) {
    switch (element) {
    case CDUL_ELEMENT_F32:
        memcpy(out, data, count * sizeof(float));
        break;
    case CDUL_ELEMENT_F16:
        cdul_f16s_to_f32s(data, count, out);
        break;
    case CDUL_ELEMENT_F64:
        for (size_t i = 0; i < count; i++) out[i] = (float)((const double *)data)[i];
        break;
    case CDUL_ELEMENT_I64:
        for (size_t i = 0; i < count; i++) out[i] = (float)((const int64_t *)data)[i];
        break;
    case CDUL_ELEMENT_I32:
        for (size_t i = 0; i < count; i++) out[i] = (float)((const int32_t *)data)[i];
        break;
    case CDUL_ELEMENT_OTHER:
        break;
    }
}
