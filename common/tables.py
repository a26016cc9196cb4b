"""Writing and reading the CSV files of the project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.jobs.files import atomic_write

_TEXT = ("Genre", "Pathname", "artist", "genre", "model", "path", "problem", "reason", "split")
_WHOLE = ("epoch", "label", "segments", "track_id")
_TYPES = dict.fromkeys(_TEXT, str) | dict.fromkeys(_WHOLE, "int64")
"""Columns that are text or whole numbers regardless of their cells."""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV without its index, atomically."""
    with atomic_write(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())


def read_table(path: str | Path, index: str | None = None) -> pd.DataFrame:
    """Read a table that `write_table` wrote, with the column `index` as its index.

    Genres such as ``1980``, ``True`` and ``NA`` remain text; only an empty cell is missing. A
    `ValueError` is raised if a cell does not have the type of its column.
    """
    table = pd.read_csv(path, dtype=_TYPES, keep_default_na=False, na_values=[""])
    return table if index is None else table.set_index(index)
