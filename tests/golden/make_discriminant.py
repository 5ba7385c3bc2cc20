"""The Gaussian discriminant of surest views by NumPy and SciPy: tests/golden/discriminant/discriminant.safetensors.

Tensors vectors [N, D] of length 1, cosines [N, C], weights [C, D], biases [C] of cdul_discriminant_fit with at most MOST
views a class. Class 3 is the likeliest of no view. Covariance by numpy.cov, probabilities and entropy by SciPy."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.special import softmax
from scipy.stats import entropy, zscore

N, C, D, MOST = 90, 4, 12, 16
OUT = Path(__file__).parent / "discriminant"


def fit(vectors, cosines):
    p = softmax(zscore(cosines, axis=1), axis=1)
    kept, means = [], []
    for c in range(C):
        rows = np.flatnonzero(p.argmax(axis=1) == c)
        rows = rows[np.argsort(entropy(p[rows], axis=1), kind="stable")[:MOST]]
        if not len(rows):
            rows = [p[:, c].argmax()]
        means.append(np.average(vectors[rows], axis=0, weights=p[rows, c]))
        kept.append(vectors[rows] - means[c])
    kept, means = np.concatenate(kept), np.array(means)
    n = len(kept)
    s = kept.T @ kept / (n - 1)
    a = (n - 1) * s + np.trace(s) * np.eye(D)
    weights = np.ascontiguousarray(np.linalg.solve(a, means.T).T)
    return weights, -0.5 * (means * weights).sum(axis=1)


def main():
    random = np.random.default_rng(3)
    centres = random.normal(size=(C, D))
    classes = random.integers(0, C - 1, N)
    vectors = centres[classes] + 0.8 * random.normal(size=(N, D))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    text = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    cosines = (vectors @ text.T).astype(np.float32)
    cosines[:, 3] = cosines[:, :3].max(axis=1) - 0.05 - 0.1 * random.random(N)
    likeliest = np.bincount(cosines.argmax(axis=1), minlength=C)
    print("views by likeliest class", likeliest)
    assert likeliest[3] == 0 and likeliest.max() > MOST
    weights, biases = fit(vectors.astype(np.float64), cosines.astype(np.float64))
    OUT.mkdir(exist_ok=True)
    save_file({"vectors": vectors, "cosines": cosines.astype(np.float32), "weights": weights.astype(np.float32),
               "biases": biases.astype(np.float32)}, OUT / "discriminant.safetensors")


if __name__ == "__main__":
    main()
