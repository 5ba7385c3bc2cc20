/* Nodes, constants and metadata as messages of protobuf-c, in memory until they are written. */
#include "train/onnx_graph.h"

#include "base/file.h"

#include "onnx.pb-c.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every piece is allocated on its own and remembered in one list, so that freeing needs no
 * knowledge of the graph. */
typedef struct piece {
    struct piece *next;
    max_align_t data[];
} piece;

struct onnx_graph {
    piece *pieces;
    bool failed; /* out of memory */
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
};

static void *allocate(onnx_graph *g, size_t size) {
    piece *p = g->failed ? NULL : calloc(1, sizeof *p + size);
    if (!p) {
        g->failed = true;
        return NULL;
    }
    p->next = g->pieces;
    g->pieces = p;
    return p->data;
}

static void *copy(onnx_graph *g, const void *data, size_t size) {
    void *out = allocate(g, size);
    if (out && size > 0) memcpy(out, data, size);
    return out;
}

/* NULL, after a failure, stays NULL. */
static char *copy_text(onnx_graph *g, const char *text) {
    return text ? copy(g, text, strlen(text) + 1) : NULL;
}

/* A protobuf message that starts from its initial value. */
#define NEW(g, type, init) ((type *)copy(g, &(type)init, sizeof(type)))

/* Appends to a protobuf-c repeated field: `list` has `count` pointers. It grows by powers of two;
 * old arrays stay among the pieces, which costs less than keeping capacities would. */
static void *append(onnx_graph *g, void *list, size_t *count, void *item) {
    if ((*count & (*count - 1)) == 0) {
        void **wider = allocate(g, (*count ? 2 * *count : 1) * sizeof *wider);
        if (!wider) return list;
        if (*count) memcpy(wider, list, *count * sizeof *wider);
        list = wider;
    }
    if (!g->failed) ((void **)list)[(*count)++] = item;
    return list;
}

onnx_graph *onnx_graph_new(void) {
    onnx_graph *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->model = (Onnx__ModelProto)ONNX__MODEL_PROTO__INIT;
    g->graph = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
    return g;
}

void onnx_graph_free(onnx_graph *g) {
    if (!g) return;
    for (piece *p = g->pieces, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(g);
}

void onnx_fail(onnx_graph *g) {
    g->failed = true;
}

char *onnx_name(onnx_graph *g, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return copy_text(g, text);
}

static Onnx__ValueInfoProto *value_info(onnx_graph *g, char *name, size_t rank,
                                        const int64_t *dims) {
    Onnx__ValueInfoProto *info = NEW(g, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    Onnx__TypeProto *type = NEW(g, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    Onnx__TypeProto__Tensor *tensor =
        NEW(g, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    Onnx__TensorShapeProto *shape = NEW(g, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    for (size_t i = 0; i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim =
            NEW(g, Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
        char *batch = copy_text(g, "B");
        if (g->failed) return NULL;
        if (i == 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = batch;
        } else {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = dims[i];
        }
        shape->dim = append(g, shape->dim, &shape->n_dim, dim);
    }
    if (g->failed) return NULL;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    info->name = name;
    info->type = type;
    return info;
}

char *onnx_input(onnx_graph *g, const char *name, size_t rank, const int64_t *dims) {
    char *input = copy_text(g, name);
    g->graph.input = append(g, g->graph.input, &g->graph.n_input, value_info(g, input, rank, dims));
    return input;
}

void onnx_output(onnx_graph *g, char *name, size_t rank, const int64_t *dims) {
    g->graph.output =
        append(g, g->graph.output, &g->graph.n_output, value_info(g, name, rank, dims));
}

char *onnx_typed_constant(onnx_graph *g, const char *name, onnx_type type, size_t rank,
                          const int64_t *dims, const void *values, size_t size) {
    size_t count = 1;
    for (size_t i = 0; i < rank; i++) count *= (size_t)dims[i];
    Onnx__TensorProto *tensor = NEW(g, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    int64_t *shape = copy(g, dims, rank * sizeof *dims);
    /* raw_data is little-endian, as this machine's memory is (base/safetensors.c relies on it
     * too). */
    uint8_t *bytes = copy(g, values, count * size);
    char *constant = copy_text(g, name);
    if (g->failed) return NULL;
    tensor->name = constant;
    tensor->n_dims = rank;
    tensor->dims = shape;
    tensor->has_data_type = 1;
    tensor->data_type = (int32_t)type;
    tensor->has_raw_data = 1;
    tensor->raw_data = (ProtobufCBinaryData){.len = count * size, .data = bytes};
    g->graph.initializer = append(g, g->graph.initializer, &g->graph.n_initializer, tensor);
    return constant;
}

char *onnx_constant(onnx_graph *g, const char *name, size_t rank, const int64_t *dims,
                    const float *values) {
    return onnx_typed_constant(g, name, ONNX_FLOAT, rank, dims, values, sizeof *values);
}

char *onnx_node(onnx_graph *g, const char *op, const char *name, char *const *inputs) {
    Onnx__NodeProto *node = NEW(g, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    char *type = copy_text(g, op), *output = copy_text(g, name);
    if (g->failed) return NULL;
    node->op_type = type;
    node->name = output;
    for (; *inputs; inputs++) node->input = append(g, node->input, &node->n_input, *inputs);
    node->output = append(g, node->output, &node->n_output, output);
    g->graph.node = append(g, g->graph.node, &g->graph.n_node, node);
    return output;
}

static Onnx__AttributeProto *attribute(onnx_graph *g, const char *name,
                                       Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = NEW(g, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    char *text = copy_text(g, name);
    if (g->failed) return NULL;
    a->name = text;
    a->has_type = 1;
    a->type = type;
    Onnx__NodeProto *node = g->graph.node[g->graph.n_node - 1];
    node->attribute = append(g, node->attribute, &node->n_attribute, a);
    return g->failed ? NULL : a;
}

void onnx_int(onnx_graph *g, const char *name, int64_t value) {
    Onnx__AttributeProto *a = attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!a) return;
    a->has_i = 1;
    a->i = value;
}

void onnx_ints(onnx_graph *g, const char *name, size_t count, const int64_t *values) {
    Onnx__AttributeProto *a = attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *ints = copy(g, values, count * sizeof *values);
    if (g->failed) return;
    a->n_ints = count;
    a->ints = ints;
}

void onnx_metadata(onnx_graph *g, const char *key, const char *value) {
    Onnx__StringStringEntryProto *entry =
        NEW(g, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    char *key_text = copy_text(g, key), *value_text = copy_text(g, value);
    if (g->failed) return;
    entry->key = key_text;
    entry->value = value_text;
    g->model.metadata_props = append(g, g->model.metadata_props, &g->model.n_metadata_props, entry);
}

/* protobuf-c packs into this piece by piece: the model is never in memory a second time. */
typedef struct file_buffer {
    ProtobufCBuffer base;
    FILE *stream;
} file_buffer;

static void append_to_file(ProtobufCBuffer *buffer, size_t size, const uint8_t *data) {
    /* an error is sticky: commit reports it */
    fwrite(data, 1, size, ((file_buffer *)buffer)->stream);
}

cdul_status onnx_graph_write(onnx_graph *g, const char *path, const char *producer_version,
                             cdul_error *err) {
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[] = {&opset};
    char domain[] = "", producer[] = "cdul", name[] = "classifier";
    if (g->failed) return cdul_fail_memory(err, "ONNX graph");
    char *version = copy_text(g, producer_version);
    if (!version) return cdul_fail_memory(err, "ONNX graph");
    opset.domain = domain;
    opset.has_version = 1;
    opset.version = CDUL_ONNX_OPSET;
    g->model.has_ir_version = 1;
    g->model.ir_version = CDUL_ONNX_IR_VERSION;
    g->model.n_opset_import = 1;
    g->model.opset_import = opsets;
    g->model.producer_name = producer;
    g->model.producer_version = version;
    g->graph.name = name;
    g->model.graph = &g->graph;

    cdul_file *file = NULL;
    cdul_status status = cdul_file_create(path, &file, err);
    if (status != CDUL_OK) return status;
    file_buffer buffer = {.base = {.append = append_to_file}, .stream = cdul_file_stream(file)};
    protobuf_c_message_pack_to_buffer(&g->model.base, &buffer.base);
    return cdul_file_commit(&file, err);
}
