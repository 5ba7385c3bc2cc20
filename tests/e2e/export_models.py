"""Models of random weights for export_clip.py: whole architectures, with few layers unless `full`."""
import json
from pathlib import Path

import torch


def stir(model):
    """Weights as of a network in use: a fresh one has zeros in every residual branch, and all pictures look alike."""
    torch.manual_seed(2)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.is_floating_point() or "logit" in name or "running_" in name:
            continue
        if tensor.ndim <= 1 or "gamma" in name:
            tensor.normal_(1 if tensor.ndim == 1 and "weight" in name else 0, 0.1)
        elif "position" in name or "pos_embed" in name or "class_embedding" in name or "cls_token" in name:
            tensor.normal_(0, 0.5)
        elif "embed" not in name or "patch" in name:
            tensor.normal_(0, tensor[0].numel() ** -0.5)  # what is in a picture keeps its size from layer to layer


def settle(visual, size):
    """Batch normalisation with the statistics of a batch: with others, its shifts drown what is in a picture."""
    for layer in visual.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1
    coarse = torch.randn(6, 3, 5, 5)
    visual.train()(torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic"))
    visual.eval()


def model(architecture, folder, full=False):
    import open_clip

    config = open_clip.get_model_config(architecture)
    vision, text = config["vision_cfg"], config["text_cfg"]
    if architecture.startswith("RN") and not full:
        vision["layers"] = [1, 2, 1, 1]
    elif "layers" in vision and not full:
        vision["layers"] = 2
    if architecture == "RN50x64" and not full:
        vision["image_size"] = 224  # its own 448 takes a minute a picture
    if "layers" in text or "context_length" in text:
        text["layers"], text["width"], text["heads"], text["vocab_size"] = 1, 128, 2, text.get("vocab_size", 49408)
    if "SigLIP" in architecture:
        text["vocab_size"] = 1000
    preprocess = {"size": vision["image_size"]}
    if "SigLIP" in architecture:
        preprocess |= {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    folder = Path(folder)
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(3)
    built = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    stir(built)
    settle(built.visual, vision["image_size"])
    torch.save(built.state_dict(), folder / "open_clip_pytorch_model.bin")


def word_piece(folder):
    """A tokenizer of BERT's kind, for texts of the test's alphabet."""
    from transformers import BertTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyzé"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "photo", "of"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    return len(words)


def clip_vocabulary(folder):
    """CLIP's own, from open_clip."""
    import open_clip

    from clip_export.open_clip_source import save_tokenizer
    from transformers import CLIPTokenizer

    save_tokenizer(open_clip.SimpleTokenizer(), folder)
    CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)


def checkpoint(kind, folder, wide=False):
    """Of transformers, two layers deep: tiny, or with the widths and sizes of the family's base model."""
    import transformers

    folder = Path(folder)
    folder.mkdir()
    shared = {"num_hidden_layers": 2} if wide else \
        {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    patch, side = (32 if kind == "hf-clip" else 16, 224) if wide else (16, 64)
    eyes = {**shared, "image_size": side, "patch_size": patch}
    joint = {} if wide else {"projection_dim": 96}
    if kind == "hf-clip":
        clip_vocabulary(folder)
        config = transformers.CLIPConfig(
            text_config={**shared, "eos_token_id": 49407, "bos_token_id": 49406, "pad_token_id": 49407},
            vision_config=eyes, **joint)
        processor = transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=side)
        built = transformers.CLIPModel(config)
    elif kind == "hf-chinese":
        size = word_piece(folder)
        config = transformers.ChineseCLIPConfig(text_config={**shared, "vocab_size": size}, vision_config=eyes, **joint)
        processor = transformers.ChineseCLIPImageProcessor(size={"height": side, "width": side}, do_center_crop=False)
        built = transformers.ChineseCLIPModel(config)
    else:
        size = word_piece(folder)
        width = 768 if wide else 128
        text = {**shared, "vocab_size": size, "max_position_embeddings": 24, "projection_size": width}
        if kind == "hf-siglip":
            config = transformers.SiglipConfig(text_config=text, vision_config=eyes)
            processor = transformers.SiglipImageProcessor(size={"height": side, "width": side})
            built = transformers.SiglipModel(config)
        else:
            patches = (side // patch) ** 2
            config = transformers.Siglip2Config(
                text_config=text, vision_config={**shared, "num_patches": patches, "patch_size": patch})
            processor = transformers.Siglip2ImageProcessor(patch_size=patch, max_num_patches=patches)
            built = transformers.Siglip2Model(config)
    stir(built)
    built.save_pretrained(folder)
    processor.save_pretrained(folder)
