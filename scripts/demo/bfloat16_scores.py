#!/usr/bin/env python3
"""Cosines by the demo's encoder, its network rounded to bfloat16 after every layer, as scores.safetensors.

The pipeline that docs/results.md compares with ran its network in bfloat16. This is that rounding on any processor, by
PyTorch and Pillow and without cdul, to tell what it does to the labels.

Needs: python3-torch, python3-numpy, python3-pil.
"""
import argparse
import json
import struct
from pathlib import Path

import numpy
import torch
from make_encoder import DIVISOR, MEAN, STD, ImageTower, load_network
from PIL import Image
from tensor_file import save

GRID, SIDE = 3, 224


def rounded(tensor):
    return tensor.to(torch.bfloat16).float()


def round_everything(network):
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point():
            tensor.data = rounded(tensor.data)
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: rounded(output))


def class_vectors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    entry = header["text_embeds"]
    start, end = entry["data_offsets"]
    vectors = numpy.frombuffer(data[8 + size + start:8 + size + end], numpy.float32).reshape(entry["shape"])
    return torch.from_numpy(vectors.copy()), json.loads(header["__metadata__"]["classes"])


def views(path):
    """[10, 3, 224, 224] in [0, 1]: the whole picture and the tiles of a 3x3 grid, squashed."""
    picture = Image.open(path).convert("RGB")
    edges = [[round(length * i / GRID) for i in range(GRID + 1)] for length in picture.size]
    boxes = [(0, 0, *picture.size)] + [(edges[0][c], edges[1][r], edges[0][c + 1], edges[1][r + 1])
                                       for r in range(GRID) for c in range(GRID)]
    tiles = [picture.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for box in boxes]
    return torch.from_numpy(numpy.stack([numpy.asarray(tile) for tile in tiles])).permute(0, 3, 1, 2) / 255


def main():
    parser = argparse.ArgumentParser(description="Cosines by the demo's encoder in bfloat16.")
    parser.add_argument("--packages", type=Path, required=True, help="folder with the two PyPI packages")
    parser.add_argument("--text", type=Path, required=True, help="text.safetensors")
    parser.add_argument("--root", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--list", type=Path, required=True, help="their paths, a line each")
    parser.add_argument("-o", "--output", type=Path, required=True, help="scores.safetensors to write")
    args = parser.parse_args()

    network = load_network(args.packages)
    round_everything(network)
    tower = ImageTower(network, DIVISOR)
    vectors, classes = class_vectors(args.text)
    names = args.list.read_text().split("\n")[:-1]
    with torch.no_grad():
        cosines = torch.stack([
            tower.embed(rounded(network((rounded(views(args.root / name)) - MEAN) / STD))) @ vectors.T for name in names])
    cosines = cosines.numpy()
    save(args.output, {"cosine_global": cosines[:, 0], "cosine_crops": cosines[:, 1:]},
         {"images": json.dumps(names), "classes": json.dumps(classes)})


if __name__ == "__main__":
    main()
