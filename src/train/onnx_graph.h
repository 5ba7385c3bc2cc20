/* A growing ONNX graph: nodes, constants and metadata, in the order they are added, and its file.
 * Failures are kept, as in a cdul_scope: after the first, everything does nothing, and
 * onnx_graph_write returns it. */
#pragma once

#include "base/proto.h"
#include "cdul/strings.h"

/* Conv 11, Gemm 13, Relu 13, GlobalAveragePool 1, MaxPool 12: read by any runtime since 2020. */
#define CDUL_ONNX_OPSET      13
#define CDUL_ONNX_IR_VERSION 7

/* Start from {0}. */
typedef struct onnx_graph {
    bool failed; /* out of memory */
    cdul_strings names; /* all that callers were given */
    cdul_message node; /* the one added last, to which attributes may come */
    cdul_message nodes, constants, ends, metadata; /* ends: inputs and outputs */
} onnx_graph;

void onnx_graph_free(onnx_graph *graph);

/* Values are known by their names: "stem/conv". What is returned here and below lives as long as
 * the graph; NULL after a failure. Names that are given are copied. */
char *onnx_name(onnx_graph *graph, const char *format, ...) CDUL_PRINTF(2, 3);

/* A graph input or output of float32, inputs before outputs; dims[0] is the free batch "B",
 * whatever its value. */
char *onnx_input(onnx_graph *graph, const char *name, size_t rank, const int64_t *dims);
void onnx_output(onnx_graph *graph, const char *name, size_t rank, const int64_t *dims);

typedef enum onnx_type { ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_INT32 = 6 } onnx_type;
/* A constant; the values, of `type`, are copied. */
char *onnx_constant(onnx_graph *graph, const char *name, onnx_type type, size_t rank,
                    const int64_t *dims, const void *values);

/* A node of type `op` with one output, named `output`. `inputs` ends in NULL. */
char *onnx_node(onnx_graph *graph, const char *op, const char *output, char *const *inputs);
/* An attribute of the node added last. */
void onnx_int(onnx_graph *graph, const char *name, int64_t value);
void onnx_ints(onnx_graph *graph, const char *name, size_t count, const int64_t *values);

void onnx_metadata(onnx_graph *graph, const char *key, const char *value);

/* Writes the model atomically. `producer_version` is cdul's. */
cdul_status onnx_graph_write(onnx_graph *graph, const char *path, const char *producer_version,
                             cdul_error *err) CDUL_MUST_CHECK;
