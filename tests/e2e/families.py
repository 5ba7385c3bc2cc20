#!/usr/bin/env python3
"""Prints the table of encoder families of docs/encoders.md: each exported from random weights in every precision, compared
with its source on photographs, and labelled with by cdul-label.

    families.py CDUL_LABEL OUT PHOTO... [--openvino PLUGIN] [--only WORD]

OUT is an empty folder; needs the Python of scripts/setup.sh export. bfloat16 is OpenVINO's, where the processor has it.
"""
import argparse
import json
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
EXPORT, AGREEMENT = ROOT / "scripts/export_clip.py", ROOT / "scripts/clip_export/agreement.py"
CLASSES = ROOT / "configs/voc-classes.txt"
sys.path.insert(0, str(ROOT / "scripts"))
from export_models import checkpoint, model  # noqa: E402, which needs that path

# How people have it without exporting, as docs/encoders.md lists the layouts; "images" where the text tower's
# tokenizer is one that scripts/embed_text.py must read.
IMMICH, HUB, TEXT, NO = "yes: immich", "yes: transformers.js", "yes, text by embed_text.py", "no"

# library, model, in full, how its int8 is made (networks of convolutions only statically, from every other photograph),
# as downloaded
FAMILIES = [
    ("open_clip", "RN50", True, "static", IMMICH), ("open_clip", "RN50x64", False, "static", IMMICH),
    ("open_clip", "ViT-B-32", True, "dynamic", IMMICH), ("open_clip", "ViT-B-16", True, "dynamic", IMMICH),
    ("open_clip", "ViT-L-14", False, "dynamic", IMMICH), ("open_clip", "ViT-L-14-336", False, "dynamic", IMMICH),
    ("open_clip", "ViT-B-16-SigLIP", True, "dynamic", TEXT), ("open_clip", "EVA02-B-16", True, "dynamic", NO),
    ("open_clip", "convnext_base", True, "static", NO), ("open_clip", "MobileCLIP-S1", True, "static", HUB),
    ("transformers", "hf-clip", False, "dynamic", HUB), ("transformers", "hf-siglip", False, "dynamic", TEXT),
    ("transformers", "hf-siglip2", False, "dynamic", TEXT), ("transformers", "hf-chinese", False, "dynamic", TEXT),
]
VARIANTS = {"float32": None, "float16": "fp16", "int8": "quantized"}
HEAD = ["model", "depth", "as downloaded", "exported", "apart", "float32", "bfloat16", "float16", "int8", "labels: bfloat16",
        "float16", "int8", "views/s: float32", "bfloat16", "int8", "PyTorch float32"]


def export(library, name, source, encoder, quantise, photos):
    """export_clip.py's rows of the image tower: precision -> (smallest cosine, apart, source's rows/s)."""
    command = [sys.executable, EXPORT, library, f"local-dir:{source}" if library == "open_clip" else source, "-o", encoder,
               "--precision", *VARIANTS, "--quantise", quantise, "--photos", *photos]
    # open_clip has SigLIP's tokenizer from the hub alone
    command += ["--images-only"] if name == "ViT-B-16-SigLIP" else ["--classes", CLASSES]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a cosine below the bound, which the table shall show
        sys.exit(f"{name}: {done.stderr}")
    rows = {}
    for line in done.stdout.splitlines():
        words = re.split(r"\s{2,}", line.strip())
        if words[0] == "image" and words[1] in VARIANTS:
            rows[words[1]] = [float(words[i]) for i in (5, 8, 10)]
    if not rows:
        sys.exit(f"{name}: {done.stdout}{done.stderr}")
    return rows


class Labeller:
    def __init__(self, program, encoder, photos, openvino):
        self.program, self.encoder, self.photos, self.openvino = program, encoder, photos, openvino
        described = subprocess.run([program, "--inspect", encoder], check=True, capture_output=True, text=True).stdout
        width = int(re.search(r"D = (\d+)", described)[1])
        self.basis, self.text = encoder / "basis.safetensors", encoder / "text.safetensors"
        names = [str(i) for i in range(width)]
        save_file({"text_embeds": numpy.eye(width, dtype=numpy.float32)}, self.basis, {"classes": json.dumps(names)})
        if not self.text.exists():
            random = numpy.random.default_rng(1).normal(size=(20, width)).astype(numpy.float32)
            save_file({"text_embeds": random}, self.text, {"classes": json.dumps(names[:20])})

    def run(self, precision, photos, text, *words):
        # T: random weights have none. What is compared is one graph's labels with another's.
        command = [self.program, "-q", "-e", self.encoder, "--text", text, *photos, "--score", "softmax", "-T", "0.01", *words]
        if precision == "bfloat16":
            hint = json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": str(torch.get_num_threads())}})
            command += ["--provider", "openvino", "--provider-library", self.openvino, "--provider-option", f"load_config={hint}"]
        elif VARIANTS[precision]:
            command += ["--variant", VARIANTS[precision]]
        start = time.perf_counter()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    def label(self, precision):
        """The label file, and views a second: the time of one photograph, start included, is taken off."""
        out = self.encoder / f"{precision}.safetensors"
        one = self.run(precision, self.photos[:1], self.text, "-o", out)
        return out, 10 * (len(self.photos) - 1) / (self.run(precision, self.photos, self.text, "-o", out) - one)

    def vectors(self, precision):
        saved = self.encoder / f"vectors-{precision}.safetensors"
        self.run(precision, self.photos, self.basis, "-a", "global", "-o", self.encoder / "x.csv", "--save-scores", saved)
        with safe_open(saved, "numpy") as file:
            rows = file.get_tensor("cosine_global").astype(numpy.float64)
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def agreement(first, second):
    said = subprocess.run([sys.executable, AGREEMENT, first, second], check=True, capture_output=True, text=True).stdout
    return "{} ({} %)".format(re.search(r"mean absolute difference (\S+),", said)[1],
                              re.search(r"same first class (\S+) %", said)[1])


def row(args, library, name, full, quantise, downloaded):
    source, encoder = args.out / f"model-{name}", args.out / name
    with torch.no_grad():
        model(name, source, full) if library == "open_clip" else checkpoint(name, source, wide=True)
    cosines = export(library, name, source, encoder, quantise, args.photos)
    labeller = Labeller(args.program, encoder, args.photos, args.openvino)
    precisions = [*VARIANTS] + (["bfloat16"] if args.openvino else [])
    labels = {precision: labeller.label(precision) for precision in precisions}
    smallest = {precision: f"{cosines[precision][0]:.6f}" for precision in VARIANTS}
    if args.openvino:  # beside cdul-label's own float32, which equals the source
        smallest["bfloat16"] = f"{(labeller.vectors('float32') * labeller.vectors('bfloat16')).sum(1).min():.6f}"
    apart = {p: agreement(labels["float32"][0], labels[p][0]) for p in precisions if p != "float32"}
    speed = {precision: f"{labels[precision][1]:.1f}" for precision in precisions}
    reduced = ("float32", "bfloat16", "float16", "int8")
    return [f"{library} {name}", "full" if full else "cut", downloaded, "yes", f"{cosines['float32'][1]:.2f}",
            *(smallest.get(p, "") for p in reduced), *(apart.get(p, "") for p in reduced[1:]),
            *(speed.get(p, "") for p in ("float32", "bfloat16", "int8")), f"{cosines['float32'][2]:.1f}"]


def main():
    parser = argparse.ArgumentParser(description="Print the table of encoder families of docs/encoders.md.")
    parser.add_argument("program", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--openvino", help="library of the plug-in")
    parser.add_argument("--only", default="", help="models whose name holds this word")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # that a fresh model has random weights
    print("| " + " | ".join(HEAD) + " |\n|" + " --- |" * len(HEAD))
    for family in FAMILIES:
        if args.only in family[1]:
            print("| " + " | ".join(row(args, *family)) + " |", flush=True)


if __name__ == "__main__":
    main()
