#!/usr/bin/env python3
"""Makes one call of malloc, write, fsync, rename ... fail in cdul-label and in cdul-train, the first, the second, and so on
until a run has none left to fail. Each time the program must say in one line what failed and exit with 1, or be none the
worse for it; nothing half written may stand under its final name; and the next run must end as if nothing had been.

    faults.py FOLDER_OF_PROGRAMS LIBRARY [--all] [PROGRAM...]

LIBRARY is what faults.c was compiled to. Without --all a sample of the calls fails, of those there are many of."""

import argparse
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
KINDS = ["malloc", "open", "read", "write", "close", "fsync", "rename", "unlink", "mkdir", "stat", "mmap", "flock", "thread"]
SAYS = {"malloc": "memory|allocate", "write": "No space left|disk full", "mkdir": "No space left"}


class Scenario:
    """A command, and the folder that it starts in."""

    def __init__(self, work, name, command, again=None, start=None, sample=None):
        self.work, self.name, self.command, self.again, self.start = work, name, command, again or command, start
        self.sample, self.proven, self.failures = sample, set(), []
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

    def recovers(self, folder):
        """The next run ends well. From the same files it does the same: they are tried once."""
        state = hashlib.sha256(repr(sorted(runs.snapshot(folder).items())).encode()).digest()
        if state in self.proven:
            return None
        done = runs.run(self.again, folder, timeout=HANGS)
        if done.returncode != 0:
            return f"the next run fails: {done.stderr}"
        self.proven.add(state)
        wrong = self.differs(folder)
        return wrong and f"the next run gives {wrong}"

    def point(self, kind, n, library):
        """True if there was an n-th call."""
        folder = self.work / f"{self.name}-{kind}-{n}"
        self.prepare(folder)
        report = self.work / f"{self.name}-{kind}-{n}.report"
        env = dict(runs.environment(), LD_PRELOAD=str(library), FAULT=f"{kind}:{n}", FAULT_REPORT=str(report))
        try:
            done = runs.run(self.command, folder, env=env, timeout=HANGS)
        except subprocess.TimeoutExpired:
            self.fail(kind, n, "hangs", "", report)
            return True
        reached = report.exists()
        if reached:
            self.codes[done.returncode] = self.codes.get(done.returncode, 0) + 1
        wrong = self.check(kind, done, folder) if reached else None
        if not reached and done.returncode != 0:
            wrong = f"exit {done.returncode} without a fault"
        if reached and not wrong:
            wrong = self.recovers(folder)
        if wrong:
            self.fail(kind, n, wrong, done.stderr, report)
        shutil.rmtree(folder)
        report.unlink(missing_ok=True)
        return reached

    def fail(self, kind, n, wrong, said, report):
        where = report.read_text().strip() if report.exists() else ""
        print(f"{self.name}, {kind}:{n} at {where}: {wrong}: {said.strip()}", flush=True)
        self.failures.append((kind, n))

    def walk(self, kind, library, everything):
        dense, step = (10**9, 1) if everything or not self.sample else self.sample
        began, n, reached, self.codes = time.monotonic(), 1, 0, {}
        workers = os.cpu_count() or 1
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            more = True
            while more:
                batch = []
                for _ in range(2 * workers):
                    batch.append(n)
                    n += 1 if n < dense else step
                results = list(pool.map(lambda n: self.point(kind, n, library), batch))
                reached += sum(results)
                more = all(results)
        codes = ", ".join(f"{count} exit {code}" for code, count in sorted(self.codes.items()))
        print(f"{self.name}: {reached} of {kind}{': ' if codes else ''}{codes}; {time.monotonic() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--all", action="store_true")
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
        fresh = Scenario(work, "label", command, sample=(200, 9))
        if wanted("label"):
            scenarios.append(fresh)
        if wanted("label-again"):
            # With a cache that holds everything, and no outputs yet.
            start = work / "label-again-start"
            shutil.copytree(fresh.folder, start)
            for path in list(start.glob("labels.*")) + list(start.glob("scores.*")):
                path.unlink()
            scenarios.append(Scenario(work, "label-again", command, start=start, sample=(100, 9)))
        if (programs / "cdul-train").exists() and any(map(wanted, ("train", "train-frozen", "train-resume"))):
            command = runs.train(programs, inputs, "--epochs", "2", "--warmup", "1", "-q")
            whole = Scenario(work, "train", command, command + ["--resume"], sample=(1, 50))
            weights = work / "weights.safetensors"
            shutil.copy(whole.folder / "run/model.safetensors", weights)
            command = runs.train(programs, inputs, "--epochs", "2", "--warmup", "1", "-q", "--init", weights, "--freeze", "4",
                                 "--activation-copies", "1")
            frozen = Scenario(work, "train-frozen", command, command + ["--resume"], sample=(1, 50))
            start = work / "train-resume-start"
            shutil.copytree(frozen.folder, start)
            for path in (start / "run").glob("model*"):
                path.unlink()
            resume = Scenario(work, "train-resume", command + ["--resume"], start=start, sample=(1, 50))
            scenarios += [s for s in (whole, frozen, resume) if wanted(s.name)]
        for scenario in scenarios:
            for kind in args.kinds:
                scenario.walk(kind, library, args.all)
        if any(scenario.failures for scenario in scenarios):
            sys.exit("faults.py: failed")
    print("faults.py: passed")


if __name__ == "__main__":
    main()
