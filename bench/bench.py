"""The table of bench/run.sh. A row is a pair of commands that do the same work on the same files; rounds alternate between
them, and what is printed are medians: time from start to exit, and peak memory."""
import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import workloads

PEERS = Path(__file__).parent / "peers"


class Row:
    """name, unit and how a time becomes a number of it, the ratio to reach, threads, and a function work -> (ours, peer)."""

    def __init__(self, name, unit, target, threads, commands, count=None):
        self.name, self.unit, self.target, self.threads, self.commands, self.count = \
            name, unit, target, threads, commands, count

    def show(self, seconds):
        return f"{self.count / seconds:.1f}" if self.count else f"{1000 * seconds:.0f}"


def python(script, *words):
    return [sys.executable, PEERS / script, *words]


def rows(programs):
    def preprocess(work):
        encoder, photos = workloads.no_network(work), workloads.photographs(work)
        return ([programs / "cdul-label", "-q", "-j", "1", "-e", encoder, *photos, "-o", work / "labels.safetensors"],
                python("preprocess.py", *photos))

    def evaluate(work):
        truth, labels = workloads.labels(work)
        return ([programs / "cdul-eval", "-j", "1", "--json", "-t", truth, labels], python("evaluate.py", truth, labels))

    def start(work):
        model, photo = workloads.classifier(work, programs), workloads.photographs(work)[0]
        return ([programs / "cdul-predict", "-q", "-j", "1", model, photo, "-o", work / "one.jsonl"],
                python("predict.py", model, photo))

    return [
        Row("decode, whole image and 9 crops, no network", "images/s", 4, 1, preprocess, workloads.PHOTOGRAPHS),
        Row("evaluate 40,137 x 80 labels", "ms", 20, 1, evaluate),
        Row("predict one image, from start to exit", "ms", 20, 1, start),
    ]


def run(command, threads):
    """(seconds, peak MiB) of a command that must succeed, on `threads` cores."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
                               preexec_fn=lambda: os.sched_setaffinity(0, cores))
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"bench: {command[0]} failed:\n{said.decode()}")
    return seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description="Times cdul beside its peers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="words of a row's name; default: all rows")
    parser.add_argument("--bin", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="of each pair (%(default)s)")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    args = parser.parse_args()
    chosen = [row for row in rows(args.bin.resolve())
              if not args.rows or any(word in row.name for word in args.rows)]
    if args.list:
        return print("\n".join(row.name for row in chosen))
    print("| row | unit | threads | cdul | Python | ratio | to reach | peak memory |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in chosen:
        pair = row.commands(args.work.resolve())
        found = [[run(command, row.threads) for command in pair] for _ in range(args.rounds)]
        ours, peers = ([statistics.median(one[side][i] for one in found) for i in (0, 1)] for side in (0, 1))
        print(f"| {row.name} | {row.unit} | {row.threads} | {row.show(ours[0])} | {row.show(peers[0])} | "
              f"{peers[0] / ours[0]:.1f} | {row.target} | {ours[1]:.0f} MiB against {peers[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
