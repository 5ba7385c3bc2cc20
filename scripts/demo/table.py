"""Print the demo's table: quality of labels and classifiers on training and test scenes, and what each costs.

Quality is cdul-eval's. Cost is measured here: the same pictures through the encoder (one view, ten views) and the classifier,
with the same threads, program start included.
"""
import argparse
import csv
import json
import subprocess
import tempfile
import time
from pathlib import Path

PICTURES = 48  # for the cost


def split_truth(truth, part, path):
    """Write the rows of truth.csv whose image lies in folder `part`."""
    with open(truth, newline="") as source, open(path, "w", newline="") as target:
        rows = list(csv.reader(source))
        csv.writer(target).writerows([rows[0]] + [row for row in rows[1:] if row[0].startswith(part + "/")])


def evaluate(program, truth, files):
    output = subprocess.run([program, "--truth", truth, "--json", *files], check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def milliseconds(command, pictures):
    start = time.perf_counter()
    subprocess.run([*command, "-q", *pictures], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start) / len(pictures)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bin", "out"):
        parser.add_argument("--" + name, type=Path, required=True)
    args = parser.parse_args()
    out, programs = args.out, args.bin

    pictures = sorted((out / "scenes/test").glob("*.jpg"))[:PICTURES]
    label = [programs / "cdul-label", "--classes", out / "scenes/classes.txt"]
    with tempfile.TemporaryDirectory() as scratch:
        labels = Path(scratch, "labels.safetensors")
        cost = {
            "one view": milliseconds([*label, "--aggregate", "global", "-o", labels], pictures),
            "ten views": milliseconds([*label, "-o", labels], pictures),
            "classifier": milliseconds([programs / "cdul-predict", out / "run-on"], pictures),
        }
        rows = [
            ("encoder, whole image", out / "global.safetensors", 1, cost["one view"]),
            ("CDUL labels", out / "cdul.safetensors", 10, cost["ten views"]),
            ("discriminant labels", out / "discriminant.safetensors", 10, cost["ten views"]),
            ("classifier, alignment off", out / "scores-off.csv", 1, cost["classifier"]),
            ("classifier, alignment on", out / "scores-on.csv", 1, cost["classifier"]),
        ]
        refined = ("labels after alignment", out / "run-on/labels.safetensors", None, None)
        print(f"{'':28}{'train':^24}{'test':^24}{'cost':^16}")
        print(f"{'':28}" + f"{'mAP':>8}{'BCE':>8}{'mass':>8}" * 2 + f"{'views':>7}{'ms/image':>9}")
        measures = {}
        for part in ("train", "test"):
            truth = Path(scratch, part + ".csv")
            split_truth(out / "scenes/truth.csv", part, truth)
            for name, path, *_ in rows + [refined] * (part == "train"):
                measures[part, name] = evaluate(programs / "cdul-eval", truth, [path])
        for name, _, views, ms in [*rows[:3], refined, *rows[3:]]:
            line = f"{name:28}"
            for part in ("train", "test"):
                found = measures.get((part, name))
                line += "".join(f"{v:>8}" for v in cells(found)) if found else f"{'-':>8}" * 3
            print(line + (f"{views:>7}{ms:>9.1f}" if views else f"{'-':>7}{'-':>9}"))
        truth_mass = [measures[part, rows[0][0]] for part in ("train", "test")]
        print(f"{'truth':28}" + "".join(f"{'':16}{mass(found):>8}" for found in truth_mass))


def cells(report):
    result = report["inputs"][0]
    return f"{100 * result['map']:.1f}", f"{result['bce']:.3f}", f"{result['mass']:.2f}"


def mass(report):
    return f"{report['inputs'][0]['truth_mass']:.2f}"


if __name__ == "__main__":
    main()
