"""The rate of matrix products on this machine, and how long those of a network take at it.

    gemm.py MULTIPLY-ADDS prints {"seconds": ..., "rates": {...}}

The rate is the best of four libraries' at 2048 x 2048 x 2048 in float32: MKL (torch's linear), oneDNN (torch's 1 x 1
convolution), OpenBLAS (NumPy) and MLAS (ONNX Runtime). That of oneDNN in bfloat16 is given beside them."""
import json
import sys
import time

import numpy
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

import networks

SIDE, RUNS = 2048, 12


def rate(product):
    """GFLOP/s, best of RUNS."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    return 2e-9 * SIDE ** 3 / min(times)


def onnx_product(b):
    shape = [SIDE, SIDE]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product",
                              [helper.make_tensor_value_info("a", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)],
                              [onnx.numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = networks.THREADS
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


torch.set_num_threads(networks.THREADS)
a, b = (numpy.random.default_rng(i).normal(size=(SIDE, SIDE)).astype(numpy.float32) for i in range(2))
session, x, w = onnx_product(b), torch.from_numpy(a), torch.from_numpy(b)
pixels = x.reshape(1, 64, SIDE // 64, SIDE).permute(0, 3, 1, 2)  # channels last
kernels = w.t().contiguous()[:, :, None, None]
with torch.inference_mode():
    rates = {
        "MKL": rate(lambda: torch.nn.functional.linear(x, w)),
        "oneDNN": rate(lambda: torch.nn.functional.conv2d(pixels, kernels)),
        "OpenBLAS": rate(lambda: a @ b),
        "MLAS": rate(lambda: session.run(None, {"a": a})),
    }
    best = max(rates.values())
    half = x.bfloat16(), w.bfloat16()
    rates["oneDNN bfloat16"] = rate(lambda: torch.nn.functional.linear(*half))
print(json.dumps({"seconds": 2e-9 * float(sys.argv[1]) / best,
                  "rates": {name: round(value, 1) for name, value in rates.items()}}))
