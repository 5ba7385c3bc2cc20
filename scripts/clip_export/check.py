"""What was written, beside what it was made of."""
import time

import numpy
import onnxruntime

BOUND = {"float32": 0.9999, "float16": 0.999, "int8": 0.95}  # smallest cosine that is passed
BATCH = 8


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # not each cast that float16 needs on a CPU
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_graph(path, rows):
    """Outputs by name for rows [N, ...], and rows a second. Batches of different size are run on purpose."""
    graph = session(path)
    name = graph.get_inputs()[0].name
    names = [output.name for output in graph.get_outputs()]
    graph.run(None, {name: rows[:1]})  # what the first run alone costs
    parts, start = [], time.perf_counter()
    for first in range(0, len(rows), BATCH):
        parts.append(graph.run(None, {name: rows[first:first + BATCH]}))
    speed = len(rows) / (time.perf_counter() - start)
    return {key: numpy.concatenate(values) for key, values in zip(names, zip(*parts))}, speed


def run_source(function, rows):
    """Rows of the source model, and rows a second."""
    function(rows[:1])
    parts, start = [], time.perf_counter()
    for first in range(0, len(rows), BATCH):
        parts.append(function(rows[first:first + BATCH]).numpy())
    return numpy.concatenate(parts), len(rows) / (time.perf_counter() - start)


def cosines(ours, theirs):
    """Of corresponding rows, flattened to [N]."""
    ours, theirs = (rows.astype(numpy.float64).reshape(-1, rows.shape[-1]) for rows in (ours, theirs))
    return (ours * theirs).sum(1) / (numpy.linalg.norm(ours, axis=1) * numpy.linalg.norm(theirs, axis=1))


class Table:
    # apart: mean cosine of the source's rows with one another. Where it is near 1, as random weights have it, the
    # other cosines say little.
    HEAD = ["tower", "precision", "file", "MB", "rows", "min cos", "mean cos", "bound", "apart", "rows/s", "source"]

    def __init__(self):
        self.rows, self.good = [self.HEAD], True

    def add(self, tower, precision, path, ours, theirs, speed, source_speed):
        found = cosines(ours, theirs)
        self.good &= bool(found.min() >= BOUND[precision])  # also false for what is no number
        apart = cosines(theirs, numpy.roll(theirs.reshape(-1, theirs.shape[-1]), 1, axis=0)).mean()
        data = path.with_name(path.name + "_data")
        size = path.stat().st_size + (data.stat().st_size if data.exists() else 0)
        self.rows.append([tower, precision, path.name, f"{size / 1e6:.1f}", str(len(found)), f"{found.min():.6f}",
                          f"{found.mean():.6f}", f"{BOUND[precision]:g}", f"{apart:.4f}",
                          f"{speed:.1f}", f"{source_speed:.1f}"])

    def print(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.HEAD))]
        for row in self.rows:
            print("  ".join(text.ljust(width) if i < 3 else text.rjust(width)
                            for i, (text, width) in enumerate(zip(row, widths))))
