#!/usr/bin/env python3
"""Ten times as many images need as much memory, but for names and what is known of each: every program on 1,000 and on 10,000
images, peaks compared. Under AddressSanitizer, whose memory says nothing, LeakSanitizer looks at the same runs.

    soak.py FOLDER_OF_PROGRAMS [--sanitized]
"""

import os
import subprocess
import sys
from pathlib import Path

import runs
from runs import fail

FEW, MANY = 1000, 10000
FEW_BYTES = 1024  # an image may need in a list, an index and a matrix of two classes; its pixels are 4,320 bytes at least
SLACK = {"cdul-train": 40 << 20}  # libtorch's threads and buffers come and go
SLACK_ELSE = 12 << 20


def peak(command, folder):
    """Bytes that one run has in memory at most."""
    with open(folder / "said.txt", "w+") as said:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=said,
                                   stderr=subprocess.STDOUT, env=runs.environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            fail(f"exit {process.returncode}: {' '.join(map(str, command))}: {said.read()}")
    return usage.ru_maxrss * 1024


def table(names):
    return "image,cat,dining table\n" + "".join(f"{name},0,1\n" for name in names)


def commands(programs, inputs, here, count):
    """On the first `count` pictures of many/."""
    names = [f"{i}.ppm" for i in range(count)]
    (here / "list.txt").write_text("".join(f"{name}\n" for name in names))
    (here / "few.csv").write_text(table(names))
    images = ["--root", inputs / "many", "@list.txt"]
    encoder = ["-e", runs.GOLDEN / "encoder" / "clip", "-C", inputs / "classes.txt", "-j", "2", "--precision", "fp32"]
    label = [programs / "cdul-label", *encoder, *images, "-o"]
    yield "cdul-label", [*label, "labels.safetensors"]
    yield "cdul-label --cache", [*label, "cached.safetensors", "--cache", "cache"]
    yield "cdul-label --cache, filled", [*label, "again.safetensors", "--cache", "cache"]
    yield "cdul-predict", [programs / "cdul-predict", runs.GOLDEN / "classifier" / "run", "-j", "2", "--precision", "fp32",
                           *images, "-o", "predictions.jsonl"]
    yield "cdul-eval", [programs / "cdul-eval", "-j", "2", "-t", "few.csv", "labels.safetensors"]
    if (programs / "cdul-train").exists():
        yield "cdul-train", [programs / "cdul-train", "-l", "few.csv", "--arch", "resnet18", "--size", "32", "--epochs", "1",
                             "--batch", "32", "--precision", "fp32", "-j", "2", *images, "-o", "run"]


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--sanitized"]):
        sys.exit(__doc__)
    programs = Path(sys.argv[1]).resolve()
    peaks = {}
    with runs.scratch_folder() as name:
        inputs = Path(name) / "inputs"
        inputs.mkdir()
        runs.make_inputs(inputs, many=MANY)
        for count in (FEW, MANY):
            here = Path(name) / str(count)
            here.mkdir()
            for what, command in commands(programs, inputs, here, count):
                peaks.setdefault(what, []).append(peak(command, here))
    for what, (few, many) in peaks.items():
        room = (MANY - FEW) * FEW_BYTES + SLACK.get(what, SLACK_ELSE)
        print(f"{what}: {few / 2**20:.0f} MiB for {FEW} images, {many / 2**20:.0f} for {MANY}")
        if many - few > room and "--sanitized" not in sys.argv:
            fail(f"{what} grows by {(many - few) / (MANY - FEW):.0f} bytes an image")
    print("soak.py: passed")


main()
