"""ONNX graphs: traced from torch, and reduced to float16 or int8 under the names that transformers.js uses."""
import tempfile
import warnings
from pathlib import Path

import numpy
import onnx
import torch

from . import ExportError

OPSET = 17
ONE_FILE = 1900 << 20  # bytes of weights: protobuf ends at 2 GiB
SMALL = 4096           # bytes of a tensor that is not worth a cast
SUFFIX = {"float32": "", "float16": "_fp16", "int8": "_quantized"}


def variant(path, precision):
    return path.with_name(path.stem + SUFFIX[precision] + path.suffix)


def weight_bytes(model):
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def set_metadata(model, facts):
    for key, value in facts.items():
        for entry in [entry for entry in model.metadata_props if entry.key == key]:
            model.metadata_props.remove(entry)
        model.metadata_props.add(key=key, value=str(value))


def save(model, path, limit=ONE_FILE):
    """Writes the graph; weights that do not fit into it go to NAME.onnx_data beside it."""
    data = path.with_name(path.name + "_data")
    data.unlink(missing_ok=True)  # onnx appends to what is there
    large = weight_bytes(model) > limit
    onnx.save_model(model, str(path), save_as_external_data=large, all_tensors_to_one_file=True, location=data.name,
                    size_threshold=1024)


def export(module, example, path, input_name, output_names, metadata):
    """Traces `module`; the batch is free in the graph, every other dimension fixed."""
    axes = {name: {0: "batch"} for name in [input_name, *output_names]}
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks about shapes; what was written is checked afterwards
        traced = Path(scratch) / "graph.onnx"
        torch.onnx.export(module, (example,), str(traced), opset_version=OPSET, dynamo=False, input_names=[input_name],
                          output_names=output_names, dynamic_axes=axes)
        model = onnx.load(str(traced))
    set_metadata(model, metadata)
    save(model, path)


def to_float16(path):
    """float16 weights, cast to float32 where they are used: half the file, and on a CPU the speed of float32, as ONNX
    Runtime folds the casts while loading. Arithmetic stays float32: ONNX Runtime has no float16 arithmetic for x86
    processors and casts around every operator there, and release 1.32 ends with a segmentation fault on such graphs
    of transformers (its FuseFp16InitializerToFp32NodeTransformer and MatmulTransposeFusion together)."""
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.raw_data) < SMALL:
            continue
        values, name = onnx.numpy_helper.to_array(tensor), tensor.name
        if numpy.abs(values).max() > numpy.finfo(numpy.float16).max:
            continue
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(numpy.float16), f"{name}_float16"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], f"{name}_cast", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    set_metadata(model, {"precision": "float16"})
    save(model, variant(path, "float16"))


class Calibration:
    """Batches of pixels for the quantiser, one picture each."""

    def __init__(self, name, pixels):
        self.feeds = iter([{name: row[None]} for row in pixels])

    def get_next(self):
        return next(self.feeds, None)


def convolution_share(model):
    """Of the bytes of weights, 0 to 1."""
    kernels = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    return sum(len(t.raw_data) for t in model.graph.initializer if t.name in kernels) / max(weight_bytes(model), 1)


def to_int8(path, pixels=None):
    """int8 weights, one scale a channel. Activations: scales found while running (dynamic), or from `pixels`
    [N, 3, H, W] (static). Only static reduces convolutions: ONNX Runtime's ConvInteger has one scale for all channels,
    which left EfficientNet-Lite0 a smallest cosine of 0.20 at a quarter of the speed of float32."""
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic, quantize_static

    source = onnx.load(str(path))
    large = weight_bytes(source) > ONE_FILE
    metadata = {entry.key: entry.value for entry in source.metadata_props}
    if pixels is None and convolution_share(source) > 0.5:
        raise ExportError(f"{path.name}: most of its weights are convolutions, which int8 reduces well only with scales "
                          "of your pictures: --quantise static --photos ...")
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        ready, out = Path(scratch) / "ready.onnx", Path(scratch) / "int8.onnx"
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True, save_as_external_data=large)
        # Only products with weights: attention itself stays float. Seven bits of weight, since eight bits times eight
        # overflow in processors without VNNI.
        shared = {"extra_options": {"MatMulConstBOnly": True}, "use_external_data_format": large, "reduce_range": True}
        if pixels is None:
            quantize_dynamic(str(ready), str(out), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True,
                             weight_type=QuantType.QInt8, **shared)
        else:
            quantize_static(str(ready), str(out), Calibration(source.graph.input[0].name, pixels),
                            op_types_to_quantize=["Conv", "MatMul", "Gemm"], per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **shared)
        model = onnx.load(str(out))
    how = "dynamic" if pixels is None else f"static, calibrated on {len(pixels)} pictures"
    set_metadata(model, {**metadata, "precision": f"int8 {how}"})
    save(model, variant(path, "int8"))
