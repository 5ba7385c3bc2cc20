#!/usr/bin/env python3
"""Writes tests/golden/models/: small models of transformers and open_clip with random weights, exported by
scripts/export_clip.py, and what the libraries themselves make of layouts/pictures and of four texts.

    <model>/                       the encoder that export_clip.py wrote
    <model>/expected.safetensors   by the calls that the libraries document: their preprocessing, their tokenizer, their
                                   model in float32
        pixels uint8 [6, 3, H, W], mean, std   the network's input is (pixels / 255 - mean) / std
        views [6, D], text [4, D]              unit vectors

transformers' pictures go through the backend of Pillow, as in make_layouts.py. SigLIP has CLIP's tokenizer here, since
cdul reads no other. Needs: scripts/setup.sh export.
"""
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import open_clip
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file

import make_tokenizer

GOLDEN = Path(__file__).resolve().parent
ROOT = GOLDEN.parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/e2e")]
from export_models import settle, stir  # noqa: E402, which needs that path

OUT = GOLDEN / "models"
PHOTOS = sorted((GOLDEN / "layouts/pictures").iterdir())
PROMPTS = ["cat", "zebra", "caf\u00e9", "a horse"]
CONTEXT, MERGES = 12, 200
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def merges():
    lines = (GOLDEN / "tokenizer/plain/merges.txt").read_text("utf-8").splitlines()
    return [tuple(line.split()) for line in lines[1:1 + MERGES]]


def randomise(model):
    stir(model)
    for name, weights in model.named_parameters():  # or words hardly count beside positions
        if "token_embedding" in name:
            weights.normal_()
        elif "q_proj.weight" in name or "k_proj.weight" in name:
            weights *= 3


# --- transformers ---

def save_transformers(name, model, processor):
    randomise(model)
    model.save_pretrained(name)
    processor.save_pretrained(name)
    make_tokenizer.write_folder(Path(name), merges())
    transformers.CLIPTokenizer(vocab=f"{name}/vocab.json", merges=f"{name}/merges.txt").save_pretrained(name)


def text_config():
    end = len(make_tokenizer.vocabulary(merges())) - 1
    return {**TOWER, "hidden_size": 16, "intermediate_size": 32, "vocab_size": end + 1, "max_position_embeddings": CONTEXT, "bos_token_id": end - 1,
            "eos_token_id": end, "pad_token_id": end}


def clip(name):
    config = transformers.CLIPConfig(text_config=text_config(), projection_dim=16,
                                     vision_config={**TOWER, "image_size": 32, "patch_size": 8})
    save_transformers(name, transformers.CLIPModel(config),
                      transformers.CLIPImageProcessor(size={"shortest_edge": 35}, crop_size=32))


def siglip(name):
    config = transformers.SiglipConfig(text_config={**text_config(), "projection_size": 32},
                                       vision_config={**TOWER, "image_size": 40, "patch_size": 8})
    save_transformers(name, transformers.SiglipModel(config),
                      transformers.SiglipImageProcessor(size={"height": 40, "width": 40}))


def by_transformers(name):
    model = transformers.AutoModel.from_pretrained(name).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(name, backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    pixels = processor([Image.open(photo).convert("RGB") for photo in PHOTOS], return_tensors="pt").pixel_values
    tokens = tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
    if model.config.model_type == "siglip":
        del tokens["attention_mask"]  # which SigLIP's own tokenizer does not give
    return (pixels, processor.image_mean, processor.image_std, model.get_image_features(pixel_values=pixels).pooler_output,
            model.get_text_features(**tokens).pooler_output)


# --- open_clip ---

def save_open_clip(name, vision, preprocess):
    text = {"context_length": CONTEXT, "vocab_size": len(make_tokenizer.vocabulary(merges())), "width": 16, "heads": 2,
            "layers": 2, "mlp_ratio": 2, "tokenizer_kwargs": {"bpe_path": f"{name}/merges.gz"}}
    folder = Path(name)
    folder.mkdir()
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges())]
    (folder / "merges.gz").write_bytes(gzip.compress("\n".join(lines).encode("utf-8")))
    (folder / "open_clip_config.json").write_text(json.dumps({
        "model_cfg": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": preprocess}))
    model = open_clip.create_model(f"local-dir:{name}", load_weights=False)
    randomise(model)
    if not vision["patch_size"]:
        settle(model.visual, vision["image_size"])
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")


def vit(name):
    save_open_clip(name, {"image_size": [24, 32], "layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "mlp_ratio": 2},
                   {"size": [24, 32], "resize_mode": "longest", "fill_color": 77})


def resnet(name):
    save_open_clip(name, {"image_size": 64, "layers": [1, 1, 1, 1], "width": 2, "head_width": 32, "patch_size": None},
                   {"size": 64})


def by_open_clip(name):
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{name}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{name}")
    pixels = torch.stack([prepare(Image.open(photo).convert("RGB")) for photo in PHOTOS])
    model.eval()
    return (pixels, model.visual.image_mean, model.visual.image_std, model.encode_image(pixels),
            model.encode_text(tokenizer(PROMPTS)))


# --- Both ---

def unit(name, rows):
    rows = rows.double().numpy()
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    apart = (rows @ rows.T)[~numpy.eye(len(rows), dtype=bool)].max()
    print(f"{name}: the most alike have a cosine of {apart:.3f}")
    assert apart < 0.998, "vectors that hardly differ show nothing"
    return rows.astype(numpy.float32)


def expect(name, pixels, mean, std, views, text):
    mean, std = (numpy.array(values, numpy.float32) for values in (mean, std))
    numbers = 255 * (pixels.numpy() * std.reshape(1, 3, 1, 1) + mean.reshape(1, 3, 1, 1))
    assert abs(numbers - numbers.round()).max() < 1e-3, name
    save_file({"pixels": numbers.round().astype(numpy.uint8), "mean": mean, "std": std,
               "views": unit(f"{name}, pictures", views), "text": unit(f"{name}, texts", text)}, OUT / name / "expected.safetensors")


def main():
    torch.set_grad_enabled(False)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # names of models, which the exported files repeat, are without a path
        for library, name, make, reference in [
                ("transformers", "transformers_clip", clip, by_transformers),
                ("transformers", "transformers_siglip", siglip, by_transformers),
                ("open_clip", "open_clip_vit", vit, by_open_clip),
                ("open_clip", "open_clip_resnet", resnet, by_open_clip)]:
            torch.manual_seed(5)
            make(name)
            source = f"local-dir:{name}" if library == "open_clip" else name
            subprocess.run([sys.executable, ROOT / "scripts/export_clip.py", library, source, "-o", OUT / name,
                            "--photos", *PHOTOS], check=True)
            expect(name, *reference(name))


if __name__ == "__main__":
    main()
