"""A label file as Python's safetensors writes it: golden/labels/python.safetensors."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

OUT = Path(__file__).parent / "labels"


def main():
    OUT.mkdir(exist_ok=True)
    labels = np.array([[0, 1, 0.1], [0.25, 1e-20, np.float32(1) / 3]], np.float32)
    metadata = {"images": json.dumps(["a/ä \"1\".jpg", "b.jpg"]), "classes": json.dumps(["cat", "salt, pepper", "犬"]),
                "config": json.dumps({"label": {"zeta": 0.1}})}
    save_file({"labels": labels}, OUT / "python.safetensors", metadata)
    save_file({"labels": labels.astype(np.float16)}, OUT / "half.safetensors", metadata)
    save_file({"labels": labels * 1.5}, OUT / "range.safetensors", metadata)
    save_file({"labels": labels[:, :2]}, OUT / "width.safetensors", metadata)
    save_file({"scores": labels}, OUT / "name.safetensors", metadata)
    save_file({"labels": labels}, OUT / "bare.safetensors")


if __name__ == "__main__":
    main()
