"""The rows of the table: what is run, beside what, and the ratio to reach."""
import csv
import json

import numpy
from safetensors import safe_open

import workloads
from measure import Row, Unavailable

ROWS = {}
DEBIAN = "/usr/bin/python3"  # with Debian's torch 1.13, the libtorch that cdul-train links


def row(name):
    def add(make):
        ROWS[name] = make
        return make

    return add


# --- Whether all did the same ---

def read_labels(path):
    with safe_open(path, "numpy") as file:
        return file.get_tensor("labels")


def read_scores(path):
    with open(path, newline="") as file:
        return numpy.array([line[1:] for line in csv.reader(file)][1:], numpy.float64)


def same(read, bound, *paths):
    def check():
        first, *others = (read(path) for path in paths if path.exists())
        for path, other in zip(paths[1:], others):
            if first.shape != other.shape or not abs(first - other).max() < bound:
                raise SystemExit(f"bench: {path.name} differs from {paths[0].name}: "
                                 f"{first.shape} {other.shape} {abs(first - other).max():g}")

    return check


# --- Labels ---

def smallest_cosine(b, encoder, options):
    """Of vectors with these options and those of float32, over views of eight photographs."""
    width = json.loads((encoder / "config.json").read_text())["projection_dim"]
    photos = workloads.photographs(b.work, workloads.CALIBRATION)[1::2][:b.size(2, 8)]
    rows = []
    for how in ([], options):
        scores = b.output("cosines.safetensors")
        b.run(b.program("label", "-e", encoder, "--text", workloads.axes(b.work, width), "-T", "1", "-g", "1x1", *how,
                        "--save-scores", scores, *photos, "-o", b.output("axes.safetensors")))
        with safe_open(scores, "numpy") as file:
            rows.append(numpy.concatenate([file.get_tensor(name).reshape(-1, width)
                                           for name in ("cosine_global", "cosine_crops")]).astype(numpy.float64))
    a, c = rows
    return ((a * c).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(c, axis=1)).min()


def label_commands(b, encoder, side, grid, batch):
    """Functions that make commands over a number of pictures: cdul(output, *options) and peer(output, engine)."""
    def listed(count):
        return workloads.image_list(b.work, workloads.photographs(b.work, count))

    def cdul(output, *options):
        views = ["-g", f"{grid}x{grid}"] if grid else ["-a", "global"]
        return lambda count: b.program("label", "-e", encoder, *views, *options, f"@{listed(count)}", "-o", output)

    def peer(output, engine):
        return lambda count: b.python("label.py", engine, encoder, listed(count), output, "--side", str(side), "--grid",
                                      str(grid), "--batch", str(batch), "--workers", str(b.cores))

    return cdul, peer


def vit_b32_products(views):
    """Multiply-adds of ViT-B/32 at 224 pixels: 49 patches, 50 tokens of 768, 12 layers, 512 outputs."""
    tokens, width = 50, 768
    layer = tokens * width * (3 * width + width + 2 * 4 * width) + 2 * tokens * tokens * width
    return views * (49 * 3 * 32 * 32 * width + 12 * layer + width * 512)


def label(b, architecture, side, images, batch, rounds, lines, engines, products=None):
    encoder = workloads.encoder(b.work, architecture, side)
    grid = b.size(1, 3)
    cdul, peer = label_commands(b, encoder, side, grid, batch)
    own, theirs = b.output("cdul.safetensors"), {engine: b.output(f"{engine}.safetensors") for engine in engines}

    def reduced(options_of):
        """The smallest cosine is found once, and stands behind the side's name."""
        try:
            options = options_of()
        except Unavailable as reason:  # told when the side's turn comes
            def absent(reason=reason):
                raise reason

            return "", absent
        note = f" (cosine >= {smallest_cosine(b, encoder, options):.5f})"
        return note, b.per_item(cdul(b.output("reduced.safetensors"), *options), images)

    sides = {"float32": b.per_item(cdul(own, "--precision", "fp32"), images)}
    notes = {}
    for name, options_of in (("int8", lambda: ["--precision", "int8"]), ("bfloat16", lambda: b.openvino("bf16")),
                             ("float32 by OpenVINO", lambda: b.openvino("fp32"))):
        if not any(ours == name for ours, _, _ in lines):
            continue
        notes[name], measure = reduced(options_of)
        sides[name + notes[name]] = measure
    for engine, name in engines.items():
        sides[name] = b.per_item(peer(theirs[engine], engine), images)
    if products:
        sides["its products alone"] = b.printed(b.python("gemm.py", str(products(1 + grid * grid))))
    lines = [(ours + notes.get(ours, ""), name, target) for ours, name, target in lines]
    exact = [theirs[engine] for engine in engines if "bfloat16" not in engine]
    return Row("images/s", sides, lines, rounds, same(read_labels, 0.02, own, *exact))


@row("label, ViT-B/32, from files to labels")
def label_vit(b):
    engines = {"torch": "torch eager", "torch-bfloat16": "torch bfloat16", "torch-compile": "torch.compile",
               "onnxruntime": "onnxruntime", "openvino": "OpenVINO", "openvino-bfloat16": "OpenVINO's own bfloat16"}
    lines = [("float32", "torch eager", 1.25), ("float32", "torch.compile", None), ("float32", "onnxruntime", 1.03),
             ("float32", "OpenVINO", None), ("float32", "its products alone", 0.9)]
    lines += [("float32 by OpenVINO", name, target) for name, target in
              (("torch eager", 1.25), ("onnxruntime", 1.03), ("OpenVINO", None), ("its products alone", 0.9))]
    for best in ("int8", "bfloat16"):
        lines += [(best, "torch eager", 3.5), (best, "torch bfloat16", 1.7), (best, "OpenVINO's own bfloat16", None)]
    return label(b, "ViT-B-32", 224, b.size(4, 32), 4, 3, lines, engines, vit_b32_products)


def label_resnet(b, *args):
    engines = {"torch": "torch eager", "onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
    lines = [(ours, name, target) for ours, target in (("float32", 1.05), ("int8", 3), ("bfloat16", 3))
             for name in engines.values()]
    return label(b, *args, lines, engines)


@row("label, RN50, from files to labels")
def label_rn50(b):
    return label_resnet(b, "RN50", 224, b.size(2, 24), 4, 3)


@row("label, RN50x64, from files to labels")  # 448 pixels, half a minute a picture
def label_rn50x64(b):
    return label_resnet(b, b.size("RN50x4", "RN50x64"), b.size(128, 448), 2, 1, 1)


def decode(b, methods, images, width, height):
    encoder = workloads.no_network(b.work)

    def listed(count):
        return workloads.image_list(b.work, workloads.photographs(b.work, count, width, height))

    sides = {"cdul": b.per_item(lambda count: b.program("label", "-e", encoder, f"@{listed(count)}", "-o",
                                                        b.output("decoded.safetensors"), threads=1), images, 1)}
    for method, name in methods.items():
        sides[name] = b.per_item(lambda count, method=method: b.python("preprocess.py", method, listed(count)), images, 1)
    return Row("images/s", sides, [("cdul", name, 4 if name.startswith("Pillow") else None) for name in methods.values()])


@row("decode 500 x 375, whole image and 9 crops, no network, one core")
def decode_small(b):
    return decode(b, {"pillow": "Pillow", "torchvision": "torchvision.io"}, b.size(4, 128), 500, 375)


@row("decode 4000 x 3000, whole image and 9 crops, no network, one core")
def decode_large(b):
    return decode(b, {"pillow": "Pillow", "draft": "Pillow, draft mode"}, b.size(2, 16), 4000, 3000)


@row("label from the cache, 100,000 images x 80 classes x 10 vectors")
def relabel(b):
    encoder = workloads.encoder(b.work, "ViT-B-32", 224)
    cache, names, root = workloads.cache(b.work, b.programs, encoder, b.size(2000, 100000))
    own, theirs = b.output("relabel.safetensors"), b.output("relabel-numpy.safetensors")
    sides = {"cdul": b.whole(b.program("label", "-e", encoder, "--cache", cache, "--root", root, f"@{names}", "-o", own)),
             "NumPy": b.whole(b.python("relabel.py", cache, encoder, theirs))}
    shards = len(list(cache.iterdir()))

    def check():
        if len(list(cache.iterdir())) > shards:
            raise SystemExit(f"bench: {cache} was not used: cdul-label added to it")
        same(read_labels, 1e-3, own, theirs)()

    return Row("s", sides, [("cdul", "NumPy", 3)], check=check)


# --- Training ---

def train(b, images, size, precision, bn, freeze=None, peer=None, scale=1):
    """A side: cdul-train, or the peer in the Python `peer`."""
    images, size = b.size(16, images), b.size(64, size)
    architecture, epochs = b.size("resnet18", "resnet50"), b.size(2, 3)
    labels, names, root = workloads.training(b.work, images)
    weights = workloads.start_weights(b.work, architecture)
    folder = b.output("train")
    if peer:
        command = b.python("train.py", labels, names, root, weights / "weights.pt", "--arch", architecture, "--size",
                           str(size), "--epochs", str(epochs), "--precision", precision, "--bn", bn, "--workers",
                           str(b.cores), interpreter=peer)
        command += ["--freeze", b.output("activations.npy")] if freeze else []
    else:
        command = b.program("train", "-l", labels, "--root", root, f"@{names}", "--init", weights / "weights.safetensors",
                            "--size", str(size), "--epochs", str(epochs), "--precision",
                            {"bfloat16": "bf16", "float32": "fp32"}[precision], "--bn", bn, "--align", "off", "--holdout",
                            "0", "-o", folder / "run")
        command += ["--freeze", str(freeze), "--activation-copies", "1"] if freeze else []
    return b.logged(command, images, folder / "run", scale)


def train_224(b, precision, target, target_frozen):
    import sys

    pythons = {"torchvision": DEBIAN, "torchvision, torch 2": sys.executable}
    sides, lines = {}, []
    for bn, reach in (("train", target), ("frozen", target_frozen)):
        how = "batch norm trained" if bn == "train" else "batch norm frozen"
        sides[how] = train(b, 128, 224, precision, bn)
        for name, python in pythons.items():
            sides[f"{name}, {how}"] = train(b, 128, 224, precision, bn, peer=python)
            lines.append((how, f"{name}, {how}", reach if python == DEBIAN else None))
    return Row("images/s", sides, lines, 3)


@row("train ResNet-50, 224 pixels, bfloat16")
def train_bfloat16(b):
    return train_224(b, "bfloat16", 1.15, 1.4)


@row("train ResNet-50, 224 pixels, float32")
def train_float32(b):
    return train_224(b, "float32", 1.1, 1.1)


@row("train ResNet-50, 448 pixels, bfloat16, batch norm frozen")
def train_448(b):
    whole, cached = "whole network", "three stages frozen, activations cached"
    sides = {}
    for name, peer in (("", None), ("torchvision, ", DEBIAN)):
        sides[name + whole] = train(b, 48, 448, "bfloat16", "frozen", peer=peer)
        sides[name + cached] = train(b, 128, 448, "bfloat16", "frozen", freeze=3, peer=peer)
    lines = [(whole, f"torchvision, {whole}", 1.15), (cached, f"torchvision, {cached}", 1.15), (cached, whole, 5)]
    return Row("images/s", sides, lines, 3)


@row("label update, 82,081 x 80")
def update(b):
    images = b.size(2000, 82081)
    epoch = "an epoch of ResNet-50, 224 pixels, bfloat16"
    sides = {"cdul": b.printed([b.programs / "update", str(images), "80"]),
             "PyTorch": b.printed(b.python("update.py", str(images), "80")),
             epoch: train(b, 64, 224, "bfloat16", "frozen", scale=images)}
    return Row("s", sides, [("cdul", "PyTorch", None), ("cdul", epoch, 100)], 3)


# --- Prediction, evaluation ---

def predict_commands(b, count):
    run = workloads.classifier(b.work, b.programs, "resnet50", 224)
    names = workloads.image_list(b.work, workloads.photographs(b.work, count))

    def cdul(output, model, *options):
        return b.program("predict", model, *options, f"@{names}", "--format", "csv", "-o", output)

    def peer(output, engine, workers):
        return b.python("predict.py", engine, run, names, output, "--batch", "8", "--workers", str(workers))

    return run, cdul, peer


@row("predict, ResNet-50, 224 pixels")
def predict(b):
    images = b.size(4, 128)
    own = b.output("predict.csv")
    engines = {"torch": "torchvision", "torch-bfloat16": "torchvision, bfloat16", "timm": "timm",
               "onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
    theirs = {engine: b.output(f"predict-{engine}.csv") for engine in engines}

    def ours(output, *options):
        return b.per_item(lambda count: predict_commands(b, count)[1](output, run, *options), images)

    run = predict_commands(b, images)[0]
    sides = {"float32": ours(own, "--precision", "fp32"), "int8": ours(b.output("int8.csv"), "--precision", "int8")}
    try:
        sides["bfloat16"] = ours(b.output("bfloat16.csv"), *b.openvino("bf16"))
    except Unavailable as reason:
        def absent(reason=reason):
            raise reason

        sides["bfloat16"] = absent
    for engine, name in engines.items():
        sides[name] = b.per_item(lambda count, engine=engine: predict_commands(b, count)[2](theirs[engine], engine, b.cores),
                                 images)
    lines = [("float32", "torchvision", 1.5), ("float32", "timm", 1.5), ("float32", "onnxruntime", None),
             ("float32", "OpenVINO", None)]
    for best in ("int8", "bfloat16"):
        lines += [(best, "torchvision", 4), (best, "torchvision, bfloat16", None)]
    exact = [theirs[engine] for engine in engines if "bfloat16" not in engine]
    return Row("images/s", sides, lines, 3, same(read_scores, 0.01, own, *exact))


@row("predict one image, from start to exit, one core")
def start(b):
    run, cdul, peer = predict_commands(b, 1)
    sides = {"float32": b.whole([*cdul(b.output("one.csv"), run), "-j", "1"], 1),
             "int8": b.whole([*cdul(b.output("one-int8.csv"), run, "--precision", "int8"), "-j", "1"], 1),
             "onnxruntime": b.whole(peer(b.output("one-onnxruntime.csv"), "onnxruntime", 0), 1),
             "torchvision": b.whole(peer(b.output("one-torch.csv"), "torch", 0), 1)}
    return Row("ms", sides, [(ours, name, 20) for ours in ("float32", "int8") for name in ("onnxruntime", "torchvision")])


@row("evaluate 40,137 x 80 labels, one core")
def evaluate(b):
    truth, labels = workloads.labels(b.work, b.size(2000, 40137))
    sides = {"cdul": b.whole(b.program("eval", "--json", "-t", truth, labels, threads=1), 1),
             "scikit-learn": b.whole(b.python("evaluate.py", truth, labels), 1)}
    return Row("ms", sides, [("cdul", "scikit-learn", 20)])


# --- Memory ---

def label_memory(b, count, grid, target):
    cdul, peer = label_commands(b, workloads.encoder(b.work, "ViT-B-32", 224), 224, grid, 4 if grid else 32)
    sides = {"cdul": b.memory(cdul(b.output("cdul.safetensors"))(count))}
    engines = {"torch": "torch eager", "onnxruntime": "onnxruntime"}
    for engine, name in engines.items():
        sides[name] = b.memory(peer(b.output("peer.safetensors"), engine)(count))
    return Row("MiB", sides, [("cdul", name, target) for name in engines.values()], 1)


@row("memory, label 5,000 images, ViT-B/32, whole image")
def memory_whole(b):
    return label_memory(b, b.size(8, 5000), 0, 3)


@row("memory, label 320 images, ViT-B/32, whole image and 9 crops")
def memory_crops(b):
    return label_memory(b, b.size(8, 320), 3, 3)


@row("memory, predict 512 images, ResNet-50, 224 pixels")
def memory_predict(b):
    run, cdul, peer = predict_commands(b, b.size(8, 512))
    sides = {how: b.memory(cdul(b.output("predict.csv"), run, "--precision", how)) for how in ("auto", "fp32", "int8")}
    engines = {"torch": "torchvision", "onnxruntime": "onnxruntime"}
    for engine, name in engines.items():
        sides[name] = b.memory(peer(b.output("peer.csv"), engine, b.cores))
    return Row("MiB", sides, [(ours, name, 3) for ours in ("auto", "fp32", "int8") for name in engines.values()], 1)
