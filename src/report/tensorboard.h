/* Event files as TensorBoard reads them: TFRecords (length, masked CRC-32C, bytes, masked CRC-32C)
 * of Event messages (tensorflow/core/util/event.proto: wall_time = 1, step = 2, file_version = 3,
 * summary = 5). */
#pragma once

#include "cdul/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cdul_events cdul_events;

/* Starts a new file events.out.tfevents.<seconds>... in `folder`, which must exist. A resumed run
 * starts another file: TensorBoard joins the files of a folder. */
cdul_status cdul_events_open(const char *folder, cdul_events **out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* One point of the curve `tag`; "train/loss" and "train/lr" share a section. Flushed at once. */
cdul_status cdul_events_scalar(cdul_events *events, int64_t step, const char *tag, double value,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_events_close(cdul_events *events);

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4), as TFRecords use it. */
uint32_t cdul_crc32c(const void *data, size_t size);
