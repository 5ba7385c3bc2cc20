#!/usr/bin/env python3
"""Prints the table of encoder families of docs/encoders.md: each exported from random weights in every precision, compared
with its source on photographs, and labelled with by cdul-label.
    families.py CDUL_LABEL OUT PHOTO...     OUT is an empty folder; needs the Python of scripts/setup.sh export
"""
import logging
import re
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
EXPORT, AGREEMENT = ROOT / "scripts/export_clip.py", ROOT / "scripts/clip_export/agreement.py"
CLASSES = ROOT / "configs/voc-classes.txt"
sys.path.insert(0, str(ROOT / "scripts"))
from export_models import checkpoint, model  # noqa: E402, which needs that path

# model, how its int8 is made: networks of convolutions only statically, from every other photograph
FAMILIES = [
    ("open_clip", "RN50", "static"), ("open_clip", "RN50x64", "static"), ("open_clip", "ViT-B-32", "dynamic"),
    ("open_clip", "EVA02-B-16", "dynamic"), ("open_clip", "convnext_base", "static"),
    ("open_clip", "MobileCLIP-S1", "static"), ("transformers", "hf-clip", "dynamic"),
    ("transformers", "hf-siglip", "dynamic"), ("transformers", "hf-siglip2", "dynamic"),
    ("transformers", "hf-chinese", "dynamic"),
]
VARIANTS = {"float32": None, "float16": "fp16", "int8": "quantized"}


def export(library, name, source, encoder, quantise, photos):
    """export_clip.py's rows of the image tower: precision -> (smallest cosine, apart, rows/s, source's rows/s)."""
    command = [sys.executable, EXPORT, library, f"local-dir:{source}" if library == "open_clip" else source, "-o", encoder,
               "--classes", CLASSES, "--precision", *VARIANTS, "--quantise", quantise, "--photos", *photos]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a cosine below the bound, which the table shall show
        sys.exit(f"{name}: {done.stderr}")
    rows = {}
    for line in done.stdout.splitlines():
        words = re.split(r"\s{2,}", line.strip())
        if words[0] == "image" and words[1] in VARIANTS:
            rows[words[1]] = [float(words[i]) for i in (5, 8, 9, 10)]
    if not rows:
        sys.exit(f"{name}: {done.stdout}{done.stderr}")
    return rows


def label(program, encoder, variant, photos, output):
    # T: random weights have none. What is compared is one graph's labels with another's.
    command = [program, "-q", "-e", encoder, "--text", encoder / "text.safetensors", *photos, "-o", output, "--score", "softmax",
               "-T", "0.01", *(["--variant", variant] if variant else [])]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def agreement(first, second):
    said = subprocess.run([sys.executable, AGREEMENT, first, second], check=True, capture_output=True, text=True).stdout
    return re.search(r"mean absolute difference (\S+),", said)[1], re.search(r"same first class (\S+) %", said)[1]


def main():
    program, out, photos = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    logging.disable(logging.WARNING)  # that a fresh model has random weights
    print("| model | apart | float32 | float16 | int8 | labels in float16 | labels in int8 | views/s: float32, int8 | PyTorch |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for library, name, quantise in FAMILIES:
        source, encoder = out / f"model-{name}", out / name
        with torch.no_grad():
            model(name, source) if library == "open_clip" else checkpoint(name, source, wide=True)
        rows = export(library, name, source, encoder, quantise, photos)
        for precision, variant in VARIANTS.items():
            label(program, encoder, variant, photos, out / f"{name}-{precision}.safetensors")
        apart = {precision: "{} ({} %)".format(*agreement(out / f"{name}-float32.safetensors", out / f"{name}-{precision}.safetensors"))
                 for precision in ("float16", "int8")}
        cosines = " | ".join(f"{rows[precision][0]:.6f}" for precision in VARIANTS)
        print(f"| {library} {name} | {rows['float32'][1]:.2f} | {cosines} | {apart['float16']} | {apart['int8']} | "
              f"{rows['float32'][2]:.1f}, {rows['int8'][2]:.1f} | {rows['float32'][3]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
