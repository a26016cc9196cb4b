"""Processes that train together under JAX, usually one on each host.

All processes run the same command on the same records. Each prepares the same batches and keeps its
rows of them. Process 0 reads and writes the folder of the training; the others have temporary
copies and follow its decisions, so all code is the same in all processes.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.errors import UserError
from common.jobs.journal import as_json, difference
from common.text import accept_any_text
from common.training import last_words

VARIABLES = tuple(
    f"KERAS_DISTRIBUTION_{name}" for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
)
"""Environment variables of Keras: address of process 0, number of processes, own number."""

PATIENCE = 300  # seconds for all processes to appear

_LOSSES = ("Gloo", "NCCL", "coordination service")
"""Parts of messages of errors that the end of another process causes."""

_exit_code: int | None = None


def count() -> int:
    """Return the number of processes."""
    return _jax().process_count() if _are_joined() else 1


def number() -> int:
    """Return the number of this process, from 0."""
    return _jax().process_index() if _are_joined() else 0


def _jax() -> Any:
    import jax

    return jax


def _are_joined() -> bool:
    return "jax" in sys.modules and _jax().distributed.is_initialized()


def join() -> None:
    """Wait for the other processes if the environment has `VARIABLES`.

    This precedes all use of JAX. Only process 0 prints. A `UserError` is raised if a variable is
    missing or wrong, or the backend is not JAX.
    """
    found = [os.environ.get(name) for name in VARIABLES]
    if not any(found) or _are_joined():
        return
    address, processes, own = _parsed(found)
    jax = _jax()
    _replace_crash_reports(
        f"error: not all {processes} processes have joined at {address} within {PATIENCE} s: start "
        f"the same command on every host, and check {VARIABLES[0]} and that its port is open",
        "error: another process of this training has ended or cannot be reached: its message says "
        "why; finished epochs are kept, and the same command on every host resumes after them",
    )
    # A terminated process must end, and not wait until JAX finds time for a checkpoint.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        # keras.distribution.initialize would give a process under SLURM one GPU only.
        jax.distributed.initialize(
            address,
            processes,
            own,
            initialization_timeout=PATIENCE,
            cluster_detection_method="deactivate",
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"process {own} cannot join at {address} ({reason}): choose another port in "
            f"{VARIABLES[0]}"
        ) from None
    atexit.register(_leave)
    if own:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _parsed(found: list[str | None]) -> tuple[str, int, int]:
    address, processes, own = found
    if keras.backend.backend() != "jax":
        raise UserError(f"{VARIABLES[0]} is set: several processes need KERAS_BACKEND=jax")
    try:
        numbers = int(processes or ""), int(own or "")
        if address and ":" in address and 0 <= numbers[1] < numbers[0]:
            return (address, *numbers)
    except ValueError:
        pass
    now = ", ".join(f"{name}={value}" for name, value in zip(VARIABLES, found, strict=True))
    raise UserError(
        f"{now}: several processes need HOST:PORT of process 0, their number, and the own number, "
        "counted from 0"
    )


def _replace_crash_reports(before: str, during: str) -> None:
    """Send what libraries write to standard error through `last_words`; Python writes directly."""
    direct = os.dup(2)
    command = [sys.executable, last_words.__file__, before, during]
    reading, writing = os.pipe()
    subprocess.Popen(command, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True)
    os.dup2(writing, 2)
    os.close(reading)
    os.close(writing)
    sys.stderr = os.fdopen(direct, "w", buffering=1, encoding=sys.stderr.encoding)
    accept_any_text(sys.stderr)


def _leave() -> None:
    """End at once after an error: JAX would wait for the other processes, and they for this one."""
    if _exit_code is not None:
        sys.stderr.flush()
        os._exit(_exit_code)


def own_folder(folder: Path) -> Path:
    """Return the folder of a training in process 0, and a temporary one in the others."""
    if number() == 0:
        return folder
    temporary = tempfile.TemporaryDirectory(prefix="training-")
    atexit.register(temporary.cleanup)
    return Path(temporary.name) / folder.name


@contextmanager
def together() -> Iterator[None]:
    """End all processes if one of them fails within the context."""
    global _exit_code
    try:
        yield
    except BaseException as error:
        if count() > 1:
            if any(part in str(error) for part in _LOSSES):
                os.write(2, last_words.LOST)
                _exit_code = 1
                raise SystemExit(1) from None
            _exit_code = 130 if isinstance(error, KeyboardInterrupt) else 1
        raise


def gather(value: Any) -> list[Any]:
    """List the values of all processes in the order of their numbers; any that JSON can express."""
    if count() == 1:
        return [value]
    from jax.experimental.multihost_utils import process_allgather

    content = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = process_allgather(np.int32(len(content))).ravel()
    padded = np.zeros(sizes.max(), np.uint8)
    padded[: len(content)] = content
    rows = process_allgather(padded)
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def require_equal(settings: Mapping[str, Any]) -> None:
    """Raise a `UserError` in all processes if one has other settings or versions than process 0."""
    if count() == 1:
        return
    versions = {name: version(name) for name in ("fma-genre-research", "keras", "jax")}
    first, *others = gather(as_json({**settings, "versions": versions}))
    for process, other in enumerate(others, 1):
        if other != first:
            raise UserError(
                f"process {process} has other settings than process 0 ({difference(first, other)})"
                ": start the same command with the same records and versions on every host"
            )


def copy_from_first(folder: Path, patterns: Iterable[str]) -> None:
    """Copy files in the folder of a training from process 0 to the other processes."""
    if count() == 1:
        return
    mine = [] if number() else [path for pattern in patterns for path in folder.glob(pattern)]
    contents = {path.name: base64.b64encode(path.read_bytes()).decode() for path in mine}
    files, *_ = gather(contents)
    if number():
        for name, content in files.items():
            (folder / name).write_bytes(base64.b64decode(content))


class Follow(keras.callbacks.Callback):
    """Replace the scores of each epoch by those of process 0, so that all decide alike."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Replace the scores."""
        logs.update(gather(logs)[0])
