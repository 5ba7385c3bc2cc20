#!/usr/bin/env python3
"""What torchvision draws and what Pillow makes of it, for tests/unit/test_augment.c.

Run with Debian's python3-torchvision: tests/golden/make_augment.py
Writes augment/pixels.bin (uint8 [5, 24, 24, 3]) and augment/deciles.csv."""
import csv
import math
from pathlib import Path

import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import RandomResizedCrop

OUT = Path(__file__).parent / "augment"
DRAWS = 200_000
CASES = [  # order of brightness, contrast, colour; flip
    ([], False), ([], True), (["b", "c", "s"], False), (["s", "b", "c"], True), (["c", "s", "b"], False)]
FACTORS = {"b": (ImageEnhance.Brightness, 1.3), "c": (ImageEnhance.Contrast, 0.6), "s": (ImageEnhance.Color, 1.7)}


def picture(width, height):
    """Smooth colours with edges, by a formula that the test repeats."""
    image = Image.new("RGB", (width, height))
    image.putdata([((x * 5 + y * 3) % 256, (x * y // 4) % 256, (255 - x * 4 + y) % 256)
                   for y in range(height) for x in range(width)])
    return image


def pixels():
    image, result = picture(60, 40), b""
    for order, flip in CASES:
        view = image.crop((7, 5, 7 + 41, 5 + 33)).resize((24, 24), Image.BILINEAR)
        if flip:
            view = ImageOps.mirror(view)
        for letter in order:
            kind, factor = FACTORS[letter]
            view = kind(view).enhance(factor)
        result += view.tobytes()
    return result


def deciles(width, height, scale):
    torch.manual_seed(1)
    image = torch.zeros(1, height, width)
    draws = []
    for _ in range(DRAWS):
        top, left, h, w = RandomResizedCrop.get_params(image, (scale, 1.0), (3 / 4, 4 / 3))
        draws.append((w * h / (width * height), math.log(w / h),
                      left / (width - w) if w < width else 0.5, top / (height - h) if h < height else 0.5))
    for column in zip(*draws):
        ordered = sorted(column)
        yield [ordered[len(ordered) * k // 10] for k in range(1, 10)]


OUT.mkdir(exist_ok=True)
(OUT / "pixels.bin").write_bytes(pixels())
with open(OUT / "deciles.csv", "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["width", "height", "scale", "what"] + [f"d{k}" for k in range(1, 10)])
    for width, height, scale in [(500, 375, 0.5), (500, 375, 0.08), (300, 900, 0.5)]:
        for what, values in zip(["area", "log_ratio", "left", "top"], deciles(width, height, scale)):
            table.writerow([width, height, scale, what] + [f"{value:.4f}" for value in values])
