#!/usr/bin/env python3
"""The parts of export.sh that are not cdul.

    export.py pictures FOLDER LABELS     eight pictures and their labels
    export.py graph RUN FOLDER CSV       RUN/model.onnx against ONNX's checker, its metadata against the other files of
                                         the run, CSV of cdul-predict against onnxruntime on Pillow's pixels. Leaves
                                         views.f32 [4, 3, H, W] and scores.f32 [4, C] of onnxruntime in RUN
    export.py int8 RUN FOLDER CSV        RUN/model_int8.onnx beside RUN/model.onnx and what ONNX Runtime's own quantiser
                                         makes of that; CSV of cdul-predict against onnxruntime
    export.py torchvision RUN            those scores against torchvision's network with RUN/model.safetensors
"""
import csv
import json
import pathlib
import struct
import sys

import numpy

CLASSES = ["red", "blue", "café, \"bright\""]
TOLERANCE = 1e-5


def pictures(folder, labels):
    from PIL import Image

    rng = numpy.random.default_rng(5)
    pathlib.Path(folder).mkdir()
    with open(labels, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", *CLASSES])
        for i in range(8):
            red, bright = i % 2, i % 3 == 0
            colour = numpy.array([200 * red, 90 * bright, 200 * (1 - red)])
            pixels = numpy.clip(colour + rng.integers(0, 56, (40 + i, 70 - 2 * i, 3)), 0, 255)
            Image.fromarray(pixels.astype(numpy.uint8)).save(f"{folder}/{i:02}.png")
            table.writerow([f"{i:02}.png", 0.8 if red else 0.1, 0.1 if red else 0.8, 0.9 if bright else 0.2])


def near(what, got, expected):
    """Equal, and of numbers that say something: all scores the same would be equal as well."""
    assert got.shape == expected.shape, (what, got.shape, expected.shape)
    difference = float(abs(got - expected).max())
    print(f"{what}: greatest difference {difference:.2g}, spread {float(expected.std(0).max()):.2g}")
    assert difference <= TOLERANCE, what
    assert expected.std(0).max() > 100 * TOLERANCE, f"{what}: scores do not depend on the image"


def check_graph(run):
    """ONNX's own checker with shape inference, and the facts that any runtime's user needs. Returns the metadata."""
    import onnx
    from safetensors import safe_open

    path = str(run / "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)], model.opset_import
    assert model.ir_version == 7 and model.producer_name == "cdul", (model.ir_version, model.producer_name)

    def dims(value):
        return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]

    (image,), (scores,) = model.graph.input, model.graph.output
    batch = dims(image)[0]
    assert isinstance(batch, str), "the batch is not free"
    assert (image.name, dims(image)) == ("image", [batch, 3, 64, 64]), (image.name, dims(image))
    assert (scores.name, dims(scores)) == ("scores", [batch, len(CLASSES)]), (scores.name, dims(scores))
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}

    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert len(properties) == len(model.metadata_props), "a metadata key occurs twice"
    assert json.loads(properties["classes"]) == CLASSES
    assert json.loads(properties["input_size"]) == [64, 64]
    assert properties["resize"] in ("shortest", "squash")
    thresholds = json.loads(properties["thresholds"])
    assert len(thresholds) == len(CLASSES) and all(0 <= threshold <= 1 for threshold in thresholds)
    assert isinstance(json.loads(properties["provenance"]), dict)
    with safe_open(run / "model.safetensors", "numpy") as weights:
        for key, text in weights.metadata().items():
            assert key not in properties or properties[key] == text, f"{key} differs between the models"
    card = json.loads((run / "model.json").read_text())
    for key in "classes", "input_size", "thresholds", "mean", "std":
        assert card[key] == json.loads(properties[key]), f"model.json: {key}"
    return properties


def graph(run, folder, predictions):
    import onnxruntime

    run = pathlib.Path(run)
    properties = check_graph(run)
    session = onnxruntime.InferenceSession(str(run / "model.onnx"), providers=["CPUExecutionProvider"])

    views = numpy.random.default_rng(1).random((4, 3, 64, 64), numpy.float32)
    views[2] *= 0.3  # noise of equal strength looks alike to a network that was hardly trained
    views[3, 0] = 1
    alone, rest = session.run(None, {"image": views[:1]})[0], session.run(None, {"image": views[1:]})[0]
    scores = numpy.concatenate([alone, rest])
    near(f"{run}: batches of 1 and 3, and of 4", session.run(None, {"image": views})[0], scores)
    views.tofile(run / "views.f32")
    scores.tofile(run / "scores.f32")

    pixels, scores = read_views(properties, folder, predictions)
    near(f"{run}: cdul-predict and onnxruntime", scores, session.run(None, {"image": pixels})[0])


def read_views(properties, folder, predictions):
    """The pixels [N, 3, 64, 64] that Pillow makes of the images in a CSV of cdul-predict, and its scores."""
    from PIL import Image

    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    with open(predictions, newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", *CLASSES], header
    filter_ = filters[properties["filter"]]

    def view(path):  # shortest: torchvision's Resize(64) and CenterCrop(64)
        image = Image.open(path).convert("RGB")
        if properties["resize"] == "squash":
            return image.resize((64, 64), filter_)
        scaled = image.resize([int(64 * side / min(image.size)) for side in image.size], filter_)
        left, top = (round((side - 64) / 2) for side in scaled.size)
        return scaled.crop((left, top, left + 64, top + 64))

    pixels = numpy.stack([numpy.asarray(view(f"{folder}/{row[0]}"), numpy.float32) / 255 for row in rows])
    return pixels.transpose(0, 3, 1, 2), numpy.array([row[1:] for row in rows], numpy.float32)


def int8(run, folder, predictions):
    """Rounding moves scores. It must not move them further than ONNX Runtime's quantiser does, which looks at the same
    pictures, and weights must be within half a step of what they were."""
    import collections
    import logging
    import tempfile

    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Pictures(CalibrationDataReader):
        def __init__(self, pixels):
            self.rows = iter([{"image": row[None]} for row in pixels])

        def get_next(self):
            return next(self.rows, None)

    def run_graph(path):
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": pixels})[0]

    logging.disable(logging.WARNING)  # that the graph could be prepared
    run = pathlib.Path(run)
    plain, reduced = run / "model.onnx", run / "model_int8.onnx"
    onnx.checker.check_model(str(reduced), full_check=True)
    properties = {entry.key: entry.value for entry in onnx.load(str(reduced)).metadata_props}
    assert properties == {entry.key: entry.value for entry in onnx.load(str(plain)).metadata_props}
    pixels, scores = read_views(properties, folder, predictions)
    ours, exact = run_graph(reduced), run_graph(plain)
    near(f"{run}: cdul-predict and onnxruntime in int8", scores, ours)
    with tempfile.TemporaryDirectory() as scratch:
        theirs = f"{scratch}/theirs.onnx"
        quantize_static(str(plain), theirs, Pictures(pixels), per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8, reduce_range=True, op_types_to_quantize=["Conv", "Add"])
        other = run_graph(theirs)
    moved, others_move = float(abs(ours - exact).max()), float(abs(other - exact).max())
    print(f"{run}: int8 moves scores by {moved:.3g} at most, onnxruntime's own by {others_move:.3g}, spread {exact.std(0).max():.2g}")
    assert moved <= 1.5 * others_move + 1e-3, "int8 is further off than onnxruntime's"

    graphs = [onnx.load(str(path)).graph for path in (plain, reduced)]
    before, after = ({t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer} for graph in graphs)
    kinds = collections.Counter(node.op_type for node in graphs[1].node)
    assert "Relu" not in kinds and kinds["Conv"] > 10, kinds
    for name in [name.removesuffix(".rounded") for name in after if name.endswith(".weight.rounded")]:
        rounded, steps = after[f"{name}.rounded"], after[f"{name}.scale"].reshape(-1, 1, 1, 1)
        assert rounded.dtype == numpy.int8 and abs(rounded.astype(int)).max() <= 64, name
        assert (abs(rounded * steps - before[name]) <= 0.501 * steps).all(), name


def read_safetensors(path):
    """Without the package, which Debian's Python lacks: header length, JSON, bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    kinds = {"F32": numpy.float32, "I64": numpy.int64}
    return metadata, {
        name: numpy.frombuffer(data[8 + length:][slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(
            entry["shape"]) for name, entry in header.items()}


def torchvision_scores(run):
    import torch
    import torchvision

    run = pathlib.Path(run)
    metadata, weights = read_safetensors(run / "model.safetensors")
    arch = metadata["arch"]
    net = getattr(torchvision.models, arch.removesuffix("-caffe"))(weights=None, num_classes=len(CLASSES))
    if arch.endswith("-caffe"):
        for module in net.modules():
            if isinstance(module, torchvision.models.resnet.Bottleneck):
                module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 1e-3
    assert float(metadata["bn_eps"]) == net.bn1.eps, metadata["bn_eps"]
    state = {name: torch.from_numpy(values.copy()) for name, values in weights.items()}
    lacking, unknown = net.load_state_dict(state, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in lacking), (lacking, unknown)
    net.double().eval()

    views = torch.from_numpy(numpy.fromfile(run / "views.f32", numpy.float32).reshape(-1, 3, 64, 64)).double()
    mean, std = (torch.tensor(json.loads(metadata[key])).double().reshape(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = torch.sigmoid(net((views - mean) / std)).numpy()
    got = numpy.fromfile(run / "scores.f32", numpy.float32).reshape(expected.shape)
    near(f"{run}: the exported graph and torchvision", got, expected)


{"pictures": pictures, "graph": graph, "int8": int8, "torchvision": torchvision_scores}[sys.argv[1]](*sys.argv[2:])
