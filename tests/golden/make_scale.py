#!/usr/bin/env python3
"""Writes tests/golden/scale/: graphs of both towers as optimum exports them, of tiny transformers models whose logit_scale and
logit_bias are not those that training begins or ends with, and graphs of one tower that carry them as metadata.

    clip/, siglip/           model.onnx: transformers' own logits_per_image
    dot/                     model.onnx whose logits are no multiple of cosines: there is nothing to solve
    metadata/, broken/       vision_model.onnx with metadata that is a number, and that is not
    expected.json            folder -> [logit_scale, logit_bias or null], the models' parameters

Needs: scripts/setup.sh export.
"""
import json
import shutil
import warnings
from pathlib import Path

import onnx
import torch
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

OUT = Path(__file__).resolve().parent / "scale"
SIDE, LENGTH = 16, 8
TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
EYES = {**TOWER, "image_size": SIDE, "patch_size": 8}
WORDS = {**TOWER, "vocab_size": 20, "max_position_embeddings": LENGTH, "bos_token_id": 18, "eos_token_id": 19, "pad_token_id": 0}
SIZE = {"height": SIDE, "width": SIDE}


class Both(torch.nn.Module):
    def __init__(self, model, normalised):
        super().__init__()
        self.model, self.normalised = model, normalised

    def forward(self, input_ids, pixel_values):
        found = self.model(input_ids=input_ids, pixel_values=pixel_values)
        if self.normalised:
            return found.logits_per_image, found.text_embeds, found.image_embeds
        image, text = 2 * found.image_embeds + 1, found.text_embeds + input_ids.float().mean()
        return image @ text.T, text, image


def write(name, model, config, normalised=True):
    folder = OUT / name
    folder.mkdir()
    names = ["logits_per_image", "text_embeds", "image_embeds"]
    axes = {"input_ids": {0: "text_batch"}, "pixel_values": {0: "image_batch"},
            "logits_per_image": {0: "image_batch", 1: "text_batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Both(model.eval(), normalised), (torch.ones(2, LENGTH, dtype=torch.long), torch.randn(2, 3, SIDE, SIDE)),
                          str(folder / "model.onnx"), dynamo=False, opset_version=17, input_names=["input_ids", "pixel_values"],
                          output_names=names, dynamic_axes=axes)
    settings(folder, config)


def settings(folder, config):
    (folder / "config.json").write_text(json.dumps({"model_type": config.model_type}) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "SiglipImageProcessor", "size": SIZE, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}) + "\n")


def write_metadata(name, config, facts):
    folder = OUT / name
    folder.mkdir()
    node = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [node("AveragePool", ["pixels"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]), node("Flatten", ["cells"], ["image_embeds"])],
        "g", [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["b", 3, SIDE, SIDE])],
        [onnx.helper.make_tensor_value_info("image_embeds", onnx.TensorProto.FLOAT, ["b", 12])])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, str(folder / "vision_model.onnx"))
    settings(folder, config)


def main():
    torch.manual_seed(7)
    torch.set_grad_enabled(False)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    clip = CLIPModel(CLIPConfig(text_config=WORDS, vision_config=EYES, projection_dim=12))
    clip.logit_scale.fill_(4.3017)
    siglip = SiglipModel(SiglipConfig(text_config={**WORDS, "projection_size": 16}, vision_config=EYES))
    siglip.logit_scale.fill_(4.7654)
    siglip.logit_bias.fill_(-12.9321)
    write("clip", clip, clip.config)
    write("siglip", siglip, siglip.config)
    write("dot", clip, siglip.config, normalised=False)
    write_metadata("metadata", siglip.config, {"logit_scale": "4.5", "logit_bias": "-9.25"})
    write_metadata("broken", siglip.config, {"logit_scale": "large"})
    expected = {"clip": [clip.logit_scale.item(), None], "siglip": [siglip.logit_scale.item(), siglip.logit_bias.item()],
                "dot": [None, None], "metadata": [4.5, -9.25]}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


main()
