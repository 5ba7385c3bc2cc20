"""Models of open_clip: by architecture and weights, from a folder (local-dir:PATH) or the hub (hf-hub:NAME)."""
import warnings

import torch

from . import ExportError, dense
from .source import Source, grid_of, resample_positions, write_json
from .texts import first_line

RESAMPLE = {"nearest": 0, "bilinear": 2, "bicubic": 3}  # open_clip's names -> PIL's numbers


def preprocessor(config):
    """open_clip's preprocess_cfg in the terms of preprocessor_config.json; None where those have no words for it:
    padding (longest), and the centre crop (shortest), whose corner open_clip rounds to the even neighbour and
    transformers rounds down."""
    if config["resize_mode"] != "squash":
        return None
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    return {
        "do_convert_rgb": True,
        "do_resize": True, "size": {"height": height, "width": width}, "resample": RESAMPLE[config["interpolation"]],
        "do_center_crop": False,
        "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": list(config["mean"]), "image_std": list(config["std"]),
    }


def set_size(visual, size):
    """Another input size in place: positions are interpolated, convolutions take any."""
    import open_clip

    def resized(table, grid, extra):
        return torch.nn.Parameter(resample_positions(table.data, grid, extra, antialias=True), requires_grad=False)

    if isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
        pool = visual.attnpool
        pool.positional_embedding = resized(pool.positional_embedding, grid_of(size, 32, "the network"), 1)
    elif isinstance(visual, open_clip.transformer.VisionTransformer):
        visual.grid_size = grid_of(size, visual.patch_size, "the network")
        visual.positional_embedding = resized(visual.positional_embedding, visual.grid_size, 1)
    elif hasattr(getattr(visual, "trunk", None), "set_input_size"):
        visual.trunk.set_input_size(img_size=size)
    elif "pool" in dict(visual.head.named_children()):
        raise ExportError(f"--size: positions in the pool of {type(visual.trunk).__name__} cannot be interpolated here")
    visual.image_size = size


def save_tokenizer(tokenizer, folder):
    special = {tokenizer.sot_token_id: "<|startoftext|>", tokenizer.eot_token_id: "<|endoftext|>"}  # CLIP's names
    write_json(folder / "vocab.json", {special.get(i, token): i for token, i in tokenizer.encoder.items()})
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    write_json(folder / "special_tokens_map.json", {
        "bos_token": special[tokenizer.sot_token_id], "eos_token": special[tokenizer.eot_token_id],
        "pad_token": tokenizer.decoder[0],
    })


def tokenizer_of(name):
    import open_clip

    try:
        return open_clip.get_tokenizer(name)
    except (ImportError, OSError, ValueError) as error:
        raise ExportError(f"{name}: its tokenizer cannot be had ({first_line(error)}); --images-only exports the image "
                          "tower alone") from error


def cut_of(tokenizer):
    """Texts -> how many of them do not fit."""
    import open_clip

    context = tokenizer.context_length
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        return lambda texts: sum(len(tokenizer.encode(text)) + 2 > context for text in texts)
    room = context - (tokenizer.tokenizer_mode == "clips")  # which puts a token of its own at the end
    return lambda texts: sum(len(ids) > room for ids in tokenizer.tokenizer(
        [tokenizer.clean_fn(text) for text in texts], verbose=False).input_ids)


def other_gelu(name):
    return name.removesuffix("-quickgelu") if name.endswith("-quickgelu") else name + "-quickgelu"


def load(name, pretrained=None, size=None, images_only=False):
    import open_clip

    torch.backends.mha.set_fastpath_enabled(False)  # a fused operator that ONNX has no counterpart of
    settings = {"force_preprocess_cfg": {"size": size}} if size else {}
    with warnings.catch_warnings():  # of a wrong activation open_clip only warns, and source and graph would agree on it
        warnings.filterwarnings("error", "QuickGELU mismatch")
        try:
            model = open_clip.create_model(name, pretrained=pretrained, **settings).eval()
        except UserWarning as error:
            raise ExportError(f"{error} Name the architecture that the weights were trained with: {other_gelu(name)}") from error
    if size:
        set_size(model.visual, size)
    config = dict(open_clip.get_model_preprocess_cfg(model))
    if size:
        config["size"] = size
    preprocess = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**config), is_train=False)
    size = (config["size"],) * 2 if isinstance(config["size"], int) else tuple(config["size"])
    bias = getattr(model, "logit_bias", None)
    tokenizer = None if images_only else tokenizer_of(name)
    readable = isinstance(tokenizer, open_clip.SimpleTokenizer)

    def save(folder):
        width = model.encode_image(torch.zeros(1, 3, *size)).shape[1]
        keys = preprocessor(config)
        if keys:
            write_json(folder / "preprocessor_config.json", keys)
        else:
            write_json(folder / "open_clip_config.json", {
                "model_cfg": {"embed_dim": width, "vision_cfg": {"image_size": config["size"]}}, "preprocess_cfg": config})
        facts = {
            "model_type": "clip" if bias is None else "siglip",
            "projection_dim": width,
            "vision_config": {"image_size": size[0] if size[0] == size[1] else list(size)},
        }
        if readable:
            facts["text_config"] = {"max_position_embeddings": tokenizer.context_length}
            save_tokenizer(tokenizer, folder)
        write_json(folder / "config.json", facts)

    source = Source(
        name=f"open_clip {name} {pretrained or ''}".strip() if pretrained or ":" in name else
        f"open_clip {name} (random weights)",
        size=size, modules=model,
        vision=model.encode_image, reference=model.encode_image, pixels=preprocess,
        logit_scale=model.logit_scale.item(), logit_bias=None if bias is None else bias.item(),
        save=save, dense=dense.of_open_clip(model.visual), tokenizer_name=type(tokenizer).__name__)
    if not pretrained and ":" not in name:
        source.notes.append("random weights: give --pretrained; labels from these mean nothing")
    if tokenizer:
        source.embed = lambda texts: model.encode_text(tokenizer(texts))
        source.cut = cut_of(tokenizer)
    if readable:
        source.text, source.tokens = model.encode_text, tokenizer
    elif tokenizer:
        source.tokenizer_name = type(tokenizer.tokenizer).__name__
    return source
