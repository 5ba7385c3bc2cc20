#!/usr/bin/env python3
"""Writes tests/golden/half/half.json: a hash of what numpy makes of every STEP-th float32 bit pattern as float16.
Needs numpy."""
import json
import pathlib

import numpy as np

STEP = 32749  # prime: reaches every exponent with many mantissas


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


bits = np.arange(0, 2**32, STEP, dtype=np.uint64).astype(np.uint32)
values = bits.view(np.float32)
values = values[~np.isnan(values)]
with np.errstate(over="ignore", under="ignore"):
    halves = values.astype(np.float16)
path = pathlib.Path(__file__).parent / "half" / "half.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps({"step": STEP, "count": len(halves), "fnv1a": f"{fnv1a(halves.tobytes()):016x}"}) + "\n")
