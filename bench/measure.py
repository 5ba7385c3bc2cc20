"""How a side of a row is run, and how its runs become a figure:

    whole     from start to exit.
    per item  what N more items take: the time of a run over 2 N items less that of one over N, divided by N. Start, loading
              of weights and compilation fall out. Each side has one run before the first round that does not count.
    logged    of training: seconds of each epoch but the first, which warms up. cdul-train's train_seconds in log.jsonl and
              the peer's clock both run from the first batch that is asked for to the last step; checkpoints and
              predictions are outside.
    printed   the program times the work alone, which is part of a larger program.
    memory    the most that all processes of a run held at once, in proportional shares (Pss), five times a second.

Memory beside other figures is the largest process's peak, and so flatters peers with worker processes."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


class Unavailable(Exception):
    """Why a side cannot run on this machine."""


class Row:
    """sides: name -> function without arguments that returns (figure, MiB). lines: (side, side it is compared with, ratio to
    reach or None). check: called after the first round; raises if outputs differ."""

    def __init__(self, unit, sides, lines, rounds=5, check=lambda: None):
        self.unit, self.sides, self.lines, self.rounds, self.check = unit, sides, lines, rounds, check


def processes(session):
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                yield entry.name


def held(session):
    """MiB of all processes of a session."""
    total = 0
    for process in processes(session):
        try:
            lines = Path("/proc", process, "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


class Bench:
    """What rows are made with."""

    def __init__(self, build, small, cores, provider):
        self.programs, self.work, self.small, self.cores = build / "bin", build / "data", small, cores
        self.plugin = provider
        self.scratch = Path(tempfile.mkdtemp(dir=self.work))

    def size(self, small, full):
        return small if self.small else full

    def program(self, name, *words, threads=None):
        return [self.programs / f"cdul-{name}", "-q", "-j", str(threads or self.cores), *words]

    @staticmethod
    def python(script, *words, interpreter=sys.executable):
        return [interpreter, PEERS / script, *words]

    def output(self, name):
        return self.scratch / name

    def openvino(self, precision):
        """cdul's options for it."""
        if not self.plugin.exists():
            raise Unavailable("no plug-in: scripts/setup.sh openvino")
        asked = subprocess.run([*self.program("label"), "--version", "--provider-library", self.plugin], check=False,
                               capture_output=True)
        if asked.returncode:
            raise Unavailable("no device")
        return ["--provider", "openvino", "--provider-library", self.plugin, "--precision", precision]

    def run(self, command, threads=None, watch=False):
        """(seconds, MiB, stdout) of a command that must succeed, on `threads` cores."""
        threads = threads or self.cores
        cores = sorted(os.sched_getaffinity(0))[:threads]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        if command[0] == sys.executable:  # its NumPy chooses better than a choice made for Debian's OpenBLAS
            environment = {key: value for key, value in environment.items() if not key.startswith("OPENBLAS_")}
        peak, done = [0.0], threading.Event()

        def sample():
            while not done.wait(0.2):
                peak[0] = max(peak[0], held(process.pid))

        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.perf_counter()
            process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=err, env=environment,
                                       start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
            watcher = threading.Thread(target=sample)
            if watch:
                watcher.start()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            done.set()
            if watch:
                watcher.join()
            out.seek(0), err.seek(0)
            if os.waitstatus_to_exitcode(status):
                sys.exit(f"bench: {' '.join(map(str, command))[:600]} failed:\n{err.read().decode()[-4000:]}")
            return seconds, peak[0] if watch else usage.ru_maxrss / 1024, out.read().decode()

    # How a run becomes a figure: each returns a function for Row.sides.

    def whole(self, command, threads=None):
        return lambda: self.run(command, threads)[:2]

    def per_item(self, command_for, n, threads=None):
        """command_for(count) is the command over that many items."""
        warm = []

        def measure():
            if self.small:
                seconds, memory, _ = self.run(command_for(n), threads)
                return seconds / n, memory
            if not warm:
                warm.append(self.run(command_for(n), threads))
            less, more = (self.run(command_for(count), threads) for count in (n, 2 * n))
            return (more[0] - less[0]) / n, more[1]

        return measure

    def logged(self, command, images, folder, scale=1):
        """`folder` is removed before each run; its log.jsonl counts, else what the command prints."""
        def measure():
            shutil.rmtree(folder, ignore_errors=True)
            _, memory, printed = self.run(command)
            log = folder / "log.jsonl"
            epochs = [json.loads(line) for line in (log.read_text() if log.exists() else printed).splitlines()][1:]
            return scale * sum(epoch["train_seconds"] for epoch in epochs) / len(epochs) / images, memory

        return measure

    def printed(self, command):
        def measure():
            _, memory, printed = self.run(command)
            return json.loads(printed.splitlines()[-1])["seconds"], memory

        return measure

    def memory(self, command):
        def measure():
            _, memory, _ = self.run(command, watch=True)
            return memory, memory

        return measure
