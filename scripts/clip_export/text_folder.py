"""The text tower of an encoder folder as it was downloaded: its ONNX graph in ONNX Runtime, the tokenizer that lies
beside it. What is chosen, and how, is as in cdul itself (src/encoder/tower.c, encoder_config.c)."""
import json
import os
import string
from dataclasses import dataclass

import numpy

from . import ExportError, check, layout
from .texts import Prompts, first_line, tokenizer_of

TYPES = {"tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32, "tensor(float)": numpy.float32,
         "tensor(float16)": numpy.float16}
CONTEXTS = {"clip": 77, "siglip": 64, "siglip2": 64}  # what transformers leaves out of config.json
OPEN_CLIP_CONTEXT = 77
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
UNPROJECTED = ("clip", "chinese_clip", "metaclip_2", "altclip")


@dataclass
class Config:
    """What config.json or open_clip_config.json says; "", 0, {} where it says nothing."""
    family: str      # model_type
    projection: int
    context: int
    side: object     # of the picture: a number, or height and width
    open_clip: dict  # text_cfg of open_clip's configurations


class TextTower:
    """Like a Source, for texts alone."""

    def __init__(self, embed, cut, facts):
        self.embed, self.cut = embed, cut
        self.logit_scale, self.logit_bias = facts.get("logit_scale"), facts.get("logit_bias")


def read(path):
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def config_of(folder):
    keys = read(folder / "config.json")
    family = keys.get("model_type", "")
    model = keys if "vision_cfg" in keys else read(folder / "open_clip_config.json").get("model_cfg", {})
    if model and not family:
        text = model.get("text_cfg", {})
        return Config("", model.get("embed_dim", 0), text.get("context_length", OPEN_CLIP_CONTEXT),
                      model.get("vision_cfg", {}).get("image_size"), text)
    text = keys.get("text_config", {})
    return Config(family, keys.get("projection_dim", 0), text.get("max_position_embeddings", CONTEXTS.get(family, 0)),
                  keys.get("vision_config", {}).get("image_size"), {})


# --- Texts ---

def canonical(text):
    """open_clip's cleaning for SigLIP, from big_vision: no punctuation, lower case."""
    return " ".join(text.replace("_", " ").translate(str.maketrans("", "", string.punctuation)).lower().split())


CLEAN = {"whitespace": lambda text: " ".join(text.split()), "lower": lambda text: " ".join(text.split()).lower(),
         "canonicalize": canonical}


class OpenClipPrompts(Prompts):
    """open_clip's HFTokenizer, less the repair of mojibake and HTML entities."""

    def __init__(self, tokenizer, context, text):
        super().__init__(tokenizer, "", context)
        settings = {"clean": "whitespace", **text.get("tokenizer_kwargs", {})}
        clean = settings.pop("clean")
        if settings or text.get("tokenizer_mode") or clean not in CLEAN:
            raise ExportError(f"open_clip's text_cfg wants more of its tokenizer than is known here: clean {clean}, "
                              f"{settings}, tokenizer_mode {text.get('tokenizer_mode')}; use embed_text.py open_clip")
        self.prepare = lambda texts: [CLEAN[clean](text) for text in texts]


def tokenizer_in(place):
    if not any((place / name).exists() for name in TOKENIZERS):  # transformers would make an empty one
        raise ExportError(f"{place}: no tokenizer: none of {', '.join(TOKENIZERS)}")
    if not (place / "tokenizer.json").exists() and (place / "merges.txt").exists():  # CLIP's, as cdul has it
        from transformers import CLIPTokenizer

        return CLIPTokenizer.from_pretrained(str(place), local_files_only=True)
    return tokenizer_of(str(place), local_files_only=True)


def prompts_of(folder, place, config, ids):
    """The context is the graph's; else the configuration's, or less if the tokenizer says so."""
    tokenizer = tokenizer_in(place)
    fixed = ids.shape[1] if isinstance(ids.shape[1], int) else 0
    context = fixed or min(config.context or tokenizer.model_max_length, tokenizer.model_max_length)
    if context > 1 << 20:
        raise ExportError(f"{folder}: the length of the token sequence is not known: it is free in the graph, and neither "
                          "config.json nor tokenizer_config.json says it")
    if tokenizer.pad_token is None:
        raise ExportError(f"{place}: no padding token: tokenizer_config.json and special_tokens_map.json, which would say "
                          "it, are not here; copy them from where the model comes from")
    if config.open_clip:
        return OpenClipPrompts(tokenizer, context, config.open_clip)
    prompts = Prompts(tokenizer, config.family, context)
    # some graphs that call the length free want all of it; where there is a mask, it hides the padding
    prompts.context, prompts.padding = fixed or prompts.context, "max_length"
    return prompts


# --- The graph ---

def is_text(port):
    return len(port.shape) == 2 and port.type in ("tensor(int64)", "tensor(int32)")


def is_pixels(port):
    return len(port.shape) == 4 and port.type in ("tensor(float)", "tensor(float16)")


def listed(ports):
    return "; ".join(f"{port.name} {port.type} {port.shape}" for port in ports)


def find_output(outputs, config, both):
    """The port of the embedding, and whether its name told; None: it cannot be told."""
    names = {port.name: port for port in outputs}
    for name in "text_embeds", "text_features":
        if name in names:
            return names[name], True
    if both:
        return None, True
    if config.family.startswith("siglip") and "pooler_output" in names:
        return names["pooler_output"], False
    matrices = [port for port in outputs if len(port.shape) == 2 and port.type in TYPES]
    wide = [port for port in matrices if config.projection and port.shape[1] == config.projection]
    return next((some[0] for some in (matrices, wide) if len(some) == 1), None), False


def choose_output(path, outputs, config, both):
    port, named = find_output(outputs, config, both)
    if port is None or len(port.shape) != 2:
        raise ExportError(f"{path}: no output text_embeds [B, D], and none other can be told for it; outputs: "
                          f"{listed(outputs)}")
    width = port.shape[1]
    unprojected = port.name == "pooler_output" and config.family.startswith(UNPROJECTED)
    if unprojected or not named and config.projection and isinstance(width, int) and width != config.projection:
        raise ExportError(f"{path}: {port.name} of model_type {config.family or 'not given'} is what comes before the "
                          "projection: export the model with text_embeds")
    return port.name


def picture(folder, port, config):
    """One black picture for a graph of both towers."""
    side = config.side or read(folder / "preprocessor_config.json").get("crop_size")
    side = list(side.values()) if isinstance(side, dict) else side
    sides = side if isinstance(side, list) else [side, side]
    dims = [3, *sides]
    shape = [1, *(dim if isinstance(dim, int) else dims[i] for i, dim in enumerate(port.shape[1:]))]
    if None in shape:
        raise ExportError(f"{folder}: the size of pictures is free in the graph, and config.json has no image_size")
    return numpy.zeros(shape, TYPES[port.type])


def calling(path, function, *arguments):
    """ONNX Runtime's exceptions have no class in common but this."""
    try:
        return function(*arguments)
    except Exception as error:
        raise ExportError(f"{path}: {first_line(error)}") from error


class Graph:
    """A session and what it is fed."""

    def __init__(self, folder, path, config):
        self.path, self.session = path, calling(path, check.session, path)
        inputs = self.session.get_inputs()
        pixels = [port for port in inputs if is_pixels(port)]
        self.ports = [port for port in inputs if not is_pixels(port)]
        self.has_text = any(map(is_text, self.ports))
        self.still = {port.name: picture(folder, port, config) for port in pixels} if self.has_text else {}
        self.fields = ["input_ids"] if len(self.ports) == 1 else [port.name for port in self.ports]
        self.ids = next((port for field, port in zip(self.fields, self.ports) if field == "input_ids"), None)
        if self.has_text:
            self.check_inputs()
            self.output = choose_output(path, self.session.get_outputs(), config, bool(pixels))

    def check_inputs(self):
        known = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
        if self.ids is None or not all(map(is_text, self.ports)) or not set(self.fields) <= set(known):
            raise ExportError(f"{self.path}: inputs other than {', '.join(known)} [B, L]: {listed(self.ports)}")

    def feed(self, field, given):
        """`given` of the tokenizer, else what stands for nothing said."""
        if field in given:
            return given[field]
        rows, length = given["input_ids"].shape
        absent = {"attention_mask": 1, "token_type_ids": 0, "position_ids": numpy.arange(length)}
        return numpy.broadcast_to(absent[field], (rows, length))

    def run(self, given):
        """[B, D]. What a fixed batch leaves over is filled with the last row."""
        rows = len(given["input_ids"])
        batch = self.ids.shape[0] if isinstance(self.ids.shape[0], int) else rows
        parts = []
        for start in range(0, rows, batch):
            which = numpy.minimum(numpy.arange(start, start + batch), rows - 1)
            feeds = {port.name: numpy.ascontiguousarray(self.feed(field, given)[which], TYPES[port.type])
                     for field, port in zip(self.fields, self.ports)}
            parts.append(calling(self.path, self.session.run, [self.output], {**feeds, **self.still})[0])
        return numpy.concatenate(parts)[:rows]


def open_graph(folder, towers, config):
    graph = Graph(folder, towers.both, config) if towers.both else None
    if graph and graph.has_text:  # then another text tower beside it is not looked at
        return graph, ""
    if not towers.text:
        raise ExportError(f"{folder}: no text tower: {towers.both} takes no tokens")
    return Graph(folder, towers.text, config), towers.note


def load(folder, variant):
    """The tower, and what to tell the user, or ""."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # that PyTorch is not there is well
    if not folder.is_dir():
        raise ExportError(f"{folder}: no such folder")
    config = config_of(folder)
    graph, note = open_graph(folder, layout.text_tower(folder, variant or ""), config)
    if not graph.has_text:
        raise ExportError(f"{graph.path}: no input of tokens [B, L]; inputs: {listed(graph.ports)}")
    siglip = config.family.startswith("siglip")
    place = layout.tokenizer_folder(folder, graph.path)
    prompts = prompts_of(folder, place, config, graph.ids)
    fields = ["input_ids"] if siglip else None  # SigLIP saw its padding: the mask lets everything through

    def embed(texts):
        vectors = graph.run(prompts(texts, "np", fields))
        if not numpy.isfinite(vectors).all() or not vectors.any(1).all():
            raise ExportError(f"{graph.path}: the vector of a prompt is zero or not finite")
        return vectors

    return TextTower(embed, prompts.cut, read(folder / "cdul.json")), note
