"""What the rows work on, made once and kept in the folder `work`: the same for cdul and its peers."""
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import xxhash
from PIL import Image
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 80        # MS COCO's
CALIBRATION = 16    # photographs whose every other one sets the scales of static int8


def once(path, make):
    """The path, which make() fills under another name first."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        subprocess.run(["rm", "-rf", part], check=True)
        make(part)
        part.rename(path)
    return path


def script(*words):
    return subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)


# --- Pictures ---

def photographs(work, count, width=500, height=375):
    """JPEG files of that size, cut from the two photographs that scikit-learn carries; larger ones are enlarged first."""
    import sklearn.datasets

    folder = work / f"photographs-{width}"
    files = [folder / f"{i:05d}.jpg" for i in range(count)]
    missing = [i for i, file in enumerate(files) if not file.exists()]  # others stay: the cache knows their times
    if not missing:
        return files
    folder.mkdir(parents=True, exist_ok=True)
    sources = [Image.fromarray(sklearn.datasets.load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    scale = max(1, width / 500)
    sources = [source.resize([round(scale * side) for side in source.size]) for source in sources]
    for i in missing:
        random, source = numpy.random.default_rng(i), sources[i % 2]
        left, top = random.integers(0, source.width - width + 1), random.integers(0, source.height - height + 1)
        picture = source.crop((left, top, left + width, top + height))
        once(files[i], lambda part, picture=picture: picture.save(part, quality=90))
    return files


def image_list(work, files):
    """A file that names them, one a line."""
    path = work / "lists" / f"{files[0].parent.name}-{len(files)}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{file}\n" for file in files))
    return path


def many_names(work, count):
    """(list, root) of `count` names that all lead to a few photographs."""
    few = photographs(work, 64)

    def make(folder):
        folder.mkdir()
        for i in range(count):
            (folder / f"{i:06d}.jpg").symlink_to(few[i % len(few)])

    root = once(work / f"names-{count}", make)
    path = work / "lists" / f"names-{count}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{i:06d}.jpg\n" for i in range(count)))
    return path, root


# --- Encoders ---

def class_vectors(path, width):
    vectors = numpy.random.default_rng(2).normal(size=(CLASSES, width)).astype(numpy.float32)
    save_file({"text_embeds": vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)}, path,
              {"classes": json.dumps([f"class {i}" for i in range(CLASSES)])})


def axes(work, width):
    """Class vectors whose cosines are the picture's own vector."""
    def make(path):
        save_file({"text_embeds": numpy.eye(width, dtype=numpy.float32)}, path,
                  {"classes": json.dumps([f"axis {i}" for i in range(width)])})

    return once(work / f"axes-{width}.safetensors", make)


def encoder(work, architecture, size):
    """An encoder folder of an architecture of open_clip, with weights of chance, in float32 and int8; ../model is what it
    was made of."""
    def make(folder):
        made = script(ROOT / "bench" / "make_model.py", architecture, str(size), folder / "model")
        if made.returncode:
            raise RuntimeError(made.stderr)
        photos = photographs(work, CALIBRATION)
        how = ["static", "--photos", *photos] if architecture.startswith("RN") else ["dynamic", "--photos", *photos[:2]]
        made = script(ROOT / "scripts" / "export_clip.py", "open_clip", f"local-dir:{folder / 'model'}", "--images-only",
                      "-o", folder / "encoder", "--precision", "int8", "--quantise", *how)
        if made.returncode not in (0, 1) or not (folder / "encoder/onnx/vision_model_quantized.onnx").exists():
            raise RuntimeError(made.stdout + made.stderr)  # 1: a cosine is below the bound; the row prints its own
        width = json.loads((folder / "encoder/config.json").read_text())["projection_dim"]
        class_vectors(folder / "encoder/text.safetensors", width)

    return once(work / f"{architecture}-{size}", make) / "encoder"


def no_network(work):
    """An encoder folder with CLIP's preprocessing and next to no network: every 56th pixel."""
    import onnx
    from onnx import TensorProto, helper

    def make(folder):
        folder.mkdir()
        graph = helper.make_graph(
            [helper.make_node("Slice", ["pixel_values", "first", "last", "axes", "steps"], ["pixels"]),
             helper.make_node("Flatten", ["pixels"], ["image_embeds"])], "bench",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, 224, 224])],
            [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", 48])],
            [helper.make_tensor(name, TensorProto.INT64, [2], values) for name, values in (
                ("first", [28, 28]), ("last", [224, 224]), ("axes", [2, 3]), ("steps", [56, 56]))])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  folder / "vision_model.onnx")
        (folder / "preprocessor_config.json").write_text(json.dumps({
            "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "crop_size": 224,
            "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}))
        class_vectors(folder / "text.safetensors", 48)
        (folder / "cdul.json").write_text(json.dumps({"logit_scale": 4.6}))

    return once(work / "no-network", make)


def cache(work, programs, folder, count):
    """(cache, list, root): vectors of chance of `count` images, as cdul-label would have kept them of this encoder."""
    names, root = many_names(work, count)

    def make(path):
        two = work / "lists" / "two.txt"
        two.write_text("000000.jpg\n000001.jpg\n")
        subprocess.run([programs / "cdul-label", "-q", "-e", folder, "--cache", path, "--root", root, f"@{two}",
                        "-o", work / "two.safetensors"], check=True)
        for shard in path.glob("*.safetensors"):
            shard.unlink()
        width = json.loads((path / "cache.json").read_text())["width"]
        random = numpy.random.default_rng(4)
        for number, first in enumerate(range(0, count, 1024), 1):
            rows = range(first, min(first + 1024, count))
            vectors = random.standard_normal((len(rows), 10, width), numpy.float32)
            vectors /= numpy.linalg.norm(vectors, axis=-1, keepdims=True)
            whole, crops = (numpy.ascontiguousarray(part, numpy.float16) for part in (vectors[:, 0], vectors[:, 1:]))
            files = [os.stat(root / f"{i:06d}.jpg") for i in rows]
            save_file({"global": whole, "crops": crops}, path / f"{number:06d}.safetensors", {
                "images": json.dumps([f"{i:06d}.jpg" for i in rows]),
                "identities": json.dumps([f"{file.st_size} {file.st_mtime_ns}" for file in files]),
                "checksum": xxhash.xxh3_64(whole.tobytes() + crops.tobytes()).hexdigest()})

    return once(work / f"cache-{count}", make), names, root


# --- Labels and classifiers ---

def labels(work, count):
    """(truth.csv, labels.safetensors): about three classes an image, and labels that know something of them."""
    truth, path = work / f"truth-{count}.csv", work / f"labels-{count}.safetensors"

    def make(part):
        random = numpy.random.default_rng(3)
        names = [f"{i:012d}.jpg" for i in range(count)]
        classes = [f"class {i}" for i in range(CLASSES)]
        present = random.random((count, CLASSES)) < 0.036
        with open(truth, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", *classes])
            writer.writerows([name, *row] for name, row in zip(names, numpy.where(present, 1, -1).tolist()))
        logits = random.normal(size=present.shape) + 2.5 * present - 3
        save_file({"labels": (1 / (1 + numpy.exp(-logits))).astype(numpy.float32)}, part,
                  {"images": json.dumps(names), "classes": json.dumps(classes)})

    return truth, once(path, make)


def training(work, count):
    """(labels.csv, list, root) for `count` photographs."""
    files = photographs(work, count)
    path, names = work / "lists" / f"train-{count}.csv", work / "lists" / f"train-{count}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    names.write_text("".join(f"{file.name}\n" for file in files))
    values = numpy.random.default_rng(5).random((count, CLASSES)) ** 8
    with open(path, "w") as file:
        file.write("image," + ",".join(f"class {i}" for i in range(CLASSES)) + "\n")
        for name, row in zip(files, values):
            file.write(f"{name.name}," + ",".join(f"{value:.4f}" for value in row) + "\n")
    return path, names, files[0].parent


def start_weights(work, architecture):
    """A network of torchvision with weights of chance, as WEIGHTS.safetensors and as WEIGHTS.pt."""
    def make(folder):
        import torch
        import torchvision
        from safetensors.torch import save_file as save_tensors

        folder.mkdir()
        torch.manual_seed(6)
        model = getattr(torchvision.models, architecture)(num_classes=CLASSES)
        save_tensors(model.state_dict(), folder / "weights.safetensors", {"arch": architecture})
        torch.save(model.state_dict(), folder / "weights.pt")

    return once(work / f"weights-{architecture}", make)


def classifier(work, programs, architecture, size):
    """A run folder; what it learnt does not matter."""
    def make(folder):
        table, names, root = training(work, 16)
        init = start_weights(work, architecture) / "weights.safetensors"
        subprocess.run([programs / "cdul-train", "-q", "-l", table, "--root", root, f"@{names}", "--init", init, "--size",
                        str(size), "--epochs", "1", "--bn", "train", "--holdout", "0", "--align", "off", "-o", folder],
                       check=True)

    return once(work / f"run-{architecture}-{size}", make)
