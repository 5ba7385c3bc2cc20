#!/usr/bin/env python3
"""What a busy disk of many people does to a run: another run in the same folder, damaged files, a full disk, folders that
cannot be read or written, pictures that vanish or change, links in circles, names of any bytes. Each time one clear line,
the right exit code, and nothing lost.

    trouble.py FOLDER_OF_PROGRAMS             what takes seconds
    trouble.py FOLDER_OF_PROGRAMS --million   a folder of a million pictures
"""

import csv
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import runs
from runs import fail

NOBODY = 65534


def expect(code, text, command, folder, **options):
    """Exit code, one line of error if it failed, and `text` in what it says."""
    done = runs.run(command, folder, timeout=600, **options)
    program = Path(command[0]).name
    if done.returncode != code:
        fail(f"exit {done.returncode} instead of {code}: {' '.join(map(str, command))}: {done.stderr}")
    errors = [line for line in done.stderr.splitlines() if line.startswith(f"{program}: ")]
    if len(errors) != (code in (1, 2, 130)):
        fail(f"{len(errors)} lines of error, exit {code}: {done.stderr}")
    if text not in done.stderr:
        fail(f"\"{text}\" is not said: {done.stderr}")
    return done


def wait_for(what, process):
    """Until `what` is true; False if the process ends before."""
    while not what():
        if process.poll() is not None:
            return False
        time.sleep(0.001)
    return True


def flip(path, at=-9):
    """One bit, of the last tensor's data or of a checksum."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


class Trouble:
    def __init__(self, programs, work):
        self.programs, self.work = programs, work
        self.inputs = work / "inputs"
        self.inputs.mkdir()
        runs.make_inputs(self.inputs, many=600)
        self.has_train = (programs / "cdul-train").exists()

    def folder(self, name):
        path = self.work / name
        path.mkdir()
        return path

    def say(self, text):
        print(f"trouble.py: {text}", flush=True)

    # --- Two at once ---

    def two_at_once(self):
        here = self.folder("two")
        label = runs.label(self.programs, self.inputs)
        (here / "cache").mkdir()
        with open(here / "cache" / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            expect(1, "cache: another process is writing this cache; wait for it", label, here)
        expect(0, "labels: labels.safetensors", label, here)
        if not self.has_train:
            return
        train = runs.train(self.programs, self.inputs, "--epochs", "10000", "-q")
        first = subprocess.Popen([str(word) for word in train], cwd=here, env=runs.environment(), stderr=subprocess.PIPE)
        log = here / "run" / "log.jsonl"
        if not wait_for(lambda: log.exists() and log.stat().st_size > 0, first):
            fail(f"training ends: {first.stderr.read().decode()}")
        for more in ([], ["--resume"]):
            expect(1, "run: another cdul-train is at work in this folder: wait for it", train + more, here)
        first.send_signal(signal.SIGTERM)
        if first.wait() != 130:
            fail(f"exit {first.returncode}: {first.stderr.read().decode()}")
        if (here / "run" / "lock").exists():
            fail("a lock outlives its run")
        shutil.rmtree(here / "run")

    # --- Damage ---

    def damage(self):
        here = self.folder("damage")
        label = runs.label(self.programs, self.inputs)
        expect(0, "", label, here)
        want = runs.snapshot(here)
        flip(here / "cache" / "000000.safetensors")
        expect(0, "cache/000000.safetensors: damaged: its data do not match its checksum; its images will be computed "
               "again (kept as 000000.safetensors.damaged)", label, here)
        runs.check_same(here, want, ["labels.safetensors", "labels.csv", "scores.safetensors"])
        self.damage_in_the_middle()
        if not self.has_train:
            return
        here = self.folder("damage-train")
        expect(0, "", runs.train(self.programs, self.inputs, "--epochs", "1"), here)
        weights = here / "weights.safetensors"
        (here / "run" / "model.safetensors").rename(weights)
        shutil.rmtree(here / "run")
        train = runs.train(self.programs, self.inputs, "--epochs", "2", "--init", weights, "--freeze", "4",
                           "--activation-copies", "1")
        expect(0, "", train, here)
        want = runs.snapshot(here)
        for shard in (here / "activations").rglob("*.safetensors"):
            flip(shard, shard.stat().st_size // 2)
        for path in (here / "run").glob("model*"):
            path.unlink()
        done = expect(0, "copy0-00000.safetensors: damaged: its bytes do not match its checksum; it is computed again",
                      train + ["--resume"], here)
        if "plain-00000.safetensors: damaged" not in done.stderr:
            fail(done.stderr)
        runs.check_same(here, want)
        for path in (here / "run").glob("model*"):
            path.unlink()
        lock = next((here / "activations").rglob("lock"))
        shard = next((here / "activations").rglob("plain-*"))
        shard.unlink()
        with open(lock) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            process = subprocess.Popen([str(word) for word in train + ["--resume"]], cwd=here, env=runs.environment(),
                                       stderr=open(here / "err", "w"))
            wait_for(lambda: "another run is making the activation cache" in (here / "err").read_text(), process)
            if process.poll() is not None or shard.exists():
                fail("two runs make one activation cache")
        if process.wait() != 0:
            fail((here / "err").read_text())
        (here / "err").unlink()
        runs.check_same(here, want)
        flip(here / "run" / "checkpoint.safetensors")
        expect(1, "run/checkpoint.safetensors: damaged: its bytes do not match its checksum; no run can go on from it",
               train + ["--resume"], here)

    def damage_in_the_middle(self):
        """Shards are looked into when their turn comes: what is lost there is embedded before labelling goes on."""
        here = self.folder("damage-middle")
        photos = sorted((self.inputs / "photos").iterdir())
        (here / "many").mkdir()
        for i in range(2500):
            os.link(photos[i % len(photos)], here / "many" / f"{i:04}.ppm")
        label = runs.label(self.programs, self.inputs, here / "many")
        outputs = ["labels.safetensors", "labels.csv", "scores.safetensors"]
        expect(0, "", label, here)
        want = runs.snapshot(here)
        for number in (1, 2):
            flip(here / "cache" / f"{number:06}.safetensors")
        (here / "many" / "2400.ppm").rename(here / "kept.ppm")
        said = expect(0, "2499 of 2499 images are in the cache", label, here).stderr
        if [said.count(f"{number:06}.safetensors: damaged") for number in range(5)] != [0, 1, 1, 0, 0]:
            fail(said)
        (here / "kept.ppm").rename(here / "many" / "2400.ppm")
        if "damaged" in expect(0, "2499 of 2500 images are in the cache", label, here).stderr:
            fail("a shard that was computed again is damaged")
        runs.check_same(here, want, outputs)

    # --- Disks ---

    def full_disk(self):
        """On a small disk of memory, in a mount namespace that ends with the command."""
        here = self.folder("full")
        label = runs.label(self.programs, self.inputs, "many")
        expect(0, "", label, here)
        want = runs.snapshot(here)
        for name in want:
            (here / name).unlink()
        small = here / "small"
        small.mkdir()
        script = 'mount -t tmpfs -o size=100k none small && cd small && { "$@"; code=$?; find . -type f >../left; exit $code; }'
        command = ["unshare", "-m", "sh", "-c", script, "sh", *label]
        if runs.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "small"], here).returncode != 0:
            self.say("no small disk: mounting is not allowed")
            return
        done = runs.run(command, here)
        if done.returncode != 1 or not re.search(r"^cdul-label: .*(No space left|disk full)", done.stderr, re.M):
            fail(f"a full disk: exit {done.returncode}: {done.stderr}")
        left = {name[2:] for name in (here / "left").read_text().split()}
        if not left <= {"cache/cache.json", "cache/lock"}:
            fail(f"a full disk: {left} are left")
        if self.has_train:
            train = runs.train(self.programs, self.inputs, "--epochs", "1")
            done = runs.run(command[:5] + ["sh", *train], here)
            if done.returncode != 1 or "run: a run needs 0." not in done.stderr or "run/" in (here / "left").read_text():
                fail(f"a disk too small for a run: exit {done.returncode}: {done.stderr}")
        for path in here.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        expect(0, "", label, here)
        runs.check_same(here, want)

    def permissions(self):
        """As a user whom permissions concern."""
        if os.getuid() == 0:
            probe = runs.run([self.programs / "cdul-label", "--version"], "/", user=NOBODY, group=NOBODY, extra_groups=[])
            if probe.returncode != 0 or runs.run(["cat", self.inputs / "classes.txt"], "/", user=NOBODY, group=NOBODY,
                                                 extra_groups=[]).returncode != 0:
                self.say("permissions: skipped, root has them all and nobody may not run the programs")
                return
            options = dict(user=NOBODY, group=NOBODY, extra_groups=[])
        else:
            options = {}
        here = self.folder("permissions")
        here.chmod(0o777)
        label = runs.label(self.programs, self.inputs)
        sealed = here / "sealed"
        sealed.mkdir()
        sealed.chmod(0o555)
        expect(1, "Permission denied", label, sealed, **options)
        if runs.names(sealed):
            fail("a folder that may not be written is")
        photos = here / "photos"
        shutil.copytree(self.inputs / "photos", photos)
        label = runs.label(self.programs, self.inputs, photos)
        (photos / "00.ppm").chmod(0)
        done = expect(3, "1 images skipped: see labels.safetensors.skipped.csv", label, here, **options)
        if "Permission denied" not in (here / "labels.safetensors.skipped.csv").read_text():
            fail(done.stderr)
        (photos / "inner").mkdir()
        (photos / "inner").chmod(0)
        before = runs.snapshot(here / "cache")
        expect(1, "photos/inner: cannot read folder: Permission denied", label, here, **options)
        if runs.snapshot(here / "cache") != before:
            fail("a failed run changed the cache")
        (photos / "inner").chmod(0o700)

    # --- Pictures ---

    def at_work(self, command, here, change):
        """Runs the command and changes something once it has listed its pictures, and before it has read them all."""
        for _ in range(20):
            process = subprocess.Popen([str(word) for word in command], cwd=here, env=runs.environment(),
                                       stderr=open(here / "err", "w"))
            listed = wait_for((here / "cache" / "lock").exists, process)
            if listed:
                process.send_signal(signal.SIGSTOP)
                os.waitpid(process.pid, os.WUNTRACED)
                early = not (here / "cache" / "000000.safetensors").exists()
                if early:
                    change()
                process.send_signal(signal.SIGCONT)
            code = process.wait()
            if listed and early:
                return code, (here / "err").read_text()
            shutil.rmtree(here / "cache", ignore_errors=True)
        fail("cannot be caught at work")

    def vanishing(self):
        here = self.folder("vanish")
        many = here / "many"
        shutil.copytree(self.inputs / "many", many)
        late = [many / f"{i}.ppm" for i in (599, 98, 99)]  # the last ones, as names are sorted
        label = runs.label(self.programs, self.inputs, many)

        code, said = self.at_work(label, here, lambda: [path.unlink() for path in late[1:]])
        skipped = list(csv.reader(open(here / "labels.safetensors.skipped.csv")))
        if code != 3 or "2 images skipped" not in said or skipped[1:] != [
                [str(path), "No such file or directory"] for path in late[1:]]:
            fail(f"pictures that vanish: exit {code}: {said}{skipped}")
        shutil.rmtree(here / "cache")

        # One that changes has the labels of what it was or is; the next run has those of what it is.
        code, said = self.at_work(label, here, lambda: [runs.make_picture(path, 77) for path in late])
        if code != 0 and not (code == 1 and "changed or vanished while labelling; run the same command again" in said):
            fail(f"pictures that change: exit {code}: {said}")
        expect(0, "", label, here)
        want = runs.snapshot(here)
        shutil.rmtree(here / "cache")
        expect(0, "", label, here)
        runs.check_same(here, want, ["labels.safetensors", "scores.safetensors"])

    def circles(self):
        here = self.folder("circles")
        photos = here / "photos"
        shutil.copytree(self.inputs / "photos", photos)
        (photos / "up").symlink_to("..")
        (photos / "self").symlink_to("self")
        (photos / "nowhere.ppm").symlink_to("none")
        expect(0, "12 images", runs.label(self.programs, self.inputs, photos), here)
        expect(1, "Too many levels of symbolic links", runs.label(self.programs, self.inputs, photos / "self"), here)

    def names(self):
        """From folder to labels, classifier, predictions and evaluation."""
        here = self.folder("names")
        photos = here / "photos"
        photos.mkdir()
        names = [b"new\nline.ppm", b"quote\"s 'and'.ppm", b"comma, semicolon;.ppm", b"tab\t.ppm", b"\\back\\slash.ppm",
                 b"not \xff\xfe UTF-8.ppm", "caf\u00e9 \u732b.ppm".encode(), b"-.ppm", b" .ppm", b"%s%n.ppm", b"=1+1.ppm",
                 b"<script>.ppm", b"@list.ppm", b"\x1b[31m.ppm", b"x" * 251 + b".ppm"]
        for i, name in enumerate(names):
            shutil.copy(self.inputs / "photos" / f"{i % 12:02}.ppm", os.fsencode(photos) + b"/" + name)
        label = runs.label(self.programs, self.inputs, photos)
        label[label.index("labels.safetensors")] = "l" * 243 + ".safetensors"  # 255 bytes
        expect(0, f"{len(names)} images", label, here)
        labels = here / ("l" * 243 + ".safetensors")
        with open(here / "labels.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.reader(file))
        if sorted(os.fsencode(row[0]) for row in rows[1:]) != sorted(names):
            fail(f"labels.csv: {rows}")
        data = labels.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")].decode("utf-8", "surrogateescape"))
        kept = [os.fsencode(name) for name in json.loads(header["__metadata__"]["images"])]
        if sorted(kept) != sorted(names):
            fail(f"{labels}: {kept}")
        again = expect(0, f"{len(names)} of {len(names)} images are in the cache", label, here)
        if "embedded" in again.stderr:
            fail("names do not come back from the cache")
        truth = here / "truth.csv"
        with open(truth, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file).writerows([rows[0]] + [[row[0], "1", "0"] for row in rows[1:]])
        expect(0, "", runs.evaluate(self.programs, self.inputs, labels, here / "labels.csv")[:3] +
               ["-t", truth, labels, here / "labels.csv"], here)
        expect(0, f"{len(names)} images", runs.predict(self.programs, photos), here)
        lines = (here / "predictions.jsonl").read_bytes().decode("utf-8", "surrogateescape").splitlines()
        if sorted(os.fsencode(json.loads(line)["image"]) for line in lines) != sorted(names):
            fail(f"predictions.jsonl: {lines}")
        # A picture that cannot be read is named without the terminal's obeying its name, and on one line.
        (Path(os.fsdecode(os.fsencode(photos) + b"/" + names[0]))).write_text("no picture")
        (Path(os.fsdecode(os.fsencode(photos) + b"/" + names[13]))).write_text("no picture")
        predict = runs.predict(self.programs, photos)
        predict = predict[: predict.index("-o")]
        done = expect(3, "2 of 15 images skipped", predict, here)
        if "\x1b" in done.stderr:
            fail("a name steers the terminal")
        if self.has_train:
            train = runs.train(self.programs, self.inputs, "--epochs", "1")
            train[train.index(self.inputs / "labels.csv")] = labels
            train[train.index(self.inputs / "photos")] = photos
            expect(3, "2 of 15 images skipped: see run/images.skipped.csv", train, here)
            with open(here / "run" / "images.skipped.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
                rows = list(csv.reader(file))
            if {os.fsencode(row[0]) for row in rows[1:]} != {names[0], names[13]}:
                fail(f"images.skipped.csv: {rows}")

    # --- A million ---

    def million(self):
        here = self.folder("million")
        many = here / "many"
        many.mkdir()
        source = self.inputs / "photos" / "00.ppm"
        for i in range(10**6):
            os.link(source, many / f"{i}.ppm")
        label = runs.label(self.programs, self.inputs, many) + ["--shard", "7/1000"]
        began = time.monotonic()
        expect(0, "images, 2 classes", label, here)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.say(f"a million pictures in a folder, labels of a thousandth: {time.monotonic() - began:.0f} s, "
                 f"{used.ru_maxrss / 1024:.0f} MiB")
        if used.ru_maxrss > 2 * 1024**2:
            fail("takes more than 2 GiB")
        rows = (here / "labels.csv").read_text().count("\n") - 1
        if not 700 < rows < 1300:
            fail(f"{rows} labels")


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--million"]):
        sys.exit(__doc__)
    os.umask(0o022)
    with runs.scratch_folder() as name:
        os.chmod(name, 0o755)  # for nobody
        trouble = Trouble(Path(sys.argv[1]).resolve(), Path(name))
        if "--million" in sys.argv:
            trouble.million()
        else:
            for part in (trouble.circles, trouble.names, trouble.vanishing, trouble.permissions, trouble.full_disk,
                         trouble.damage, trouble.two_at_once):
                began = time.monotonic()
                part()
                trouble.say(f"{part.__name__}: {time.monotonic() - began:.1f} s")
    print("trouble.py: passed")


if __name__ == "__main__":
    main()
