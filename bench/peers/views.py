"""The views of a picture as CLIP's preprocessing makes them, in Pillow and torchvision, and labels from their vectors."""
import json
import math

import numpy
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def edges(side, parts):
    return [math.floor(side * i / max(parts, 1) + 0.5) for i in range(parts + 1)]


class Views(Dataset):
    """[1 + grid * grid, 3, side, side] of each picture: the whole as CLIP's centre crop, the tiles squashed."""

    def __init__(self, paths, side, grid):
        self.paths, self.side, self.grid = paths, side, grid
        self.whole = transforms.Compose([transforms.Resize(side, InterpolationMode.BICUBIC), transforms.CenterCrop(side)])
        self.finish = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.paths)

    def open(self, path):
        with Image.open(path) as file:
            return file.convert("RGB")

    def __getitem__(self, i):
        picture = self.open(self.paths[i])
        across, down = (edges(side, self.grid) for side in picture.size)
        found = [self.finish(self.whole(picture))]
        for row in range(self.grid):
            for column in range(self.grid):
                box = across[column], down[row], across[column + 1], down[row + 1]
                found.append(self.finish(picture.crop(box).resize((self.side, self.side), Image.Resampling.BICUBIC)))
        return torch.stack(found)


class DraftViews(Views):
    """libjpeg decodes 1/2, 1/4 or 1/8 of the pixels, no fewer than the tiles need: faster, and not the same pixels."""

    def open(self, path):
        with Image.open(path) as file:
            file.draft("RGB", (self.side * self.grid, self.side * self.grid))
            return file.convert("RGB")


def batches(views, size, workers):
    """[pictures * views, 3, side, side] a time."""
    for batch in DataLoader(views, size, num_workers=workers, prefetch_factor=2 if workers else None):
        yield batch.flatten(0, 1)


def read_list(path):
    with open(path) as file:
        return file.read().split("\n")[:-1]


def read_classes(encoder):
    """(names, vectors [C, D], temperature)"""
    with safe_open(f"{encoder}/text.safetensors", "numpy") as file:
        names, vectors = json.loads(file.metadata()["classes"]), file.get_tensor("text_embeds")
    with open(f"{encoder}/cdul.json") as file:
        return names, vectors, math.exp(-json.load(file)["logit_scale"])


def labels_of(vectors, classes, temperature):
    """CDUL's labels [N, C] from vectors [N, 1 + S, D] of whole pictures and crops."""
    vectors = vectors / numpy.linalg.norm(vectors, axis=-1, keepdims=True)
    logits = vectors @ classes.T / numpy.float32(temperature)
    scores = numpy.exp(logits - logits.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    crops = scores[:, 1:].max(1) if scores.shape[1] > 1 else scores[:, 0]
    return (scores[:, 0] + crops) / 2


def write_labels(path, labels, images, classes):
    save_file({"labels": numpy.ascontiguousarray(labels, numpy.float32)}, path,
              {"images": json.dumps(images), "classes": json.dumps(classes)})
