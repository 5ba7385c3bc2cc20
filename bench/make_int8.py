"""model.onnx of cdul-train in int8, beside it, as model_quantized.onnx: make_int8.py MODEL SIZE PHOTOGRAPH..."""
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "scripts"), str(ROOT / "bench" / "peers")]
from clip_export import graph  # noqa: E402
from predict import Pictures  # noqa: E402

model, size, *photos = sys.argv[1:]
pictures = Pictures(photos, int(size), [0] * 3, [1] * 3)
graph.to_int8(Path(model), numpy.stack([pictures[i] for i in range(len(pictures))]))
