"""The table of bench/run.sh.

A row is a piece of work and the sides that do it: cdul, in one or more ways, and its peers, on the same files, weights and
cores. A round runs each side once, one after the other; rounds repeat that, and the table has medians. A line compares
two sides: by how many times the first is faster, or smaller. measure.py says how a run becomes a figure; most rows take what
N more items take, so that start, loading and compilation fall out.

With --size small each side runs once over little, and nothing is subtracted: it shows that the row runs."""
import argparse
import json
import os
import shutil
import statistics
import time
from pathlib import Path

from measure import Bench, Unavailable
from rows import ROWS

PLUGIN = Path(__file__).parents[1] / ".deps/openvino/libonnxruntime_providers_openvino_plugin.so"

def show(figure, unit):
    value = {"images/s": 1 / figure if figure > 0 else float("nan"), "ms": 1000 * figure}.get(unit, figure)
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def print_lines(name, row, found, absent):
    for ours, peer, target in row.lines:
        def cell(side):
            if side in absent:
                return f"{side}: {absent[side]}"
            return f"{side}: {show(statistics.median(figure for figure, _ in found[side]), row.unit)}"

        ratio = memory = ""
        if ours in found and peer in found:
            medians = [statistics.median(figure for figure, _ in found[side]) for side in (ours, peer)]
            ratio = f"{medians[1] / medians[0]:.2f}"
            memory = " / ".join(f"{max(mib for _, mib in found[side]):.0f}" for side in (ours, peer))
        print(f"| {name} | {row.unit} | {cell(ours)} | {cell(peer)} | {ratio} | {target or ''} | {memory} |", flush=True)


def run_row(bench, name, row, only, rounds, log):
    if only:
        row.lines = [line for line in row.lines if any(word in side for word in only for side in line[:2])]
    wanted = {side for line in row.lines for side in line[:2]}
    found, absent = {}, {}
    for number in range(1 if bench.small else rounds or row.rounds):
        for side, measure in row.sides.items():
            if side not in wanted or side in absent:
                continue
            try:
                found.setdefault(side, []).append(measure())
            except Unavailable as reason:
                absent[side] = str(reason)
                del found[side]
        if number == 0 and not only:
            row.check()
    with open(log, "a") as file:
        for side, values in found.items():
            file.write(json.dumps({"row": name, "side": side, "unit": row.unit, "small": bench.small, "cores": bench.cores,
                                   "figures": [figure for figure, _ in values], "MiB": [mib for _, mib in values],
                                   "time": time.strftime("%Y-%m-%dT%H:%M:%S")}) + "\n")
    print_lines(name, row, found, absent)


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "?"


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description="Times cdul beside its peers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="words of a row's name; default: all rows")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, help="default: each row's own, 1 to 5; small: 1")
    parser.add_argument("--size", choices=["small", "full"], default="full", help="small: to see that all runs")
    parser.add_argument("--side", action="append", default=[], help="only lines with this word in a side's name; repeatable")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="cores of all sides (%(default)s)")
    parser.add_argument("--plugin", type=Path, default=PLUGIN, help="OpenVINO's for cdul (default: scripts/setup.sh's)")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    args = parser.parse_args()
    chosen = {name: make for name, make in ROWS.items() if not args.rows or any(word in name for word in args.rows)}
    if args.list:
        return print("\n".join(chosen))
    bench = Bench(args.build.resolve(), args.size == "small", args.threads, args.plugin.resolve())
    print(f"{processor()}, {bench.cores} cores{'; small sizes: the figures mean nothing' if bench.small else ''}\n")
    print("| row | unit | cdul | beside | ratio | to reach | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    try:
        for name, make in chosen.items():
            run_row(bench, name, make(bench), args.side, args.rounds, args.build / "results.jsonl")
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
