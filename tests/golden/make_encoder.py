#!/usr/bin/env python3
"""Writes tests/golden/session/ and tests/golden/encoder/: tiny graphs, encoder folders made of them, pictures that are
not square, and what a Python pipeline (Pillow, transformers, onnxruntime, numpy) makes of them.

    session/*.onnx          graphs of one or two operators, one for each thing a session must bear
    encoder/pictures/       generated, deterministic
    encoder/clip/           centre crop, free batch, image_embeds beside a pooled output, text tower without mask
    encoder/siglip/         squashed, batch fixed at 4, float16 in and out, text tower with mask, batch fixed at 1
    encoder/dense/          squashed to 24 x 32 pixels, dense_embeds of 3 x 4 cells; expected: dense, dense_mirrored
                            [N, 13, D] (whole picture, then cells), by numpy alone
    encoder/*/expected.safetensors   views [N, 10, D] (whole image, then 3 x 3 crops), mirrored (their means with their
                                    mirror images), text [C, D] unit vectors
    encoder/graphs/*.onnx   towers that must be refused

Weights are random and fixed. Needs: numpy, Pillow, onnx, onnxruntime, safetensors, transformers.
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
from transformers import CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

HERE = pathlib.Path(__file__).resolve().parent
FLOAT, HALF, INT64, INT32 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32
SIZE, WIDTH, CONTEXT = 32, 16, 24
CLASSES = ["cat", "dining table", "caf\u00e9", "horse"]
TEMPLATES = ["a photo of a {}.", "the {c}"]


def save(path, nodes, inputs, outputs, weights=None, properties=None):
    """inputs and outputs: name -> (element type, dims)."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, path.stem, [value(n, *t) for n, t in inputs.items()], [value(n, *t) for n, t in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="cdul tests")
    model.ir_version = 8
    for key, text in (properties or {}).items():
        model.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def make_session(folder):
    node = helper.make_node
    save(folder / "add.onnx", [node("Add", ["x", "y"], ["sum"]), node("Mul", ["x", "y"], ["product"])],
         {"x": (FLOAT, ["n", 3]), "y": (FLOAT, ["n", 3])}, {"sum": (FLOAT, ["n", 3]), "product": (FLOAT, ["n", 3])},
         properties={"classes": "[\"caf\u00e9\", \"cat\"]", "note": "two\nlines", "empty": ""})
    save(folder / "half.onnx", [node("Mul", ["x", "two"], ["y"])], {"x": (HALF, [2, 2])}, {"y": (HALF, [2, 2])},
         {"two": numpy.float16(2)})
    save(folder / "double.onnx", [node("Mul", ["x", "two"], ["y"])], {"x": (TensorProto.DOUBLE, ["n"])},
         {"y": (TensorProto.DOUBLE, ["n"])}, {"two": numpy.float64(2)})
    save(folder / "integers.onnx", [node("Cast", ["b"], ["wide"], to=INT64), node("Add", ["a", "wide"], ["y"]),
                                    node("Identity", ["b"], ["z"])],
         {"a": (INT64, ["n"]), "b": (INT32, ["n"])}, {"y": (INT64, ["n"]), "z": (INT32, ["n"])})
    save(folder / "text.onnx", [node("Identity", ["s"], ["t"])], {"s": (TensorProto.STRING, ["n"])},
         {"t": (TensorProto.STRING, ["n"])})
    save(folder / "deep.onnx", [node("Identity", ["x"], ["y"])], {"x": (FLOAT, [1] * 9)}, {"y": (FLOAT, [1] * 9)})
    # A table of more than 64 KiB, each number known from its place.
    table = (7 * numpy.arange(256)[:, None] + 3 * numpy.arange(80)) % 101
    save(folder / "weights.onnx", [node("MatMul", ["x", "table"], ["product"]), node("Add", ["product", "bias"], ["y"])],
         {"x": (FLOAT, ["n", 256])}, {"y": (FLOAT, ["n", 80])},
         {"table": table.astype(numpy.float32), "bias": numpy.full(80, 0.5, numpy.float32)})
    (folder / "garbage.onnx").write_bytes(b"this is no graph\n" * 4)


def vision(path, rng, output, batch="batch", half=False, pooled=False):
    """Convolution, ReLU, projection: every part of the picture has weights of its own, so that a wrong crop shows."""
    dtype, number = (HALF, numpy.float16) if half else (FLOAT, numpy.float32)
    side = (SIZE - 5) // 4 + 1
    weights = {"kernel": rng.normal(0, 0.1, (6, 3, 5, 5)), "bias": rng.normal(0, 0.3, 6),
               "projection": rng.normal(0, 0.2, (6 * side * side, WIDTH))}
    nodes = [helper.make_node("Conv", ["pixel_values", "kernel", "bias"], ["edges"], strides=[4, 4]),
             helper.make_node("Relu", ["edges"], ["positive"]),
             helper.make_node("Flatten", ["positive"], ["flat"]),
             helper.make_node("MatMul", ["flat", "projection"], [output])]
    outputs = {output: (dtype, [batch, WIDTH])}
    if pooled:  # another space, as in CLIP's exports
        nodes.insert(3, helper.make_node("Identity", ["flat"], ["pooler_output"]))
        outputs = {"pooler_output": (dtype, [batch, 6 * side * side]), **outputs}
    save(path, nodes, {"pixel_values": (dtype, [batch, 3, SIZE, SIZE])}, outputs,
         {name: array.astype(number) for name, array in weights.items()})


def text(path, rng, output, tokens, batch="batch", length="sequence", mask=False):
    """The mean of the tokens' vectors, each weighted by its position; with a mask, of those that it lets through."""
    weights = {"table": rng.normal(0, 1, (tokens, WIDTH)), "places": rng.uniform(0.5, 1.5, (1, CONTEXT, 1))}
    weights = {name: array.astype(numpy.float32) for name, array in weights.items()}
    weights["axis"] = numpy.array([2], numpy.int64)
    inputs = {"input_ids": (INT64, [batch, length])}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
             helper.make_node("Mul", ["rows", "places"], ["placed"])]
    if mask:
        inputs["attention_mask"] = (INT64, [batch, length])
        nodes += [helper.make_node("Cast", ["attention_mask"], ["gate"], to=FLOAT),
                  helper.make_node("Unsqueeze", ["gate", "axis"], ["wide"]),
                  helper.make_node("Mul", ["placed", "wide"], ["seen"])]
    nodes.append(helper.make_node("ReduceMean", ["seen" if mask else "placed"], [output], axes=[1], keepdims=0))
    save(path, nodes, inputs, {output: (FLOAT, [batch, WIDTH])}, weights)


def make_tokenizer(folder):
    """Bytes alone, no merges: 514 tokens."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    tokens = letters + [c + "</w>" for c in letters] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return len(tokens)


def make_pictures(folder):
    folder.mkdir(parents=True)
    for index, (width, height) in enumerate([(97, 61), (50, 140), (200, 45), (33, 32)]):
        y, x = numpy.mgrid[0:height, 0:width]
        rng = numpy.random.RandomState(index)
        waves = [127 + 90 * numpy.sin(x / rng.uniform(3, 30) + y / rng.uniform(3, 30) + c) for c in range(3)]
        pixels = numpy.stack(waves, 2) + rng.normal(0, 12, (height, width, 3))
        pixels[height // 4:height // 2, width // 3:width // 2] = rng.uniform(0, 255, 3)
        image = Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))
        image.save(folder / f"{index}.{'jpg' if index == 3 else 'png'}", quality=95)


def unit(vectors):
    vectors = vectors.astype(numpy.float64)
    return vectors / numpy.linalg.norm(vectors, axis=-1, keepdims=True)


def image_views(folder, processor, half):
    """Unit vectors [N, 10, D] of the whole picture in the processor's way, and of nine squashed crops; and those of the
    means of each view's vector and its mirror image's."""
    graph = next(folder.rglob("vision_model.onnx"))
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    output = next(o.name for o in session.get_outputs() if o.shape[1] == WIDTH)
    plain, mirrored = [], []
    for path in sorted((HERE / "encoder" / "pictures").iterdir()):
        image = Image.open(path).convert("RGB")
        views = [numpy.asarray(processor(image, return_tensors="np")["pixel_values"][0])]
        for row in range(3):
            for column in range(3):
                box = [round(image.width * column / 3), round(image.height * row / 3),
                       round(image.width * (column + 1) / 3), round(image.height * (row + 1) / 3)]
                crop = image.crop(box).resize((SIZE, SIZE), Image.BICUBIC)
                pixels = numpy.asarray(crop, numpy.float32) / 255
                pixels = (pixels - numpy.float32(processor.image_mean)) / numpy.float32(processor.image_std)
                views.append(pixels.transpose(2, 0, 1))
        batch = numpy.stack(views).astype(numpy.float16 if half else numpy.float32)
        batch = numpy.concatenate([batch, batch[..., ::-1]])  # 20: five times the four that the second graph takes
        rows = [session.run([output], {"pixel_values": batch[i:i + 4]})[0] for i in range(0, 20, 4)]
        rows = unit(numpy.concatenate(rows))
        plain.append(rows[:10])
        mirrored.append(unit(rows[:10] + rows[10:]))
    return {"views": numpy.stack(plain).astype(numpy.float32), "mirrored": numpy.stack(mirrored).astype(numpy.float32)}


def text_vectors(folder, mask):
    graph = next(folder.rglob("text_model.onnx"))
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    result = []
    for name in CLASSES:
        rows = []
        for template in TEMPLATES:
            prompt = template.replace("{c}", name).replace("{}", name)
            tokens = tokenizer([prompt], padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="np")
            feed = {"input_ids": tokens["input_ids"].astype(numpy.int64)}
            if mask:
                feed["attention_mask"] = tokens["attention_mask"].astype(numpy.int64)
            rows.append(unit(session.run(None, feed)[0][0]))
        result.append(unit(numpy.mean(rows, axis=0)))
    return numpy.stack(result)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def make_clip(folder):
    rng = numpy.random.RandomState(1)
    (folder / "onnx").mkdir(parents=True)
    tokens = make_tokenizer(folder)
    vision(folder / "onnx" / "vision_model.onnx", rng, "image_embeds", pooled=True)
    text(folder / "onnx" / "text_model.onnx", rng, "text_embeds", tokens)
    write_json(folder / "config.json", {
        "model_type": "clip", "projection_dim": WIDTH, "logit_scale_init_value": 2.6592,
        "text_config": {"max_position_embeddings": CONTEXT, "pad_token_id": 1}})
    settings = {  # as openai/clip-vit-base-patch32 has it, but for the sizes
        "crop_size": SIZE, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 37}
    write_json(folder / "preprocessor_config.json", settings)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 37}, crop_size={"height": SIZE, "width": SIZE},
                                      resample=3)
    save_file({**image_views(folder, processor, False),
               "text": text_vectors(folder, False).astype(numpy.float32)}, folder / "expected.safetensors")


def make_siglip(folder):
    rng = numpy.random.RandomState(2)
    folder.mkdir(parents=True)
    tokens = make_tokenizer(folder)
    vision(folder / "vision_model.onnx", rng, "pooler_output", batch=4, half=True)
    text(folder / "text_model.onnx", rng, "pooler_output", tokens, batch=1, length=CONTEXT, mask=True)
    write_json(folder / "config.json", {"model_type": "siglip"})
    write_json(folder / "cdul.json",
               {"logit_scale": 2.302585092994046, "logit_bias": 2.0, "provenance": "random weights"})
    write_json(folder / "preprocessor_config.json", {
        "do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5],
        "processor_class": "SiglipProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
        "size": {"height": SIZE, "width": SIZE}})
    processor = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}, resample=3)
    save_file({**image_views(folder, processor, True),
               "text": text_vectors(folder, True).astype(numpy.float32)}, folder / "expected.safetensors")


def make_dense(folder):
    """Patches of 8 x 8 pixels through a weight of their own, tanh, and two projections: of each patch, and of all."""
    rng = numpy.random.RandomState(3)
    rows, columns, patch, channels = 3, 4, 8, 6
    weights = {"kernel": rng.normal(0, 0.1, (channels, 3, patch, patch)), "bias": rng.normal(0, 0.3, channels),
               "cell": rng.normal(0, 0.5, (channels, WIDTH)),
               "projection": rng.normal(0, 0.2, (channels * rows * columns, WIDTH))}
    weights = {name: array.astype(numpy.float32) for name, array in weights.items()}
    node = helper.make_node
    save(folder / "vision_model.onnx",
         [node("Conv", ["pixel_values", "kernel", "bias"], ["edges"], strides=[patch, patch]),
          node("Tanh", ["edges"], ["features"]),
          node("Flatten", ["features"], ["flat"]), node("MatMul", ["flat", "projection"], ["image_embeds"]),
          node("Reshape", ["features", "shape"], ["planes"]), node("Transpose", ["planes"], ["cells"], perm=[0, 2, 1]),
          node("MatMul", ["cells", "cell"], ["dense_embeds"])],
         {"pixel_values": (FLOAT, ["batch", 3, rows * patch, columns * patch])},
         {"image_embeds": (FLOAT, ["batch", WIDTH]), "dense_embeds": (FLOAT, ["batch", rows * columns, WIDTH])},
         {**weights, "shape": numpy.array([0, channels, rows * columns], numpy.int64)}, {"dense_grid": "3x4"})
    write_json(folder / "config.json", {"model_type": "clip"})
    write_json(folder / "preprocessor_config.json", {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": rows * patch, "width": columns * patch}})
    text_rows = unit(rng.normal(0, 1, (len(CLASSES), WIDTH))).astype(numpy.float32)
    save_file({"text_embeds": text_rows}, folder / "text.safetensors", {"classes": json.dumps(CLASSES)})

    def embed(pixels):  # [3, H, W] -> whole [D], cells [rows, columns, D]
        patches = pixels.reshape(3, rows, patch, columns, patch)
        features = numpy.einsum("crydx,kcyx->krd", patches, weights["kernel"])
        features = numpy.tanh(features + weights["bias"][:, None, None])
        cells = numpy.einsum("krd,kw->rdw", features, weights["cell"])
        return unit(features.reshape(-1) @ weights["projection"]), unit(cells)

    processor = SiglipImageProcessorPil(size={"height": rows * patch, "width": columns * patch}, resample=3)
    plain, mirrored = [], []
    for path in sorted((HERE / "encoder" / "pictures").iterdir()):
        pixels = numpy.asarray(processor(Image.open(path).convert("RGB"), return_tensors="np")["pixel_values"][0])
        whole, cells = embed(pixels.astype(numpy.float64))
        plain.append(numpy.vstack([whole, cells.reshape(-1, WIDTH)]))
        other, other_cells = embed(pixels[..., ::-1].astype(numpy.float64))
        mirrored.append(numpy.vstack([unit(whole + other), unit(cells + other_cells[:, ::-1]).reshape(-1, WIDTH)]))
    save_file({"dense": numpy.stack(plain).astype(numpy.float32),
               "dense_mirrored": numpy.stack(mirrored).astype(numpy.float32)}, folder / "expected.safetensors")


def make_refused(folder):
    """Towers of one operator each, of shapes that a careless reader takes for an encoder."""
    node = helper.make_node
    pixels = (FLOAT, ["batch", 3, 8, 8])
    matrix = (FLOAT, ["batch", 192])
    flat = node("Flatten", ["pixel_values"], ["a"])
    save(folder / "nhwc.onnx", [flat], {"pixel_values": (FLOAT, ["batch", 8, 8, 3])}, {"a": matrix})
    save(folder / "grey.onnx", [flat], {"pixel_values": (FLOAT, ["batch", 1, 8, 8])}, {"a": (FLOAT, ["batch", 64])})
    save(folder / "two_inputs.onnx", [node("Add", ["pixel_values", "more"], ["s"]), node("Flatten", ["s"], ["a"])],
         {"pixel_values": pixels, "more": pixels}, {"a": matrix})
    save(folder / "two_outputs.onnx", [flat, node("Identity", ["a"], ["b"])], {"pixel_values": pixels},
         {"a": matrix, "b": matrix})
    save(folder / "two_widths.onnx", [flat, node("Slice", ["a", "start", "end", "axis"], ["b"])], {"pixel_values": pixels},
         {"a": matrix, "b": (FLOAT, ["batch", 64])},
         {"start": numpy.array([0]), "end": numpy.array([64]), "axis": numpy.array([1])})
    save(folder / "unnamed.onnx", [flat], {"pixel_values": pixels}, {"a": matrix})
    save(folder / "tokens.onnx", [node("Reshape", ["pixel_values", "shape"], ["last_hidden_state"])],
         {"pixel_values": pixels}, {"last_hidden_state": (FLOAT, ["batch", 3, 64])},
         {"shape": numpy.array([0, 3, 64], numpy.int64)})
    save(folder / "unprojected.onnx", [node("Flatten", ["pixel_values"], ["pooler_output"])],
         {"pixel_values": pixels}, {"pooler_output": matrix})
    save(folder / "free_width.onnx", [node("Flatten", ["pixel_values"], ["image_embeds"])],
         {"pixel_values": (FLOAT, ["batch", 3, "height", "width"])}, {"image_embeds": (FLOAT, ["batch", "width"])})
    save(folder / "zero.onnx", [flat, node("Mul", ["a", "nought"], ["image_embeds"])], {"pixel_values": pixels},
         {"image_embeds": matrix}, {"nought": numpy.float32(0)})
    for name, cells, width, grid in [  # one cell of 192 numbers, whatever is said of it
            ("dense_no_grid", 1, 192, None), ("dense_odd_grid", 1, 192, "1x1x1"), ("dense_other_grid", 1, 192, "2x1"),
            ("dense_narrow", 3, 64, "3x1"), ("dense_other_count", "cells", 192, "2x1")]:
        free = cells == "cells"
        save(folder / f"{name}.onnx",
             [node("Flatten", ["pixel_values"], ["image_embeds"]),
              node("Reshape", ["pixel_values", "shape"], ["dense_embeds"])],
             {"pixel_values": (FLOAT, ["batch", 3, "height", "width"]) if free else pixels},
             {"image_embeds": matrix, "dense_embeds": (FLOAT, ["batch", cells, width])},
             {"shape": numpy.array([0, -1 if free else cells, width], numpy.int64)},
             {"dense_grid": grid} if grid else None)
    save(folder / "wants_type.onnx", [node("Add", ["input_ids", "token_type_ids"], ["s"]),
                                      node("Cast", ["s"], ["text_embeds"], to=FLOAT)],
         {"input_ids": (INT64, ["batch", 8]), "token_type_ids": (INT64, ["batch", 8])},
         {"text_embeds": (FLOAT, ["batch", 8])})
    tokens = (INT64, ["texts", "length"])
    towers = [flat, node("Cast", ["input_ids"], ["c"], to=FLOAT)]
    save(folder / "both_unnamed.onnx", towers, {"pixel_values": pixels, "input_ids": tokens},
         {"a": matrix, "c": (FLOAT, ["texts", "length"])})
    save(folder / "both_narrow.onnx", [node("Flatten", ["pixel_values"], ["image_embeds"]),
                                       node("Cast", ["input_ids"], ["text_embeds"], to=FLOAT)],
         {"pixel_values": pixels, "input_ids": tokens}, {"image_embeds": matrix, "text_embeds": (FLOAT, ["texts", "length"])})
    save(folder / "bytes.onnx", [node("Cast", ["image"], ["f"], to=FLOAT), node("Flatten", ["f"], ["a"])],
         {"image": (TensorProto.UINT8, ["batch", 8, 8, 3])}, {"a": matrix})
    save(folder / "naflex.onnx", [node("Flatten", ["pixel_values"], ["pooler_output"])],
         {"pixel_values": (FLOAT, ["batch", "patches", 768]), "pixel_attention_mask": (INT64, ["batch", "patches"]),
          "spatial_shapes": (INT64, ["batch", 2])}, {"pooler_output": (FLOAT, ["batch", "width"])})
    save(folder / "narrow_text.onnx", [node("Cast", ["input_ids"], ["text_embeds"], to=FLOAT)],
         {"input_ids": (INT64, ["batch", 8])}, {"text_embeds": (FLOAT, ["batch", 8])})


def main():
    for name in ("session", "encoder"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    make_session(HERE / "session")
    make_pictures(HERE / "encoder" / "pictures")
    make_clip(HERE / "encoder" / "clip")
    make_siglip(HERE / "encoder" / "siglip")
    make_dense(HERE / "encoder" / "dense")
    make_refused(HERE / "encoder" / "graphs")


if __name__ == "__main__":
    main()
