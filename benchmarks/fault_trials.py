"""What faults.py counts and compares, and the processes that it disturbs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.jobs.run import JOURNAL
from common.paths import PROJECT_ROOT

_CAPTURED: dict[str, Any] = {
    "cwd": PROJECT_ROOT,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
    "start_new_session": True,
}


@dataclass
class Trials:
    """What came of one kind of fault: a row of the table.

    Attributes
    ----------
    fault, how : str
    unit : str
        What may be lost.
    times : int
        How often the fault was injected.
    finished, lost : int
        What was finished when the fault came, and what of it was gone or made again afterwards.
    equal : int
        After how many faults the end was that of an undisturbed run.
    lines : Counter
        What the user saw.
    """

    fault: str
    how: str
    unit: str = "shards"
    times: int = 0
    finished: int = 0
    lost: int = 0
    equal: int = 0
    lines: Counter[str] = field(default_factory=Counter)

    def add(self, line: str, finished: int, lost: int, equal: bool) -> None:
        """Count one fault."""
        self.times += 1
        self.finished += finished
        self.lost += lost
        self.equal += equal
        self.lines[line] += 1

    def __str__(self) -> str:
        """Give the row."""
        lines = [f"{line} ({n})" if len(self.lines) > 1 else line for line, n in self._sorted()]
        cells = [self.fault, self.how, self.times, "<br>".join(lines)]
        cells += [f"{self.lost} of {self.finished:,} {self.unit}", f"{self.equal} of {self.times}"]
        return f"| {' | '.join(map(str, cells))} |"

    def _sorted(self) -> list[tuple[str, int]]:
        return sorted(self.lines.items(), key=lambda item: (-item[1], item[0]))


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen]:
    """Start a command at the head of a group of processes, none of which is left afterwards."""
    process = subprocess.Popen(command, **_CAPTURED, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess:
    """Run a command to its end."""
    with running(command, **options) as process:
        output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def said(text: str) -> str:
    """Give what a command said beside its progress bars, without this machine's paths."""
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip() and "%|" not in line]
    if not lines:
        return "nothing"
    if "resource_tracker" in text:
        return "Python's resource_tracker: 'leaked semaphore objects to clean up'"
    if any(line.startswith("Traceback") for line in lines):
        lines = [lines[0], f"and a traceback that ends with {lines[-1]}"]
    shown = re.sub(r"/\S*/", "…/", "; ".join(lines))
    return f"`{re.sub(r'(training|validation|test)-[0-9]{5}-of-[0-9]{5}', 'SHARD', shown)}`"


def contents(folder: Path) -> dict[str, str]:
    """Hash what readers see of a folder; the journal tells the order in which work was done."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != JOURNAL and not path.name.startswith(".")
    }


def flip_a_bit(path: Path, place: float) -> None:
    """Change one bit of a file at a place between 0, its beginning, and 1."""
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


@contextlib.contextmanager
def mounted(script: str, folder: Path) -> Iterator[Path]:
    """Mount a file system at a folder for one process alone; others reach it by way of that.

    Parameters
    ----------
    script : str
        Mounts it at ``"$1"``.
    folder : Path

    Yields
    ------
    Path
        Where it is.

    Raises
    ------
    OSError
        If that is not allowed here.
    """
    folder.mkdir(exist_ok=True)
    script = f"{script} && echo mounted && exec cat"
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout is None or holder.stdout.readline() != b"mounted\n":
            raise OSError("file systems cannot be mounted here")
        yield Path(f"/proc/{holder.pid}/root{folder}")


def can_mount(folder: Path) -> bool:
    """Tell whether `mounted` works here."""
    try:
        with mounted(disk_of(1), folder):
            return True
    except OSError:
        return False


def disk_of(megabytes: int) -> str:
    """Give the script that mounts an empty disk in memory."""
    return f'mount -t tmpfs -o size={megabytes}m none "$1"'


READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
"""The script that makes a folder read-only, for root too."""


def until(found: Callable[[], Any], process: subprocess.Popen) -> Any:
    """Wait until a function gives something, while a process runs."""
    while not (value := found()) and process.poll() is None:
        time.sleep(0.002)
    return value
