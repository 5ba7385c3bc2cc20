"""What provider.sh asks of files, with Python's readers instead of cdul's.

    axes D FILE           D class vectors, the unit vectors of D dimensions
    cosines A B           rows of saved cosines of two runs, taken as vectors, point the same way
    near | tables A B     saved cosines, or tables of scores, differ by no more than 1e-4
"""
import csv
import json
import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import save_file


def axes(width, path):
    classes = json.dumps([f"axis {i}" for i in range(int(width))])
    save_file({"text_embeds": numpy.eye(int(width), dtype=numpy.float32)}, path, {"classes": classes})


def read(path):
    with safe_open(path, "numpy") as file:
        tensors = [file.get_tensor(name).astype(numpy.float64) for name in ("cosine_global", "cosine_crops")]
        images = json.loads(file.metadata()["images"])
    rows = numpy.concatenate([tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors])
    assert len(rows) % len(images) == 0 and numpy.isfinite(rows).all()
    return images, rows


def cosines(one, other):
    (images, a), (others, b) = read(one), read(other)
    assert images == others and a.shape == b.shape
    norms = numpy.linalg.norm(a, axis=1), numpy.linalg.norm(b, axis=1)
    assert abs(norms[0] - 1).max() < 1e-5 and abs(norms[1] - 1).max() < 1e-5, "these are not unit vectors"
    assert numpy.linalg.norm(a - a.mean(0), axis=1).min() > 1e-3, "vectors do not depend on the picture"
    cosine = (a * b).sum(1) / norms[0] / norms[1]
    print(f"{len(a)} vectors of {a.shape[1]}: smallest cosine {cosine.min():.9f}, mean {cosine.mean():.9f}")
    assert cosine.min() >= 0.9999


def near(one, other):
    (images, a), (others, b) = read(one), read(other)
    assert images == others and abs(a - b).max() <= 1e-4, abs(a - b).max()


def tables(one, other):
    both = []
    for path in one, other:
        with open(path, newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        both.append((header, [line[0] for line in lines], numpy.array([line[1:] for line in lines], float)))
    assert both[0][:2] == both[1][:2] and len(both[0][1]) > 1
    assert abs(both[0][2] - both[1][2]).max() <= 1e-4, abs(both[0][2] - both[1][2]).max()


if __name__ == "__main__":
    {"axes": axes, "cosines": cosines, "near": near, "tables": tables}[sys.argv[1]](*sys.argv[2:])
