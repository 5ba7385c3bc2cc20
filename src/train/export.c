/* The network as nodes of an ONNX graph: in float32, or, given the ranges of its activations, in
 * eight bits. */
#include "train/model.h"

#include "base/file.h"
#include "base/proto.h"
#include "cdul/train.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- A graph, as protobuf messages --- */

/* onnx.proto's field numbers. Fields are written in their order. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER, MODEL_PRODUCER_VERSION };
enum { MODEL_GRAPH = 7, MODEL_OPSET_IMPORT, MODEL_METADATA = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP_TYPE, NODE_ATTRIBUTE };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE, TENSOR_NAME = 8, TENSOR_RAW_DATA };
enum { VALUE_NAME = 1, VALUE_TYPE, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM };
enum { OPSET_DOMAIN = 1, OPSET_VERSION, ENTRY_KEY = 1, ENTRY_VALUE };
/* Values of ATTRIBUTE_TYPE. */
enum { TYPE_INT = 2, TYPE_INTS = 7 };

/* Conv 11, Gemm 13, Relu 13, GlobalAveragePool 1, MaxPool 12: read by any runtime since 2020. */
enum { OPSET = 13, IR_VERSION = 7 };

typedef enum onnx_type { ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_INT32 = 6 } onnx_type;

/* A growing graph: nodes, constants and metadata, in the order they are added, in memory until they
 * are written. After a failure all functions do nothing, and write_graph returns it. Values are
 * known by their names ("stem/conv"), which are copied and live as long as the graph. */
typedef struct onnx_graph {
    bool failed; /* out of memory */
    cdul_strings names; /* all that callers were given */
    cdul_message node; /* the one added last, to which attributes may come */
    cdul_message nodes, constants, ends, metadata; /* ends: inputs and outputs */
} onnx_graph;

static void free_graph(onnx_graph *g) {
    cdul_strings_free(&g->names);
    free(g->node.bytes);
    free(g->nodes.bytes);
    free(g->constants.bytes);
    free(g->ends.bytes);
    free(g->metadata.bytes);
}

/* NULL, after a failure, stays NULL. */
static char *keep(onnx_graph *g, const char *name) {
    if (!name || cdul_strings_add(&g->names, name, NULL) != CDUL_OK) g->failed = true;
    return g->failed ? NULL : g->names.items[g->names.count - 1];
}

CDUL_PRINTF(2, 3) static char *onnx_name(onnx_graph *g, const char *format, ...) {
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

/* Adds a graph input (these come first) or output of float32; dims[0] is the free batch "B",
 * whatever its value. */
static void onnx_end(onnx_graph *g, unsigned number, const char *name, size_t rank,
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

/* A constant; the values, of `type`, are copied. */
static char *onnx_constant(onnx_graph *g, const char *name, onnx_type type, size_t rank,
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
    /* raw_data is little-endian, as memory is (base/safetensors.c relies on it too). */
    cdul_proto_bytes(&tensor, TENSOR_RAW_DATA, values, size);
    cdul_proto_message(&g->constants, GRAPH_INITIALIZER, &tensor);
    return constant;
}

/* Puts the node added last, which is now whole, with the others. */
static void close_node(onnx_graph *g) {
    if (g->node.size > 0 || g->node.failed) cdul_proto_message(&g->nodes, GRAPH_NODE, &g->node);
}

/* A node of type `op` with one output, named `name`. `inputs` ends in NULL. */
static char *onnx_node(onnx_graph *g, const char *op, const char *name, char *const *inputs) {
    char *output = keep(g, name);
    if (!output) return NULL;
    close_node(g);
    for (; *inputs; inputs++) put_text(&g->node, NODE_INPUT, *inputs);
    put_text(&g->node, NODE_OUTPUT, output);
    put_text(&g->node, NODE_NAME, output);
    put_text(&g->node, NODE_OP_TYPE, op);
    return output;
}

/* Adds an attribute to the node added last: a number, or several. */
static void onnx_ints(onnx_graph *g, const char *name, size_t count, const int64_t *values) {
    cdul_message attribute = {0};
    put_text(&attribute, ATTRIBUTE_NAME, name);
    for (size_t i = 0; i < count; i++)
        cdul_proto_int(&attribute, count == 1 ? ATTRIBUTE_INT : ATTRIBUTE_INTS,
                       (uint64_t)values[i]);
    cdul_proto_int(&attribute, ATTRIBUTE_TYPE, count == 1 ? TYPE_INT : TYPE_INTS);
    cdul_proto_message(&g->node, NODE_ATTRIBUTE, &attribute);
}

/* Writes the model atomically. */
static cdul_status write_graph(onnx_graph *g, const char *path, cdul_error *err) {
    cdul_message head = {0}, opset = {0}, opsets = {0};
    close_node(g);
    put_text(&g->nodes, GRAPH_NAME, "classifier");
    cdul_proto_int(&head, MODEL_IR_VERSION, IR_VERSION);
    put_text(&head, MODEL_PRODUCER, "cdul");
    put_text(&head, MODEL_PRODUCER_VERSION, CDUL_VERSION);
    cdul_proto_begin(&head, MODEL_GRAPH, g->nodes.size + g->constants.size + g->ends.size);
    put_text(&opset, OPSET_DOMAIN, "");
    cdul_proto_int(&opset, OPSET_VERSION, OPSET);
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

/* --- Eight bits --- */

/* As pairs of QuantizeLinear and DequantizeLinear, which runtimes turn into integer arithmetic.
 * Source: Jacob et al., arXiv 1712.05877.
 *
 * Activations are uint8, one scale and zero point a tensor. Weights are int8, one scale an output
 * channel, and use seven of their bits: eight would overflow in processors without VNNI, so that
 * the same file would give other scores there. */

#define LARGEST_WEIGHT 64 /* 2 * 255 * 64 fits into 16 bits */
#define LARGEST_BIAS   1e9 /* of a 32-bit sum: room for the products */

/* Rounds x and returns what it has become. What lies outside low .. high is cut off: a low of 0 is
 * a ReLU. *scale is that of one step. */
static char *quantised(onnx_graph *g, char *x, double low, double high, float *scale) {
    low = fmin(low, 0); /* padding is 0, which must be exact */
    high = fmax(high, 0);
    *scale = high > low ? (float)((high - low) / 255) : 1;
    const uint8_t zero = (uint8_t)fmin(255, round(-low / (double)*scale));
    char *step = onnx_constant(g, onnx_name(g, "%s.scale", x), ONNX_FLOAT, 0, NULL, scale);
    char *origin = onnx_constant(g, onnx_name(g, "%s.zero", x), ONNX_UINT8, 0, NULL, &zero);
    char *rounded = onnx_node(g, "QuantizeLinear", onnx_name(g, "%s.uint8", x),
                              (char *[]){x, step, origin, NULL});
    return onnx_node(g, "DequantizeLinear", onnx_name(g, "%s.float", x),
                     (char *[]){rounded, step, origin, NULL});
}

/* An int8 or int32 constant with a scale for each element of its first axis, as float32. */
static char *dequantised(onnx_graph *g, char *name, onnx_type type, size_t rank,
                         const int64_t *dims, const void *values, const float *scales) {
    void *zeros = calloc((size_t)dims[0], sizeof(int32_t));
    if (!zeros) g->failed = true;
    char *rounded = onnx_constant(g, onnx_name(g, "%s.rounded", name), type, rank, dims, values);
    char *steps = onnx_constant(g, onnx_name(g, "%s.scale", name), ONNX_FLOAT, 1, dims, scales);
    char *origins = onnx_constant(g, onnx_name(g, "%s.zero", name), type, 1, dims, zeros);
    char *out = onnx_node(g, "DequantizeLinear", name, (char *[]){rounded, steps, origins, NULL});
    onnx_ints(g, "axis", 1, (int64_t[]){0});
    free(zeros);
    return out;
}

/* The step of one filter's weights. The bias counts in steps of the product: a filter of next to
 * nothing is given coarser weights, rather than a bias that does not fit. */
static float filter_scale(const float *weight, size_t count, float bias, float input_scale) {
    float largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmaxf(largest, fabsf(weight[i]));
    float least = (float)((double)fabsf(bias) / ((double)input_scale * LARGEST_BIAS));
    float scale = fmaxf(largest / LARGEST_WEIGHT, least);
    return scale > 0 ? scale : 1;
}

/* The names of a convolution's constants: weight [outputs, inputs, kernel, kernel] and bias
 * [outputs]. */
typedef struct filters {
    char *weight, *bias;
} filters;

/* Adds `name`.weight [dims] and `name`.bias [dims[0]], rounded, of a convolution whose input has
 * steps of `input_scale`. */
static filters quantised_filters(onnx_graph *g, const char *name, const int64_t dims[4],
                                 const float *weight, const float *bias, float input_scale) {
    const size_t outputs = (size_t)dims[0], each = (size_t)(dims[1] * dims[2] * dims[3]);
    filters out = {0};
    int8_t *weights = malloc(outputs * each);
    int32_t *biases = malloc(outputs * sizeof *biases);
    float *scales = malloc(outputs * sizeof *scales),
          *products = malloc(outputs * sizeof *products);
    if (!weights || !biases || !scales || !products) g->failed = true;
    for (size_t o = 0; o < outputs && !g->failed; o++) {
        scales[o] = filter_scale(weight + o * each, each, bias[o], input_scale);
        products[o] = scales[o] * input_scale;
        for (size_t i = 0; i < each; i++)
            weights[o * each + i] = (int8_t)roundf(weight[o * each + i] / scales[o]);
        biases[o] = (int32_t)round((double)bias[o] / (double)products[o]);
    }
    out.weight =
        dequantised(g, onnx_name(g, "%s.weight", name), ONNX_INT8, 4, dims, weights, scales);
    out.bias = dequantised(g, onnx_name(g, "%s.bias", name), ONNX_INT32, 1, dims, biases, products);
    free(weights);
    free(biases);
    free(scales);
    free(products);
    return out;
}

/* --- The network --- */

typedef struct exporter {
    onnx_graph *graph;
    double bn_eps;
    cdul_scope *scope; /* keeps the first failure of reading a tensor */
    const cdul_ranges *ranges; /* NULL: float32 */
    size_t next; /* of the ranges */
} exporter;

/* A value of the graph, and in eight bits the size of its steps. */
typedef struct value {
    char *name;
    float scale;
} value;

/* What may be rounded to eight bits is, if that is wanted. */
static value rounded(exporter *e, char *name) {
    value x = {name, 0};
    if (!e->ranges) return x;
    size_t i = e->next++;
    x.name = quantised(e->graph, name, e->ranges->low[i], e->ranges->high[i], &x.scale);
    return x;
}

/* After a ReLU nothing is below 0, and rounding to what is above is one. */
static value relu(exporter *e, char *name) {
    return rounded(e, e->ranges ? name
                                : onnx_node(e->graph, "Relu", onnx_name(e->graph, "%s.relu", name),
                                            (char *[]){name, NULL}));
}

static float *read_tensor(const exporter *e, const cdul_tensor *tensor) {
    size_t count = cdul_tensor_elements(tensor);
    float *values = calloc(count, sizeof *values);
    if (values)
        cdul_tensor_read(e->scope, tensor, CDUL_F32, values, count);
    else
        e->graph->failed = true;
    return values;
}

/* Batch norm after a convolution is linear in its output channel o:
 *     bn(conv(x, w))[o] = g (conv(x, w)[o] - mean) / sqrt(var + eps) + b = conv(x, k w)[o] + (b - k
 * mean), k = g / sqrt(var + eps).
 * `bias` holds b before, and the new bias afterwards. */
static void fold(const exporter *e, const cdul_resnet_unit *unit, float *weight, float *bias) {
    const size_t each = unit->inputs * unit->kernel * unit->kernel;
    float *g = read_tensor(e, unit->bn_weight), *mean = read_tensor(e, unit->bn_mean),
          *var = read_tensor(e, unit->bn_var);
    for (size_t o = 0; o < unit->outputs && !e->graph->failed; o++) {
        double k = g[o] / sqrt((double)var[o] + e->bn_eps);
        for (size_t i = 0; i < each; i++) weight[o * each + i] = (float)(k * weight[o * each + i]);
        bias[o] = (float)(bias[o] - k * mean[o]);
    }
    free(g);
    free(mean);
    free(var);
}

/* conv(x) with batch norm folded in, under the name `name`. */
static char *add_unit(const exporter *e, const cdul_resnet_unit *unit, const char *name, value x) {
    onnx_graph *graph = e->graph;
    const int64_t k = (int64_t)unit->kernel, s = (int64_t)unit->stride, p = (k - 1) / 2;
    const int64_t shape[] = {(int64_t)unit->outputs, (int64_t)unit->inputs, k, k};
    float *weight = read_tensor(e, unit->weight), *bias = read_tensor(e, unit->bn_bias);
    fold(e, unit, weight, bias);
    filters w;
    if (e->ranges)
        w = quantised_filters(graph, name, shape, weight, bias, x.scale);
    else
        w = (filters){
            onnx_constant(graph, onnx_name(graph, "%s.weight", name), ONNX_FLOAT, 4, shape, weight),
            onnx_constant(graph, onnx_name(graph, "%s.bias", name), ONNX_FLOAT, 1, shape, bias)};
    char *out = onnx_node(graph, "Conv", name, (char *[]){x.name, w.weight, w.bias, NULL});
    onnx_ints(graph, "kernel_shape", 2, (int64_t[]){k, k});
    onnx_ints(graph, "strides", 2, (int64_t[]){s, s});
    onnx_ints(graph, "pads", 4, (int64_t[]){p, p, p, p});
    free(weight);
    free(bias);
    return out;
}

/* The block after x. */
static value add_block(exporter *e, const cdul_resnet_block *block, size_t index, value x) {
    value shortcut = x;
    char name[64];
    if (block->projects) {
        snprintf(name, sizeof name, "layer%zu.%zu.downsample", block->stage, index);
        shortcut = rounded(e, add_unit(e, &block->shortcut, name, x));
    }
    for (size_t i = 0; i < block->count; i++) {
        snprintf(name, sizeof name, "layer%zu.%zu.conv%zu", block->stage, index, i + 1);
        char *out = add_unit(e, &block->units[i], name, x);
        x = i + 1 < block->count ? relu(e, out) : rounded(e, out);
    }
    snprintf(name, sizeof name, "layer%zu.%zu", block->stage, index);
    return relu(e, onnx_node(e->graph, "Add", name, (char *[]){x.name, shortcut.name, NULL}));
}

/* image -> (image - mean) / std */
static char *add_input(onnx_graph *graph, const cdul_preprocess *preprocess) {
    int64_t shape[] = {0, 3, (int64_t)preprocess->height, (int64_t)preprocess->width};
    int64_t channels[] = {1, 3, 1, 1};
    char *image = onnx_name(graph, "image");
    onnx_end(graph, GRAPH_INPUT, image, 4, shape);
    char *mean = onnx_constant(graph, "mean", ONNX_FLOAT, 4, channels, preprocess->mean);
    char *deviation = onnx_constant(graph, "std", ONNX_FLOAT, 4, channels, preprocess->std);
    char *centred = onnx_node(graph, "Sub", "centred", (char *[]){image, mean, NULL});
    return onnx_node(graph, "Div", "normalised", (char *[]){centred, deviation, NULL});
}

/* The largest of rounded numbers is one of them: what comes out has the range of what goes in. */
static value add_stem_pool(exporter *e, char *x) {
    onnx_graph *graph = e->graph;
    value in = relu(e, x);
    value out = {onnx_node(graph, "MaxPool", "maxpool", (char *[]){in.name, NULL}), 0};
    onnx_ints(graph, "kernel_shape", 2, (int64_t[]){3, 3});
    onnx_ints(graph, "strides", 2, (int64_t[]){2, 2});
    onnx_ints(graph, "pads", 4, (int64_t[]){1, 1, 1, 1});
    if (!e->ranges) return out;
    e->next--;
    return rounded(e, out.name);
}

static void add_head(const exporter *e, const cdul_resnet *net, char *x) {
    onnx_graph *graph = e->graph;
    int64_t classes = (int64_t)net->options.classes, shape[] = {classes, (int64_t)net->features};
    float *weight = read_tensor(e, net->head_weight), *bias = read_tensor(e, net->head_bias);
    char *w = onnx_constant(graph, "fc.weight", ONNX_FLOAT, 2, shape, weight);
    char *b = onnx_constant(graph, "fc.bias", ONNX_FLOAT, 1, &classes, bias);
    char *pooled = onnx_node(graph, "GlobalAveragePool", "avgpool", (char *[]){x, NULL});
    char *flat = onnx_node(graph, "Flatten", "features", (char *[]){pooled, NULL});
    char *logits = onnx_node(graph, "Gemm", "logits", (char *[]){flat, w, b, NULL});
    onnx_ints(graph, "transB", 1, (int64_t[]){1});
    char *scores = onnx_node(graph, "Sigmoid", "scores", (char *[]){logits, NULL});
    onnx_end(graph, GRAPH_OUTPUT, scores, 2, (int64_t[]){0, classes});
    free(weight);
    free(bias);
}

static void add_network(exporter *e, const cdul_resnet *net, const cdul_preprocess *preprocess) {
    value x = rounded(e, add_input(e->graph, preprocess));
    x = add_stem_pool(e, add_unit(e, &net->stem, "conv1", x));
    for (size_t i = 0, index = 0; i < net->block_count; i++) {
        index = i && net->blocks[i].stage == net->blocks[i - 1].stage ? index + 1 : 0;
        x = add_block(e, &net->blocks[i], index, x);
    }
    add_head(e, net, x.name);
}

static cdul_status add_card(onnx_graph *graph, const cdul_card *card, cdul_error *err) {
    cdul_card_metadata metadata = {0};
    cdul_status status = cdul_card_to_metadata(card, &metadata, err);
    for (size_t i = 0; i < CDUL_CARD_FACTS && status == CDUL_OK; i++) {
        cdul_message entry = {0};
        put_text(&entry, ENTRY_KEY, metadata.pairs[i].key);
        put_text(&entry, ENTRY_VALUE, metadata.pairs[i].value);
        cdul_proto_message(&graph->metadata, MODEL_METADATA, &entry);
    }
    cdul_strings_free(&metadata.texts);
    return status;
}

cdul_status cdul_export_onnx(const char *path, const cdul_resnet *net, const cdul_card *card,
                             const cdul_ranges *ranges, cdul_error *err) {
    cdul_scope scope = {.no_grad = true};
    onnx_graph graph = {0};
    exporter e = {
        .graph = &graph, .bn_eps = net->options.arch->bn_eps, .scope = &scope, .ranges = ranges};
    add_network(&e, net, &card->preprocess);
    /* A tensor that could not be read shows here. */
    cdul_status status = cdul_scope_close(&scope, err);
    if (status == CDUL_OK) status = add_card(&graph, card, err);
    if (status == CDUL_OK) status = write_graph(&graph, path, err);
    free_graph(&graph);
    return status;
}

void cdul_train_versions(FILE *out) { fprintf(out, "libtorch %s\n", cdul_torch_version()); }

cdul_status cdul_train_export(const char *model, const char *output, cdul_error *err) {
    char *path =
        cdul_path_is_folder(model) ? cdul_path_join(model, "model.safetensors") : strdup(model);
    if (!path) return cdul_fail_memory(err, "a path");
    cdul_resnet *net = NULL;
    cdul_card card = {0};
    cdul_status status = cdul_model_read(path, &net, &card, err);
    if (status == CDUL_OK) status = cdul_export_onnx(output, net, &card, NULL, err);
    cdul_card_free(&card);
    cdul_resnet_free(net);
    free(path);
    return status;
}
