"""Tables of metadata: columns of ``tracks.csv`` as read by `fma_utils.load`."""

from __future__ import annotations

import pandas as pd

from common.fma.metadata import SUBSETS, select_subset
from common.fma.track_plan import artist_of

_MINUS_ONE = {"id", "comments", "favorites", "listens", "tracks"}
"""Numeric columns in which FMA writes -1 for an unknown value."""


def missing_shares(tracks: pd.DataFrame) -> pd.Series:
    """Compute the missing share of each column, 0 to 1.

    Empty lists, empty texts and FMA's -1 for unknown numbers are missing values.
    """
    missing = tracks.isna()
    for column, values in tracks.items():
        if pd.api.types.is_numeric_dtype(values):
            if column[1] in _MINUS_ONE:
                missing[column] |= values == -1
        elif _type_name(values) in ("text", "list"):
            missing[column] |= values.str.len() == 0
    return missing.mean()


def columns_by_type(tracks: pd.DataFrame) -> pd.DataFrame:
    """List the columns' names, separated by commas: a row per type, a column per table."""
    missing = missing_shares(tracks)
    rows = [
        (table, name, "nothing" if missing[table, name] == 1 else _type_name(tracks[table, name]))
        for table, name in tracks.columns
    ]
    table = pd.DataFrame(rows, columns=["table", "name", "holds"]).pivot_table(
        index="holds", columns="table", values="name", aggfunc=", ".join, fill_value="–"
    )
    order = ["number", "category", "date", "text", "list", "nothing"]
    return table.reindex([name for name in order if name in table.index]).rename_axis(columns=None)


def _type_name(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    if values.dtype.kind == "M":
        return "date"
    return "list" if isinstance(next(iter(values.dropna()), None), list) else "text"


def subset_table(tracks: pd.DataFrame) -> pd.DataFrame:
    """Count tracks, root genres and artists in each subset, smallest subset first."""
    rows = {}
    for subset in SUBSETS:
        chosen = select_subset(tracks, subset)
        counts = chosen["track", "genre_top"].astype(object).value_counts()
        rows[subset] = {
            "tracks": len(chosen),
            "with a root genre": counts.sum(),
            "root genres": len(counts),
            "rarest genre": counts.min(),
            "most frequent genre": counts.max(),
            "artists": artist_of(chosen).nunique(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("subset")
