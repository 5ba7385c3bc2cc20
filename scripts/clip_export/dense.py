"""Vectors of patches and cells in the space of the texts, from one pass.

A pooled vector loses where things are, and the last attention mixes every place with every other. What keeps a vector
local, without training:

- attention pool (CLIP's ResNets): the value and output projections at each cell, as 1 x 1 convolutions, without
  positions (MaskCLIP: Zhou, Loy, Dai, arXiv 2112.01071, section 3.2; so DualCoOp, arXiv 2206.09541, section 3.3).
- vision transformer: in the last block the values go through the output projection alone, no query meets a key; then
  the block's own feed-forward, normalisation and projection (MaskCLIP; TagCLIP, arXiv 2312.12828, section 3.2; CLIP
  Surgery, arXiv 2304.05653, drops the feed-forward too). That is the block applied to each token as if it were alone:
  the softmax over a single key is 1.
- transformer with an attention pool (SigLIP): likewise the pool, applied to each patch as if it were alone.
- network that ends in average pooling: its head applied to each cell (class activation maps, arXiv 1512.04150).
"""
import torch

from .source import Dense


class DenseTower(torch.nn.Module):
    """pixel_values -> image_embeds [B, D], dense_embeds [B, P, D] of length 1."""

    def __init__(self, tower, dense):
        super().__init__()
        self.tower = tower
        self.dense = dense
        self.seen = None
        dense.layer.register_forward_pre_hook(self.keep, with_kwargs=True)
        self.eval()

    def keep(self, _, positional, named):
        self.seen = positional[0] if positional else next(iter(named.values()))

    def forward(self, x):
        pooled = self.tower(x)
        cells = self.dense.cells(self.seen)
        return pooled, cells / cells.norm(dim=-1, keepdim=True)


def alone(function, tokens):
    """A function over sequences [B, T, C] -> [B, T, C] or [B, C'], applied to each token as a sequence of its own."""
    batch, length, width = tokens.shape
    rows = function(tokens.reshape(-1, 1, width))
    return rows.reshape(-1, length, rows.shape[-1])


def map_to_rows(x):
    """[B, C, R, S] -> [B, R * S, C]"""
    return x.flatten(2).transpose(1, 2)


def attention_pool(pool):
    """open_clip's AttentionPool2d."""
    return Dense(pool, lambda x: pool.c_proj(pool.v_proj(map_to_rows(x))))


def last_block(block, finish, skip):
    """A transformer: `finish` is what follows the blocks, [..., C] -> [..., D]; the first `skip` tokens are no
    patches."""
    return Dense(block, lambda x: finish(alone(block, x[:, skip:])))


def of_open_clip(visual):
    import open_clip

    if isinstance(visual, open_clip.modified_resnet.ModifiedResNet):
        return attention_pool(visual.attnpool)
    if isinstance(visual, open_clip.transformer.VisionTransformer):
        if visual.attn_pool is not None or visual.pool_type not in ("tok", "avg"):
            return None
        # ln_post before or after pooling is the same thing for a single token
        return last_block(visual.transformer.resblocks[-1],
                          lambda x: visual.ln_post(x) @ visual.proj if visual.proj is not None else visual.ln_post(x), 1)
    if isinstance(visual, open_clip.timm_model.TimmModel):
        return of_timm(visual)
    return None


def of_timm(visual):
    """open_clip's wrapper of a timm network and its own head."""
    import timm

    trunk = visual.trunk
    blocks = isinstance(trunk, (timm.models.vision_transformer.VisionTransformer, timm.models.eva.Eva))
    pool = getattr(trunk, "attn_pool", None)

    def head(x):
        return visual.head(trunk.head(trunk.fc_norm(x)))

    if blocks and pool is not None:
        if trunk.num_prefix_tokens and getattr(trunk, "pool_include_prefix", False):
            return None  # the pool sees tokens that are no patches
        return Dense(pool, lambda x: head(alone(pool, x)))
    if blocks:
        return last_block(trunk.blocks[-1], lambda x: head(trunk.norm(x)), trunk.num_prefix_tokens)
    if "pool" in dict(visual.head.named_children()) or not hasattr(trunk, "head"):
        return None

    def cells(x):
        batch, width, rows, columns = x.shape
        each = map_to_rows(x).reshape(-1, width, 1, 1)
        return visual.head(trunk.forward_head(each)).reshape(-1, rows * columns, visual_width(visual))

    return Dense(trunk.head, cells)


def visual_width(visual):
    """D of an average-pooled timm network."""
    linear = [m for m in [*visual.trunk.head.modules(), *visual.head.modules()] if isinstance(m, torch.nn.Linear)]
    return linear[-1].out_features


def of_transformers(model):
    vision = model.vision_model
    if hasattr(vision, "head"):  # SigLIP
        return Dense(vision.head, lambda x: alone(vision.head, x))
    block = vision.encoder.layers[-1]

    def each(x):
        out = block(x, None)
        return out[0] if isinstance(out, tuple) else out

    return Dense(block, lambda x: model.visual_projection(vision.post_layernorm(alone(each, x[:, 1:]))))
