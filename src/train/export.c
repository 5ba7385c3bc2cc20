#include "train/export.h"

#include "torch/torch.h"
#include "train/onnx_graph.h"
#include "train/quantise.h"

#include <math.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>

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
    x.name = onnx_quantised(e->graph, name, e->ranges->low[i], e->ranges->high[i], &x.scale);
    return x;
}

/* After a ReLU nothing is below 0, and rounding to what is above is one. */
static value relu(exporter *e, char *name) {
    return rounded(e, e->ranges ? name
                                : onnx_node(e->graph, "Relu", onnx_name(e->graph, "%s.relu", name),
                                            (char *[]){name, NULL}));
}

static float *read_tensor(const exporter *e, const cdul_tensor *tensor, size_t count) {
    float *values = malloc(count * sizeof *values);
    if (values) cdul_tensor_read(e->scope, tensor, CDUL_F32, values, count);
    return values;
}

/* Batch norm after a convolution is linear in its output channel o:
 *     bn(conv(x, w))[o] = g (conv(x, w)[o] - mean) / sqrt(var + eps) + b = conv(x, k w)[o] + (b - k
 * mean), k = g / sqrt(var + eps). */
static void fold(const exporter *e, const cdul_resnet_unit *unit, float *weight, float *bias,
                 cdul_error *err, cdul_status *status) {
    size_t outputs = unit->outputs, each = unit->inputs * unit->kernel * unit->kernel;
    float *g = read_tensor(e, unit->bn_weight, outputs),
          *b = read_tensor(e, unit->bn_bias, outputs);
    float *mean = read_tensor(e, unit->bn_mean, outputs),
          *var = read_tensor(e, unit->bn_var, outputs);
    if (!g || !b || !mean || !var) *status = cdul_fail_memory(err, "folding batch norm");
    for (size_t o = 0; o < outputs && !*status; o++) {
        double k = g[o] / sqrt((double)var[o] + e->bn_eps);
        for (size_t i = 0; i < each; i++) weight[o * each + i] = (float)(k * weight[o * each + i]);
        bias[o] = (float)(b[o] - k * mean[o]);
    }
    free(g);
    free(b);
    free(mean);
    free(var);
}

/* *out = conv(x) with batch norm folded in, under the name `name`. */
static cdul_status add_unit(const exporter *e, const cdul_resnet_unit *unit, const char *name,
                            value x, char **out, cdul_error *err) {
    onnx_graph *graph = e->graph;
    int64_t outputs = (int64_t)unit->outputs, k = (int64_t)unit->kernel, s = (int64_t)unit->stride,
            p = (k - 1) / 2;
    int64_t shape[] = {outputs, (int64_t)unit->inputs, k, k};
    cdul_status status = CDUL_OK;
    float *weight =
        read_tensor(e, unit->weight, unit->outputs * unit->inputs * unit->kernel * unit->kernel);
    float *bias = malloc(unit->outputs * sizeof *bias);
    if (!weight || !bias)
        status = cdul_fail_memory(err, "exporting a convolution");
    else
        fold(e, unit, weight, bias, err, &status);
    if (!status) {
        char *w, *b;
        if (e->ranges) {
            onnx_quantised_filters(graph, name, shape, weight, bias, x.scale, &w, &b);
        } else {
            w = onnx_constant(graph, onnx_name(graph, "%s.weight", name), 4, shape, weight);
            b = onnx_constant(graph, onnx_name(graph, "%s.bias", name), 1, &outputs, bias);
        }
        *out =
            onnx_node(graph, "Conv", onnx_name(graph, "%s", name), (char *[]){x.name, w, b, NULL});
        onnx_ints(graph, "kernel_shape", 2, (int64_t[]){k, k});
        onnx_ints(graph, "strides", 2, (int64_t[]){s, s});
        onnx_ints(graph, "pads", 4, (int64_t[]){p, p, p, p});
    }
    free(weight);
    free(bias);
    return status;
}

static cdul_status add_block(exporter *e, const cdul_resnet_block *block, size_t index, value *x,
                             cdul_error *err) {
    onnx_graph *graph = e->graph;
    value shortcut = *x;
    char name[64], *out = NULL;
    cdul_status status = CDUL_OK;
    if (block->projects) {
        snprintf(name, sizeof name, "layer%zu.%zu.downsample", block->stage, index);
        status = add_unit(e, &block->shortcut, name, shortcut, &out, err);
        shortcut = rounded(e, out);
    }
    for (size_t i = 0; i < block->count && !status; i++) {
        snprintf(name, sizeof name, "layer%zu.%zu.conv%zu", block->stage, index, i + 1);
        status = add_unit(e, &block->units[i], name, *x, &out, err);
        *x = i + 1 < block->count ? relu(e, out) : rounded(e, out);
    }
    if (status) return status;
    char *sum = onnx_name(graph, "layer%zu.%zu", block->stage, index);
    *x = relu(e, onnx_node(graph, "Add", sum, (char *[]){x->name, shortcut.name, NULL}));
    return CDUL_OK;
}

/* image -> (image - mean) / std */
static char *add_input(onnx_graph *graph, const cdul_preprocess *preprocess) {
    int64_t shape[] = {0, 3, (int64_t)preprocess->height, (int64_t)preprocess->width};
    int64_t channels[] = {1, 3, 1, 1};
    char *image = onnx_name(graph, "image");
    onnx_input(graph, image, 4, shape);
    char *mean = onnx_constant(graph, onnx_name(graph, "mean"), 4, channels, preprocess->mean);
    char *deviation = onnx_constant(graph, onnx_name(graph, "std"), 4, channels, preprocess->std);
    char *centred =
        onnx_node(graph, "Sub", onnx_name(graph, "centred"), (char *[]){image, mean, NULL});
    return onnx_node(graph, "Div", onnx_name(graph, "normalised"),
                     (char *[]){centred, deviation, NULL});
}

/* The largest of rounded numbers is one of them: the range of what goes in is that of what comes
 * out. */
static value add_stem_pool(exporter *e, char *x) {
    onnx_graph *graph = e->graph;
    value in = relu(e, x);
    value out = {
        onnx_node(graph, "MaxPool", onnx_name(graph, "maxpool"), (char *[]){in.name, NULL}), 0};
    onnx_ints(graph, "kernel_shape", 2, (int64_t[]){3, 3});
    onnx_ints(graph, "strides", 2, (int64_t[]){2, 2});
    onnx_ints(graph, "pads", 4, (int64_t[]){1, 1, 1, 1});
    if (!e->ranges) return out;
    e->next--;
    return rounded(e, out.name);
}

static cdul_status add_head(const exporter *e, const cdul_resnet *net, char *x, cdul_error *err) {
    onnx_graph *graph = e->graph;
    int64_t classes = (int64_t)net->options.classes, shape[] = {classes, (int64_t)net->features};
    float *weight = read_tensor(e, net->head_weight, net->options.classes * net->features);
    float *bias = read_tensor(e, net->head_bias, net->options.classes);
    cdul_status status = weight && bias ? CDUL_OK : cdul_fail_memory(err, "exporting the head");
    if (!status) {
        char *w = onnx_constant(graph, onnx_name(graph, "fc.weight"), 2, shape, weight);
        char *b = onnx_constant(graph, onnx_name(graph, "fc.bias"), 1, &classes, bias);
        char *pooled =
            onnx_node(graph, "GlobalAveragePool", onnx_name(graph, "avgpool"), (char *[]){x, NULL});
        char *flat =
            onnx_node(graph, "Flatten", onnx_name(graph, "features"), (char *[]){pooled, NULL});
        char *logits =
            onnx_node(graph, "Gemm", onnx_name(graph, "logits"), (char *[]){flat, w, b, NULL});
        onnx_int(graph, "transB", 1);
        char *scores =
            onnx_node(graph, "Sigmoid", onnx_name(graph, "scores"), (char *[]){logits, NULL});
        onnx_output(graph, scores, 2, (int64_t[]){0, classes});
    }
    free(weight);
    free(bias);
    return status;
}

static cdul_status add_network(exporter *e, const cdul_resnet *net,
                               const cdul_preprocess *preprocess, cdul_error *err) {
    char *stem = NULL;
    value x = rounded(e, add_input(e->graph, preprocess));
    cdul_status status = add_unit(e, &net->stem, "conv1", x, &stem, err);
    if (status) return status;
    x = add_stem_pool(e, stem);
    for (size_t i = 0, index = 0; i < net->block_count && !status; i++) {
        index = i && net->blocks[i].stage == net->blocks[i - 1].stage ? index + 1 : 0;
        status = add_block(e, &net->blocks[i], index, &x, err);
    }
    return status ? status : add_head(e, net, x.name, err);
}

static cdul_status add_card(onnx_graph *graph, const cdul_card *card, cdul_error *err) {
    cdul_card_metadata metadata = {0};
    cdul_status status = cdul_card_to_metadata(card, &metadata, err);
    for (size_t i = 0; i < CDUL_CARD_FACTS && status == CDUL_OK; i++)
        onnx_metadata(graph, metadata.pairs[i].key, metadata.pairs[i].value);
    cdul_strings_free(&metadata.texts);
    return status;
}

cdul_status cdul_export_onnx(const char *path, const cdul_resnet *net, const cdul_card *card,
                             const cdul_ranges *ranges, cdul_error *err) {
    cdul_scope scope = {.no_grad = true};
    exporter e = {.graph = onnx_graph_new(),
                  .bn_eps = net->options.arch->bn_eps,
                  .scope = &scope,
                  .ranges = ranges};
    if (!e.graph) return cdul_fail_memory(err, "ONNX graph");
    cdul_status status = add_network(&e, net, &card->preprocess, err);
    /* says which tensor could not be read, if one could not */
    if (status == CDUL_OK) status = cdul_scope_close(&scope, err);
    if (status == CDUL_OK) status = add_card(e.graph, card, err);
    if (status == CDUL_OK) status = onnx_graph_write(e.graph, path, CDUL_VERSION, err);
    if (scope.tensors || scope.status) (void)!cdul_scope_close(&scope, NULL);
    onnx_graph_free(e.graph);
    return status;
}

void cdul_train_versions(FILE *out) {
    fprintf(out, "protobuf-c %s\n", protobuf_c_version());
    fprintf(out, "libtorch %s\n", cdul_torch_version());
}
