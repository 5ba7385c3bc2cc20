"""Platt scaling with soft targets by scikit-learn: tests/golden/reference/reference.safetensors.

Tensors labels [N, C], cosines [N, C] of one view, calibrated [N, C]: the labels scaled to agree with softmax(cosines / T).
A soft target t is a positive of weight t and a negative of weight 1 - t."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

N, C, T = 60, 5, 0.01
OUT = Path(__file__).parent / "reference"


def main():
    random = np.random.default_rng(11)
    cosines = (0.25 + 0.02 * random.normal(size=(N, C))).astype(np.float32)
    z = (cosines - cosines.mean(1, keepdims=True)) / cosines.std(1, keepdims=True) + 0.5 * random.normal(size=(N, C))
    labels = expit(z).astype(np.float32)
    x, t = logit(labels.astype(np.float64)).reshape(-1, 1), softmax(cosines.astype(np.float64) / T, axis=1).ravel()
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000)
    model.fit(np.concatenate([x, x]), np.repeat([1, 0], len(t)), sample_weight=np.concatenate([t, 1 - t]))
    print("scale", model.coef_, "offset", model.intercept_)
    calibrated = expit(model.coef_[0] * x + model.intercept_).reshape(N, C)
    OUT.mkdir(exist_ok=True)
    save_file({"labels": labels, "cosines": cosines, "calibrated": calibrated.astype(np.float32)},
              OUT / "reference.safetensors")


if __name__ == "__main__":
    main()
