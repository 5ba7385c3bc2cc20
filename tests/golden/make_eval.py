"""Measures of a small random problem by scikit-learn, and by their definitions in NumPy where it has none.

Writes golden/eval/: scores.f32 [N, C], truth.u8 [N, C] (0 absent, 1 present, 2 difficult) and expected.json, one entry
for each treatment of difficult entries. Run with the Python of scripts/requirements.txt."""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss
from sklearn.metrics import precision_score, recall_score

N, C, TOP, BINS, CLAMP = 400, 12, 3, 15, 1e-7
OUT = Path(__file__).parent / "eval"


def problem():
    rng = np.random.default_rng(20231002)
    prior = np.linspace(0.02, 0.6, C)
    present = rng.random((N, C)) < prior
    logits = 1.6 * present - 1.5 + rng.normal(size=(N, C)) * 1.2
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    scores[:, 2] = np.round(scores[:, 2], 1)  # many ties
    scores[:, 3] = np.float32(0.25)           # nothing but one
    scores[:, 4] = np.round(scores[:, 4])     # 0 and 1: the clamp, the last bin
    scores[:20, 5] = np.float32(0.5)          # at the threshold
    scores[20:40, 5] = np.arange(20, dtype=np.float32) / 15 % 1  # at the edges of bins
    scores[40:60] *= np.arange(C) % 6 == 5  # fewer than TOP above 0
    truth = present.astype(np.uint8)
    truth[rng.random((N, C)) < 0.05] = 2
    truth[:, 6] = np.where(truth[:, 6] == 2, 2, 0)  # no positive
    truth[:, 7] = np.where(truth[:, 7] == 2, 2, 1)  # no negative
    return scores, truth


def steps(score, positive):
    """Entries and positives ranked at each distinct score, falling."""
    order = np.argsort(-score, kind="stable")
    s, hits = score[order], np.cumsum(positive[order])
    last = np.append(np.nonzero(np.diff(s))[0], len(s) - 1)
    return last + 1, hits[last]


def ap_voc2010(score, positive):
    """VOCdevkit 2010, VOCevalcls.m: precision made monotonous, area under it."""
    ranked, hits = steps(score, positive)
    recall = np.concatenate([[0], hits / positive.sum(), [1]])
    precision = np.concatenate([[0], hits / ranked, [0]])
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    moves = np.nonzero(recall[1:] != recall[:-1])[0] + 1
    return float(np.sum((recall[moves] - recall[moves - 1]) * precision[moves]))


def ap_11point(score, positive):
    """VOCdevkit 2007: mean of the best precision at recall >= 0, 0.1, ... 1; compared in whole numbers."""
    ranked, hits = steps(score, positive)
    total = int(positive.sum())
    return float(sum(max(h / r for r, h in zip(ranked, hits) if 10 * h >= k * total) for k in range(11)) / 11)


def top_k(scores):
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    picked = np.zeros(scores.shape, bool)
    np.put_along_axis(picked, order, True, axis=1)
    return picked & (scores > 0)


def f1(picked, positive, kept):
    classes = [c for c in range(C) if positive[kept[:, c], c].any()]
    cp = np.mean([precision_score(positive[kept[:, c], c], picked[kept[:, c], c], zero_division=0) for c in classes])
    cr = np.mean([recall_score(positive[kept[:, c], c], picked[kept[:, c], c], zero_division=0) for c in classes])
    return {"cp": cp, "cr": cr, "cf1": 2 * cp * cr / (cp + cr),
            "op": precision_score(positive[kept], picked[kept]), "or": recall_score(positive[kept], picked[kept]),
            "of1": f1_score(positive[kept], picked[kept], average="binary")}


def ece(p, y):
    which = np.minimum((p * BINS).astype(int), BINS - 1)
    return float(sum(abs(p[which == b].mean() - y[which == b].mean()) * (which == b).mean()
                     for b in range(BINS) if (which == b).any()))


def measures(scores, truth, difficult):
    p = scores.astype(np.float64)
    kept = truth != 2 if difficult == "ignore" else np.ones(truth.shape, bool)
    positive = truth == 1 if difficult != "positive" else truth >= 1
    per_class = []
    for c in range(C):
        y, s = positive[kept[:, c], c], p[kept[:, c], c]
        has = bool(y.any())
        per_class.append({
            "positives": int(y.sum()), "entries": len(y),
            "area": float(average_precision_score(y, s)) if has else None,
            "voc2010": ap_voc2010(s, y) if has else None, "11point": ap_11point(s, y) if has else None})
    y, s = positive[kept], p[kept]
    out = {"per_class": per_class,
           "bce": float(log_loss(y, np.clip(s, CLAMP, 1 - CLAMP))), "brier": float(brier_score_loss(y, s)),
           "ece": ece(s, y), "mass": float(p.sum(1).mean()), "truth_mass": float(positive.sum() / N),
           "at_threshold": f1(p >= 0.5, positive, kept), "at_top": f1(top_k(scores), positive, kept)}
    for ap in ("area", "voc2010", "11point"):
        out[ap] = float(np.mean([m[ap] for m in per_class if m[ap] is not None]))
    return out


def main():
    OUT.mkdir(exist_ok=True)
    scores, truth = problem()
    (OUT / "scores.f32").write_bytes(scores.astype("<f4").tobytes())
    (OUT / "truth.u8").write_bytes(truth.tobytes())
    expected = {"images": N, "classes": C,
                **{d: measures(scores, truth, d) for d in ("ignore", "positive", "negative")}}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
