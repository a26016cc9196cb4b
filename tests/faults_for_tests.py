"""Commands that are disturbed from outside, for the tests of faults."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.jobs.journal import JOURNAL
from common.paths import PROJECT_ROOT

Note = Callable[[str, object], None]
"""pytest's ``record_property``: benchmarks/faults.py makes a table of what it is given."""


def note_fault(
    note: Note,
    fault: str,
    how: str,
    sees: str | list[str],
    finished: int,
    *,
    unit: str = "shards",
    lost: int = 0,
) -> None:
    """Note one fault that was injected.

    Parameters
    ----------
    sees
        What the user saw: a line, or the standard error.
    finished, lost
        What was finished when the fault came, and what of it was gone or made again afterwards.
    """
    lines = said(sees) if isinstance(sees, str) else sees
    counts = {"finished": finished, "lost": lost, "unit": unit}
    note("fault", {"fault": fault, "how": how, "sees": lines, **counts})


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def extraction(root: Path, out: Path) -> list[str]:
    return command(
        "spectrogram_feature.generate_records", "--root", root, "--out", out, "--workers", 2
    )


def run(arguments: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        arguments, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, **options
    )


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        arguments,
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[subprocess.Popen]:
    """Start a command; nothing of it outlives the test."""
    process = start(arguments)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(process: subprocess.Popen) -> subprocess.CompletedProcess:
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def said(errors: str) -> list[str]:
    """Give the lines of the standard error, without progress bars."""
    return [line for line in re.split(r"[\r\n]+", errors) if line.strip() and "%|" not in line]


def assert_one_line(done: subprocess.CompletedProcess, words: str) -> None:
    assert len(said(done.stderr)) == 1, done.stderr
    [line] = said(done.stderr)
    assert re.match(f"error: .*{words}", line), line
    assert done.returncode == 1


def contents(folder: Path) -> dict[str, str]:
    """Hash what readers see of a folder."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != JOURNAL and not path.name.startswith(".")
    }


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tfrecord")}


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@contextlib.contextmanager
def mounted(script: str, folder: Path) -> Iterator[Path]:
    """Mount a file system at a folder for one process alone; others reach it by way of that."""
    folder.mkdir()
    arguments = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        f"{script} && echo mounted && exec cat",
        "sh",
        folder,
    ]
    if not shutil.which("unshare"):
        pytest.skip("file systems cannot be mounted here")
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip("file systems cannot be mounted here")
        yield Path(f"/proc/{holder.pid}/root{folder}")
