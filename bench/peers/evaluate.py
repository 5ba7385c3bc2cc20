"""cdul-eval's figures by scikit-learn and NumPy, from the same files: evaluate.py TRUTH.csv LABELS.safetensors"""
import csv
import json
import sys

import numpy
from safetensors import safe_open
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss

with open(sys.argv[1], newline="") as file:
    header, *rows = csv.reader(file)
truth = {row[0]: row[1:] for row in rows}
with safe_open(sys.argv[2], "numpy") as file:
    images, labels = json.loads(file.metadata()["images"]), file.get_tensor("labels").astype(numpy.float64)
present = numpy.array([truth[name] for name in images], numpy.int8) > 0

positive = labels >= 0.5
best = numpy.zeros_like(positive)
numpy.put_along_axis(best, numpy.argsort(-labels, axis=1)[:, :3], True, axis=1)
bins = numpy.minimum((labels * 15).astype(int), 14).ravel()
counts = numpy.bincount(bins, minlength=15)
gaps = abs(numpy.bincount(bins, labels.ravel(), 15) - numpy.bincount(bins, present.ravel(), 15))
print(json.dumps({
    "map": numpy.mean([average_precision_score(present[:, c], labels[:, c]) for c in range(labels.shape[1])]),
    "f1": [f1_score(present, chosen, average=average, zero_division=0)
           for chosen in (positive, best) for average in ("macro", "micro")],
    "bce": log_loss(present.ravel(), labels.ravel()),
    "brier": brier_score_loss(present.ravel(), labels.ravel()),
    "ece": gaps.sum() / counts.sum(),
    "mass": labels.sum(1).mean(),
}))
