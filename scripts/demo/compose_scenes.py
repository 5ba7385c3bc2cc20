#!/usr/bin/env python3
"""Composes scenes of several objects, with known truth, from packaged pictures: the demo's photographs.

Two to four photographic cut-outs (Debian tuxpaint-stamps-default) are laid on a random crop of a photographic
wallpaper (mate-backgrounds, plasma-workspace-wallpapers), turned, scaled, mirrored and changed a little in brightness
and saturation at random. stamps.json names the cut-outs of each class; no cut-out of a training scene appears in a test
scene. Scene i depends on the seed and i alone, so the pictures are the same at any number of processes.

Writes into the output folder:
    train/NNNN.jpg, test/NNNN.jpg   480 x 360 JPEG
    classes.txt                     name<TAB>words, for cdul-label
    truth.csv                       image,<class>...  1 present, -1 absent

Needs: python3-numpy, python3-pil.
"""
import argparse
import csv
import json
from functools import lru_cache
from multiprocessing import Pool
from pathlib import Path

import numpy
from PIL import Image, ImageEnhance

WIDTH, HEIGHT = 480, 360
OBJECTS = (2, 4)    # per scene, both included
SIDE = (110, 190)   # longest side of a cut-out, pixels
TURN = 12           # degrees, either way
COLOUR = (0.85, 1.15)  # factors of brightness and of saturation
MAX_HIDDEN = 0.15   # of the smaller of two cut-outs' boxes
QUALITY = 90
SPLITS = ("train", "test")


@lru_cache(maxsize=None)
def wallpaper(path):
    with Image.open(path) as image:
        image.draft("RGB", (3 * WIDTH, 3 * HEIGHT))
        image = image.convert("RGB")
    image.thumbnail((3 * WIDTH, 3 * HEIGHT))
    return image


def background(random, table):
    """A crop of a wallpaper, 480 x 360, that spans between half and all of it."""
    image = wallpaper(Path(table["backgrounds"]) / random.choice(table["background_files"]))
    largest = min(image.width / WIDTH, image.height / HEIGHT)
    scale = largest * random.uniform(0.5, 1)
    width, height = WIDTH * scale, HEIGHT * scale
    left = random.uniform(0, image.width - width)
    top = random.uniform(0, image.height - height)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, (left, top, left + width, top + height))


def cut_out(random, path):
    """The stamp with its alpha channel, changed in colour, mirrored half of the time, turned, scaled to its longest side."""
    with Image.open(path) as image:
        image = image.convert("RGBA")
    for change in (ImageEnhance.Brightness, ImageEnhance.Color):
        image = change(image).enhance(random.uniform(*COLOUR))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side = random.uniform(*SIDE)
    scale = side / max(image.size)
    size = [max(1, round(length * scale)) for length in image.size]
    image = image.resize(size, Image.Resampling.LANCZOS)
    image = image.rotate(random.uniform(-TURN, TURN), Image.Resampling.BICUBIC, expand=True)
    return image.crop(image.getbbox())


def hidden(a, b):
    """Share of the smaller box that both boxes cover."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0
    area = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / area


def place(random, size, taken):
    """A box for a cut-out of this size that hides little of the others, or None."""
    for _ in range(50):
        left = int(random.integers(0, WIDTH - size[0] + 1))
        top = int(random.integers(0, HEIGHT - size[1] + 1))
        box = (left, top, left + size[0], top + size[1])
        if all(hidden(box, other) <= MAX_HIDDEN for other in taken):
            return box
    return None


def compose(job):
    """One scene; returns its truth row: relative path, then 1 or -1 for each class."""
    table, folder, seed, split, index = job
    random = numpy.random.default_rng([seed, SPLITS.index(split), index])
    scene = background(random, table)
    present, taken = set(), []
    for _ in range(random.integers(OBJECTS[0], OBJECTS[1] + 1)):
        which = int(random.integers(len(table["classes"])))
        stamp = random.choice(table["classes"][which][split])
        image = cut_out(random, Path(table["stamps"]) / f"{stamp}.png")
        box = place(random, image.size, taken)
        if box:
            scene.paste(image, box[:2], image)
            taken.append(box)
            present.add(which)
    name = f"{split}/{index:04d}.jpg"
    scene.save(folder / name, quality=QUALITY)
    return [name] + [1 if which in present else -1 for which in range(len(table["classes"]))]


def main():
    parser = argparse.ArgumentParser(description="Compose the demo's scenes.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--train", type=int, default=800, help="training scenes (%(default)s)")
    parser.add_argument("--test", type=int, default=300, help="test scenes (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("-j", "--processes", type=int, default=2, help="(%(default)s)")
    args = parser.parse_args()

    table = json.loads((Path(__file__).parent / "stamps.json").read_text())
    for split in SPLITS:
        (args.output / split).mkdir(parents=True, exist_ok=True)
    jobs = [(table, args.output, args.seed, split, index)
            for split, count in zip(SPLITS, (args.train, args.test)) for index in range(1, count + 1)]
    with Pool(args.processes) as pool:
        rows = pool.map(compose, jobs, chunksize=16)

    classes = table["classes"]
    (args.output / "classes.txt").write_text("".join(f"{c['name']}\t{c['words']}\n" for c in classes))
    with open(args.output / "truth.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image"] + [c["name"] for c in classes])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
