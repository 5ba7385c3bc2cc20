#!/usr/bin/env python3
"""The parts of export.sh that are not cdul.

    export.py pictures FOLDER LABELS     eight pictures and their labels
    export.py graph RUN FOLDER CSV       RUN/model.onnx against ONNX's checker, its metadata against the other files of
                                         the run, CSV of cdul-predict against onnxruntime on Pillow's pixels. Leaves
                                         views.f32 [4, 3, H, W] and scores.f32 [4, C] of onnxruntime in RUN
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
    from PIL import Image

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
    pixels = pixels.transpose(0, 3, 1, 2)
    near(f"{run}: cdul-predict and onnxruntime", numpy.array([row[1:] for row in rows], numpy.float32),
         session.run(None, {"image": pixels})[0])


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


{"pictures": pictures, "graph": graph, "torchvision": torchvision_scores}[sys.argv[1]](*sys.argv[2:])
