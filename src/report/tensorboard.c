#include "report/tensorboard.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct cdul_events {
    FILE *stream;
    char *path;
};

/* --- Checksums: records are short and rare, so bit by bit will do --- */

uint32_t cdul_crc32c(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (~(crc & 1) + 1));
    }
    return ~crc;
}

/* A checksum of data that holds checksums would be weak: TFRecord stores them rotated and
 * shifted. */
static uint32_t masked(const void *data, size_t size) {
    uint32_t crc = cdul_crc32c(data, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* --- Protocol buffers: as much of the wire format as an Event needs --- */

typedef struct message {
    unsigned char *bytes; /* NULL: only counting */
    size_t size;
} message;

static void put(message *m, const void *data, size_t size) {
    if (m->bytes) memcpy(m->bytes + m->size, data, size);
    m->size += size;
}

static void put_varint(message *m, uint64_t value) {
    do {
        unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(m, &byte, 1);
        value >>= 7;
    } while (value);
}

/* Least significant byte first, whatever the machine. */
static void put_fixed(message *m, uint64_t bits, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)(bits >> (8 * i) & 0xff);
        put(m, &byte, 1);
    }
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_key(message *m, unsigned field, unsigned type) {
    put_varint(m, field << 3 | type);
}

static void put_double(message *m, unsigned field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, FIXED64);
    put_fixed(m, bits, 8);
}

static void put_bytes(message *m, unsigned field, const void *data, size_t size) {
    put_key(m, field, BYTES);
    put_varint(m, size);
    put(m, data, size);
}

/* Summary.Value: tag = 1, simple_value = 2. */
static void put_value(message *m, const char *tag, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_bytes(m, 1, tag, strlen(tag));
    put_key(m, 2, FIXED32);
    put_fixed(m, bits, 4);
}

/* Event with a Summary of one Value; sizes of the inner messages come first, so they are counted
 * before. */
static void put_scalar_event(message *m, double wall_time, int64_t step, const char *tag,
                             float value) {
    message inner = {0}, summary = {0};
    put_value(&inner, tag, value);
    put_key(&summary, 1, BYTES);
    put_varint(&summary, inner.size);
    put_double(m, 1, wall_time);
    put_key(m, 2, VARINT);
    put_varint(m, (uint64_t)step);
    put_key(m, 5, BYTES);
    put_varint(m, summary.size + inner.size);
    put_key(m, 1, BYTES);
    put_varint(m, inner.size);
    put_value(m, tag, value);
}

/* --- Records --- */

static cdul_status write_record(cdul_events *events, const void *data, size_t size,
                                cdul_error *err) {
    unsigned char head[12], tail[4];
    message m = {head, 0};
    put_fixed(&m, size, 8);
    put_fixed(&m, masked(head, 8), 4);
    m = (message){tail, 0};
    put_fixed(&m, masked(data, size), 4);
    fwrite(head, 1, sizeof head, events->stream);
    fwrite(data, 1, size, events->stream);
    fwrite(tail, 1, sizeof tail, events->stream);
    if (fflush(events->stream) != 0 || ferror(events->stream))
        return cdul_fail_errno(err, "%s", events->path);
    return CDUL_OK;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The first name that is free: two runs may start in one second. */
static cdul_status create_file(cdul_events *events, const char *folder, double time,
                               cdul_error *err) {
    for (unsigned i = 0;; i++) {
        char name[80];
        snprintf(name, sizeof name, "events.out.tfevents.%010.0f.cdul.%u", time, i);
        free(events->path);
        events->path = cdul_path_join(folder, name);
        if (!events->path) return cdul_fail_memory(err, folder);
        events->stream = fopen(events->path, "wbxe");
        if (events->stream) return CDUL_OK;
        if (errno != EEXIST) return cdul_fail_errno(err, "%s", events->path);
    }
}

cdul_status cdul_events_open(const char *folder, cdul_events **out, cdul_error *err) {
    static const char version[] = "brain.Event:2";
    unsigned char bytes[64];
    message m = {bytes, 0};
    double time = now();
    cdul_events *events = calloc(1, sizeof *events);
    if (!events) return cdul_fail_memory(err, folder);
    cdul_status status = create_file(events, folder, time, err);
    if (status == CDUL_OK) {
        put_double(&m, 1, time);
        put_bytes(&m, 3, version, sizeof version - 1);
        status = write_record(events, bytes, m.size, err);
    }
    if (status != CDUL_OK) {
        cdul_events_close(events);
        return status;
    }
    *out = events;
    return CDUL_OK;
}

cdul_status cdul_events_scalar(cdul_events *events, int64_t step, const char *tag, double value,
                               cdul_error *err) {
    message count = {0}, m = {0};
    double time = now();
    put_scalar_event(&count, time, step, tag, (float)value);
    m.bytes = malloc(count.size);
    if (!m.bytes) return cdul_fail_memory(err, events->path);
    put_scalar_event(&m, time, step, tag, (float)value);
    cdul_status status = write_record(events, m.bytes, m.size, err);
    free(m.bytes);
    return status;
}

void cdul_events_close(cdul_events *events) {
    if (!events) return;
    if (events->stream) fclose(events->stream);
    free(events->path);
    free(events);
}
