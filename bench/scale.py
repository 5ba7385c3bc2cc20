"""How cost grows: each program at 1, 10 and 100 times the images, and at 10 times the classes.

    .deps/venv/bin/python bench/scale.py --bin build/bin --work FOLDER [PROGRAM]...

Pictures are hard links to a few small ones, and a large cache is the vectors of a small one under other names, so that a
million images take minutes. Each program runs with one thread: the processor's seconds, which are worth more than the clock's
on a busy machine, are then those of work and not of waiting."""
import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

ENCODER = Path(__file__).resolve().parent.parent / "tests/golden/encoder/clip"  # of 32 x 32 pixels
WIDTH = 16     # D
SHARD = 1024   # images in a shard
PICTURES = 64  # files; all others are links to them, of which a file system allows some 65,000 each


def names(n):
    return [f"{i // 1000:04d}/{i:012d}.jpg" for i in range(n)]


def classes(c):
    return [f"class {i}" for i in range(c)]


# --- What the programs work on: made once and kept ---


def once(path, make, *arguments):
    """`path`, which make(other path, ...) makes if it is not there yet."""
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        shutil.rmtree(part, ignore_errors=True)
        make(part, *arguments)
        part.rename(path)
    return path


def make_sources(folder):
    folder.mkdir(parents=True)
    random = numpy.random.default_rng(1)
    for i in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), numpy.uint8))
        coarse.resize((40, 40), Image.BICUBIC).save(folder / f"{i}.jpg", quality=90)


def make_pictures(folder, n, sources):
    for i, name in enumerate(names(n)):
        if i % 1000 == 0:
            (folder / name).parent.mkdir(parents=True)
        os.link(sources / f"{i % PICTURES}.jpg", folder / name)


def make_text(path, c):
    vectors = numpy.random.default_rng(2).normal(size=(c, WIDTH)).astype(numpy.float32)
    save_file({"text_embeds": vectors}, path, {"classes": json.dumps(classes(c))})


def make_cache(folder, n, root, label):
    """The first shard is cdul-label's own, and its checksum is good for the same vectors under other names."""
    subprocess.run([*label, "--cache", folder], check=True)
    first = folder / "000000.safetensors"
    with safe_open(first, "numpy") as file:
        tensors, checksum = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()["checksum"]
    all_names = names(n)
    for at in range(0, n, SHARD):
        images, stats = all_names[at:at + SHARD], [(root / name).stat() for name in all_names[at:at + SHARD]]
        identities = [f"{s.st_size} {s.st_mtime_ns}" for s in stats]
        unused = range(SHARD - len(images))  # the last shard has as many vectors as the others
        images += [f"unused {i}" for i in unused]
        identities += ["0 0" for _ in unused]
        save_file(tensors, folder / f"{at // SHARD:06d}.safetensors",
                  {"images": json.dumps(images), "identities": json.dumps(identities), "checksum": checksum})


def make_labels(path, n, c):
    values = numpy.random.default_rng(3).random((n, c), numpy.float32) ** 8
    save_file({"labels": values}, path, {"images": json.dumps(names(n)), "classes": json.dumps(classes(c))})


def make_truth(path, n, c):
    present = numpy.random.default_rng(4).random((n, c)) < 0.05
    cells = numpy.full((n, 2 * c), ord(","), numpy.uint8)
    cells[:, 1::2] = ord("0") + present
    with open(path, "wb") as file:
        file.write(",".join(["image", *classes(c)]).encode() + b"\n")
        for name, row in zip(names(n), cells):
            file.write(name.encode() + row.tobytes() + b"\n")


# --- The programs ---


class Bench:
    def __init__(self, programs, work):
        self.programs, self.work = programs, work
        self.sources = once(work / "sources", make_sources)

    def pictures(self, n):
        return once(self.work / f"pictures-{n}", make_pictures, n, self.sources)

    def labels(self, n, c):
        return once(self.work / f"labels-{n}-{c}.safetensors", make_labels, n, c)

    def label(self, n, c):
        text = once(self.work / f"text-{c}.safetensors", make_text, c)
        return [self.programs / "cdul-label", "-q", "-e", ENCODER, "--text", text, self.pictures(n),
                "-o", self.work / "out.safetensors"]

    def from_pictures(self, n, c):
        fresh = self.work / "cache"
        shutil.rmtree(fresh, ignore_errors=True)
        return [*self.label(n, c), "--cache", fresh]

    def from_cache(self, n, c):
        made = once(self.work / f"cache-{n}", make_cache, n, self.pictures(n), self.label(SHARD, 20))
        return [*self.label(n, c), "--cache", made]

    def train(self, n, c):
        run = self.work / f"run-{c}"
        shutil.rmtree(run, ignore_errors=True)
        return [self.programs / "cdul-train", "-q", "-l", self.labels(n, c), self.pictures(n), "--arch", "resnet18",
                "--size", "32", "--batch", "128", "--epochs", "1", "--warmup", "1", "-o", run]

    def predict(self, n, c):
        run = self.work / f"run-{c}"
        if not (run / "model.onnx").exists():
            subprocess.run(self.train(100, c), check=True)
        return [self.programs / "cdul-predict", "-q", run, self.pictures(n), "--precision", "fp32",
                "-o", self.work / "out.jsonl"]

    def evaluate(self, n, c):
        return [self.programs / "cdul-eval", "-t", once(self.work / f"truth-{n}-{c}.csv", make_truth, n, c),
                self.labels(n, c)]


# name, command, sizes (images, classes), and how many N x C matrices of floats there are at the peak. cdul-label: the labels;
# cdul-train: labels as read and as they are now, their logits, logits and scores of the predictions; cdul-eval: scores in the
# file and as read, and a byte an entry of ground truth
ROWS = [
    ("cdul-label, from pictures", Bench.from_pictures, [(10**3, 20), (10**4, 20), (10**5, 20), (10**4, 200)], 1),
    ("cdul-label, from the cache", Bench.from_cache,
     [(10**4, 20), (10**5, 20), (10**6, 20), (10**4, 200), (10**5, 200), (10**6, 200)], 1),
    ("cdul-train, an epoch", Bench.train, [(10**2, 20), (10**3, 20), (10**4, 20), (10**5, 20), (10**4, 200)], 5),
    ("cdul-predict", Bench.predict, [(10**2, 20), (10**3, 20), (10**4, 20), (10**5, 20), (10**4, 200)], 0),
    ("cdul-eval", Bench.evaluate, [(10**4, 20), (10**5, 20), (10**6, 20), (10**5, 200)], 2.25),
]


# A process starts with the peak of the one that made it, so it is made by one that has hardly any memory.
MEASURE = """
import os, sys, time
start = time.perf_counter()
nowhere = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[nowhere])
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


def run(command):
    """(seconds, processor seconds, peak bytes) of a command that must succeed."""
    done = subprocess.run([sys.executable, "-IS", "-c", MEASURE, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"scale: {command[0]} failed")
    seconds, busy, peak = map(float, done.stdout.split())
    return seconds, busy, peak


def main():
    parser = argparse.ArgumentParser(description="Measures how the cost of each program grows.")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="words of a row's name; default: all")
    parser.add_argument("--bin", type=Path, required=True, help="folder of the programs")
    parser.add_argument("--work", type=Path, required=True, help="folder for what they work on: 1.2 million links, 2 GB")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(args.bin.resolve(), args.work.resolve())
    print("| program | images | classes | seconds | processor seconds | of these for 1,000 images | peak MiB | "
          "less matrices and names |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, command, sizes, matrices in ROWS:
        if args.programs and not any(word in name for word in args.programs):
            continue
        for n, c in sizes:
            seconds, busy, peak = run([*command(bench, n, c), "-j", "1"])
            known = matrices * 4 * n * c + sum(map(len, names(n)))
            print(f"| {name} | {n:,} | {c} | {seconds:.2f} | {busy:.2f} | {1000 * busy / n:.4f} | {peak / 2**20:.0f} | "
                  f"{(peak - known) / 2**20:.0f} |", flush=True)


if __name__ == "__main__":
    main()
