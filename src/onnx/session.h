/* An ONNX graph ready to run. This folder is the only part of cdul that sees ONNX Runtime's header.
 *
 * Numbers go in as float32 or int64 and come out as float32; a graph that wants or gives float16,
 * float64, int32 or int64 is converted for. Sessions share nothing that a caller can notice. */
#pragma once

#include "cdul/error.h"
#include "cdul/progress.h"
#include "cdul/provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0}: all processors, "cpu". */
typedef struct cdul_session_options {
    size_t threads; /* inside an operator; 0 = one per processor */
    cdul_provider provider; /* borrowed while the session is opened */
    /* For a graph that is only asked for its inputs and outputs: opens in a fraction of the time
     * and memory, and runs slowly. */
    bool unoptimised;
    const cdul_callbacks *callbacks; /* borrowed until the session is closed */
} cdul_session_options;

typedef struct cdul_session cdul_session;

/* CDUL_ERR_IO: no such file. CDUL_ERR_INPUT: ONNX Runtime cannot read the graph, or not for this
 * provider. CDUL_ERR_USAGE: no such provider, device or form of option; a file that is no plug-in.
 * CDUL_ERR_RUNTIME: the provider cannot start, or can run no part of the graph: there is no falling
 * back to the CPU. A plug-in stays loaded until the last session of the process is closed. */
cdul_status cdul_session_open(const char *path, const cdul_session_options *options,
                              cdul_session **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_session_close(cdul_session *session);

/* --- What the graph says of itself --- */

#define CDUL_PORT_RANK 8 /* most dimensions of an input or output */

typedef enum cdul_element {
    CDUL_ELEMENT_F32,
    CDUL_ELEMENT_F16,
    CDUL_ELEMENT_F64,
    CDUL_ELEMENT_I64,
    CDUL_ELEMENT_I32,
    CDUL_ELEMENT_OTHER, /* cannot be fed or read */
} cdul_element;

/* An input or output. Lives as long as its session. */
typedef struct cdul_port {
    char *name;
    cdul_element element;
    size_t rank; /* beyond CDUL_PORT_RANK the element is OTHER */
    int64_t dims[CDUL_PORT_RANK]; /* -1: free, such as the batch */
} cdul_port;

const cdul_port *cdul_session_inputs(const cdul_session *session, size_t *count);
const cdul_port *cdul_session_outputs(const cdul_session *session, size_t *count);
/* By name; NULL if there is none. */
const cdul_port *cdul_session_input(const cdul_session *session, const char *name);
const cdul_port *cdul_session_output(const cdul_session *session, const char *name);
/* Writes "pixel_values float32 [?, 3, 224, 224]" for messages; returns `text`. */
const char *cdul_port_describe(const cdul_port *port, char *text, size_t size);

/* A custom metadata property (metadata_props), or NULL. Lives as long as the session. */
const char *cdul_session_metadata(const cdul_session *session, const char *key);
const char *cdul_session_path(const cdul_session *session);
/* Who runs the graph: "CPU", or such as "CUDA: 98 of 103 nodes, 5 on the CPU provider", which takes
 * what the other cannot run. Lives as long as the session. */
const char *cdul_session_placement(const cdul_session *session);

/* --- Running --- */

/* One input: exactly one of the two pointers is set. The numbers are read, never kept. */
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

/* Runs the graph once. ONNX Runtime computes all outputs, whichever are asked for. May be called
 * from several threads. CDUL_ERR_RUNTIME: the first line of ONNX Runtime's message.
 * CDUL_ERR_CANCELLED: should_stop ended the run. On failure no `values` are left to free. */
cdul_status cdul_session_run(cdul_session *session, const cdul_feed *feeds, size_t n_feeds,
                             cdul_fetch *fetches, size_t n_fetches,
                             cdul_error *err) CDUL_MUST_CHECK;
