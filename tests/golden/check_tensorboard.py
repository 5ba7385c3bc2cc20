"""Prints the scalars of a run folder as TensorBoard's own reader sees them: one line `tag step value` each.

    python3 -m venv tb && tb/bin/pip install tensorboard
    tb/bin/python tests/golden/check_tensorboard.py run/
"""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    events = EventAccumulator(sys.argv[1])
    events.Reload()
    for tag in events.Tags()["scalars"]:
        for scalar in events.Scalars(tag):
            print(tag, scalar.step, f"{scalar.value:.9g}")


if __name__ == "__main__":
    main()
