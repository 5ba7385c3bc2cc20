#!/usr/bin/env python3
"""Makes one call of malloc, write, fsync, rename ... fail in cdul-label and in cdul-train, at every point where the program
makes one: every stack that leads to such a call, its first call and its last in a run. Each time the program must say in one line what
failed and exit with 1, or be none the worse for it; nothing half written may stand under its final name; and the next run
must end as if nothing had been.

    faults.py FOLDER_OF_PROGRAMS LIBRARY [SCENARIO...]

LIBRARY is what faults.c was compiled to. The scenarios: label, label-again, train, train-frozen, train-resume."""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import runs

HANGS = 600  # seconds: the machine may be busy
SAYS = {"malloc": "memory|allocate", "write": "No space left|disk full", "mkdir": "No space left"}


class Scenario:
    """A command, and the folder that it starts in."""

    def __init__(self, work, name, command, again=None, start=None):
        self.work, self.name, self.command, self.again, self.start = work, name, command, again or command, start
        self.proven, self.failures = set(), []
        self.folder = work / f"{name}-whole"
        self.program = Path(command[0]).name
        self.prepare(self.folder)
        runs.run_well(command, self.folder)
        self.want = runs.snapshot(self.folder)

    def prepare(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        if self.start:
            shutil.copytree(self.start, folder, copy_function=shutil.copy2)
        else:
            folder.mkdir()

    def check(self, kind, done, folder):
        """None if all is well after a run in which a call failed."""
        code, said = done.returncode, done.stderr
        lines = said.splitlines()
        errors = [line for line in lines if line.startswith(f"{self.program}: ")]
        if code == 3 and kind in ("open", "read", "stat"):  # a picture could not be read: skipped, and listed
            listed = any(name.endswith(".skipped.csv") for name in runs.names(folder))
            return None if listed and not errors else "exit 3 and no list of what is skipped"
        if code == 0:
            return "a result, and an error" if errors else self.differs(folder)
        if code != 1:
            return f"exit {code}"
        if len(errors) != 1 or any(not line.startswith("warning: ") for line in lines if line not in errors):
            return "not one line of error"
        if not re.search(SAYS.get(kind, ""), said):
            return "does not say what failed"
        left = runs.temporaries(folder)
        if left and kind != "unlink":
            return f"leaves {left}"
        for name, data in runs.snapshot(folder).items():
            if name in left:
                continue
            if name == "run/log.jsonl":
                good = self.want[name].startswith(data[: data.rfind(b"\n") + 1])
            elif name == "run/checkpoint.safetensors" or self.is_kept(name):
                good = runs.is_whole(folder / name)
            else:
                good = self.want.get(name) == data
            if not good:
                return f"leaves another {name}"
        return None

    def is_kept(self, name):
        """Finished work, however much of it there is."""
        return bool(re.fullmatch(r"cache/\d{6}\.safetensors", name))

    def differs(self, folder):
        got = runs.snapshot(folder)
        names = [name for name in sorted(set(got) | set(self.want)) if got.get(name) != self.want.get(name)
                 and not self.is_kept(name) and not runs.TEMPORARY.fullmatch(Path(name).name)]
        return f"another result: {names}" if names else None

    def recovers(self, folder, code):
        """The next run ends well. From the same files it does the same: they are tried once."""
        before = runs.snapshot(folder)
        state = frozenset((name, hashlib.sha1(data).digest()) for name, data in before.items())
        if state in self.proven:
            return None
        done = runs.run(self.again, folder, timeout=HANGS)
        if code == 3 and done.returncode == 3:  # cdul-train was complete without a picture, and stays so
            return None if runs.snapshot(folder) == before else "the next run changes what was complete"
        if done.returncode != 0:
            return f"the next run fails: {done.stderr}"
        self.proven.add(state)
        wrong = self.differs(folder)
        return wrong and f"the next run gives {wrong}"

    def failure_points(self, library):
        """How often the program makes a call with a stack, for each kind of call and stack."""
        folder = self.work / f"{self.name}-list"
        self.prepare(folder)
        report = self.work / f"{self.name}-list.report"
        done = runs.run(self.command, folder, env=self.environment(library, "list", report), timeout=HANGS)
        if done.returncode != 0 or self.differs(folder):
            runs.fail(f"{self.name} under the library: exit {done.returncode}: {done.stderr}")
        shutil.rmtree(folder)
        return collections.Counter(tuple(line.split()) for line in report.read_text().splitlines())

    @staticmethod
    def environment(library, fault, report):
        return dict(runs.environment(), LD_PRELOAD=str(library), FAULT=fault, FAULT_REPORT=str(report))

    def point(self, kind, call, library):
        """The exit code if there was such a call, else None."""
        unique = f"{self.name}-{kind}-{call}"
        folder, report = self.work / unique, self.work / f"{unique}.report"
        self.prepare(folder)
        try:
            done = runs.run(self.command, folder, env=self.environment(library, f"{kind}:{call}", report), timeout=HANGS)
        except subprocess.TimeoutExpired:
            self.fail(kind, call, "hangs", "", report)
            return None
        reached = report.exists()
        wrong = self.check(kind, done, folder) if reached else None
        if not reached and done.returncode != 0:
            wrong = f"exit {done.returncode} without a fault"
        if reached and not wrong:
            wrong = self.recovers(folder, done.returncode)
        if wrong:
            self.fail(kind, call, wrong, done.stderr, report)
        shutil.rmtree(folder)
        report.unlink(missing_ok=True)
        return done.returncode if reached else None

    def fail(self, kind, call, wrong, said, report):
        where = report.read_text().strip() if report.exists() else ""
        print(f"{self.name}, {kind}:{call} at {where}: {wrong}: {said.strip()}", flush=True)
        self.failures.append((kind, call))

    def walk(self, library, walked):
        """What another scenario has walked is left out."""
        began, tried, codes = time.monotonic(), collections.Counter(), collections.defaultdict(collections.Counter)
        points = []
        for (kind, stack), count in self.failure_points(library).items():
            if (kind, stack) in walked:
                continue
            walked.add((kind, stack))
            tried[kind] += 1
            points += [(kind, f"{stack}:{call}") for call in sorted({1, count})]
            if kind == "write":  # a disk that stays full
                points.append((kind, f"{stack}:1+"))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for (kind, _), code in zip(points, pool.map(lambda point: self.point(*point, library), points)):
                codes[kind][code] += 1
        for kind, results in codes.items():
            ends = ", ".join(f"{n} exit {code}" for code, n in sorted(results.items(), key=str) if code is not None)
            missed = f", {results[None]} not met again" if results[None] else ""
            print(f"{self.name}: {kind} at {tried[kind]} points: {ends}{missed}", flush=True)
        print(f"{self.name}: {len(points)} runs, {time.monotonic() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("scenarios", nargs="*")
    args = parser.parse_args()
    programs, library = args.programs.resolve(), args.library.resolve()
    with runs.scratch_folder() as name:
        work = Path(name)
        inputs = work / "inputs"
        inputs.mkdir()
        runs.make_inputs(inputs, few=6)
        for picture in (runs.GOLDEN / "encoder" / "pictures").iterdir():
            shutil.copy(picture, inputs / "photos")
        scenarios = []
        wanted = lambda name: not args.scenarios or name in args.scenarios
        command = runs.label(programs, inputs) + ["-q"]
        fresh = Scenario(work, "label", command)
        if wanted("label"):
            scenarios.append(fresh)
        if wanted("label-again"):
            # With a cache that holds everything, and no outputs yet.
            start = work / "label-again-start"
            shutil.copytree(fresh.folder, start)
            for path in list(start.glob("labels.*")) + list(start.glob("scores.*")):
                path.unlink()
            scenarios.append(Scenario(work, "label-again", command, start=start))
        if any(map(wanted, ("train", "train-frozen", "train-resume"))):
            command = runs.train(programs, inputs, "--epochs", "2", "--warmup", "1", "-q")
            whole = Scenario(work, "train", command, command + ["--resume"])
            weights = work / "weights.safetensors"
            shutil.copy(whole.folder / "run/model.safetensors", weights)
            command = runs.train(programs, inputs, "--epochs", "2", "--warmup", "1", "-q", "--init", weights, "--freeze", "4",
                                 "--activation-copies", "1")
            frozen = Scenario(work, "train-frozen", command, command + ["--resume"])
            start = work / "train-resume-start"
            shutil.copytree(frozen.folder, start)
            for path in (start / "run").glob("model*"):
                path.unlink()
            resume = Scenario(work, "train-resume", command + ["--resume"], start=start)
            scenarios += [s for s in (whole, frozen, resume) if wanted(s.name)]
        walked = set()
        for scenario in scenarios:
            scenario.walk(library, walked)
        if any(scenario.failures for scenario in scenarios):
            sys.exit("faults.py: failed")
    print("faults.py: passed")


if __name__ == "__main__":
    main()
