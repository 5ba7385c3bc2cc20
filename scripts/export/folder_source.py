"""An encoder folder that is there already: its float32 graphs are the source of reduced ones."""
import json

import numpy
import torch

from . import check
from .source import ExportError, Source

PLACES = ("onnx", ".")


def find(folder, tower):
    """onnx/vision_model.onnx or vision_model.onnx (text_model likewise), None if there is none."""
    for place in PLACES:
        path = folder / place / f"{tower}_model.onnx"
        if path.exists():
            return path
    return None


def pixels_of(folder):
    """PIL image -> [3, H, W], by the folder's preprocessor_config.json."""
    from transformers import AutoImageProcessor, CLIPImageProcessor

    path = folder / "preprocessor_config.json"
    keys = json.loads(path.read_text())
    named = "image_processor_type" in keys or "feature_extractor_type" in keys
    processor = AutoImageProcessor.from_pretrained(str(folder)) if named else CLIPImageProcessor(**keys)
    return lambda image: processor(image, return_tensors="pt").pixel_values[0]


def load(folder):
    vision = find(folder, "vision")
    if vision is None:
        raise ExportError(f"{folder}: no vision_model.onnx in it")
    graph = check.session(vision)
    names = [output.name for output in graph.get_outputs() if len(output.shape) == 2]
    name = "image_embeds" if "image_embeds" in names else names[0]
    source_input = graph.get_inputs()[0]
    return Source(
        name=f"graph {vision.name}", size=tuple(source_input.shape[2:]), modules=None, vision=None,
        reference=lambda rows: torch.from_numpy(numpy.asarray(graph.run([name], {source_input.name: rows.numpy()})[0])),
        pixels=pixels_of(folder), logit_scale=None, logit_bias=None, save=None, output=name)
