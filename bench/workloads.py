"""What the rows work on, made once and kept: the same for cdul and its peers."""
import csv
import json
import subprocess

import numpy
import onnx
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save_file

PHOTOGRAPHS = 64
IMAGES, CLASSES = 40137, 80  # MS COCO 2014's val
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def photographs(work):
    """JPEG files of 500 x 375 pixels, cut from the two photographs that scikit-learn carries."""
    import sklearn.datasets

    folder = work / "photographs"
    files = [folder / f"{i:03d}.jpg" for i in range(PHOTOGRAPHS)]
    if not files[-1].exists():
        folder.mkdir(exist_ok=True)
        sources = [Image.fromarray(sklearn.datasets.load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
        random = numpy.random.default_rng(1)
        for i, file in enumerate(files):
            source = sources[i % 2]
            left, top = random.integers(0, source.width - 499), random.integers(0, source.height - 374)
            source.crop((left, top, left + 500, top + 375)).save(file, quality=90)
    return files


def no_network(work):
    """An encoder folder with CLIP's preprocessing and next to no network: means of 56 x 56 pixels."""
    folder = work / "no-network"
    if not (folder / "cdul.json").exists():
        folder.mkdir(exist_ok=True)
        graph = helper.make_graph(
            [helper.make_node("AveragePool", ["pixel_values"], ["cells"], kernel_shape=[56, 56], strides=[56, 56]),
             helper.make_node("Flatten", ["cells"], ["image_embeds"])], "bench",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, 224, 224])],
            [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", 48])])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
                  folder / "vision_model.onnx")
        (folder / "preprocessor_config.json").write_text(json.dumps({
            "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "crop_size": 224,
            "image_mean": CLIP_MEAN, "image_std": CLIP_STD}))
        vectors = numpy.random.default_rng(2).normal(size=(4, 48)).astype(numpy.float32)
        save_file({"text_embeds": vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)}, folder / "text.safetensors",
                  {"classes": json.dumps(["a", "b", "c", "d"])})
        (folder / "cdul.json").write_text(json.dumps({"logit_scale": 4.6}))
    return folder


def labels(work):
    """(truth.csv, labels.safetensors): about three classes an image, and labels that know something of them."""
    truth, path = work / "truth.csv", work / "labels-large.safetensors"
    if not path.exists():
        random = numpy.random.default_rng(3)
        names = [f"{i:012d}.jpg" for i in range(IMAGES)]
        classes = [f"class {i}" for i in range(CLASSES)]
        present = random.random((IMAGES, CLASSES)) < 0.036
        with open(truth, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", *classes])
            writer.writerows([name, *row] for name, row in zip(names, numpy.where(present, 1, -1).tolist()))
        logits = random.normal(size=present.shape) + 2.5 * present - 3
        save_file({"labels": (1 / (1 + numpy.exp(-logits))).astype(numpy.float32)}, path,
                  {"images": json.dumps(names), "classes": json.dumps(classes)})
    return truth, path


def classifier(work, programs):
    """The run folder of a ResNet-50 for 224 pixels. What it learnt does not matter."""
    folder = work / "classifier"
    if not (folder / "model.onnx").exists():
        files = photographs(work)[:8]
        (work / "few.csv").write_text("image,a,b\n" + "".join(f"{file},{i % 2},0.5\n" for i, file in enumerate(files)))
        subprocess.run([programs / "cdul-train", "-q", "-l", work / "few.csv", *files, "--arch", "resnet50", "--size", "224",
                        "--epochs", "1", "--holdout", "0", "--align", "off", "-o", folder], check=True)
    return folder
