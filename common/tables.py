"""The project's own CSV files: one way to write them, and one to read them back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.jobs.files import atomic_write

_TEXT = ("Genre", "Pathname", "artist", "genre", "model", "path", "problem", "reason", "split")
_WHOLE = ("epoch", "label", "segments", "track_id")
_TYPES = dict.fromkeys(_TEXT, str) | dict.fromkeys(_WHOLE, "int64")
"""Types of the columns that are text or whole numbers whatever their cells look like."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, without its index, whole or not at all."""
    with atomic_write(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())


def read_table(path: str | Path, index: str | None = None) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Genres such as ``1980``, ``True`` and ``NA`` stay text; only an empty cell is missing.

    Parameters
    ----------
    path : path-like
    index : str, optional
        The column that becomes the index.

    Raises
    ------
    ValueError
        If a cell does not have its column's type.
    """
    table = pd.read_csv(path, dtype=_TYPES, keep_default_na=False, na_values=[""])
    return table if index is None else table.set_index(index)
