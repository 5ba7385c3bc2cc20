"""The label update by PyTorch, and what cdul-train logs of it: update.py IMAGES CLASSES prints {"seconds": ...}."""
import json
import math
import os
import sys
import time

import torch
from torch.nn.functional import softplus

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
n, c = map(int, sys.argv[1:])
sigma, eta = 1.0, 5.0
torch.manual_seed(1)
logits, initial = torch.rand(n, c) * 8 - 6, torch.rand(n, c)
latent = torch.logit(initial.clamp(1e-4, 1 - 1e-4))

start = time.perf_counter()
with torch.inference_mode():
    y, p = latent.sigmoid(), logits.sigmoid()
    psi = torch.exp(-((y - 0.5) / sigma) ** 2 / 2) / (sigma * math.sqrt(2 * math.pi))
    loss = (p * softplus(-latent) + (1 - p) * softplus(latent)).mean()
    latent -= eta * psi * (y - p)
    labels = latent.sigmoid()
    moved, reached = (labels - y).abs().mean(), (psi >= psi.max() / 2).float().mean()
    drift, mass = (labels - initial).abs().mean(), labels.sum(1).mean()
    entropy = -(torch.xlogy(labels, labels) + torch.xlogy(1 - labels, 1 - labels)).mean()
    facts = [value.item() for value in (loss, moved, reached, drift, mass, entropy)]
print(json.dumps({"seconds": time.perf_counter() - start, "moved": facts[1], "mass": facts[4]}))
