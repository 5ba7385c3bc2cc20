#!/usr/bin/env python3
"""Writes tests/golden/classifier/: a tiny classifier in the form that cdul-train exports, pictures, graphs that must be
refused, and the scores that Pillow, numpy and onnxruntime give.

    run/model.onnx          a run folder: convolution, ReLU, mean over places, linear, sigmoid; mean and std inside
    pictures/               generated, deterministic, none of them square; one has an alpha channel
    refused/*.onnx          graphs of other makers
    expected.safetensors    whole, flip, grid, standardised [N, C]: what the classifier says of the pictures

Weights are random and fixed. Needs: numpy, Pillow, onnx, onnxruntime, safetensors.
"""
import json
import pathlib
import shutil

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "classifier"
HEIGHT, WIDTH = 24, 32
CLASSES = ["cat", "dining table", "caf\u00e9", "horse", "boat"]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CARD = {
    "classes": json.dumps(CLASSES, ensure_ascii=False), "thresholds": json.dumps([0.5, 0.4, 0.6, 0.55, 0.45]),
    "input_size": json.dumps([HEIGHT, WIDTH]), "resize": "squash", "filter": "bilinear", "mean": json.dumps(MEAN),
    "std": json.dumps(STD), "provenance": json.dumps({"made by": "make_classifier.py"}),
}


def weights(random):
    return {
        "mean": numpy.array(MEAN, numpy.float32).reshape(1, 3, 1, 1),
        "std": numpy.array(STD, numpy.float32).reshape(1, 3, 1, 1),
        "conv.weight": random.normal(0, 0.2, (8, 3, 5, 5)).astype(numpy.float32),
        "conv.bias": random.normal(0, 0.2, 8).astype(numpy.float32),
        "fc.weight": random.normal(0, 0.3, (len(CLASSES), 8)).astype(numpy.float32),
        "fc.bias": random.normal(0, 0.5, len(CLASSES)).astype(numpy.float32),
    }


def nodes(image, scores, last):
    node = helper.make_node
    return [
        node("Sub", [image, "mean"], ["centred"]), node("Div", ["centred", "std"], ["normalised"]),
        node("Conv", ["normalised", "conv.weight", "conv.bias"], ["places"], strides=[4, 4]),
        node("Relu", ["places"], ["active"]), node("GlobalAveragePool", ["active"], ["pooled"]),
        node("Flatten", ["pooled"], ["features"]),
        node("Gemm", ["features", "fc.weight", "fc.bias"], ["logits"], transB=1), node(last, ["logits"], [scores]),
    ]


def write(path, arrays, image="image", scores="scores", last="Sigmoid", batch="B", classes=len(CLASSES), height=HEIGHT,
          card=CARD):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes(image, scores, last), "classifier", [value(image, TensorProto.FLOAT, [batch, 3, height, WIDTH])],
        [value(scores, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="cdul tests")
    model.ir_version = 7
    for key, text in card.items():
        model.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def make_pictures(folder, random):
    """Coloured patches, so that tiles and mirror images differ from the whole."""
    folder.mkdir(parents=True)
    for number, (width, height, mode) in enumerate([(61, 40, "RGB"), (33, 70, "RGB"), (50, 50, "RGBA"), (20, 15, "RGB")]):
        patches = random.integers(0, 256, (4, 5, len(mode)), numpy.uint8)
        Image.fromarray(patches, mode).resize((width, height), Image.BICUBIC).save(folder / f"{number}.png")


def views(path):
    """The whole picture and nine tiles [10, 3, H, W]."""
    image = Image.open(path)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    boxes = [(0, 0, *image.size)]
    for row in range(3):
        for column in range(3):
            boxes.append((round(image.width * column / 3), round(image.height * row / 3),
                          round(image.width * (column + 1) / 3), round(image.height * (row + 1) / 3)))
    tiles = [image.crop(box).resize((WIDTH, HEIGHT), Image.BILINEAR) for box in boxes]
    return numpy.stack([numpy.asarray(tile, numpy.float32).transpose(2, 0, 1) / 255 for tile in tiles])


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    random = numpy.random.default_rng(8)
    make_pictures(FOLDER / "pictures", random)
    arrays = weights(random)
    write(FOLDER / "run" / "model.onnx", arrays)

    session = onnxruntime.InferenceSession(str(FOLDER / "run" / "model.onnx"), providers=["CPUExecutionProvider"])
    results = {"whole": [], "flip": [], "grid": [], "standardised": []}
    for path in sorted((FOLDER / "pictures").iterdir()):
        pixels = views(path)
        scores = session.run(["scores"], {"image": pixels})[0].astype(numpy.float64)
        mirrored = session.run(["scores"], {"image": numpy.ascontiguousarray(pixels[:1, :, :, ::-1])})[0]
        logits = numpy.log(scores[0] / (1 - scores[0]))
        standardised = (logits - logits.mean()) / logits.std()
        results["whole"].append(scores[0])
        results["flip"].append((scores[0] + mirrored[0]) / 2)
        results["grid"].append((scores[0] + scores[1:].max(axis=0)) / 2)
        results["standardised"].append(1 / (1 + numpy.exp(-standardised)))
    save_file({name: numpy.array(rows, numpy.float32) for name, rows in results.items()}, FOLDER / "expected.safetensors")

    refused = FOLDER / "refused"
    without = lambda key: {name: text for name, text in CARD.items() if name != key}
    write(refused / "bare.onnx", arrays, card={})
    write(refused / "no_thresholds.onnx", arrays, card=without("thresholds"))
    write(refused / "input_name.onnx", arrays, image="pixel_values")
    write(refused / "output_name.onnx", arrays, scores="probabilities")
    write(refused / "fixed_batch.onnx", arrays, batch=2)
    write(refused / "size.onnx", arrays, height=HEIGHT + 4)
    write(refused / "classes.onnx", arrays, card=CARD | {"classes": json.dumps(CLASSES[1:]), "thresholds": "[0, 0, 0, 0]"})
    write(refused / "twice.onnx", arrays, card=CARD | {"classes": json.dumps(CLASSES[:4] + ["cat"])})
    write(FOLDER / "unbounded.onnx", arrays, last="Identity")  # opens, but its scores are none


main()
