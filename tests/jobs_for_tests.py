"""Jobs for the worker processes of the tests, which must be able to import them.

Each takes ``(folder, n)`` and leaves a line in ``folder/calls.txt``, so that calls can be counted.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from common.errors import UserError
from common.jobs.files import atomic_write, fingerprint
from common.jobs.run import Job, run_jobs

Argument = tuple[str, int]


def jobs(folder: Path, count: int) -> list[Job]:
    return [Job(f"job-{n}", (str(folder), n)) for n in range(count)]


def note_call(argument: Argument) -> tuple[Path, int]:
    folder, n = Path(argument[0]), argument[1]
    with (folder / "calls.txt").open("a") as calls:
        calls.write(f"{n}\n")
    return folder, n


def calls(folder: Path) -> list[int]:
    """Give the calls since this was last asked, sorted."""
    path = folder / "calls.txt"
    made = sorted(int(line) for line in path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return made


def write_file(argument: Argument) -> dict:
    """Write n + 1 bytes."""
    folder, n = note_call(argument)
    (folder / f"{n}.bin").write_bytes(bytes(n + 1))
    return {"square": n * n, "files": {f"{n}.bin": n + 1}}


def last_first(argument: Argument) -> dict:
    """Finish the later the earlier it was asked for."""
    _, n = note_call(argument)
    time.sleep(0.2 * max(0, 3 - n))
    return {"square": n * n}


def fail_at_one(argument: Argument) -> dict:
    folder, n = note_call(argument)
    if n == 1 and not (folder / "mended").exists():
        raise ValueError("job 1 is broken")
    return {"square": n * n}


def fail_beside_another(argument: Argument) -> dict:
    """Jobs 1 and 0 fail in this order, while job 2 works on for a second."""
    folder, n = note_call(argument)
    if (folder / "mended").exists():
        return {"square": n * n}
    if n == 2:
        (folder / "working").touch()
    if n >= 2:
        time.sleep(1 if n == 2 else 0.1)
    while n < 2 and not (folder / "working").exists():
        time.sleep(0.01)
    if n < 2:
        time.sleep(0.3 * (1 - n))
        raise ValueError(f"job {n} is broken")
    return {"square": n * n}


def die_beside_a_failure(argument: Argument) -> dict:
    """Job 0 fails; job 1 takes its process with it later."""
    folder, n = note_call(argument)
    if n == 1:
        (folder / "working").touch()
        time.sleep(0.5)
        os._exit(1)
    while not (folder / "working").exists():
        time.sleep(0.01)
    raise ValueError(f"job {n} is broken")


def mistake(argument: Argument) -> dict:
    raise UserError("the disk of job 0 is full: free some space")


def die_at_one(argument: Argument) -> dict:
    """Job 1 takes its process with it while the jobs after it work on."""
    folder, n = note_call(argument)
    if not (folder / "mended").exists():
        if n == 1:
            while not (folder / "journal.jsonl").read_text().count("\n") > 1:
                time.sleep(0.01)  # until job 0 is in the journal
            os._exit(1)
        if n > 1:
            time.sleep(60)
    return {"square": n * n}


def die_once_at_one(argument: Argument) -> dict:
    """Job 1 takes its process with it the first time."""
    folder, n = note_call(argument)
    if n == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": n * n}


def threads(argument: Argument) -> dict:
    """Tell how many threads linear algebra would use."""
    import numpy as np  # noqa: F401
    from threadpoolctl import threadpool_info

    return {"threads": [library["num_threads"] for library in threadpool_info()]}


def write_slowly(argument: Argument) -> dict:
    """Take a minute over half a file, unless the file ``hurry`` is there."""
    folder, n = note_call(argument)
    with atomic_write(folder / f"{n}.bin") as file:
        file.write(b"half")
        file.flush()
        (folder / f"pid-{os.getpid()}").touch()
        if not (folder / "hurry").exists():
            time.sleep(60)
        file.write(b"half")
    return {"files": {f"{n}.bin": 8}}


def run_slowly(folder: str) -> None:
    """Run four slow jobs in two processes."""
    run_jobs(write_slowly, jobs(Path(folder), 4), folder=folder, settings={}, workers=2)


def note_source(folder: Path, n: int, text: str) -> None:
    """Write the source of job n."""
    (folder / "source").mkdir(exist_ok=True)
    (folder / "source" / f"{n}.txt").write_text(text)


def read_source(argument: Argument) -> dict:
    """Fail unless the source is there and good."""
    folder, n = note_call(argument)
    path = folder / "source" / f"{n}.txt"
    state = fingerprint(path)
    text = path.read_text() if path.exists() else "missing"
    failures = [] if text == "good" else [text]
    return {"failures": failures, "unusable": {path.name: state} if failures else {}}
