#!/usr/bin/env python3
"""Makes tests/golden/preprocess: network inputs as torchvision, open_clip and transformers compute them.

    python3 tests/golden/make_preprocess.py OPEN_CLIP     (torchvision 0.14, Pillow 9.4: Debian's python3-torchvision)

OPEN_CLIP is a folder with the package open_clip (pip install --no-deps --target OPEN_CLIP open_clip_torch), of which
transform.py alone is used. preprocess.txt holds a line a case:
    source  width height  shortest mode filter  fill crop_floor  result
with the modes and filters as numbers of include/cdul/image.h. Results are float32 [3, height, width].
"""
import importlib
import sys
import types
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

OUT = Path(__file__).parent / "preprocess"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SHORTEST, SQUASH, LONGEST = 0, 1, 2
MODES = {2: T.InterpolationMode.BILINEAR, 3: T.InterpolationMode.BICUBIC}
NAMES = {2: "bilinear", 3: "bicubic"}


def photo(width, height, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [np.sin(x / (4 + c) + seed) * np.cos(y / (6 - c)) * 90 + 128 + rng.normal(0, 12, x.shape) for c in range(3)]
    return Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))


def open_clip(folder):
    package = types.ModuleType("open_clip")  # its __init__ wants more packages than transform.py does
    package.__path__ = [str(Path(folder) / "open_clip")]
    sys.modules["open_clip"] = package
    return importlib.import_module("open_clip.transform")


def torchvision_pipeline(size, shortest, number):
    return T.Compose([T.Resize(shortest, MODES[number]), T.CenterCrop(size), T.ToTensor(), T.Normalize(MEAN, STD)])


def transformers_pipeline(size, shortest, number):
    """CLIPImageProcessor: the margin of the centre crop is (side - crop) // 2."""
    def crop(image):
        return F.crop(image, (image.height - size[0]) // 2, (image.width - size[1]) // 2, *size)
    return T.Compose([T.Resize(shortest, MODES[number]), crop, T.ToTensor(), T.Normalize(MEAN, STD)])


def main():
    transform = open_clip(sys.argv[1])
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    sources = {"wide": photo(53, 34, 1), "tall": photo(31, 45, 2), "tiny": photo(7, 5, 3)}
    lines = []
    for name, image in sources.items():
        image.save(OUT / f"{name}.ppm")

        def case(size, shortest, mode, number, pipeline, fill=0, floor=0):
            file = f"{name}-{len(lines)}.f32"
            planes = pipeline(image).numpy()
            assert planes.shape == (3, *size)
            (OUT / file).write_bytes(planes.astype("<f4").tobytes())
            lines.append(f"{name}.ppm {size[1]} {size[0]} {shortest} {mode} {number} {fill} {floor} {file}\n")

        for number in (2, 3):
            case((16, 16), 16, SHORTEST, number, torchvision_pipeline((16, 16), 16, number))
        case((16, 16), 19, SHORTEST, 3, torchvision_pipeline((16, 16), 19, 3))
        case((16, 16), 19, SHORTEST, 3, transformers_pipeline((16, 16), 19, 3), floor=1)
        case((15, 20), 11, SHORTEST, 3, torchvision_pipeline((15, 20), 11, 3))
        case((17, 13), 0, SHORTEST, 3, transform.image_transform((17, 13), False, MEAN, STD, resize_mode="shortest"))
        case((17, 17), 0, SHORTEST, 3, transform.image_transform(17, False, MEAN, STD, resize_mode="shortest"))
        # No size here where Pillow 13 takes the height first and 9 does not: see cdul_image_resize.
        case((20, 18), 0, SQUASH, 2, transform.image_transform((20, 18), False, MEAN, STD, resize_mode="squash",
                                                               interpolation=NAMES[2]))
        case((16, 16), 0, LONGEST, 3, transform.image_transform(16, False, MEAN, STD, resize_mode="longest"))
        case((13, 20), 0, LONGEST, 3, transform.image_transform((13, 20), False, MEAN, STD, resize_mode="longest",
                                                                fill_color=77), fill=77)
    (OUT / "preprocess.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
