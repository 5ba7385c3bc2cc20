"""CLIP's preprocessing of the whole picture and of 3x3 tiles, as transformers and open_clip do it: Pillow, then NumPy."""
import sys

import numpy
from PIL import Image

SIDE, GRID = 224, 3
MEAN = numpy.array([0.48145466, 0.4578275, 0.40821073], numpy.float32)[:, None, None]
STD = numpy.array([0.26862954, 0.26130258, 0.27577711], numpy.float32)[:, None, None]


def views(picture):
    scale = SIDE / min(picture.size)
    whole = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
    left, top = (whole.width - SIDE) // 2, (whole.height - SIDE) // 2
    yield whole.crop((left, top, left + SIDE, top + SIDE))
    across, down = ([round(side * i / GRID) for i in range(GRID + 1)] for side in picture.size)
    for row in range(GRID):
        for column in range(GRID):
            box = across[column], down[row], across[column + 1], down[row + 1]
            yield picture.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


for path in sys.argv[1:]:
    with Image.open(path) as file:
        image = file.convert("RGB")
    batch = numpy.stack([(numpy.asarray(view, numpy.float32).transpose(2, 0, 1) / 255 - MEAN) / STD for view in views(image)])
    assert batch.shape == (1 + GRID * GRID, 3, SIDE, SIDE)
