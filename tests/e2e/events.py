"""The curves of runs as TensorBoard's own reader sees them: they must be the numbers of log.jsonl.

    events.py RUN...        Python with scripts/requirements.txt
"""

import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def logged(run):
    """{(tag, epoch): value}: "train_loss" is the curve train/loss."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {
        (key.replace("_", "/", 1), line["epoch"]): value
        for line in lines
        for key, value in line.items()
        if key != "epoch" and type(value) in (int, float)
    }


def shown(run):
    events = EventAccumulator(str(run))
    events.Reload()
    return {(tag, scalar.step): scalar.value for tag in events.Tags()["scalars"] for scalar in events.Scalars(tag)}


for run in map(Path, sys.argv[1:]):
    expected, found = logged(run), shown(run)
    if found.keys() != expected.keys() or ("train/loss", 1) not in found:
        sys.exit(f"{run}: TensorBoard shows {sorted(found)} instead of {sorted(expected)}")
    for key, value in expected.items():
        if abs(found[key] - value) > 1e-6 * abs(value):  # events are float32
            sys.exit(f"{run}: {key} is {found[key]} in TensorBoard and {value} in the log")
