/* Element types of a graph's inputs and outputs, to and from the two that callers use. */
#ifndef CDUL_ONNX_VALUES_H
#define CDUL_ONNX_VALUES_H

#include "onnx/session.h"

size_t cdul_element_size(cdul_element element);

/* True if data of this kind (float32, or int64) may be fed into an input of type `element`. */
bool cdul_element_accepts(cdul_element element, bool floating);

/* Converts `count` numbers into `out`, which holds count x element size. Fails on an int64 that
 * int32 cannot hold; a float32 beyond float16's range becomes infinite, as everywhere. */
cdul_status cdul_values_encode(cdul_element element, const cdul_feed *feed, size_t count, void *out,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_values_decode(cdul_element element, const void *data, size_t count, float *out);

#endif
