"""Labels from a cache of cdul-label, by NumPy: relabel.py CACHE ENCODER OUTPUT"""
import json
import sys
from pathlib import Path

import numpy
from safetensors import safe_open

import views

cache, encoder, output = sys.argv[1:]
names, classes, temperature = views.read_classes(encoder)
images, labels = [], []
for shard in sorted(Path(cache).glob("*.safetensors")):
    with safe_open(shard, "numpy") as file:
        images += json.loads(file.metadata()["images"])
        vectors = numpy.concatenate([file.get_tensor("global")[:, None], file.get_tensor("crops")], 1)
    labels.append(views.labels_of(vectors.astype(numpy.float32), classes, temperature))
views.write_labels(output, numpy.concatenate(labels), images, names)
