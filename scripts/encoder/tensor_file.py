"""Writes safetensors with numpy alone, because Debian 12 has no package of it.

Format (README of safetensors, "Format"): u64 header length, JSON header, raw little-endian data.
"""
import json
import os
import struct

import numpy


def save(path, tensors, metadata):
    """tensors: name -> array, stored as float32; metadata: name -> string."""
    header, data, offset = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        raw = numpy.ascontiguousarray(tensor, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.part"
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.writelines(data)
    os.replace(temporary, path)
