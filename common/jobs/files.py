"""Files and folders of a run: atomic writing, checks, free space, the lock."""

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
"""Bytes read at a time for a checksum, which fit into the cache of a core."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing, and rename it to `path` when it is complete and on disk.

    Its temporary name is ``.<name>.<process>.tmp``.
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
    """Add the name of a file to errors that lack one, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def fingerprint(path: Path) -> list[int] | None:
    """Return size, modification time and status change time (ns) of a file; None if missing.

    The status change time detects a file that was replaced by one of equal size and modification
    time, for example from an archive.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def find_damage(
    folder: Path, files: Mapping[str, int], checksums: Mapping[str, int]
) -> list[tuple[Path, str]]:
    """List the files that differ from what was written, each with its problem.

    Parameters
    ----------
    files : mapping
        Name relative to the folder → bytes.
    checksums : mapping
        Name → CRC-32C. Only these files are read.
    """
    problems = (
        (folder / name, _damage(folder / name, files[name], checksums.get(name))) for name in files
    )
    return [(path, problem) for path, problem in problems if problem]


def _damage(path: Path, size: int, checksum: int | None) -> str:
    try:
        if path.stat().st_size != size:
            return "damaged (size)"
        if checksum is not None and crc32c_of(path) != checksum:
            return "damaged (checksum)"
    except FileNotFoundError:
        return "missing"
    except OSError:  # a bad sector
        return "damaged (cannot be read)"
    return ""


def crc32c_of(path: Path) -> int:
    """Compute the CRC-32C of a file."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            checksum = crc32c(block, checksum)
    return checksum


def require_space(folder: Path, needed: float, purpose: str, *, tolerance: float = 0.0) -> None:
    """Raise a `UserError` if the disk of a folder has less free space than a run needs.

    A disk that does not report its size passes.

    Parameters
    ----------
    folder : Path
        It need not exist yet.
    needed : float
        Bytes.
    purpose : str
        Beginning of the message, e.g. ``"records"``.
    tolerance : float >= 0
        Share of the free space by which `needed` may exceed it.
    """
    disk = shutil.disk_usage(next(part for part in (folder, *folder.parents) if part.exists()))
    if disk.total and needed > (1 + tolerance) * disk.free:
        raise UserError(
            f"{purpose}: {format_size(needed)} are needed in {folder}, {format_size(disk.free)} "
            "are free; free some space, or choose a folder on another disk"
        )


@contextmanager
def only_run_in(folder: str | Path) -> Iterator[None]:
    """Create a folder if necessary, and lock it; raise a `UserError` if another run holds it.

    The operating system releases the lock when the process ends, also when it is killed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A soft lock is a file, which remains after a killed run.
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
