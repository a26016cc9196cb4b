"""Tables of a data set's metadata.

Tables of tracks have the columns of ``tracks.csv``, as read by `fma_utils.load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SUBSETS, select_subset
from common.fma.track_plan import artist_of

METADATA_FILES: Mapping[str, str] = {
    "tracks.csv": "a row a track: track, album, artist, split and subset",
    "genres.csv": "a row a genre: title, parent, root",
    "features.csv": "518 statistics a track, computed with librosa",
    "echonest.csv": "249 features of 13,129 tracks, from Echonest",
    "raw_tracks.csv": "tracks as returned by FMA's API",
    "raw_albums.csv": "albums as returned by FMA's API",
    "raw_artists.csv": "artists as returned by FMA's API",
    "raw_genres.csv": "genres as returned by FMA's API",
}
"""The files of FMA's metadata archive."""

_MINUS_ONE = {"id", "comments", "favorites", "listens", "tracks"}
"""Numeric columns in which FMA writes -1 for an unknown value."""


def metadata_files(folder: str | Path) -> pd.DataFrame:
    """List the `METADATA_FILES` in a folder: ``holds`` and ``kilobytes`` (NaN if missing)."""
    paths = [Path(folder) / name for name in METADATA_FILES]
    sizes = [path.stat().st_size / 1e3 if path.is_file() else np.nan for path in paths]
    index = pd.Index(METADATA_FILES, name="file")
    return pd.DataFrame({"holds": [*METADATA_FILES.values()], "kilobytes": sizes}, index=index)


def missing_shares(tracks: pd.DataFrame) -> pd.Series:
    """Compute the missing share of each column, 0 to 1.

    Empty lists, empty texts and FMA's -1 for unknown numbers are missing values.
    """

    def is_missing(values: pd.Series) -> pd.Series:
        missing = values.isna()
        if pd.api.types.is_numeric_dtype(values):
            return missing | (values == -1) if values.name[1] in _MINUS_ONE else missing
        if isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind == "M":
            return missing
        return missing | (values.str.len() == 0)

    return pd.Series({column: is_missing(tracks[column]).mean() for column in tracks.columns})


def columns_by_type(tracks: pd.DataFrame) -> pd.DataFrame:
    """List the columns' names, separated by commas: a row per type, a column per table."""
    missing = missing_shares(tracks)
    types = {
        column: "nothing" if missing[column] == 1 else _type_name(tracks[column])
        for column in tracks.columns
    }
    rows = [(table, name, types[table, name]) for table, name in tracks.columns]
    table = pd.DataFrame(rows, columns=["table", "name", "holds"]).pivot_table(
        index="holds", columns="table", values="name", aggfunc=", ".join, fill_value="–"
    )
    order = ["number", "category", "date", "text", "list", "nothing"]
    table = table.reindex([name for name in order if name in table.index])
    return table.rename_axis(index="holds", columns=None)


def _type_name(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    if values.dtype.kind == "M":
        return "date"
    return "list" if isinstance(values.dropna().iloc[0], list) else "text"


def genres_present(tracks: pd.DataFrame) -> list[str]:
    """List the root genres of tracks in the order of `fma_utils.ROOT_GENRES`."""
    found = set(tracks["track", "genre_top"].dropna())
    return [genre for genre in ROOT_GENRES if genre in found]


def subset_table(tracks: pd.DataFrame) -> pd.DataFrame:
    """Count tracks, root genres and artists in each subset, smallest subset first."""
    rows = []
    for subset in SUBSETS:
        chosen = select_subset(tracks, subset)
        counts = chosen["track", "genre_top"].value_counts()
        counts = counts[counts > 0]
        rows.append(
            {
                "tracks": len(chosen),
                "with a root genre": counts.sum(),
                "root genres": len(counts),
                "rarest genre": counts.min() if len(counts) else 0,
                "most frequent genre": counts.max() if len(counts) else 0,
                "artists": artist_of(chosen).nunique(),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(SUBSETS, name="subset"))


def subset_genres(tracks: pd.DataFrame, genre_tree: pd.DataFrame) -> pd.DataFrame:
    """Count the sub-genres of each root genre, and its tracks in each subset.

    Parameters
    ----------
    tracks : pandas.DataFrame
        The tracks of all subsets.
    genre_tree : pandas.DataFrame
        The content of ``genres.csv``, as read by `fma_utils.load`.

    Returns
    -------
    pandas.DataFrame
        A row per genre of `fma_utils.ROOT_GENRES`: ``sub-genres``, ``small``, ``medium``,
        ``large``.
    """
    genre = tracks["track", "genre_top"].astype(object)
    counts = pd.crosstab(genre, tracks["set", "subset"].astype(object))
    counts = counts.reindex(index=ROOT_GENRES, columns=SUBSETS[:3], fill_value=0).cumsum(axis=1)
    root_of = genre_tree["top_level"].map(genre_tree["title"])
    is_root = genre_tree["parent"] == 0
    below = root_of[~is_root].value_counts().reindex(ROOT_GENRES, fill_value=0)
    counts.insert(0, "sub-genres", below)
    return counts.rename_axis(index="root genre", columns=None)
