"""A network in one of Python's engines, as a function from pixels [B, 3, H, W] (of torch or NumPy) to an array of rows.
Each engine is imported where it is used: start-up is measured too."""
import os

import numpy

THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))


def of_torch(module, how):
    """how: eager, bfloat16 (autocast), compile"""
    import torch

    torch.set_num_threads(THREADS)
    module = module.eval().to(memory_format=torch.channels_last)
    if how == "compile":
        module = torch.compile(module)

    def run(pixels):
        pixels = torch.as_tensor(pixels).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=how == "bfloat16"):
            return module(pixels).float().numpy()

    return run


def of_onnxruntime(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    # Threads that spin while they wait take the workers' time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: numpy.asarray(pixels)})[0]


def of_openvino(path, precision):
    """precision: f32, bf16"""
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS,
        "PERFORMANCE_HINT": "LATENCY"})  # all threads on one batch
    return lambda pixels: model(numpy.asarray(pixels))[0]


def of_graph(engine, path):
    """engine: onnxruntime, openvino, openvino-bfloat16"""
    if engine == "onnxruntime":
        return of_onnxruntime(path)
    return of_openvino(path, "bf16" if engine == "openvino-bfloat16" else "f32")
