"""Checkpoints of transformers: CLIP, Chinese-CLIP, SigLIP, SigLIP 2; a folder or a name on the hub."""
import torch

from . import ExportError, dense, texts
from .source import Source, grid_of, resample_positions, write_json

FAMILIES = ("clip", "chinese_clip", "siglip", "siglip2")


def set_size(vision, size):
    """Another input size in place."""
    table = vision.embeddings
    grid = grid_of(size, table.patch_size, "the network")
    extra = 1 if hasattr(table, "class_embedding") else 0
    weights = resample_positions(table.position_embedding.weight.data, grid, extra, antialias=False)
    table.position_embedding = torch.nn.Embedding.from_pretrained(weights)
    table.position_ids = torch.arange(len(weights))[None]
    table.image_size = size[0]  # tower() below gives no sizes that the embeddings could refuse


def tower(model):
    """pixel_values -> image vectors, from the modules: the embeddings' own forward refuses pictures that are not
    square, and it interpolates whenever it is traced."""
    vision, table = model.vision_model, model.vision_model.embeddings

    def run(x):
        tokens = table.patch_embedding(x).flatten(2).transpose(1, 2)
        if hasattr(table, "class_embedding"):
            tokens = torch.cat([table.class_embedding.expand(x.shape[0], 1, -1), tokens], 1)
        tokens = tokens + table.position_embedding.weight
        if hasattr(vision, "pre_layrnorm"):
            tokens = vision.pre_layrnorm(tokens)
        tokens = vision.encoder(inputs_embeds=tokens).last_hidden_state
        if hasattr(vision, "head"):
            return vision.head(vision.post_layernorm(tokens))
        return model.visual_projection(vision.post_layernorm(tokens[:, 0]))

    return run


def patches(x, patch):
    """[B, 3, H, W] -> [B, P, patch * patch * 3] in the order of SigLIP 2's image processor."""
    batch, channels, height, width = x.shape
    x = x.reshape(-1, channels, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, height * width // patch ** 2, patch * patch * channels)


def naflex_tower(model, size):
    """SigLIP 2 for any aspect ratio (NaFlex), at one size: the positions of that grid become constants."""
    vision, table = model.vision_model, model.vision_model.embeddings
    grid = grid_of(size, table.patch_size, "the network")
    side = table.position_embedding_size
    positions = table.resize_positional_embeddings(
        table.position_embedding.weight.data.reshape(side, side, -1), torch.tensor([grid]), grid[0] * grid[1])

    def run(x):
        tokens = table.patch_embedding(patches(x, table.patch_size)) + positions
        return vision.head(vision.post_layernorm(vision.encoder(inputs_embeds=tokens).last_hidden_state))

    def reference(x):
        return model.get_image_features(
            pixel_values=patches(x, table.patch_size), spatial_shapes=torch.tensor([grid] * len(x)),
            pixel_attention_mask=torch.ones(len(x), grid[0] * grid[1], dtype=torch.long)).pooler_output

    return run, reference


def processor_of(name, size):
    """The image processor with `size` (None: its own), and how a picture becomes [3, H, W] with it."""
    from transformers import AutoImageProcessor, CLIPImageProcessor

    processor = AutoImageProcessor.from_pretrained(name)
    if size:
        processor.size = {"height": size[0], "width": size[1]}
        if getattr(processor, "do_center_crop", False):
            if size[0] != size[1]:
                raise ExportError(f"--size: {type(processor).__name__} crops squares; give one number")
            processor.size = {"shortest_edge": size[0]}
            processor.crop_size = {"height": size[0], "width": size[1]}
    return processor


def load(name, pretrained=None, size=None, images_only=False):
    from transformers import AutoConfig, AutoModel

    if pretrained:
        raise ExportError("--pretrained belongs to open_clip; transformers' weights come with the model's name")
    family = AutoConfig.from_pretrained(name).model_type
    if family not in FAMILIES:
        raise ExportError(f"{name}: model_type {family} is none of {', '.join(FAMILIES)}")
    model = AutoModel.from_pretrained(name, attn_implementation="eager").float().eval()
    processor = processor_of(name, size)
    source = Source(
        name=f"transformers {name}", size=None, modules=model, vision=None, reference=None, pixels=None,
        logit_scale=model.logit_scale.item(), logit_bias=None, save=None, dense=dense.of_transformers(model))
    if getattr(model, "logit_bias", None) is not None:
        source.logit_bias = model.logit_bias.item()

    if family == "siglip2":
        side = model.vision_model.embeddings.position_embedding_size * model.vision_model.embeddings.patch_size
        source.size = size or (side, side)
        source.vision, source.reference = naflex_tower(model, source.size)
        source.notes.append(f"NaFlex keeps a picture's shape; the graph takes {source.size[1]} x {source.size[0]}, squashed")
        keys = {"do_convert_rgb": True, "do_resize": True,
                "size": {"height": source.size[0], "width": source.size[1]}, "resample": int(processor.resample),
                "do_center_crop": False, "do_rescale": True, "rescale_factor": processor.rescale_factor,
                "do_normalize": True, "image_mean": list(processor.image_mean), "image_std": list(processor.image_std),
                "image_processor_type": "SiglipImageProcessor"}
        from transformers import SiglipImageProcessor
        processor = SiglipImageProcessor(**keys)
    else:
        side = model.config.vision_config.image_size
        source.size = size or (side, side)
        source.vision = tower(model)
        if size:
            set_size(model.vision_model, size)
            source.reference = source.vision
        else:
            source.reference = lambda x: model.get_image_features(pixel_values=x).pooler_output
    source.pixels = lambda image: processor(image, return_tensors="pt").pixel_values[0]

    tokenizer = None if images_only else texts.tokenizer_of(name)
    readable = tokenizer is not None and type(tokenizer).__name__.startswith("CLIPTokenizer")
    source.tokenizer_name = type(tokenizer).__name__
    if tokenizer is not None:
        prompts = texts.Prompts(tokenizer, family, model.config.text_config.max_position_embeddings)
        fields = None if family == "chinese_clip" else ["input_ids"]  # the others were trained on their padding
        source.embed = lambda rows: model.get_text_features(**prompts(rows, "pt", fields)).pooler_output
        source.cut = prompts.cut
    if readable:
        source.tokens = lambda rows: prompts(rows, "pt")["input_ids"]
        source.text = lambda ids: model.get_text_features(input_ids=ids).pooler_output

    def save(folder):
        processor.save_pretrained(folder)
        config = model.config.to_dict()
        config["vision_config"]["image_size"] = source.size[0] if source.size[0] == source.size[1] else list(source.size)
        write_json(folder / "config.json", config)
        if readable:
            tokenizer.save_pretrained(folder)

    source.save = save
    return source
