"""Files and folders that a run depends on: atomic writing, checks, free space, the lock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crc32c import crc32c
from filelock import FileLock, Timeout

from common.errors import UserError
from common.text import format_size

LOCK = ".lock"

_BLOCK = 1 << 18
"""Bytes read at a time for a checksum; they fit into a core's cache."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete and on disk.

    Parameters
    ----------
    path : path-like
        The final name. Until then the file is called ``.<name>.<process>.tmp``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to errors of writing that lack one, such as a full disk's."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def fingerprint(path: Path) -> list[int] | None:
    """Identify a file's present state without reading it: size and times of change, in ns.

    The time of change catches a file restored with the size and the time of the original, as from
    an archive. It is None where there is no such file.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def find_damage(
    folder: Path, files: Mapping[str, int], checksums: Mapping[str, int]
) -> list[tuple[Path, str]]:
    """Find the files that differ from what was written.

    Parameters
    ----------
    folder : Path
    files : mapping
        Name relative to the folder → bytes.
    checksums : mapping
        Name → CRC-32C. Only the content of these files is read.

    Returns
    -------
    list of (Path, str)
        The problem is ``missing``, ``damaged (size)``, ``damaged (checksum)`` or ``damaged (cannot
        be read)``.
    """
    wrong = (
        (folder / name, _damage(folder / name, files[name], checksums.get(name))) for name in files
    )
    return [(path, what) for path, what in wrong if what]


def _damage(path: Path, size: int, checksum: int | None) -> str:
    try:
        if path.stat().st_size != size:
            return "damaged (size)"
        if checksum is not None and _crc32c_of(path) != checksum:
            return "damaged (checksum)"
    except FileNotFoundError:
        return "missing"
    except OSError:  # a bad sector
        return "damaged (cannot be read)"
    return ""


def _crc32c_of(path: Path) -> int:
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            checksum = crc32c(block, checksum)
    return checksum


def require_space(folder: Path, needed: float, purpose: str, *, tolerance: float = 0.0) -> None:
    """Raise a `UserError` if a disk has less free space than a run needs.

    A disk that does not report its size is assumed to be large enough.

    Parameters
    ----------
    folder : Path
        A folder on that disk. It need not exist yet.
    needed : float
        Bytes.
    purpose : str
        What needs them: the beginning of the message.
    tolerance : float >= 0
        The share of the free space by which an estimate may exceed it.
    """
    disk = shutil.disk_usage(next(part for part in (folder, *folder.parents) if part.exists()))
    if disk.total and needed > (1 + tolerance) * disk.free:
        raise UserError(
            f"{purpose}: {format_size(needed)} are needed in {folder}, {format_size(disk.free)} "
            "are free; free some space, or choose a folder on another disk"
        )


@contextmanager
def only_run_in(folder: str | Path) -> Iterator[None]:
    """Lock a folder against other runs, which would delete each other's temporary files.

    The operating system releases the lock when the process ends, also when it is killed. The
    folder is created if necessary; a `UserError` is raised if another run holds it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A soft lock is only a file: it would outlive a killed run.
    lock = FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another run is writing into {folder}: wait until it ends, or choose another folder"
        ) from None
    except NotImplementedError:
        pass  # some network file systems have no locks
    try:
        yield
    finally:
        lock.release()
