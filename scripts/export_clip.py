#!/usr/bin/env python3
"""Exports a CLIP model of transformers or open_clip to an encoder folder for cdul-label.

    export_clip.py transformers openai/clip-vit-base-patch32 -o clip-vit-b32/ --photos some/*.jpg
    export_clip.py transformers path/to/saved-model/         -o encoder/
    export_clip.py open_clip ViT-B-32 --pretrained laion2b_s34b_b79k -o encoder/

The folder holds onnx/vision_model.onnx (pixel_values -> image_embeds), onnx/text_model.onnx (input_ids ->
text_embeds), the tokenizer, preprocessor_config.json, config.json, and cdul.json with the model's own logit_scale
(an exponent: T = 1 / exp(logit_scale); Radford et al., arXiv 2103.00020, section 2.5). Embeddings are left as the
towers give them; readers normalise.

At the end the graphs run in ONNX Runtime beside the source model, on the given photographs and a few prompts of
different lengths, and the smallest cosine of each tower is printed; below 0.9999 the exit code is 1.

Needs: pip install torch onnx onnxruntime Pillow, and transformers or open_clip_torch (tested with torch 2.15,
transformers 5.24, open_clip_torch 3.3).
"""
import argparse
import json
import sys
import warnings
from collections import namedtuple
from pathlib import Path

import numpy
import onnxruntime
import torch
from PIL import Image

OPSET = 17
PARITY = 0.9999
PROMPTS = ["a photo of a cat", "a photo of a dining table beside a window", "bus"]
RESAMPLE = {"nearest": 0, "bilinear": 2, "bicubic": 3}  # open_clip's names -> PIL's numbers

# The same view of a model of either library.
#   vision, text   modules: pixel_values [B, 3, H, W] -> [B, D]; input_ids [B, context] -> [B, D]
#   pixels         PIL image -> [3, H, W];  tokens: list of texts -> ids [B, context]
#   save           folder -> writes the tokenizer's files, preprocessor_config.json and config.json
Source = namedtuple("Source", "vision text pixels tokens logit_scale save name")


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class Tower(torch.nn.Module):
    """A function over a model's modules, as the module that the exporter asks for."""

    def __init__(self, model, forward):
        super().__init__()
        self.model = model
        self.run = forward
        self.eval()  # the exporter restores this mode, and with it the mode of every layer below

    def forward(self, x):
        return self.run(self.model, x)


def load_transformers(name, _):
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(name, attn_implementation="eager").float().eval()
    processor = AutoImageProcessor.from_pretrained(name)
    tokenizer = AutoTokenizer.from_pretrained(name)
    context = model.config.text_config.max_position_embeddings

    def tokens(texts):
        return tokenizer(texts, padding="max_length", max_length=context, truncation=True,
                         return_tensors="pt").input_ids

    def save(folder):
        model.config.save_pretrained(folder)
        processor.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return Source(
        vision=Tower(model, lambda m, x: m.visual_projection(m.vision_model(pixel_values=x).pooler_output)),
        text=Tower(model, lambda m, x: m.text_projection(m.text_model(input_ids=x).pooler_output)),
        pixels=lambda image: processor(image, return_tensors="pt").pixel_values[0],
        tokens=tokens, logit_scale=model.logit_scale.item(), save=save, name=f"transformers {name}")


def open_clip_preprocessor(config):
    """open_clip's preprocess_cfg in the terms of preprocessor_config.json."""
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if config["resize_mode"] == "squash":
        resize, crop = {"height": height, "width": width}, False
    elif config["resize_mode"] == "shortest" and height == width:
        resize, crop = {"shortest_edge": height}, True
    else:
        sys.exit(f"export_clip: resize mode {config['resize_mode']} to {height} x {width} has no counterpart")
    return {
        "do_convert_rgb": True,
        "do_resize": True, "size": resize, "resample": RESAMPLE[config["interpolation"]],
        "do_center_crop": crop, "crop_size": {"height": height, "width": width},
        "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": list(config["mean"]), "image_std": list(config["std"]),
    }


def load_open_clip(name, pretrained):
    import open_clip

    torch.backends.mha.set_fastpath_enabled(False)  # a fused operator that ONNX has no counterpart of
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=pretrained)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    if not isinstance(tokenizer, open_clip.SimpleTokenizer):
        sys.exit(f"export_clip: {name} has the tokenizer {type(tokenizer).__name__}; cdul-label reads CLIP's alone")
    if getattr(model, "logit_bias", None) is not None:
        sys.exit(f"export_clip: {name} scores with a sigmoid and a bias, not with CLIP's softmax")
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]

    def save(folder):
        write_json(folder / "preprocessor_config.json", open_clip_preprocessor(config))
        special = {tokenizer.sot_token_id: "<|startoftext|>", tokenizer.eot_token_id: "<|endoftext|>"}  # CLIP's names
        write_json(folder / "vocab.json", {special.get(i, token): i for token, i in tokenizer.encoder.items()})
        merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
        write_json(folder / "special_tokens_map.json", {
            "bos_token": special[tokenizer.sot_token_id], "eos_token": special[tokenizer.eot_token_id],
            "pad_token": tokenizer.decoder[0],
        })
        write_json(folder / "config.json", {
            "model_type": "clip",
            "projection_dim": int(model.encode_text(tokenizer(["a"])).shape[1]),
            "text_config": {"max_position_embeddings": tokenizer.context_length},
            "vision_config": {"image_size": size if isinstance(size, int) else list(size)},
        })

    return Source(
        vision=Tower(model, lambda m, x: m.encode_image(x)), text=Tower(model, lambda m, x: m.encode_text(x)),
        pixels=preprocess, tokens=tokenizer, logit_scale=model.logit_scale.item(), save=save,
        name=f"open_clip {name} {pretrained or '(random weights)'}")


def export(module, example, path, input_name, output_name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks about shapes; parity is checked below
        torch.onnx.export(
            module, (example,), str(path), opset_version=OPSET, dynamo=False,
            input_names=[input_name], output_names=[output_name],
            dynamic_axes={input_name: {0: "batch"}, output_name: {0: "batch"}})


def smallest_cosine(module, path, batch):
    """Smallest cosine between rows of the source module and of its graph; both see the same batch."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ours = session.run(None, {session.get_inputs()[0].name: batch.numpy()})[0]
    theirs = module(batch).numpy()
    cosine = (ours * theirs).sum(1) / (numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1))
    return float(cosine.min())


def main():
    parser = argparse.ArgumentParser(description="Export a CLIP model to an encoder folder.")
    parser.add_argument("library", choices=["transformers", "open_clip"])
    parser.add_argument("model", help="name or folder (transformers), architecture (open_clip)")
    parser.add_argument("--pretrained", help="open_clip: tag or file of the weights")
    parser.add_argument("--photos", nargs="+", type=Path, default=[], help="photographs for the parity figure")
    parser.add_argument("-o", "--output", type=Path, required=True, help="encoder folder to write")
    args = parser.parse_args()

    source = {"transformers": load_transformers, "open_clip": load_open_clip}[args.library](args.model, args.pretrained)
    (args.output / "onnx").mkdir(parents=True, exist_ok=True)
    vision, text = args.output / "onnx" / "vision_model.onnx", args.output / "onnx" / "text_model.onnx"
    with torch.no_grad():
        source.save(args.output)
        write_json(args.output / "cdul.json", {"logit_scale": source.logit_scale, "provenance": source.name})
        ids = source.tokens(PROMPTS)
        pixels = [source.pixels(Image.open(photo).convert("RGB")) for photo in args.photos]
        example = torch.stack(pixels) if pixels else source.pixels(Image.new("RGB", (320, 240)))[None]
        export(source.vision, example[:1], vision, "pixel_values", "image_embeds")
        export(source.text, ids[:2], text, "input_ids", "text_embeds")

        figures = {"text": (smallest_cosine(source.text, text, ids), f"{len(ids)} prompts")}
        if pixels:
            figures["image"] = (smallest_cosine(source.vision, vision, example), f"{len(pixels)} photographs")
    for tower, (cosine, of) in figures.items():
        print(f"{tower}: smallest cosine between source and graph {cosine:.6f} ({of})")
    print(f"wrote {args.output}")
    sys.exit(0 if min(cosine for cosine, _ in figures.values()) >= PARITY else 1)


if __name__ == "__main__":
    main()
