"""The same view of a model of any library."""
import json
from dataclasses import dataclass, field
from typing import Any, Callable

import torch

from . import ExportError


@dataclass
class Dense:
    """How vectors of patches or cells come about: the input of `layer` (the last attention block, the attention pool
    or the head after average pooling) is taken on its way, and `cells` makes [B, P, D] of it."""
    layer: torch.nn.Module
    cells: Callable


@dataclass
class Source:
    name: str
    size: tuple           # height, width of the input
    vision: Callable      # pixel_values [B, 3, H, W] -> [B, D]; this is traced
    reference: Callable   # the same by the library's own call; graphs are compared with this
    pixels: Callable      # PIL image, RGB -> [3, H, W]
    logit_scale: float    # an exponent
    logit_bias: Any       # a number for models trained with a sigmoid, else None
    save: Callable        # folder -> config.json and how pictures are prepared
    modules: Any          # the torch module that the functions above use
    dense: Any = None     # Dense, None where no way is known
    text: Callable = None # input_ids [B, L] -> [B, D], where cdul reads the tokenizer; traced
    tokens: Callable = None    # list of texts -> input_ids [B, L], likewise
    embed: Callable = None     # list of texts -> [B, D], by the library's own call; None with images_only
    cut: Callable = None       # list of texts -> how many of them the context cuts; None with images_only
    tokenizer_name: str = ""   # its class
    output: str = "image_embeds"  # of the image graph
    notes: list = field(default_factory=list)


class Tower(torch.nn.Module):
    """A function over a model's modules, as the module that the exporter asks for."""

    def __init__(self, modules, forward):
        super().__init__()
        self.modules_used = modules
        self.run = forward
        self.eval()  # the exporter restores this mode, and with it the mode of every layer below

    def forward(self, x):
        return self.run(x)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def resample_positions(table, grid, extra, antialias):
    """Position embeddings [extra + R * C, D] of a square grid, by bicubic interpolation for another one. The first
    `extra` rows, of class tokens, stay. open_clip does it with antialiasing, transformers without; torch's two ways
    differ when enlarging as well (a cubic of -0.5 and of -0.75)."""
    side = int((table.shape[0] - extra) ** 0.5)
    if side * side + extra != table.shape[0]:
        raise ExportError(f"--size: {table.shape[0]} position embeddings are not a square grid")
    if tuple(grid) == (side, side):
        return table
    cells = table[extra:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    cells = torch.nn.functional.interpolate(cells, size=tuple(grid), mode="bicubic", align_corners=False,
                                            antialias=antialias)
    return torch.cat([table[:extra], cells.permute(0, 2, 3, 1).reshape(grid[0] * grid[1], -1)])


def grid_of(size, patch, what):
    """Rows and columns of patches; sizes that leave a rest are refused."""
    patch = (patch, patch) if isinstance(patch, int) else tuple(patch)
    if any(side % step for side, step in zip(size, patch)):
        raise ExportError(f"--size: {what} takes multiples of {patch[0]} x {patch[1]}, not {size[0]} x {size[1]}")
    return size[0] // patch[0], size[1] // patch[1]
