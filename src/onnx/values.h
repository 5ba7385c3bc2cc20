/* Numbers that go into a graph and come out of it: element types, and their conversion to and from
 * the two that callers use. */
#ifndef CDUL_ONNX_VALUES_H
#define CDUL_ONNX_VALUES_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CDUL_PORT_RANK 8

typedef enum cdul_element {
    CDUL_ELEMENT_F32,
    CDUL_ELEMENT_F16,
    CDUL_ELEMENT_F64,
    CDUL_ELEMENT_I64,
    CDUL_ELEMENT_I32,
    CDUL_ELEMENT_OTHER, /* cannot be fed or read */
} cdul_element;

const char *cdul_element_name(cdul_element element); /* "float16" */
size_t cdul_element_size(cdul_element element); /* bytes; 0 of OTHER */
/* True if data of this kind (float32, or int64) may be fed into an input of type `element`. */
bool cdul_element_accepts(cdul_element element, bool floating);

/* One input: exactly one of the two pointers is set. Data is read, never kept. */
typedef struct cdul_feed {
    const char *name;
    const float *f32;
    const int64_t *i64;
    size_t rank;
    int64_t dims[CDUL_PORT_RANK];
} cdul_feed;

/* One output. The caller sets `name`; the run fills the rest. */
typedef struct cdul_fetch {
    const char *name;
    size_t rank;
    int64_t dims[CDUL_PORT_RANK];
    size_t count; /* elements: the product of dims */
    float *values; /* the caller's to free */
} cdul_fetch;

/* Converts `count` numbers into `out`, which holds count x element size. Fails on an int64 that
 * int32 cannot hold; a float32 beyond float16's range becomes infinite, as everywhere. */
cdul_status cdul_values_encode(cdul_element element, const cdul_feed *feed, size_t count, void *out,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_values_decode(cdul_element element, const void *data, size_t count, float *out);

#endif
