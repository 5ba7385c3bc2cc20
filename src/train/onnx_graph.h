/* A growing ONNX graph: nodes, constants and metadata, in the order they are added, and its file.
 * Failures are kept, as in a cdul_scope: after the first, everything does nothing, and
 * onnx_graph_write returns it. */
#ifndef CDUL_TRAIN_ONNX_GRAPH_H
#define CDUL_TRAIN_ONNX_GRAPH_H

#include "cdul/error.h"

#include <stddef.h>
#include <stdint.h>

/* Conv 11, Gemm 13, Relu 13, GlobalAveragePool 1, MaxPool 12: read by any runtime since 2020. */
#define CDUL_ONNX_OPSET      13
#define CDUL_ONNX_IR_VERSION 7

typedef struct onnx_graph onnx_graph;

onnx_graph *onnx_graph_new(void); /* NULL without memory */
void onnx_graph_free(onnx_graph *graph);

/* Records a caller's own failure to get memory. */
void onnx_fail(onnx_graph *graph);

/* Values are known by their names: "stem/conv". What is returned here and below lives as long as
 * the graph; NULL after a failure. Names that are given are copied. */
char *onnx_name(onnx_graph *graph, const char *format, ...) CDUL_PRINTF(2, 3);

/* A graph input or output of float32; dims[0] is the free batch "B", whatever its value. */
char *onnx_input(onnx_graph *graph, const char *name, size_t rank, const int64_t *dims);
void onnx_output(onnx_graph *graph, char *name, size_t rank, const int64_t *dims);
/* A float32 constant; the values are copied. */
char *onnx_constant(onnx_graph *graph, const char *name, size_t rank, const int64_t *dims,
                    const float *values);
/* Likewise, of another type: `size` bytes an element. */
typedef enum onnx_type { ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_INT32 = 6 } onnx_type;
char *onnx_typed_constant(onnx_graph *graph, const char *name, onnx_type type, size_t rank,
                          const int64_t *dims, const void *values, size_t size);

/* A node of type `op` with one output, named `output`. `inputs` ends in NULL. */
char *onnx_node(onnx_graph *graph, const char *op, const char *output, char *const *inputs);
/* An attribute of the node added last. */
void onnx_int(onnx_graph *graph, const char *name, int64_t value);
void onnx_ints(onnx_graph *graph, const char *name, size_t count, const int64_t *values);

void onnx_metadata(onnx_graph *graph, const char *key, const char *value);

/* Writes the model atomically. `producer_version` is cdul's. */
cdul_status onnx_graph_write(onnx_graph *graph, const char *path, const char *producer_version,
                             cdul_error *err) CDUL_MUST_CHECK;

#endif
