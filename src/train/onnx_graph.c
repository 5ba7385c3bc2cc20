/* Nodes, constants and metadata as protobuf messages, in memory until they are written. */
#include "train/onnx_graph.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* onnx.proto's field numbers. Fields are written in their order. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER, MODEL_PRODUCER_VERSION };
enum { MODEL_GRAPH = 7, MODEL_OPSET_IMPORT, MODEL_METADATA = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP_TYPE, NODE_ATTRIBUTE };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE, TENSOR_NAME = 8, TENSOR_RAW_DATA };
enum { VALUE_NAME = 1, VALUE_TYPE };
enum { TYPE_TENSOR = 1 };
enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE };
enum { SHAPE_DIM = 1 };
enum { DIM_VALUE = 1, DIM_PARAM };
enum { OPSET_DOMAIN = 1, OPSET_VERSION };
enum { ENTRY_KEY = 1, ENTRY_VALUE };
/* Values of ATTRIBUTE_TYPE. */
enum { TYPE_INT = 2, TYPE_INTS = 7 };

void onnx_graph_free(onnx_graph *g) {
    cdul_strings_free(&g->names);
    free(g->node.bytes);
    free(g->nodes.bytes);
    free(g->constants.bytes);
    free(g->ends.bytes);
    free(g->metadata.bytes);
    *g = (onnx_graph){0};
}

/* NULL, after a failure, stays NULL. */
static char *keep(onnx_graph *g, const char *name) {
    if (!name || cdul_strings_add(&g->names, name, NULL) != CDUL_OK) g->failed = true;
    return g->failed ? NULL : g->names.items[g->names.count - 1];
}

char *onnx_name(onnx_graph *g, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return keep(g, text);
}

static void put_text(cdul_message *message, unsigned number, const char *text) {
    cdul_proto_bytes(message, number, text, strlen(text));
}

static void add_end(onnx_graph *g, unsigned number, const char *name, size_t rank,
                    const int64_t *dims) {
    cdul_message info = {0}, type = {0}, tensor = {0}, shape = {0};
    if (g->failed) return;
    for (size_t i = 0; i < rank; i++) {
        cdul_message dim = {0};
        if (i == 0)
            put_text(&dim, DIM_PARAM, "B");
        else
            cdul_proto_int(&dim, DIM_VALUE, (uint64_t)dims[i]);
        cdul_proto_message(&shape, SHAPE_DIM, &dim);
    }
    cdul_proto_int(&tensor, TENSOR_TYPE_ELEMENT, ONNX_FLOAT);
    cdul_proto_message(&tensor, TENSOR_TYPE_SHAPE, &shape);
    cdul_proto_message(&type, TYPE_TENSOR, &tensor);
    put_text(&info, VALUE_NAME, name);
    cdul_proto_message(&info, VALUE_TYPE, &type);
    cdul_proto_message(&g->ends, number, &info);
}

char *onnx_input(onnx_graph *g, const char *name, size_t rank, const int64_t *dims) {
    add_end(g, GRAPH_INPUT, name, rank, dims);
    return keep(g, name);
}

void onnx_output(onnx_graph *g, const char *name, size_t rank, const int64_t *dims) {
    add_end(g, GRAPH_OUTPUT, name, rank, dims);
}

char *onnx_constant(onnx_graph *g, const char *name, onnx_type type, size_t rank,
                    const int64_t *dims, const void *values) {
    size_t size = type == ONNX_FLOAT || type == ONNX_INT32 ? 4 : 1;
    char *constant = keep(g, name);
    if (!constant) return NULL;
    cdul_message tensor = {0};
    for (size_t i = 0; i < rank; i++) {
        cdul_proto_int(&tensor, TENSOR_DIMS, (uint64_t)dims[i]);
        size *= (size_t)dims[i];
    }
    cdul_proto_int(&tensor, TENSOR_DATA_TYPE, type);
    put_text(&tensor, TENSOR_NAME, name);
    /* raw_data is little-endian, as this machine's memory is (base/safetensors.c relies on it
     * too). */
    cdul_proto_bytes(&tensor, TENSOR_RAW_DATA, values, size);
    cdul_proto_message(&g->constants, GRAPH_INITIALIZER, &tensor);
    return constant;
}

/* Puts the node added last, which is now whole, with the others. */
static void close_node(onnx_graph *g) {
    if (g->node.size > 0 || g->node.failed) cdul_proto_message(&g->nodes, GRAPH_NODE, &g->node);
}

char *onnx_node(onnx_graph *g, const char *op, const char *name, char *const *inputs) {
    char *output = keep(g, name);
    if (!output) return NULL;
    close_node(g);
    for (; *inputs; inputs++) put_text(&g->node, NODE_INPUT, *inputs);
    put_text(&g->node, NODE_OUTPUT, output);
    put_text(&g->node, NODE_NAME, output);
    put_text(&g->node, NODE_OP_TYPE, op);
    return output;
}

static void add_attribute(onnx_graph *g, const char *name, unsigned field, size_t count,
                          const int64_t *values) {
    cdul_message attribute = {0};
    put_text(&attribute, ATTRIBUTE_NAME, name);
    for (size_t i = 0; i < count; i++) cdul_proto_int(&attribute, field, (uint64_t)values[i]);
    cdul_proto_int(&attribute, ATTRIBUTE_TYPE, field == ATTRIBUTE_INT ? TYPE_INT : TYPE_INTS);
    cdul_proto_message(&g->node, NODE_ATTRIBUTE, &attribute);
}

void onnx_int(onnx_graph *g, const char *name, int64_t value) {
    add_attribute(g, name, ATTRIBUTE_INT, 1, &value);
}

void onnx_ints(onnx_graph *g, const char *name, size_t count, const int64_t *values) {
    add_attribute(g, name, ATTRIBUTE_INTS, count, values);
}

void onnx_metadata(onnx_graph *g, const char *key, const char *value) {
    cdul_message entry = {0};
    put_text(&entry, ENTRY_KEY, key);
    put_text(&entry, ENTRY_VALUE, value);
    cdul_proto_message(&g->metadata, MODEL_METADATA, &entry);
}

cdul_status onnx_graph_write(onnx_graph *g, const char *path, const char *producer_version,
                             cdul_error *err) {
    cdul_message head = {0}, opset = {0}, opsets = {0};
    close_node(g);
    put_text(&g->nodes, GRAPH_NAME, "classifier");
    cdul_proto_int(&head, MODEL_IR_VERSION, CDUL_ONNX_IR_VERSION);
    put_text(&head, MODEL_PRODUCER, "cdul");
    put_text(&head, MODEL_PRODUCER_VERSION, producer_version);
    cdul_proto_begin(&head, MODEL_GRAPH, g->nodes.size + g->constants.size + g->ends.size);
    put_text(&opset, OPSET_DOMAIN, "");
    cdul_proto_int(&opset, OPSET_VERSION, CDUL_ONNX_OPSET);
    cdul_proto_message(&opsets, MODEL_OPSET_IMPORT, &opset);

    /* One after another to the file: the model is never in memory a second time. */
    const cdul_message *const parts[] = {&head,    &g->nodes, &g->constants,
                                         &g->ends, &opsets,   &g->metadata};
    const size_t count = sizeof parts / sizeof *parts;
    cdul_file *file = NULL;
    bool failed = g->failed;
    for (size_t i = 0; i < count; i++) failed = failed || parts[i]->failed;
    cdul_status status = failed ? cdul_fail_memory(err, "ONNX graph") : CDUL_OK;
    if (status == CDUL_OK) status = cdul_file_create(path, &file, err);
    if (status == CDUL_OK) {
        /* An error is sticky: commit reports it. */
        for (size_t i = 0; i < count; i++)
            fwrite(parts[i]->bytes, 1, parts[i]->size, cdul_file_stream(file));
        status = cdul_file_commit(&file, err);
    }
    free(head.bytes);
    free(opsets.bytes);
    return status;
}
