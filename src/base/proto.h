/* As much of protobuf's wire format as graphs and TensorBoard's events need: fields one after
 * another, each with its number and wire type before it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CDUL_PROTO_VARINT = 0, CDUL_PROTO_FIXED64, CDUL_PROTO_BYTES, CDUL_PROTO_FIXED32 = 5 };

/* --- Reading --- */

typedef struct cdul_span {
    const unsigned char *at, *end;
} cdul_span;

typedef struct cdul_field {
    unsigned number, type;
    cdul_span whole; /* with number and type */
    cdul_span bytes; /* of CDUL_PROTO_BYTES: text, data, or a message with fields of its own */
} cdul_field;

/* Takes the next field off a message, which must not be at its end. False: it is no protobuf. */
bool cdul_proto_read(cdul_span *message, cdul_field *out);

static inline size_t cdul_span_size(cdul_span span) { return (size_t)(span.end - span.at); }

/* --- Writing --- */

/* A message while it grows. Start from {0}; free() its bytes. failed: there was no memory. */
typedef struct cdul_message {
    unsigned char *bytes;
    size_t size, capacity;
    bool failed;
} cdul_message;

void cdul_proto_append(cdul_message *message, const void *data, size_t size);
void cdul_proto_int(cdul_message *message, unsigned number, uint64_t value);
void cdul_proto_float(cdul_message *message, unsigned number, float value);
void cdul_proto_double(cdul_message *message, unsigned number, double value);
void cdul_proto_bytes(cdul_message *message, unsigned number, const void *data, size_t size);
/* What stands before `size` bytes that the caller writes elsewhere. */
void cdul_proto_begin(cdul_message *message, unsigned number, size_t size);
/* A message within another; `inner` is freed. */
void cdul_proto_message(cdul_message *message, unsigned number, cdul_message *inner);
