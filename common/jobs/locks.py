"""One run at a time in a folder: two would delete what the other has half written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from common.errors import UserError

LOCK = ".lock"


@contextmanager
def only_run_in(folder: str | Path) -> Iterator[None]:
    """Hold a folder for as long as this run writes into it.

    The operating system holds the lock, on the machine or on the shared file system, and lets go
    of it when the process ends, whatever ends it.

    Parameters
    ----------
    folder : path-like
        It is made if it is not there.

    Raises
    ------
    UserError
        If another run holds it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A soft lock, which is only a file, would outlive a run that is killed.
    lock = FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another run is writing into {folder}: wait until it ends, or choose another folder"
        ) from None
    except NotImplementedError:
        pass  # some network file systems have no locks: then it is for the user to take care
    try:
        yield
    finally:
        lock.release()
