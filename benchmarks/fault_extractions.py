"""Faults of extractions: what is injected, and what the next run makes of it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil

from common.jobs.run import JOURNAL
from common.records.record_jobs import PLAN
from common.records.tfrecords import FAILURES
from fault_trials import (
    READ_ONLY,
    Trials,
    can_mount,
    contents,
    disk_of,
    flip_a_bit,
    mounted,
    run,
    running,
    said,
    until,
)

# In the background a shell has its children ignore Ctrl-C.
COMMAND = """
import signal, sys
from pathlib import Path
from common.cli import run_command
from fma_utils import find_dataset
from spectrogram_feature.generate_records import generate, summary

signal.signal(signal.SIGINT, signal.default_int_handler)
root, out = map(Path, sys.argv[1:])
options = {"balance": False, "workers": 2, "tracks_per_shard": 4}
run_command(lambda: print(summary(generate(find_dataset(root), out, **options), out)))
"""

RECORDS = "records of other tracks"

Injection = Callable[[subprocess.Popen, Path], str | None]
"""Disturbs a run that writes into a folder; gives what the user sees, if not what the run says."""


class Extractions:
    """Extractions of one data set, undisturbed and disturbed.

    Parameters
    ----------
    root : Path
        Of the data set.
    scratch : Path
        Where to write.
    rng : random.Random
    """

    def __init__(self, root: Path, scratch: Path, rng: random.Random) -> None:
        self.root, self.scratch, self.rng = root, scratch, rng
        self.whole = scratch / "whole"
        run(self.command(self.whole))
        self.expected = contents(self.whole)
        self.size = sum(path.stat().st_size for path in self.whole.iterdir())

    def command(self, out: Path, root: Path | None = None) -> list[str]:
        """Give the command that extracts the data set, or another one."""
        return [sys.executable, "-c", COMMAND, str(root or self.root), str(out)]

    def rows(self, kills: int) -> Iterator[Trials]:
        """Inject every kind of fault."""
        yield self.disturbed(
            Trials("extraction killed", "SIGKILL at a random moment, alone or with its workers"),
            [partial(self.kill, group=n % 2 == 0) for n in range(kills)],
        )
        yield self.disturbed(
            Trials("worker killed, as for want of memory", "SIGKILL while it writes a shard"),
            [self.kill_worker] * 3,
        )
        yield self.disturbed(
            Trials("worker without memory", "RLIMIT_AS 4 MB above what it has"),
            [self.starve_worker] * 2,
        )
        yield self.disturbed(
            Trials("Ctrl-C", "SIGINT to all its processes at a random moment"), [self.interrupt] * 2
        )
        yield self.disturbed(
            Trials("two runs into one folder", "the same command while the first one writes"),
            [self.run_twice] * 2,
        )
        yield self.disturbed(
            Trials("file too large", "RLIMIT_FSIZE at a random size of a worker's next shard"),
            [self.limit_files] * 2,
        )
        if can_mount(self.scratch / "disk"):
            yield self.full_disk()
            yield self.read_only()
        for how in ("cut", "one bit changed", "deleted"):
            yield self.damaged(how)
        yield self.missing_files(100)
        yield self.broken_files(0.05)

    def disturbed(self, trials: Trials, injections: list[Injection]) -> Trials:
        """Start a run for each injection, disturb it, and run it again."""
        for inject in injections:
            out = self.scratch / "out"
            with running(self.command(out)) as process:
                line = inject(process, out)
                errors = process.communicate()[1]
            self.recover(trials, out, line or said(errors))
        return trials

    def recover(self, trials: Trials, out: Path, line: str = "", damaged: str = "") -> None:
        """Run once more; count what was finished, and whether it is as it was."""
        before = {name: time for name, time in finished(out).items() if name != damaged}
        done = run(self.command(out))
        after = finished(out)
        lost = sum(after.get(name) != written for name, written in before.items())
        equal = done.returncode == 0 and contents(out) == self.expected
        trials.add(line or said(done.stderr), len(before), lost, equal)
        shutil.rmtree(out)

    def kill(self, process: subprocess.Popen, out: Path, *, group: bool) -> None:
        """Kill the command, or all its processes."""
        some = self.rng.randrange(len(finished(self.whole)))
        until(lambda: len(finished(out)) >= some, process)
        time.sleep(self.rng.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)

    def worker(self, process: subprocess.Popen, out: Path, most: int = 6) -> int:
        """Wait until some shards are finished and one is being written; tell by whom."""
        some = self.rng.randint(min(1, most), most)
        until(lambda: len(finished(out)) >= some, process)
        [half_written, *_] = until(lambda: list(out.glob(".*.tfrecord.*.tmp")), process)
        return int(half_written.suffixes[-2][1:])

    def kill_worker(self, process: subprocess.Popen, out: Path) -> None:
        """Do what the system does to who takes too much memory."""
        os.kill(self.worker(process, out), signal.SIGKILL)

    def starve_worker(self, process: subprocess.Popen, out: Path) -> None:
        """Refuse a worker any more memory, before it has all that it ever needs."""
        worker = psutil.Process(self.worker(process, out, most=0))
        worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + (4 << 20),) * 2)

    def interrupt(self, process: subprocess.Popen, out: Path) -> None:
        """Press Ctrl-C."""
        self.worker(process, out)
        os.killpg(process.pid, signal.SIGINT)

    def run_twice(self, process: subprocess.Popen, out: Path) -> str:
        """Start a second run; give what that says."""
        self.worker(process, out)
        os.killpg(process.pid, signal.SIGSTOP)  # so that it is not over too soon
        second = run(self.command(out))
        os.killpg(process.pid, signal.SIGCONT)
        return said(second.stderr)

    def limit_files(self, process: subprocess.Popen, out: Path) -> None:
        """Limit the size of a worker's files, so that writing the next shard fails midway."""
        limit = int(self.rng.uniform(0.1, 0.5) * self.size / len(finished(self.whole)))
        psutil.Process(self.worker(process, out)).rlimit(psutil.RLIMIT_FSIZE, (limit, limit))

    def full_disk(self) -> Trials:
        """Fill the disk while shards are being written."""
        trials = Trials("disk full", "a tmpfs that somebody else fills while shards are written")
        for _ in range(2):
            with mounted(disk_of(2 * self.size >> 20), self.scratch / "disk") as disk:
                out, filling = disk / "out", disk / "of_somebody_else"
                with running(self.command(out)) as process:
                    self.worker(process, out)
                    os.killpg(process.pid, signal.SIGSTOP)
                    room = shutil.disk_usage(disk).free
                    filling.write_bytes(bytes(int(room - self.rng.uniform(0, 0.4) * self.size)))
                    os.killpg(process.pid, signal.SIGCONT)
                    errors = process.communicate()[1]
                filling.unlink()
                self.recover(trials, out, said(errors))
        return trials

    def read_only(self) -> Trials:
        """Run in a folder that even root may not write to."""
        trials = Trials("folder read-only", "a read-only mount of a folder that lacks a shard")
        for _ in range(2):
            out = Path(shutil.copytree(self.whole, self.scratch / "out"))
            self.rng.choice(sorted(out.glob("*.tfrecord"))).unlink()
            with mounted(READ_ONLY, out) as same:
                done = run(self.command(same))
            gone = [name for name in finished(self.whole) if not (out / name).exists()]
            self.recover(trials, out, said(done.stderr), *gone)
        return trials

    def damaged(self, how: str) -> Trials:
        """Damage a shard after the run."""
        trials = Trials(f"shard {how}", "a random one, after the run")
        for _ in range(2):
            out = Path(shutil.copytree(self.whole, self.scratch / "out"))
            shard = self.rng.choice(sorted(out.glob("*.tfrecord")))
            if how == "cut":
                os.truncate(shard, int(self.rng.random() * shard.stat().st_size))
            elif how == "deleted":
                shard.unlink()
            else:
                flip_a_bit(shard, self.rng.random())
            self.recover(trials, out, damaged=shard.name)
        return trials

    def missing_files(self, count: int) -> Trials:
        """Add tracks to the metadata that have no file."""
        root = self.other_data()
        path = root / "fma_metadata" / "tracks.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        tracks = rows[3:]  # after the names of tables and columns, and of the index
        added = [[str(150_000 + n), *tracks[n % len(tracks)][1:]] for n in range(count)]
        path.unlink()
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([*rows, *added])
        return self.extracted(Trials(f"{count} files missing", "rows in tracks.csv", RECORDS), root)

    def broken_files(self, share: float) -> Trials:
        """Empty some files, cut others, and replace others by noise."""
        root = self.other_data()
        files = [path for path in sorted(root.rglob("*.mp3")) if path.stat().st_size > 10_000]
        for n, path in enumerate(self.rng.sample(files, round(share * len(files)))):
            content = path.read_bytes()
            path.unlink()
            path.write_bytes([b"", content[: len(content) // 2], self.rng.randbytes(10_000)][n % 3])
        trials = Trials(
            f"{share:.0%} of the audio broken", "emptied, cut, replaced by noise", RECORDS
        )
        return self.extracted(trials, root)

    def other_data(self) -> Path:
        """Copy the data set by links: who changes a file must delete it first."""
        root = self.scratch / "other"
        shutil.rmtree(root, ignore_errors=True)
        return Path(shutil.copytree(self.root, root, copy_function=os.link))

    def extracted(self, trials: Trials, root: Path) -> Trials:
        """Extract a changed data set; count the records that it should have and has not."""
        out = self.scratch / "out"
        done = run(self.command(out, root))
        expected, found = records(self.whole), records(out)
        failed = (failures(out) - failures(self.whole)) & planned(self.whole)
        lost = len(expected - found) - len(failed)
        shutil.rmtree(out)
        line = said(done.stdout.splitlines()[-1].strip())
        trials.add(line, len(expected) - len(failed), lost, lost == 0 and found <= expected)
        return trials


def finished(out: Path) -> dict[str, int]:
    """Give the shards that the journal has, and when each was written."""
    journal = out / JOURNAL
    names: list[str] = []
    for line in journal.read_text().splitlines()[1:] if journal.exists() else []:
        with contextlib.suppress(ValueError):  # the last one, torn
            names += json.loads(line)["result"]["files"]
    return {name: (out / name).stat().st_mtime_ns for name in names if (out / name).exists()}


def records(folder: Path) -> set[bytes]:
    """Read all records of a folder."""
    found = set()
    for path in folder.glob("*.tfrecord"):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            found.add(content[place + 12 : place + 12 + length])
            place += 12 + length + 4
    return found


def failures(folder: Path) -> set[tuple[int, float]]:
    """Read which segments could not be had: track, offset in seconds."""
    with (folder / FAILURES).open(newline="", encoding="utf-8") as file:
        return {(int(row["track_id"]), float(row["offset"])) for row in csv.DictReader(file)}


def planned(folder: Path) -> set[tuple[int, float]]:
    """Read which segments were to be had."""
    with (folder / PLAN).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(int(row["track_id"]), 10.0 * n) for row in rows for n in range(int(row["segments"]))}
