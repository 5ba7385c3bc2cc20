/* Writes scalars as event files that TensorBoard shows as curves. */
#include "report/tensorboard.h"

#include "base/file.h"
#include "base/proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Field numbers of event.proto and summary.proto. */
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };

struct cdul_events {
    FILE *stream;
    char *path;
};

/* --- Checksums: computed bit by bit, as records are short and rare --- */

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

/* TFRecord stores checksums masked, as a checksum over data with checksums in it would be weak. */
static uint32_t masked(const void *data, size_t size) {
    uint32_t crc = cdul_crc32c(data, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* --- Records --- */

/* TFRecord: the size, its checksum, the event, its checksum. */
static cdul_status write_record(cdul_events *events, cdul_message *event, cdul_error *err) {
    cdul_message record = {.failed = event->failed};
    const uint64_t size = event->size;
    const uint32_t sum_of_size = masked(&size, sizeof size), sum = masked(event->bytes, size);
    cdul_proto_append(&record, &size, sizeof size);
    cdul_proto_append(&record, &sum_of_size, sizeof sum_of_size);
    cdul_proto_append(&record, event->bytes, size);
    cdul_proto_append(&record, &sum, sizeof sum);
    cdul_status status = record.failed ? cdul_fail_memory(err, events->path) : CDUL_OK;
    if (status == CDUL_OK) {
        fwrite(record.bytes, 1, record.size, events->stream);
        if (fflush(events->stream) != 0 || ferror(events->stream))
            status = cdul_fail_errno(err, "%s", events->path);
    }
    free(record.bytes);
    free(event->bytes);
    return status;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Takes the first free name, as two runs may start in the same second. */
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
    double time = now();
    cdul_events *events = calloc(1, sizeof *events);
    if (!events) return cdul_fail_memory(err, folder);
    cdul_status status = create_file(events, folder, time, err);
    if (status == CDUL_OK) {
        cdul_message event = {0};
        cdul_proto_double(&event, EVENT_TIME, time);
        cdul_proto_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
        status = write_record(events, &event, err);
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
    cdul_message event = {0}, summary = {0}, entry = {0};
    cdul_proto_bytes(&entry, VALUE_TAG, tag, strlen(tag));
    cdul_proto_float(&entry, VALUE_SIMPLE, (float)value);
    cdul_proto_message(&summary, SUMMARY_VALUE, &entry);
    cdul_proto_double(&event, EVENT_TIME, now());
    cdul_proto_int(&event, EVENT_STEP, (uint64_t)step);
    cdul_proto_message(&event, EVENT_SUMMARY, &summary);
    return write_record(events, &event, err);
}

void cdul_events_close(cdul_events *events) {
    if (!events) return;
    if (events->stream) fclose(events->stream);
    free(events->path);
    free(events);
}
