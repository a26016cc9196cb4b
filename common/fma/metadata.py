"""FMA's metadata tables with their documented types, subsets and splits."""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.paths import output_root
from common.text import one_line

SUBSETS = ("small", "medium", "large", "full")
"""Each contains the previous one; ``full`` has the untrimmed tracks of ``large``."""

SPLITS = ("training", "validation", "test")

CACHED_FROM = 50_000_000
"""Size in bytes from which the columns read from a metadata file are cached."""

Column = str | tuple[str, ...]  # name of a column, a tuple if the header has several rows

_SUBSET_TYPE = pd.CategoricalDtype(SUBSETS[:3], ordered=True)
_CATEGORICAL = {("track", "genre_top"), ("track", "license"), ("album", "type"), ("set", "split")}
_LISTS = {(table, "tags") for table in ("track", "album", "artist")} | {
    ("track", "genres"),
    ("track", "genres_all"),
}
_TEXT = ("genre_top", "name", "split", "subset", "title", "type", "license", "track_id")
"""Suffixes of the names of text columns, where ``NA``, ``True`` and ``1980`` are values."""

_NO_NUMBERS = ["", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "nan", "null"]
"""Missing values in other columns."""

_DATES = {(table, "date_created") for table in ("track", "album", "artist")} | {
    ("track", "date_recorded"), ("album", "date_released"),
    ("artist", "active_year_begin"), ("artist", "active_year_end"),
}  # fmt: skip


def load(path: str | Path, columns: Sequence[Column] | None = None) -> pd.DataFrame:
    """Read one of FMA's metadata files with its documented types.

    ``path`` is that of ``tracks.csv``, ``genres.csv``, ``features.csv``, ``echonest.csv`` or
    ``raw_*.csv``. ``columns`` are tuples such as ``("set", "split")`` for several header rows,
    strings for one; by default all columns. Selected columns of large files (`CACHED_FROM`) are
    cached in `output_root`.

    The table is indexed by track, genre, album or artist. ``set.subset`` is an ordered categorical
    for ``subset <= "medium"``; list columns contain lists, dates are ``datetime64``. A `UserError`
    is raised if the file is missing or not FMA's, lacks a column, or has invalid or duplicate ids.
    """
    path = Path(path)
    levels = {"tracks.csv": 2, "features.csv": 3}.get(
        path.name, 3 if "echonest" in path.name else 1
    )
    try:
        header, skipped = _read_header(path, levels)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: fetch it with python data/download.py small") from None
    except (StopIteration, ValueError, csv.Error):
        header, skipped = [], 0
    # pandas writes ids that are no index into a column beside its own unnamed index.
    of_ids = next((i for i, key in enumerate(header) if "track_id" in key), 0)
    position: dict[Column, int] = {
        key if levels > 1 else key[0]: i for i, key in enumerate(header) if i != of_ids and any(key)
    }
    if not position:
        raise UserError(f"{path} is not FMA's {path.name}: fetch it again")
    wanted: list[Column] = [
        tuple(key) if levels > 1 else key for key in (position if columns is None else columns)
    ]
    if absent := [key for key in wanted if key not in position]:
        raise UserError(f"{path} has no column {absent[0]!r}: is it FMA's {path.name}?")
    used = sorted({of_ids, *(position[key] for key in wanted)})
    text = {i for i in used if i == of_ids or header[i][-1].endswith(_TEXT)}
    try:
        if columns is not None and path.stat().st_size >= CACHED_FROM:
            cells = _kept_cells(path, skipped, used)
            table = _read_cells(cells, {used.index(i) for i in text}, range(len(used)))
        else:
            table = _read_cells(path, text, used, skiprows=skipped)
    except pd.errors.EmptyDataError:
        raise UserError(f"{path} has no rows: fetch it again") from None
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} does not parse ({error}): fetch it again") from None
    table.columns = pd.Index(used)
    index_name = "track_id" if levels > 1 else header[of_ids][0]
    table.index = _whole_numbers(table[of_ids], path, index_name or "id")
    table.index.name = index_name
    table = table[[position[key] for key in wanted]]
    table.columns = pd.MultiIndex.from_tuples(wanted) if levels > 1 else pd.Index(wanted)
    return _with_types(table, path.name)


def _read_header(path: Path, levels: int) -> tuple[list[tuple[str, ...]], int]:
    """Read the names of the columns, and count the rows before the first track.

    pandas writes the name of the index into a separate row, which is absent without a name.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = [next(reader) for _ in range(levels)]
        first, *others = next(reader, []) or ["0"] if levels > 1 else ["0"]
    names_index = not any(others) and not first.replace(".", "", 1).isdecimal()
    return [*zip(*header, strict=True)], levels + names_index


def _read_cells(
    source: Path | io.BytesIO, text: set[int], used: Sequence[int], **options: Any
) -> pd.DataFrame:
    """Read columns by position; in text columns, only empty cells are missing."""
    return pd.read_csv(
        source,
        header=None,
        usecols=used,
        dtype=dict.fromkeys(text, str),
        na_values={i: [""] if i in text else _NO_NUMBERS for i in used},
        keep_default_na=False,
        low_memory=False,
        **options,
    )


def _whole_numbers(ids: pd.Series, path: Path, name: str) -> pd.Index:
    """Convert ids such as ``2`` and ``2.0``; raise `UserError` for others and for duplicates."""
    numbers = pd.to_numeric(ids, errors="coerce")
    wrong = ~(numbers.ge(0) & numbers.lt(2**53) & (numbers % 1 == 0))
    if wrong.any():
        found = one_line(ids[wrong].fillna("").iloc[0])
        raise UserError(
            f"{path} has the {name} {found!r:.60}, which is no whole number: fetch it again"
        )
    index = pd.Index(numbers.astype("int64"))
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise UserError(
            f"{path} has {len(twice):,} rows too many, the first with the {name} {twice[0]}: "
            "delete them, or fetch it again"
        )
    return index


def _kept_cells(path: Path, skiprows: int, usecols: list[int]) -> io.BytesIO:
    """Return some columns of a large CSV as a small CSV, cached until the file changes.

    The cache contains a checksum and the cells as text, so that cached and other tables are parsed
    equally.
    """
    state = path.stat()
    # The ctime changes with the file even if its size and mtime do not.
    same = (path.resolve(), state.st_size, state.st_mtime_ns, state.st_ctime_ns, skiprows, usecols)
    name = hashlib.sha256(repr(same).encode()).hexdigest()[:32]
    kept = output_root() / "cache" / f"{name}.csv"
    with suppress(OSError):
        checksum, _, cells = kept.read_bytes().partition(b"\n")
        if checksum.decode(errors="replace") == hashlib.sha256(cells).hexdigest():
            return io.BytesIO(cells)
    text = pd.read_csv(
        path, header=None, skiprows=skiprows, usecols=usecols, dtype=str, keep_default_na=False
    )
    cells = text.to_csv(header=False, index=False, quoting=csv.QUOTE_ALL).encode()
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
    with suppress(OSError):  # the cache is optional
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(hashlib.sha256(cells).hexdigest().encode() + b"\n" + cells)
            temporary.replace(kept)
        finally:
            temporary.unlink(missing_ok=True)
    return io.BytesIO(cells)


def _with_types(table: pd.DataFrame, name: str) -> pd.DataFrame:
    lists: Collection[Column] = _LISTS
    dates: Collection[Column] = _DATES
    if name.startswith("raw_"):
        lists = {"tags", "track_genres"}
        dates = {column for column in table.columns if "_date_" in column}
    elif name != "tracks.csv":
        return table
    typed = {}
    for column in table.columns:
        values = table[column]
        if column == ("set", "subset"):
            if not values.dropna().isin(SUBSETS[:3]).all():
                raise UserError(f"{name} has a set.subset that is none of {SUBSETS[:3]}")
            values = values.astype(_SUBSET_TYPE)
        elif column in lists:
            values = _parse_lists(values)
        elif column in dates:
            values = pd.to_datetime(values, errors="coerce", format="mixed")
        elif column in _CATEGORICAL:
            values = values.astype("category")
        typed[column] = values
    parsed = pd.DataFrame(typed, index=table.index)
    parsed.columns = table.columns
    return parsed


def _parse_lists(values: pd.Series) -> pd.Series:
    """Parse cells such as ``[21, 45]`` and ``['live', 'folk']``, equal cells once."""
    codes, unique = pd.factorize(values)
    parsed = [_parse_list(cell) for cell in unique]
    lists = np.empty(len(values), dtype=object)
    lists[:] = [list(parsed[code]) if code >= 0 else [] for code in codes]
    return pd.Series(lists, index=values.index, dtype=object)


def _parse_list(cell: str) -> list:
    try:
        parsed = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        parsed = None
    if not isinstance(parsed, list):
        raise UserError(f"the metadata has {cell!r:.60} where a list belongs: fetch it again")
    return parsed


def select_subset(tracks: pd.DataFrame, subset: str) -> pd.DataFrame:
    """Select the tracks of one of `SUBSETS`; ``medium`` means ``subset <= "medium"``."""
    largest = SUBSETS[min(SUBSETS.index(subset), 2)]
    return tracks[tracks["set", "subset"] <= largest]
