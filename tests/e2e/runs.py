"""Tiny inputs, the four programs' commands on them, and a look at what they leave: shared by kill.py, faults.py and
hostile.py. Needs Python's standard library alone."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
TEMPORARY = re.compile(r"\..+\.\d+(-\d+)?\.tmp")


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def scratch_folder():
    """A folder in memory where there is one: a run of cdul-train writes 200 MB. What a test that was killed left there goes."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return tempfile.TemporaryDirectory()
    for left in memory.glob("cdul-test-*-*"):
        if left.owner() == Path(f"/proc/{os.getpid()}").owner() and not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"cdul-test-{os.getpid()}-", dir=memory)


def make_picture(path, seed, width=40, height=36):
    source = random.Random(seed)
    tint = [source.randrange(200) for _ in range(3)]
    pixels = bytes(tint[k % 3] + source.randrange(50) for k in range(3 * width * height))
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + pixels)


def make_inputs(folder, few=12, many=0):
    """photos/ (`few` pictures), many/ (links to them), classes.txt, labels.csv and truth.csv of photos/."""
    photos = folder / "photos"
    photos.mkdir()
    (folder / "classes.txt").write_text("cat\ndining table\ttable, dining table\n")
    labels, truth = ["image,cat,dining table"], ["image,cat,dining table"]
    for i in range(few):
        make_picture(photos / f"{i:02}.ppm", i)
        labels.append(f"{i:02}.ppm,0.{1 + i % 7},0.{8 - i % 7}")
        truth.append(f"{i:02}.ppm,{i % 2},{i % 3 % 2}")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "truth.csv").write_text("\n".join(truth) + "\n")
    if many:
        (folder / "many").mkdir()
    for i in range(many):
        os.link(photos / f"{i % few:02}.ppm", folder / "many" / f"{i}.ppm")


def environment():
    """Idle threads sleep: tests share the machine."""
    return dict(os.environ, OMP_WAIT_POLICY="passive")


def label(programs, inputs, images="photos"):
    """Runs in a folder beside the inputs, as all of these do."""
    return [programs / "cdul-label", "-e", GOLDEN / "encoder" / "clip", "-C", inputs / "classes.txt", "-j", "2",
            "--precision", "fp32", "--cache", "cache", inputs / images, "-o", "labels.safetensors", "--csv", "labels.csv",
            "--save-scores", "scores.safetensors"]


def train(programs, inputs, *more):
    return [programs / "cdul-train", "-l", inputs / "labels.csv", "--arch", "resnet18", "--size", "32", "--batch", "4",
            "--lr", "1e-3", "--precision", "fp32", "-j", "2", inputs / "photos", "-o", "run", *more]


def predict(programs, images):
    return [programs / "cdul-predict", GOLDEN / "classifier" / "run", "-j", "2", "--precision", "fp32", images, "-o",
            "predictions.jsonl", "--html", "report.html"]


def evaluate(programs, inputs, *labels):
    return [programs / "cdul-eval", "-j", "2", "-t", inputs / "truth.csv", *labels, "--plots", "plots"]


def names(folder):
    """Files below a folder, with their names there."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def temporaries(folder):
    return [name for name in names(folder) if TEMPORARY.fullmatch(Path(name).name)]


def comparable(path):
    """The bytes of a file, less the times that a log holds."""
    data = path.read_bytes()
    if path.name != "log.jsonl":
        return data
    return re.sub(rb'"train_seconds":[^,]*,"train_images_per_second":[^,]*,', b"", data)


def matters(name):
    """Not the lock that nobody holds, nor the file of events, which has the time in its name."""
    return name != "run/lock" and "events.out.tfevents" not in name


def is_whole(path):
    """A safetensors file is as long as its header says."""
    data = path.read_bytes()
    if len(data) < 8:
        return False
    header = int.from_bytes(data[:8], "little")
    if 8 + header > len(data):
        return False
    tensors = json.loads(data[8 : 8 + header])
    ends = [t["data_offsets"][1] for name, t in tensors.items() if name != "__metadata__"]
    return len(data) == 8 + header + max(ends, default=0)


def snapshot(folder):
    return {name: comparable(folder / name) for name in names(folder) if matters(name)}


def check_same(folder, want, only=None):
    """The files that an undisturbed run leaves, byte for byte, and no others."""
    got = {name for name in names(folder) if matters(name)}
    wanted = set(want) if only is None else set(only)
    if only is None and got != wanted:
        fail(f"{folder}: {sorted(got - wanted)} too many, {sorted(wanted - got)} missing")
    for name in sorted(wanted):
        if name not in got:
            fail(f"{folder}/{name} is missing")
        if comparable(folder / name) != want[name]:
            keep = Path(tempfile.gettempdir()) / f"differs-{os.getpid()}-{Path(name).name}"
            shutil.copy(folder / name, keep)
            fail(f"{folder}/{name} is not what an undisturbed run writes; see {keep}")


def run(command, folder, **options):
    return subprocess.run([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="surrogateescape", env=options.pop("env", environment()), **options)


def run_well(command, folder):
    done = run(command, folder, timeout=600)
    if done.returncode != 0:
        fail(f"exit {done.returncode}: {' '.join(map(str, command))}: {done.stderr}")
    return done
