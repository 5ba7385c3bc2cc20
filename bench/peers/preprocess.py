"""The views of pictures and nothing else: preprocess.py pillow|draft|torchvision LIST

pillow: Pillow and torchvision's transforms, as transformers and open_clip do it. draft: the same, with libjpeg's scaled
decoding. torchvision: its own decoder and its resizing of tensors."""
import sys

import torch

import views


def of_torchvision(path, side, grid):
    from torchvision.io import decode_jpeg, read_file
    from torchvision.transforms.v2 import functional

    def finish(pixels):
        return functional.normalize(functional.to_dtype(pixels, torch.float32, scale=True), views.MEAN, views.STD)

    def resize(pixels, size):
        return functional.resize(pixels, size, functional.InterpolationMode.BICUBIC, antialias=True)

    picture = decode_jpeg(read_file(path))
    height, width = picture.shape[1:]
    across, down = views.edges(width, grid), views.edges(height, grid)
    found = [finish(functional.center_crop(resize(picture, [side]), [side, side]))]
    for row in range(grid):
        for column in range(grid):
            tile = picture[:, down[row]:down[row + 1], across[column]:across[column + 1]]
            found.append(finish(resize(tile, [side, side])))
    return torch.stack(found)


torch.set_num_threads(1)
method, paths = sys.argv[1], views.read_list(sys.argv[2])
if method == "torchvision":
    for path in paths:
        of_torchvision(path, 224, 3)
else:
    kind = views.DraftViews if method == "draft" else views.Views
    for batch in kind(paths, 224, 3):
        assert batch.shape == (10, 3, 224, 224)
