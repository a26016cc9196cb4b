"""Files that appear whole or not at all, and whether they are still what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from crc32c import crc32c

_BLOCK = 1 << 18
"""Bytes that are read at a time to be summed: they fit into a core's cache."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is complete and on the disk.

    Parameters
    ----------
    path : path-like
        Where the file shall be. Until then it is called ``.<name>.<process>.tmp``.

    Yields
    ------
    binary file, open for writing
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
    """Name the file in errors of writing it, such as a full disk's, which tell no place."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def find_damage(
    folder: Path, files: Mapping[str, int], checksums: Mapping[str, int]
) -> list[tuple[Path, str]]:
    """Find the files that are not what they were when they were written.

    Parameters
    ----------
    folder : Path
    files : mapping
        Name relative to the folder → bytes.
    checksums : mapping
        Name → CRC-32C, of the files whose content is to be read too.

    Returns
    -------
    list of (Path, str)
        What is wrong: ``missing``, ``damaged (size)``, ``damaged (checksum)`` or ``damaged (cannot
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
