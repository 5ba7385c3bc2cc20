#!/usr/bin/env python3
"""How far two label files are apart: agreement.py A.safetensors B.safetensors"""
import json
import sys

import numpy
from safetensors import safe_open


def read(path):
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["images"]), file.get_tensor("labels").astype(numpy.float64)


(names, first), (others, second) = (read(path) for path in sys.argv[1:])
if names != others or first.shape != second.shape:
    sys.exit("agreement: the files label different images or classes")
difference = abs(first - second)
print(f"{len(names)} images, {first.shape[1]} classes: mean absolute difference {difference.mean():.5f}, largest "
      f"{difference.max():.4f}; same first class {100 * (first.argmax(1) == second.argmax(1)).mean():.1f} %")
