"""Whether a disk has room for what is to be written: it would fail hours later."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.errors import UserError
from common.text import format_size


def require_space(folder: Path, needed: float, purpose: str, *, tolerance: float = 0.0) -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    folder : Path
        On that disk; it need not be there yet.
    needed : float
        Bytes.
    purpose : str
        What needs them, to begin the message.
    tolerance : float >= 0
        By which share of what is free an estimate may exceed it.

    Raises
    ------
    UserError
        If less is free. A disk that does not tell its size is believed.
    """
    disk = shutil.disk_usage(next(part for part in (folder, *folder.parents) if part.exists()))
    if disk.total and needed > (1 + tolerance) * disk.free:
        raise UserError(
            f"{purpose}: {format_size(needed)} are needed in {folder}, {format_size(disk.free)} "
            "are free; free some space, or choose a folder on another disk"
        )
