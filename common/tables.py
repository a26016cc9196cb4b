"""Writing and reading the CSV files of the project, and those of users."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.text import one_line

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


def read_rows(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of a user's CSV in UTF-8, with their numbers; the header is row 1.

    Cells are stripped, and empty rows are left out; an optional column that is missing is empty. A
    `UserError` names a missing column, a column that is there twice, a row with too many cells, an
    empty required cell, or an unknown split; without rows, it is raised, too.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file, strict=True)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no CSV in UTF-8: {one_line(error)}") from None
    header = rows[0] if rows else []
    if missing := [name for name in required if name not in header]:
        raise UserError(
            f"{path} lacks the column {missing[0]!r}: required are {', '.join(required)}, "
            f"optional {' and '.join(optional)}, separated by commas"
        )
    if twice := [name for name in (*required, *optional) if header.count(name) > 1]:
        raise UserError(f"{path} has the column {twice[0]!r} twice: delete one")
    table = []
    for number, row in enumerate(rows[1:], start=2):
        if any(row[len(header) :]):
            raise UserError(
                f"{path}: row {number} has more cells than the header: quote text with commas"
            )
        cells = dict.fromkeys(optional, "") | dict(zip(header, row, strict=False))
        if not any(cells.values()):
            continue
        if empty := [name for name in required if not cells.get(name)]:
            raise UserError(
                f"{path}: row {number} has no {empty[0]}: fill it in, or delete the row"
            )
        if "split" in header and cells["split"] not in SPLITS:
            raise UserError(
                f"{path}: row {number} has the split {one_line(cells['split'])!r}: use one of "
                f"{', '.join(SPLITS)}, or omit the column"
            )
        table.append((number, cells))
    if not table:
        raise UserError(f"{path} has no rows: there is nothing to import")
    return table
