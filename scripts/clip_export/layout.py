"""Which files of an encoder folder are text towers: the rules of src/encoder/layout.c (docs/encoder-folders.md, "Which files are
the towers")."""
import re
from dataclasses import dataclass
from pathlib import Path

from . import ExportError

PLACES = (".", "onnx", "visual", "textual")
PRECISIONS = {"fp16", "float16", "int8", "uint8", "qint8", "quint8", "quantized", "q4", "q8", "q4f16", "bnb4", "bf16"}


@dataclass
class Graph:
    role: str     # image, text, or both
    path: Path
    variant: str  # "fp16"; "" = float32


@dataclass
class TextTower:
    text: Path  # or None
    both: Path  # model.onnx, whose inputs will tell whether it holds the text tower; or None
    note: str   # what to tell the user of that choice, or ""


def variant_of(stem, base):
    """model_fp16 is `model` in the variant fp16. None: it is not."""
    if stem == base:
        return ""
    return stem.removeprefix(base + "_") if stem.startswith(base + "_") and stem != base + "_" else None


def free_variant(stem):
    """clip-vit-b32-visual-float16: the precision at its end, if it is one."""
    *before, last = re.split("[-_]", stem)
    return last if before and last in PRECISIONS else ""


def classify(place, stem):
    """(role, variant), or None for what is no tower."""
    variant = variant_of(stem, "model")
    if variant is not None:
        return {"visual": "image", "textual": "text"}.get(place, "both"), variant
    if place in ("visual", "textual"):
        return None
    for role, bases, part in ("image", ["vision_model"], "visual"), ("text", ["text_model", "text"], "textual"):
        for base in bases:
            variant = variant_of(stem, base)
            if variant is not None:
                return role, variant
        if part in stem:
            return role, free_variant(stem)
    return None


def graphs_of(folder):
    found = []
    for place in PLACES:
        for path in sorted((folder / place).glob("*.onnx")):
            kind = classify(place, path.stem)
            if kind:
                found.append(Graph(kind[0], path, kind[1]))
    return found


def pick(folder, graphs, role, variant):
    """The one graph of that role and variant, or None."""
    paths = [graph.path for graph in graphs if graph.role == role and graph.variant == variant]
    if len(paths) > 1:
        raise ExportError(f"{folder}: more than one {role} graph: {', '.join(map(str, paths))}; leave the one that is meant")
    return paths[0] if paths else None


def text_tower(folder, variant):
    graphs = graphs_of(folder)
    both = None if pick(folder, graphs, "image", variant) else pick(folder, graphs, "both", variant)
    text, note = pick(folder, graphs, "text", variant), ""
    if not text and variant:
        text = pick(folder, graphs, "text", "")
        note = f"the text tower has no variant '{variant}': {text}, in float32, is used" if text else ""
    if not text and not both:
        there = sorted({graph.variant or "float32 (without --variant)" for graph in graphs if graph.role != "image"})
        raise ExportError(f"{folder}: no text tower" + (f" of that precision; --variant: {', '.join(there)}" if there else
                          ": neither text_model.onnx (here or in onnx/), nor textual/model.onnx, nor *textual*.onnx, "
                          "nor model.onnx"))
    return TextTower(text, both, note)


def tokenizer_folder(folder, graph):
    """The text graph's own folder if a tokenizer lies there (immich's textual/), else the encoder's."""
    beside = any((graph.parent / name).exists() for name in ("tokenizer.json", "vocab.json"))
    return graph.parent if beside else folder
