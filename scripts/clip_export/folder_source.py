"""An encoder folder that is there already: its float32 graphs are the source of reduced ones."""
import json

import numpy
import torch

from . import ExportError, check
from .source import Source

PLACES = ("onnx", ".")


def find(folder, tower):
    """onnx/vision_model.onnx or vision_model.onnx (text_model likewise), None if there is none."""
    for place in PLACES:
        path = folder / place / f"{tower}_model.onnx"
        if path.exists():
            return path
    return None


def pixels_of(folder):
    """PIL image -> [3, H, W], by the folder's preprocessor_config.json or, for want of one, open_clip_config.json."""
    from transformers import AutoImageProcessor, CLIPImageProcessor

    path, other = folder / "preprocessor_config.json", folder / "open_clip_config.json"
    if not path.exists() and other.exists():
        from open_clip.transform import PreprocessCfg, image_transform_v2

        return image_transform_v2(PreprocessCfg(**json.loads(other.read_text())["preprocess_cfg"]), is_train=False)
    keys = json.loads(path.read_text())
    named = "image_processor_type" in keys or "feature_extractor_type" in keys
    processor = AutoImageProcessor.from_pretrained(str(folder)) if named else CLIPImageProcessor(**keys)
    return lambda image: processor(image, return_tensors="pt").pixel_values[0]


def add_text(source, folder):
    """The text graph, where it takes ids alone and the tokenizer is CLIP's."""
    from transformers import CLIPTokenizer

    path = find(folder, "text")
    if path is None:
        return
    graph = check.session(path)
    context = graph.get_inputs()[0].shape[1]
    if len(graph.get_inputs()) != 1 or not any((folder / name).exists() for name in ("vocab.json", "tokenizer.json")):
        source.notes.append("text tower: reduced, but not compared: it takes more than CLIP's token ids")
        return
    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    context = context if isinstance(context, int) else 77
    source.tokens = lambda texts: tokenizer(texts, padding="max_length", truncation=True, max_length=context,
                                            return_tensors="pt").input_ids
    source.text = run_of(graph, "text_embeds")


def run_of(graph, output):
    """rows -> the named output, as a function of torch's tensors."""
    name = graph.get_inputs()[0].name
    return lambda rows: torch.from_numpy(numpy.asarray(graph.run([output], {name: rows.numpy()})[0]))


def load(folder):
    vision = find(folder, "vision")
    if vision is None:
        raise ExportError(f"{folder}: no vision_model.onnx in it")
    graph = check.session(vision)
    names = [output.name for output in graph.get_outputs() if len(output.shape) == 2]
    name = "image_embeds" if "image_embeds" in names else names[0]
    source = Source(
        name=f"graph {vision.name}", size=tuple(graph.get_inputs()[0].shape[2:]), modules=None, vision=None,
        reference=run_of(graph, name), pixels=pixels_of(folder), logit_scale=None, logit_bias=None, save=None, output=name)
    add_text(source, folder)
    return source
