/* Protobuf's wire format, by hand: the library would need the schemas, and would copy weights. */
#include "base/proto.h"

#include "base/map.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- Reading --- */

static bool read_varint(cdul_span *in, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        unsigned char byte = *in->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool skip(cdul_span *in, uint64_t size) {
    if (size > cdul_span_size(*in)) return false;
    in->at += size;
    return true;
}

bool cdul_proto_read(cdul_span *message, cdul_field *out) {
    uint64_t tag, value;
    *out = (cdul_field){.whole.at = message->at};
    if (!read_varint(message, &tag) || tag >> 3 > INT_MAX) return false;
    out->number = (unsigned)(tag >> 3);
    out->type = (unsigned)(tag & 7);
    bool good = false;
    if (out->type == CDUL_PROTO_VARINT) good = read_varint(message, &value);
    if (out->type == CDUL_PROTO_FIXED64) good = skip(message, 8);
    if (out->type == CDUL_PROTO_FIXED32) good = skip(message, 4);
    if (out->type == CDUL_PROTO_BYTES && read_varint(message, &value)) {
        out->bytes.at = message->at;
        good = skip(message, value);
        out->bytes.end = message->at;
    }
    out->whole.end = message->at;
    return good;
}

/* --- Writing --- */

void cdul_proto_append(cdul_message *message, const void *data, size_t size) {
    const size_t end = message->size + size;
    if (cdul_grow(&message->bytes, end, &message->capacity, 1, "", NULL) != CDUL_OK)
        message->failed = true;
    else if (size)
        memcpy(message->bytes + message->size, data, size);
    if (!message->failed) message->size = end;
}

static void put_varint(cdul_message *message, uint64_t value) {
    unsigned char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    cdul_proto_append(message, bytes, n);
}

static void put_tag(cdul_message *message, unsigned number, unsigned type) {
    put_varint(message, number << 3 | type);
}

void cdul_proto_int(cdul_message *message, unsigned number, uint64_t value) {
    put_tag(message, number, CDUL_PROTO_VARINT);
    put_varint(message, value);
}

/* Numbers of 4 and 8 bytes have the least significant first, as the machine has (safetensors.c). */
void cdul_proto_float(cdul_message *message, unsigned number, float value) {
    put_tag(message, number, CDUL_PROTO_FIXED32);
    cdul_proto_append(message, &value, sizeof value);
}

void cdul_proto_double(cdul_message *message, unsigned number, double value) {
    put_tag(message, number, CDUL_PROTO_FIXED64);
    cdul_proto_append(message, &value, sizeof value);
}

void cdul_proto_begin(cdul_message *message, unsigned number, size_t size) {
    put_tag(message, number, CDUL_PROTO_BYTES);
    put_varint(message, size);
}

void cdul_proto_bytes(cdul_message *message, unsigned number, const void *data, size_t size) {
    cdul_proto_begin(message, number, size);
    cdul_proto_append(message, data, size);
}

void cdul_proto_message(cdul_message *message, unsigned number, cdul_message *inner) {
    if (inner->failed) message->failed = true;
    cdul_proto_bytes(message, number, inner->bytes, inner->size);
    free(inner->bytes);
    *inner = (cdul_message){0};
}
