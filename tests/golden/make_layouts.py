#!/usr/bin/env python3
"""Writes tests/golden/layouts/: encoder folders in the layouts and dialects that people publish, pictures that are not
square, and what the reference libraries make of them.

    pictures/                  six, generated, deterministic
    <layout>/                  an encoder: random weights, an input of 20 or 24 x 24 or 28 pixels, D = 8
    <layout>/expected.safetensors
        pixels uint8 [6, 3, H, W], mean, std, scale   the network's input is (pixels * scale - mean) / std
        views [6, 8], views_<variant> [6, 8]          unit vectors, by onnxruntime in Python
        text [C, 8], if there is a text tower         likewise

The reference reads the same files as cdul: transformers' image processors (Pillow's backend) by from_pretrained,
open_clip's image_transform_v2 on the configuration that open_clip itself would put together.

    python3 tests/golden/make_layouts.py OPEN_CLIP

OPEN_CLIP is a folder with the package open_clip (pip install --no-deps --target OPEN_CLIP open_clip_torch), of which
transform.py alone is used. Needs scripts/requirements.txt (numpy below 2, for Debian's torch) and, which
scripts/setup.sh does not put into one environment with them, torch and torchvision: for example
python3 -m venv --system-site-packages beside Debian's python3-torchvision.
"""
import dataclasses
import importlib
import json
import logging
import pathlib
import shutil
import sys
import tempfile
import types

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from PIL import Image
from safetensors.numpy import save_file
from transformers import CLIPTokenizer
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

OUT = pathlib.Path(__file__).resolve().parent / "layouts"
FLOAT, HALF, INT64, INT32 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32
D, CONTEXT = 8, 12
PROMPTS = ["cat", "zebra", "caf\u00e9", "a horse"]
NODE = helper.make_node


def save(path, nodes, inputs, outputs, weights):
    """inputs and outputs: name -> (element type, dims)."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value(n, *t) for n, t in inputs.items()],
                              [value(n, *t) for n, t in outputs.items()],
                              [numpy_helper.from_array(array, name) for name, array in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="cdul tests")
    model.ir_version = 8
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def image_part(seed, size, pixels, output, number=numpy.float32):
    """Patches, ReLU, projection: every part of the picture has weights of its own, so that a wrong crop shows."""
    rng = numpy.random.RandomState(seed)
    area = 4 * (size[0] // 4) * (size[1] // 4)
    weights = {"kernel": rng.normal(0, 0.15, (4, 3, 4, 4)), "bias": rng.normal(0, 0.3, 4),
               "projection": rng.normal(0, 0.2, (area, D))}
    nodes = [NODE("Conv", [pixels, "kernel", "bias"], ["edges"], strides=[4, 4]), NODE("Relu", ["edges"], ["positive"]),
             NODE("Flatten", ["positive"], ["flat"]), NODE("MatMul", ["flat", "projection"], [output])]
    return nodes, {n: a.astype(number) for n, a in weights.items()}


def text_part(seed, ids, output, mask=None):
    """The mean of sines of the ids: each place and each id counts; with a mask, the places that it lets through."""
    rng = numpy.random.RandomState(seed)
    weights = {"waves": rng.normal(0, 0.3, (1, 1, D)).astype(numpy.float32),
               "places": rng.uniform(0.5, 1.5, (1, CONTEXT, 1)).astype(numpy.float32), "axis": numpy.array([2])}
    nodes = [NODE("Cast", [ids], ["numbers"], to=FLOAT), NODE("Unsqueeze", ["numbers", "axis"], ["column"]),
             NODE("Mul", ["column", "waves"], ["angles"]), NODE("Sin", ["angles"], ["rows"]),
             NODE("Mul", ["rows", "places"], ["seen"])]
    if mask:
        nodes += [NODE("Cast", [mask], ["gate"], to=FLOAT), NODE("Unsqueeze", ["gate", "axis"], ["gates"]),
                  NODE("Mul", ["seen", "gates"], ["let"])]
    nodes.append(NODE("ReduceMean", ["let" if mask else "seen"], [output], axes=[1], keepdims=0))
    return nodes, weights


def vision(path, seed, size, names=("pixel_values", "image_embeds"), batch="batch", half=False, free=False, pooled=False):
    dtype = HALF if half else FLOAT
    nodes, weights = image_part(seed, size, *names, numpy.float16 if half else numpy.float32)
    outputs = {names[1]: (dtype, [batch, D])}
    if pooled:  # another space, as in CLIP's exports
        nodes.append(NODE("Identity", ["flat"], ["pooler_output"]))
        outputs = {"pooler_output": (dtype, [batch, weights["projection"].shape[0]]), **outputs}
    dims = [batch, "channels", "height", "width"] if free else [batch, 3, *size]
    save(path, nodes, {names[0]: (dtype, dims)}, outputs, weights)


def text(path, seed, names=("input_ids", "text_embeds"), dtype=INT64, batch="batch", length="sequence"):
    nodes, weights = text_part(seed, *names)
    save(path, nodes, {names[0]: (dtype, [batch, length])}, {names[1]: (FLOAT, [batch, D])}, weights)


def combined(path, seed, size, mask, dims, length):
    """As optimum exports a model whole: similarities as well, so that each run needs pixels and text."""
    nodes, weights = image_part(seed, size, "pixel_values", "image_embeds")
    more, more_weights = text_part(seed + 1, "input_ids", "text_embeds", "attention_mask" if mask else None)
    nodes += more + [NODE("Transpose", ["text_embeds"], ["columns"], perm=[1, 0]),
                     NODE("MatMul", ["image_embeds", "columns"], ["logits_per_image"]),
                     NODE("Transpose", ["logits_per_image"], ["logits_per_text"], perm=[1, 0])]
    tokens = (INT64, ["text_batch", length])
    inputs = {"input_ids": tokens, "pixel_values": (FLOAT, ["image_batch", *dims])}
    if mask:
        inputs["attention_mask"] = tokens
    save(path, nodes, inputs,
         {"logits_per_image": (FLOAT, ["image_batch", "text_batch"]),
          "logits_per_text": (FLOAT, ["text_batch", "image_batch"]), "text_embeds": (FLOAT, ["text_batch", D]),
          "image_embeds": (FLOAT, ["image_batch", D])}, {**weights, **more_weights})


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def make_tokenizer(folder):
    """Bytes alone, no merges: 514 tokens."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    tokens = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n")


def make_pictures(folder):
    """Wide, tall, very wide, odd margins, smaller than every input, nearly square."""
    folder.mkdir(parents=True)
    for index, (width, height) in enumerate([(61, 43), (34, 71), (120, 27), (45, 32), (13, 17), (33, 32)]):
        y, x = numpy.mgrid[0:height, 0:width]
        rng = numpy.random.RandomState(index)
        waves = [127 + 90 * numpy.sin(x / rng.uniform(2, 20) + y / rng.uniform(2, 20) + c) for c in range(3)]
        pixels = numpy.stack(waves, 2) + rng.normal(0, 6, (height, width, 3))
        pixels[height // 4:height // 2, width // 3:width // 2] = rng.uniform(0, 255, 3)
        Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)).save(folder / f"{index}.png", optimize=True)


def pictures():
    return [Image.open(path).convert("RGB") for path in sorted((OUT / "pictures").iterdir())]


def unit(vectors):
    vectors = vectors.astype(numpy.float64)
    return (vectors / numpy.linalg.norm(vectors, axis=-1, keepdims=True)).astype(numpy.float32)


# --- References for the pixels ---

def by_transformers(processor_class):
    def reference(folder):
        p = processor_class.from_pretrained(folder)
        planes = numpy.stack([numpy.asarray(p(image, return_tensors="np")["pixel_values"][0]) for image in pictures()])
        mean, std = (p.image_mean, p.image_std) if p.do_normalize else ([0] * 3, [1] * 3)
        return planes, mean, std
    return reference


def by_open_clip(transform, name):
    def reference(folder):
        config = json.loads((folder / name).read_text())
        cfg = transform.merge_preprocess_dict(transform.PreprocessCfg(), config.get("preprocess_cfg", config))
        if "model_cfg" in config:  # as open_clip.create_model: the model's own size
            cfg["size"] = config["model_cfg"]["vision_cfg"]["image_size"]
        cfg = transform.PreprocessCfg(**cfg)
        apply = transform.image_transform_v2(cfg, is_train=False)
        return numpy.stack([apply(image).numpy() for image in pictures()]), cfg.mean, cfg.std
    return reference


def load_open_clip(folder):
    package = types.ModuleType("open_clip")  # its __init__ wants more packages than transform.py does
    package.__path__ = [str(pathlib.Path(folder) / "open_clip")]
    sys.modules["open_clip"] = package
    return importlib.import_module("open_clip.transform")


# --- References for the vectors ---

def session_of(graph):
    return onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])


def image_vectors(graph, planes, output=None):
    session = session_of(graph)
    inputs = {i.name: i for i in session.get_inputs()}
    name = next(n for n, i in inputs.items() if len(i.shape) == 4)
    dtype = numpy.float16 if inputs[name].type == "tensor(float16)" else numpy.float32
    batch = inputs[name].shape[0] if isinstance(inputs[name].shape[0], int) else 1
    rows = []
    for start in range(0, len(planes), batch):
        part = planes[start:start + batch].astype(dtype)
        count = len(part)
        feed = {name: numpy.concatenate([part, numpy.zeros((batch - count, *part.shape[1:]), dtype)])}
        for other in set(inputs) - {name}:  # any text: the image's vector does not depend on it
            feed[other] = numpy.ones((2, CONTEXT), numpy.int64)
        rows.append(session.run([output or session.get_outputs()[-1].name], feed)[0][:count])
    return unit(numpy.concatenate(rows))


def text_vectors(graph, tokenizer, planes):
    session = session_of(graph)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer)
    rows = []
    for prompt in PROMPTS:
        tokens = tokenizer([prompt], padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="np")
        feed = {}
        for i in session.get_inputs():
            if len(i.shape) == 4:
                feed[i.name] = planes[:3].astype(numpy.float32)
            else:
                key = "attention_mask" if i.name == "attention_mask" else "input_ids"
                feed[i.name] = tokens[key].astype(numpy.int32 if i.type == "tensor(int32)" else numpy.int64)
        names = [o.name for o in session.get_outputs()]
        rows.append(session.run(["text_embeds" if "text_embeds" in names else names[0]], feed)[0][0])
    return unit(numpy.stack(rows))


def expect(layout, reference, graph, text_graph=None, tokenizer=".", scale=1 / 255, variants=()):
    folder = OUT / layout
    planes, mean, std = reference(folder)
    mean, std = (numpy.array(v, numpy.float64).reshape(1, 3, 1, 1) for v in (mean, std))
    bytes_ = (planes * std + mean) / scale
    assert numpy.abs(bytes_ - bytes_.round()).max() < 1e-3, layout
    output = "image_embeds" if text_graph == graph else None
    tensors = {"pixels": bytes_.round().astype(numpy.uint8), "mean": mean.ravel().astype(numpy.float32),
               "std": std.ravel().astype(numpy.float32), "scale": numpy.array([scale], numpy.float32),
               "views": image_vectors(folder / graph, planes, output)}
    for variant in variants:
        tensors[f"views_{variant}"] = image_vectors(folder / graph.replace(".onnx", f"_{variant}.onnx"), planes)
    if text_graph:
        tensors["text"] = text_vectors(folder / text_graph, folder / tokenizer, planes)
    save_file(tensors, folder / "expected.safetensors")


# --- Quantised graphs ---

class Noise(CalibrationDataReader):
    def __init__(self, size):
        rng = numpy.random.RandomState(0)
        self.batches = iter([{"pixel_values": rng.normal(0, 1, (4, 3, *size)).astype(numpy.float32)}] * 4)

    def get_next(self):
        return next(self.batches, None)


def make_static(path, size):
    """Static int8, quantise and dequantise nodes, as scripts of the export tools write it. Seven bits of weight, since
    eight bits times eight overflow in processors without VNNI, and the vectors would be those of one machine."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = pathlib.Path(scratch) / "plain.onnx"
        path.replace(plain)
        quantize_static(str(plain), str(path), Noise(size), per_channel=True, reduce_range=True,
                        weight_type=QuantType.QInt8)


def make_variants(path, seed, size):
    """fp16; dynamic uint8, called quantized; 4 bits a weight."""
    named = {v: path.with_name(f"{path.stem}_{v}.onnx") for v in ("fp16", "quantized", "q4")}
    vision(named["fp16"], seed, size, half=True)
    quantize_dynamic(str(path), str(named["quantized"]), weight_type=QuantType.QUInt8)
    model, rng, area = onnx.load(str(path)), numpy.random.RandomState(seed), 4 * (size[0] // 4) * (size[1] // 4)
    node = next(n for n in model.graph.node if n.op_type == "MatMul")
    node.CopyFrom(NODE("MatMulNBits", ["flat", "packed", "scales"], list(node.output), domain="com.microsoft", K=area, N=D,
                       bits=4, block_size=16))
    model.graph.initializer.remove(next(t for t in model.graph.initializer if t.name == "projection"))
    model.graph.initializer.extend([
        numpy_helper.from_array(rng.randint(0, 256, (D, area // 16, 8)).astype(numpy.uint8), "packed"),
        numpy_helper.from_array(rng.uniform(0.01, 0.05, D * area // 16).astype(numpy.float32), "scales")])
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(named["q4"]))
    return tuple(named)


# --- The folders ---

def clip_config(**more):
    return {"model_type": "clip", "projection_dim": D, "logit_scale_init_value": 2.6592,
            "text_config": {"max_position_embeddings": CONTEXT}, **more}


def openai(**more):
    return {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], **more}


def make_transformers_js():
    """onnx/ with variants, the preprocessor file of 2021: numbers as sizes, no rescaling mentioned."""
    folder, size = OUT / "transformers_js", (24, 24)
    vision(folder / "onnx/vision_model.onnx", 1, size)
    text(folder / "onnx/text_model.onnx", 2)
    make_tokenizer(folder)
    write_json(folder / "config.json", clip_config())
    write_json(folder / "preprocessor_config.json", openai(
        crop_size=24, do_center_crop=True, do_normalize=True, do_resize=True, resample=3, size=27,
        feature_extractor_type="CLIPFeatureExtractor"))
    variants = make_variants(folder / "onnx/vision_model.onnx", 1, size)
    expect("transformers_js", by_transformers(CLIPImageProcessorPil), "onnx/vision_model.onnx", "onnx/text_model.onnx",
           variants=variants)


def make_siglip():
    """At top level, squashed to a shape that is not square, float16, batch fixed at 4, pooled output."""
    folder, size = OUT / "siglip", (20, 28)
    vision(folder / "vision_model.onnx", 3, size, ("pixel_values", "pooler_output"), batch=4, half=True)
    write_json(folder / "config.json", {"model_type": "siglip"})
    write_json(folder / "preprocessor_config.json", {
        "do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5],
        "processor_class": "SiglipProcessor", "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 20, "width": 28}})
    expect("siglip", by_transformers(SiglipImageProcessorPil), "vision_model.onnx")


def make_immich(transform):
    """visual/ and textual/, open_clip's configurations, one row a run, int32 tokens."""
    folder, size = OUT / "immich", (24, 24)
    vision(folder / "visual/model.onnx", 4, size, ("image", "embedding"), batch=1)
    text(folder / "textual/model.onnx", 5, ("text", "embedding"), INT32, 1, CONTEXT)
    make_tokenizer(folder / "textual")
    write_json(folder / "config.json", {"embed_dim": D, "vision_cfg": {"image_size": 24, "layers": 1},
                                        "text_cfg": {"context_length": CONTEXT, "vocab_size": 514}})
    write_json(folder / "visual/preprocess_cfg.json", {
        "size": [24, 24], "mode": "RGB", "mean": [0.48, 0.45, 0.4], "std": [0.26, 0.25, 0.27],
        "interpolation": "bicubic", "resize_mode": "squash", "fill_color": 0})
    expect("immich", by_open_clip(transform, "visual/preprocess_cfg.json"), "visual/model.onnx", "textual/model.onnx",
           "textual")


def make_clip_variants():
    """Free names; the newest processor file, all in one; a crop that is not square; Lanczos."""
    folder, size = OUT / "clip_variants", (20, 28)
    vision(folder / "clip-tiny-visual-float32.onnx", 6, size, ("input", "output"))
    text(folder / "clip-tiny-textual-float32.onnx", 7, ("input", "output"))
    make_tokenizer(folder)
    write_json(folder / "config.json", clip_config())
    write_json(folder / "processor_config.json", {"processor_class": "CLIPProcessor", "image_processor": openai(
        crop_size={"height": 20, "width": 28}, do_center_crop=True, do_convert_rgb=True, do_normalize=True,
        do_rescale=True, do_resize=True, image_processor_type="CLIPImageProcessorFast", resample=1,
        rescale_factor=1 / 255, size={"shortest_edge": 30})})
    expect("clip_variants", by_transformers(CLIPImageProcessorPil), "clip-tiny-visual-float32.onnx",
           "clip-tiny-textual-float32.onnx")


def make_optimum():
    """One graph for both towers, with a mask, whose sizes are all free."""
    folder, size = OUT / "optimum", (24, 24)
    combined(folder / "model.onnx", 8, size, True, ["channels", "height", "width"], "sequence")
    make_tokenizer(folder)
    write_json(folder / "config.json", clip_config(vision_config={"image_size": 24}))
    write_json(folder / "preprocessor_config.json", openai(
        crop_size={"height": 24, "width": 24}, do_center_crop=True, do_convert_rgb=True, do_normalize=True,
        do_rescale=True, do_resize=True, image_processor_type="CLIPImageProcessor", resample=3,
        rescale_factor=1 / 255, size={"shortest_edge": 24}))
    expect("optimum", by_transformers(CLIPImageProcessorPil), "model.onnx", "model.onnx")


def make_optimum_siglip():
    """The same for SigLIP: no mask, length fixed, no centre crop mentioned; the box filter."""
    folder, size = OUT / "optimum_siglip", (24, 24)
    combined(folder / "onnx/model.onnx", 10, size, False, [3, *size], CONTEXT)
    make_tokenizer(folder)
    write_json(folder / "config.json", {"model_type": "siglip"})
    write_json(folder / "preprocessor_config.json", {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 4,
        "size": {"height": 24, "width": 24}})
    expect("optimum_siglip", by_transformers(SiglipImageProcessorPil), "onnx/model.onnx", "onnx/model.onnx")


def make_open_clip(transform):
    """The whole picture, padded; the model's size beats the one beside it."""
    folder, size = OUT / "open_clip_longest", (20, 28)
    vision(folder / "vision_model.onnx", 12, size)
    write_json(folder / "open_clip_config.json", {
        "model_cfg": {"embed_dim": D, "vision_cfg": {"image_size": [20, 28]}, "text_cfg": {"context_length": CONTEXT}},
        "preprocess_cfg": {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear",
                           "resize_mode": "longest", "fill_color": 77}})
    expect("open_clip_longest", by_open_clip(transform, "open_clip_config.json"), "vision_model.onnx")
    folder = OUT / "open_clip_shortest"  # not square: another resize, always bicubic, and means by default
    vision(folder / "onnx/vision_model.onnx", 13, size, free=True)
    write_json(folder / "open_clip_config.json", {
        "model_cfg": {"embed_dim": D, "vision_cfg": {"image_size": [20, 28]}},
        "preprocess_cfg": {"interpolation": "bilinear", "resize_mode": "shortest"}})
    expect("open_clip_shortest", by_open_clip(transform, "open_clip_config.json"), "onnx/vision_model.onnx")


def make_mobileclip():
    """Says clip, does not normalise; bilinear; weights in a file of their own."""
    folder, size = OUT / "mobileclip", (24, 24)
    path = folder / "onnx/vision_model.onnx"
    vision(path, 16, size)
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="vision_model.onnx_data", size_threshold=0)
    write_json(folder / "config.json", clip_config())
    write_json(folder / "preprocessor_config.json", {
        "crop_size": {"height": 24, "width": 24}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": False,
        "do_rescale": True, "do_resize": True, "image_processor_type": "CLIPFeatureExtractor", "resample": 2,
        "rescale_factor": 1 / 255, "size": {"shortest_edge": 25}})
    expect("mobileclip", by_transformers(CLIPImageProcessorPil), "onnx/vision_model.onnx")


def make_chinese_clip():
    """Static int8; squashed, no crop; Hamming; CLIP's means by the class's default."""
    folder, size = OUT / "chinese_clip", (24, 28)
    vision(folder / "onnx/vision_model.onnx", 15, size)
    make_static(folder / "onnx/vision_model.onnx", size)
    write_json(folder / "config.json", {"model_type": "chinese_clip", "projection_dim": D})
    write_json(folder / "preprocessor_config.json", {
        "do_center_crop": False, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "ChineseCLIPFeatureExtractor", "resample": 5, "size": {"height": 24, "width": 28}})
    expect("chinese_clip", by_transformers(ChineseCLIPImageProcessorPil), "onnx/vision_model.onnx")


def main():
    logging.disable(logging.WARNING)  # quantisers advise to preprocess
    transform = load_open_clip(sys.argv[1])
    shutil.rmtree(OUT, ignore_errors=True)
    make_pictures(OUT / "pictures")
    make_transformers_js()
    make_siglip()
    make_immich(transform)
    make_clip_variants()
    make_optimum()
    make_optimum_siglip()
    make_open_clip(transform)
    make_mobileclip()
    make_chinese_clip()


if __name__ == "__main__":
    main()
