"""What label.sh asks of label files, with Python's readers instead of cdul's.

    labels A.safetensors A.csv N          shape, range, metadata; the CSV says the same
    equal | different A B                 the same names in one order, and the same values to the bit, or not
    near A B TOLERANCE                    the same names in one order, values no further apart
    within A B                            every row of A is in B, to the bit
    cosines SCORES LABELS S               the aggregation of the paper in numpy makes LABELS of SCORES, of S crops
    sigmoid EXPECTED LABELS T BIAS        the same with SigLIP's sigmoid, of golden/make_encoder.py's vectors
    noise A.onnx B.onnx                   writes A with noise in its weights as B
    largest WORDS CLASSES COLUMNS         cosines of CLASSES are the largest over those columns of WORDS, as in 0,1:4
"""
import csv
import json
import sys

import numpy
from safetensors import safe_open


def read(path):
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
        values = file.get_tensor("labels")
    images, classes = json.loads(metadata["images"]), json.loads(metadata["classes"])
    assert values.dtype == numpy.float32 and values.shape == (len(images), len(classes)), (path, values.shape)
    return classes, dict(zip(images, values)), metadata


def labels(path, table, count):
    classes, rows, metadata = read(path)
    values = numpy.stack(list(rows.values()))
    assert len(rows) == int(count) and values.min() >= 0 and values.max() <= 1
    assert values.std(0).min() > 1e-3, "labels do not depend on the image"
    assert classes == ["cat", "dining table", "café, \"bright\"", "horse"], classes
    assert isinstance(json.loads(metadata["config"]), dict) and metadata["version"]
    with open(table, newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["image", *classes], header
    assert [line[0] for line in lines] == list(rows), "images differ"
    for line in lines:
        assert (numpy.array(line[1:], numpy.float32) == rows[line[0]]).all(), line


def difference(a, b):
    (classes, rows, _), (other_classes, others, _) = read(a), read(b)
    assert classes == other_classes and list(rows) == list(others), "names differ"
    return max(float(abs(rows[name] - others[name]).max()) for name in rows)


def equal(a, b):
    assert difference(a, b) == 0, difference(a, b)


def different(a, b):
    assert difference(a, b) > 1e-3


def near(a, b, tolerance):
    assert difference(a, b) <= float(tolerance), difference(a, b)


def within(a, b):
    rows, others = read(a)[1], read(b)[1]
    assert rows and all((others[name] == rows[name]).all() for name in rows)


def cosines(scores, result, parts):
    with safe_open(scores, "numpy") as file:
        whole, crops = (file.get_tensor(f"cosine_{part}").astype(numpy.float64) for part in ("global", "crops"))
        images, classes = json.loads(file.metadata()["images"]), json.loads(file.metadata()["classes"])
        background = json.loads(file.metadata().get("background", "[]"))

    def softmax(x):  # equations (2) and (4), T = 0.01
        e = numpy.exp((x - x.max(-1, keepdims=True)) / 0.01)
        return e / e.sum(-1, keepdims=True)

    assert crops.shape == (len(images), int(parts), whole.shape[1]), crops.shape
    expected = (softmax(whole) + softmax(crops).max(1)) / 2  # (5) with zeta = 0, then the mean
    rows = read(result)[1]
    assert list(rows) == images
    kept = [column for column, name in enumerate(classes) if name not in background]
    assert abs(numpy.stack(list(rows.values())) - expected[:, kept]).max() < 1e-5


def sigmoid(vectors, result, temperature, bias):
    with safe_open(vectors, "numpy") as file:
        views, text = (file.get_tensor(part).astype(numpy.float64) for part in ("views", "text"))
    scores = 1 / (1 + numpy.exp(-(views @ text.T / float(temperature) + float(bias))))
    expected = (scores[:, 0] + scores[:, 1:].max(1)) / 2
    rows = read(result)[1]
    assert list(rows) == sorted(rows) and numpy.ptp(expected) > 0.2
    got = numpy.stack(list(rows.values()))
    assert abs(got - expected).max() < 0.01, abs(got - expected).max()  # the graph computes in float16


def largest(words, classes, columns):
    for part in "cosine_global", "cosine_crops":
        with safe_open(words, "numpy") as a, safe_open(classes, "numpy") as b:
            each, got = a.get_tensor(part), b.get_tensor(part)
        parts = [column.split(":") for column in columns.split(",")]
        expected = [each[..., int(p[0]):int(p[-1]) + (len(p) == 1)].max(-1) for p in parts]
        assert abs(numpy.stack(expected, -1) - got).max() < 1e-6


def noise(path, out):
    import onnx

    model, random = onnx.load(path), numpy.random.default_rng(4)
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype == numpy.float32 and weights.size > 100:
            noisy = weights + random.normal(0, weights.std(), weights.shape).astype(numpy.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(noisy, tensor.name))
    onnx.save(model, out)


{f.__name__: f for f in (labels, equal, different, near, within, cosines, sigmoid, largest, noise)}[sys.argv[1]](*sys.argv[2:])
