"""Sigmoid scores by transformers' SigLIP: tests/golden/scores/siglip.safetensors.

A model of one layer with random weights, of the usual size of logit_scale and a bias that suits it. Tensors image_embeds
[N, D], text_embeds [C, D] (of length 1), scores [N, C] = sigmoid(logits_per_image), logit_scale [1], logit_bias [1].
Needs transformers and torch >= 2.4."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import SiglipConfig, SiglipModel

N, C, D = 7, 5, 24
OUT = Path(__file__).parent / "scores"


def main():
    torch.manual_seed(9)
    tower = dict(hidden_size=D, intermediate_size=D, num_hidden_layers=1, num_attention_heads=2)
    text = dict(tower, vocab_size=40, max_position_embeddings=8, bos_token_id=None, eos_token_id=None, pad_token_id=0,
                projection_size=D)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=dict(tower, image_size=32, patch_size=16))).eval()
    with torch.no_grad():
        model.logit_scale.fill_(4.7)
        model.logit_bias.fill_(-12.0)
        seen = model(input_ids=torch.randint(1, 40, (C, 8)), pixel_values=3 * torch.randn(N, 3, 32, 32))
    scores = torch.sigmoid(seen.logits_per_image)
    print("scores from", scores.min().item(), "to", scores.max().item())
    OUT.mkdir(exist_ok=True)
    save_file({"image_embeds": seen.image_embeds.contiguous(), "text_embeds": seen.text_embeds.contiguous(),
               "scores": scores.contiguous(), "logit_scale": model.logit_scale.data, "logit_bias": model.logit_bias.data},
              OUT / "siglip.safetensors")


if __name__ == "__main__":
    main()
