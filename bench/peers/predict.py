"""One picture through a run folder's model.onnx with onnxruntime: predict.py RUN PICTURE"""
import json
import os
import sys

import numpy
import onnxruntime
from PIL import Image, ImageOps

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
session = onnxruntime.InferenceSession(f"{sys.argv[1]}/model.onnx", options, providers=["CPUExecutionProvider"])
side = session.get_inputs()[0].shape[2]
with Image.open(sys.argv[2]) as file:
    image = ImageOps.exif_transpose(file).convert("RGB")
scale = side / min(image.size)
image = image.resize([round(length * scale) for length in image.size], Image.Resampling.BILINEAR)
left, top = (image.width - side) // 2, (image.height - side) // 2
pixels = numpy.asarray(image.crop((left, top, left + side, top + side)), numpy.float32).transpose(2, 0, 1)[None] / 255
scores = session.run(None, {session.get_inputs()[0].name: pixels})[0][0]
print(json.dumps({"image": sys.argv[2], "scores": scores.tolist()}))
