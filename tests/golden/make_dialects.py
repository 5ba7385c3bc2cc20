#!/usr/bin/env python3
"""Writes more folders into tests/golden/layouts/, beside those of make_layouts.py, which comes first: dialects that are
rarer, and graphs quantised by ONNX Runtime's own tools. What is in a folder is described there.

    python3 tests/golden/make_dialects.py

Needs scripts/requirements.txt and, for the quantisers to 4 bits, onnx_ir.
"""
import logging
import shutil

import numpy
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from safetensors.numpy import load_file, save_file
from transformers import CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from make_layouts import (CONTEXT, D, FLOAT, INT32, INT64, NODE, OUT, PROMPTS, by_transformers, clip_config, expect,
                          image_part, make_tokenizer, openai, save, session_of, unit, vision, write_json)

WORDS = 32  # width of a token


# --- Texts ---

def text_part(seed, output, *inputs):
    """Sines of the ids, through a projection. Each further input of a tower like BERT's counts; any length will do."""
    rng = numpy.random.RandomState(seed)
    weights = {"waves": rng.normal(0, 0.3, (1, 1, WORDS)), "words": rng.normal(0, 0.3, (WORDS, D)),
               "steps": rng.normal(0, 0.1, (1, 1, WORDS))}
    weights = {name: array.astype(numpy.float32) for name, array in weights.items()}
    weights["axis"] = numpy.array([2])
    nodes, last = [NODE("Cast", ["input_ids"], ["ids"], to=FLOAT), NODE("Unsqueeze", ["ids", "axis"], ["column"]),
                   NODE("Mul", ["column", "waves"], ["angles"]), NODE("Sin", ["angles"], ["rows"])], "rows"
    for name in inputs:  # [B, L] or [1, L], as factors: the mask itself, exp(number * steps) of the others
        steps = [NODE("Cast", [name], [f"{name}_0"], to=FLOAT), NODE("Unsqueeze", [f"{name}_0", "axis"], [f"{name}_1"])]
        factor = f"{name}_1"
        if name != "attention_mask":
            steps += [NODE("Mul", [factor, "steps"], [f"{name}_2"]), NODE("Exp", [f"{name}_2"], [f"{name}_3"])]
            factor = f"{name}_3"
        nodes += steps + [NODE("Mul", [last, factor], [f"{name}_rows"])]
        last = f"{name}_rows"
    nodes += [NODE("ReduceMean", [last], ["text"], axes=[1], keepdims=0), NODE("MatMul", ["text", "words"], [output])]
    return nodes, weights


def text_vectors(graph, folder, pixels=None):
    """All prompts in one run, as cdul makes it: the scales of a graph quantised dynamically are its batch's."""
    session = session_of(graph)
    tokens = CLIPTokenizer.from_pretrained(folder)(PROMPTS, padding="max_length", truncation=True, max_length=CONTEXT,
                                                   return_tensors="np")
    values = {**tokens, "token_type_ids": numpy.zeros((len(PROMPTS), CONTEXT)), "pixel_values": pixels,
              "position_ids": numpy.tile(numpy.arange(CONTEXT), (len(PROMPTS), 1))}
    types = {"tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32, "tensor(float)": numpy.float32}
    feed = {port.name: values[port.name].astype(types[port.type])[:1 if port.shape[0] == 1 else None]
            for port in session.get_inputs()}
    return unit(session.run(["text_embeds"], feed)[0])


def image_vectors(graph, folder):
    """All pictures in one run, likewise."""
    expected = load_file(folder / "expected.safetensors")
    mean, std = (expected[name].reshape(1, 3, 1, 1) for name in ("mean", "std"))
    pixels = ((expected["pixels"] * expected["scale"] - mean) / std).astype(numpy.float32)
    session = session_of(graph)
    port = session.get_inputs()[0]
    dtype = numpy.float16 if port.type == "tensor(float16)" else numpy.float32
    return unit(session.run(["image_embeds"], {port.name: pixels.astype(dtype)})[0])


def add_expected(folder, tensors):
    save_file({**load_file(folder / "expected.safetensors"), **tensors}, folder / "expected.safetensors")


# --- The folders ---

def processor(**more):
    return openai(**{"do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
                     "do_resize": True, "image_processor_type": "CLIPImageProcessor", "resample": 3, **more})


def make_bert_inputs():
    """One graph for both towers, whose text takes all that BERT's do, at any length."""
    folder, size = OUT / "bert_inputs", (24, 24)
    nodes, weights = image_part(20, size, "pixel_values", "image_embeds")
    more, more_weights = text_part(21, "text_embeds", "token_type_ids", "attention_mask", "position_ids")
    nodes += more + [NODE("Transpose", ["text_embeds"], ["columns"], perm=[1, 0]),
                     NODE("MatMul", ["image_embeds", "columns"], ["logits_per_image"])]
    tokens = (INT64, ["text_batch", "sequence"])
    save(folder / "model.onnx", nodes,
         {"input_ids": tokens, "token_type_ids": tokens, "position_ids": tokens, "attention_mask": tokens,
          "pixel_values": (FLOAT, ["image_batch", 3, "height", "width"])},
         {"logits_per_image": (FLOAT, ["image_batch", "text_batch"]), "text_embeds": (FLOAT, ["text_batch", D]),
          "image_embeds": (FLOAT, ["image_batch", D])}, {**weights, **more_weights})
    make_tokenizer(folder)
    write_json(folder / "config.json", clip_config(vision_config={"image_size": 24}))
    write_json(folder / "preprocessor_config.json", processor(
        crop_size={"height": 24, "width": 24}, size={"shortest_edge": 26}))
    expect("bert_inputs", by_transformers(CLIPImageProcessorPil), "model.onnx")
    add_expected(folder, {"text": text_vectors(folder / "model.onnx", folder, numpy.zeros((1, 3, *size)))})


def make_quantised():
    """A graph in each precision of transformers.js; the places of a text are one row for all, int32."""
    folder, size = OUT / "quantised", (24, 24)
    image, text = folder / "onnx/vision_model.onnx", folder / "onnx/text_model.onnx"
    vision(image, 22, size)
    vision(image.with_name("half.onnx"), 22, size, half=True)
    nodes, weights = text_part(23, "text_embeds", "attention_mask", "position_ids")
    tokens = (INT64, ["batch", CONTEXT])
    save(text, nodes, {"input_ids": tokens, "attention_mask": tokens, "position_ids": (INT32, [1, CONTEXT])},
         {"text_embeds": (FLOAT, ["batch", D])}, weights)
    for path in (image, text):
        # Seven bits of weight, as in make_layouts.make_static.
        quantize_dynamic(str(path), str(variant(path, "int8")), weight_type=QuantType.QInt8, reduce_range=True)
        quantize_dynamic(str(path), str(variant(path, "uint8")), weight_type=QuantType.QUInt8)
        quantise_to_4_bits(MatMulNBitsQuantizer(onnx.load(str(path)), block_size=32, is_symmetric=True),
                           variant(path, "q4"))
        quantise_to_4_bits(MatMulBnb4Quantizer(onnx.load(str(path)), MatMulBnb4Quantizer.NF4, 32), variant(path, "bnb4"))
    half = image.with_name("half.onnx")
    quantise_to_4_bits(MatMulNBitsQuantizer(onnx.load(str(half)), block_size=32, is_symmetric=True), variant(image, "q4f16"))
    half.unlink()
    make_tokenizer(folder)
    write_json(folder / "config.json", clip_config())
    write_json(folder / "preprocessor_config.json", processor(
        crop_size={"height": 24, "width": 24}, size={"shortest_edge": 24}))
    expect("quantised", by_transformers(CLIPImageProcessorPil), "onnx/vision_model.onnx")
    tensors = {"text": text_vectors(text, folder)}
    for name in ("int8", "uint8", "q4", "bnb4", "q4f16"):
        tensors[f"views_{name}"] = image_vectors(variant(image, name), folder)
        if name != "q4f16":
            tensors[f"text_{name}"] = text_vectors(variant(text, name), folder)
    add_expected(folder, tensors)


def variant(path, name):
    return path.with_name(f"{path.stem}_{name}.onnx")


def quantise_to_4_bits(quantiser, path):
    quantiser.process()
    quantiser.model.save_model_to_file(str(path), False)


def make_crops():
    """Centre crops of squashed pictures, and crops that are larger than what they are of: padded with black."""
    for name, size, more in (
            ("squash_crop", (20, 24), {"size": {"height": 26, "width": 31}}),
            ("squash_pad", (24, 28), {"size": {"height": 19, "width": 33}}),
            ("shortest_pad", (24, 28), {"size": {"shortest_edge": 19}})):
        vision(OUT / name / "vision_model.onnx", 24, size, free=name == "squash_crop")
        write_json(OUT / name / "preprocessor_config.json", processor(
            crop_size={"height": size[0], "width": size[1]}, **more))
        expect(name, by_transformers(CLIPImageProcessorPil), "vision_model.onnx")


def main():
    logging.disable(logging.WARNING)  # quantisers advise to preprocess
    for name in ("bert_inputs", "quantised", "squash_crop", "squash_pad", "shortest_pad"):
        shutil.rmtree(OUT / name, ignore_errors=True)
    make_bert_inputs()
    make_quantised()
    make_crops()


if __name__ == "__main__":
    main()
