#!/usr/bin/env python3
"""Kills each program at random moments and runs it again: the outputs are those of a run that nobody disturbed, byte for
byte, and no output is ever half there. Then the same by SIGINT and SIGTERM: the program ends by itself and soon, with exit
code 130, and says how to go on.

    kill.py FOLDER_OF_PROGRAMS KILLS KILLS_OF_TRAIN [SEED]
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import runs
from runs import fail

SECONDS_TO_STOP = 5
HANGS = 120  # seconds


def processor_seconds(pid):
    """Of a process, with threads that have ended; None once it has itself."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives on Linux
    except OSError:
        return None


def start(command, folder):
    # A test in the background of a script would hand on that SIGINT is ignored.
    return subprocess.Popen([str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=open(folder / "err", "w"), env=runs.environment(),
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def interrupt_at(process, used, number):
    """Sends the signal once the process has used that much processor time: the moment in its work does not depend on what
    else the machine does. False if it ended before."""
    while process.poll() is None:
        now = processor_seconds(process.pid)
        if now is not None and now >= used:
            process.send_signal(number)
            return True
        time.sleep(0.0002)
    return False


def time_whole(command, folder):
    """Processor seconds of a run. Those of its last moments are missing; that is a millisecond."""
    process, used = start(command, folder), 0
    while process.poll() is None:
        used = processor_seconds(process.pid) or used
        time.sleep(0.0002)
    if process.returncode != 0:
        fail(f"exit {process.returncode}: {command}: {(folder / 'err').read_text()}")
    (folder / "err").unlink()
    return used


class Trial:
    """One program and what it leaves. `outputs`: the files that matter in the end; the others are how it got there."""

    def __init__(self, name, command, again, outputs, goes_on):
        self.name, self.command, self.again, self.outputs, self.goes_on = name, command, again, outputs, goes_on

    def learn(self, work):
        folder = work / f"{self.name}-whole"
        folder.mkdir()
        self.seconds = time_whole(self.command, folder)
        self.want = runs.snapshot(folder)
        self.folder = work / self.name

    def is_output(self, name):
        return any(Path(name).match(pattern) for pattern in self.outputs)

    def check_left(self, name, what):
        """A file with its final name is whole, whenever the program ended."""
        path = self.folder / name
        if not runs.matters(name) or runs.TEMPORARY.fullmatch(path.name):
            return
        if name not in self.want:
            fail(f"{self.name}: {what} leaves {name}")
        got = runs.comparable(path)
        if path.name == "log.jsonl":
            good = self.want[name].startswith(got[: got.rfind(b"\n") + 1])
        elif path.name == "checkpoint.safetensors":  # of an earlier epoch; the run that goes on reads it
            good = runs.is_whole(path)
        else:
            good = got == self.want[name]
        if not good:
            fail(f"{self.name}: {what} leaves another {name}")

    def finish(self):
        runs.run_well(self.again, self.folder)

    def kill(self, moment):
        """True if it was at work."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        process = start(self.command, self.folder)
        killed = interrupt_at(process, moment * self.seconds, signal.SIGKILL)
        process.wait()
        (self.folder / "err").unlink()
        for name in runs.names(self.folder):
            self.check_left(name, "a kill")
        self.finish()
        for name in runs.temporaries(self.folder):
            if Path(name).parts[0] in ("run", "cache", "activations"):  # folders of one writer are swept
                fail(f"{self.name}: {name} of a killed run stays")
            (self.folder / name).unlink()
        runs.check_same(self.folder, self.want)
        return killed

    def stop(self, moment, number):
        """True if it was at work and said so."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        process = start(self.command, self.folder)
        if not interrupt_at(process, moment * self.seconds, number):
            return False
        began, used = time.monotonic(), processor_seconds(process.pid) or 0
        last = used
        while process.poll() is None:
            last = processor_seconds(process.pid) or last
            if time.monotonic() - began > HANGS:
                process.kill()
                fail(f"{self.name}: goes on after signal {number}")
            time.sleep(0.001)
        # on a machine with other work a second of it may take a minute
        took = min(time.monotonic() - began, last - used)
        said = (self.folder / "err").read_text()
        (self.folder / "err").unlink()
        if took > SECONDS_TO_STOP:
            fail(f"{self.name}: stops {took:.1f} s after signal {number}")
        code = process.returncode
        left = runs.temporaries(self.folder)
        # in the middle of a step: nobody waits for what is being written, and the next run removes it
        if left and "in the middle of a step" not in said:
            fail(f"{self.name}: signal {number} leaves {left}")
        # 0: nothing was left to do. A negative code: before main() there is nobody to catch it.
        if code == -number:
            if runs.names(self.folder):
                fail(f"{self.name}: signal {number} was not caught: {said}")
        elif code == 130:
            if not re.search(self.goes_on, said):
                fail(f"{self.name}: signal {number}: does not say how to go on: {said}")
        elif code != 0:
            fail(f"{self.name}: exit {code} after signal {number}: {said}")
        # What is kept may lie in other shards.
        for name in filter(self.is_output, runs.names(self.folder)):
            self.check_left(name, "a signal")
        self.finish()
        runs.check_same(self.folder, self.want, filter(self.is_output, self.want))
        return code == 130


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    programs, kills, kills_of_train = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) == 5 else random.randrange(10**6)
    source = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with runs.scratch_folder() as name:
        work = Path(name)
        inputs = work / "inputs"
        inputs.mkdir()
        runs.make_inputs(inputs, many=2500)
        command = runs.label(programs, inputs, "many")
        trials = [
            Trial("label", command, command, ["labels.*", "scores.*"], "run the same command again to go on"),
            Trial("predict", runs.predict(programs, inputs / "many"), runs.predict(programs, inputs / "many"),
                  ["predictions.jsonl", "report.html"], "is not written; run the same command again"),
        ]
        for trial in trials:
            trial.learn(work)
        for name, digits in (("truth", 0), ("scores", 4)):  # so many that evaluation takes a while
            rows = (f"{i}.ppm,{source.random():.{digits}f},{source.random():.{digits}f}\n" for i in range(40000))
            (inputs / f"{name}.csv").write_text("image,cat,dog\n" + "".join(rows))
        command = runs.evaluate(programs, inputs, *[inputs / "scores.csv"] * 3)
        trials.append(Trial("eval", command, command, ["plots/*"], "interrupted: run the same command again"))
        trials[-1].learn(work)
        if (programs / "cdul-train").exists():
            outputs = ["run/model*", "run/labels.safetensors", "run/log.jsonl"]
            how = "the same command (with --resume goes on|starts again)"
            for name, more in (("train", ["--epochs", "3", "--warmup", "1"]),
                               ("train-frozen", ["--epochs", "3", "--init", work / "train-whole/run/model.safetensors",
                                                 "--freeze", "3", "--activation-copies", "2"])):
                command = runs.train(programs, inputs, *more)
                trials.append(Trial(name, command, command + ["--resume"], outputs, how))
                trials[-1].learn(work)
        for trial in trials:
            wanted = -(-kills_of_train // 2) if trial.name.startswith("train") else kills  # there are two ways to train
            began, count, tries, stopped = time.monotonic(), 0, 0, 0
            while count < wanted:
                tries += 1
                if tries > 5 * wanted + 5:
                    fail(f"{trial.name}: ends before it is killed")
                count += trial.kill(source.random())
            for i in range(wanted):
                stopped += trial.stop(source.random(), (signal.SIGINT, signal.SIGTERM)[i % 2])
            print(f"{trial.name}: {count} times killed, {stopped} of {wanted} signals caught at work, {trial.seconds:.2f} s "
                  f"of processor time a run, {time.monotonic() - began:.0f} s", flush=True)
    print("kill.py: passed")


if __name__ == "__main__":
    main()
