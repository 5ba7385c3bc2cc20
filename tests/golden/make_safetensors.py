#!/usr/bin/env python3
"""Writes tests/golden/safetensors/: one file serialised by the reference implementation with what its tensors hold
as JSON, and files whose headers lie. Needs numpy and safetensors.

Every lying file is checked to be refused by the reference implementation as well, but for those listed in OURS_ONLY.
"""
import json
import pathlib
import struct

import numpy as np
import safetensors

FOLDER = pathlib.Path(__file__).parent / "safetensors"
# Valid for the reference implementation: it keeps one of the two, or knows the type.
OURS_ONLY = {"duplicate_metadata", "unsupported_dtype", "rank_9"}


def bfloat16(values):
    """Round to nearest even, as bits: numpy has no such type."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def valid():
    special = [0.0, -0.0, 1.0, -2.5, 1 / 3, 65504.0, 2.0**-14, 2.0**-24, np.inf, -np.inf]
    f32 = np.array([[0.1, -1.5, 3e38], [1e-45, np.inf, -np.inf]], np.float32)
    f16 = np.array(special, np.float16)
    f64 = np.array([0.1, 1e300, -1e-300, 1 / 3], np.float64)
    bf16 = bfloat16(special)
    floats = {
        "a.f64": (f64, "float64", f64),
        "b.f32": (f32, "float32", f32),
        "scalar": (np.array(7.25, np.float32), "float32", np.float32(7.25)),
        "empty": (np.zeros((0, 4), np.float32), "float32", np.zeros((0, 4))),
        "c.f16": (f16, "float16", f16),
        "d.bf16": (bf16, "bfloat16", (bf16.astype(np.uint32) << 16).view(np.float32)),
    }
    arrays = {name: (array, dtype) for name, (array, dtype, _) in floats.items()} | {
        "e.i64": (np.array([-1, 2**40], np.int64), "int64"),
        "f.u8": (np.arange(3, dtype=np.uint8), "uint8"),
        "g.bool \u00fc\"\n": (np.array([True, False]), "bool"),
    }
    specs = {
        name: safetensors.TensorSpec(dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
        for name, (array, dtype) in arrays.items()
    }
    metadata = {"images": json.dumps(["a b.jpg", "caf\u00e9.png", 'x"y\\z', "line\nbreak", "\x01\x7f\u2028"], ensure_ascii=False)}
    (FOLDER / "valid.safetensors").write_bytes(safetensors.serialize(specs, metadata))
    # As float32 bits: infinities have no JSON.
    with np.errstate(over="ignore", under="ignore"):
        bits = {name: np.asarray(want, np.float32).reshape(-1).view(np.uint32).tolist() for name, (_, _, want) in floats.items()}
    (FOLDER / "valid.json").write_text(json.dumps({"metadata": metadata, "float32_bits": bits}, indent=1, ensure_ascii=False) + "\n")


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def lies():
    one = tensor([2], 0, 8)
    pair = b'{"a":%s,"a":%s}' % (json.dumps(one).encode(), json.dumps(tensor([2], 8, 16)).encode())
    yield "empty_file", b""
    yield "seven_bytes", b"\2\0\0\0\0\0\0"
    yield "header_empty", file_of(b"")
    yield "header_giant", file_of(b"{}", length=2**63)
    yield "header_all_ones", file_of(b"{}", length=2**64 - 1)
    yield "header_over_100_mb", file_of(b"{}", length=100_000_001)
    yield "header_truncated", file_of({"a": one}, length=500)
    yield "header_no_object", file_of([1, 2])
    yield "header_no_json", file_of(b'{"a":')
    yield "header_trailing", file_of(b"{} x")
    yield "header_deep", file_of(b'{"a":' + b"[" * 2000)
    yield "nan_offset", file_of(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,NaN]}}', bytes(8))
    yield "data_truncated", file_of({"a": one}, bytes(7))
    yield "data_left_over", file_of({"a": one}, bytes(9))
    yield "overlap", file_of({"a": one, "b": tensor([2], 4, 12)}, bytes(12))
    yield "same_bytes_twice", file_of({"a": one, "b": one}, bytes(8))
    yield "hole", file_of({"a": one, "b": tensor([1], 12, 16)}, bytes(16))
    yield "hole_at_start", file_of({"a": tensor([1], 4, 8)}, bytes(8))
    yield "offsets_reversed", file_of({"a": tensor([0], 8, 0)}, bytes(8))
    yield "offsets_one", file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}}, bytes(8))
    yield "offsets_three", file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}, bytes(8))
    yield "offsets_missing", file_of({"a": {"dtype": "F32", "shape": [2]}}, bytes(8))
    yield "offset_negative", file_of({"a": tensor([2], -8, 0)}, bytes(8))
    yield "offset_fraction", file_of({"a": tensor([2], 0.5, 8)}, bytes(8))
    yield "offset_beyond_64_bits", file_of({"a": tensor([2], 0, 1e30)}, bytes(8))
    yield "size_differs", file_of({"a": tensor([3], 0, 8)}, bytes(8))
    yield "shape_overflow", file_of({"a": tensor([2**33, 2**33], 0, 8)}, bytes(8))
    yield "shape_overflow_to_zero", file_of({"a": tensor([2**32, 2**32], 0, 0)})
    yield "shape_overflow_by_dtype", file_of({"a": tensor([2**31, 2**31, 1], 0, 0)})
    yield "shape_negative", file_of({"a": tensor([-2], 0, 8)}, bytes(8))
    yield "shape_missing", file_of({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8))
    yield "shape_string", file_of({"a": {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]}}, bytes(8))
    yield "rank_9", file_of({"a": tensor([1] * 9, 0, 4)}, bytes(4))
    yield "dtype_unknown", file_of({"a": tensor([2], 0, 8, "F31")}, bytes(8))
    yield "dtype_missing", file_of({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8))
    yield "unsupported_dtype", file_of({"a": tensor([1], 0, 8, "C64")}, bytes(8))
    yield "tensor_no_object", file_of({"a": 1})
    yield "duplicate_name", file_of(pair, bytes(16))
    yield "duplicate_metadata", file_of(b'{"__metadata__":{"k":"1","k":"2"}}')
    yield "metadata_number", file_of({"__metadata__": {"k": 1}})
    yield "metadata_list", file_of({"__metadata__": ["k"]})


def main():
    lying = FOLDER / "lies"
    lying.mkdir(parents=True, exist_ok=True)
    valid()
    for name, content in lies():
        (lying / f"{name}.safetensors").write_bytes(content)
        try:
            safetensors.deserialize(content)
            refused = False
        except Exception:  # the package raises its own type and plain ones
            refused = True
        if refused == (name in OURS_ONLY):
            print(f"{name}: the reference implementation {'refuses' if refused else 'takes'} it")


if __name__ == "__main__":
    main()
