"""The plan: tracks with their labels, splits and artists."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from common.errors import UserError
from common.fma.dataset import Dataset
from common.fma.genres import clean_name, map_genres
from common.fma.licences import count_licences
from common.fma.metadata import SPLITS

PLAN_COLUMNS = [("set", "split"), ("track", "genre_top"), ("artist", "id"), ("artist", "name")]
"""Columns of ``tracks.csv`` in a plan."""

MAX_PADDING = 0.1  # maximum padding of a track in seconds; many of FMA's 30 s clips last 29.98 s


def plan_tracks(tracks: pd.DataFrame, mapping: str = "all") -> pd.DataFrame:
    """Select the tracks with a genre and a split.

    ``tracks`` is indexed by track id, with the columns `PLAN_COLUMNS`; ``mapping`` is a key of
    `GENRE_MAPPINGS`. The result is indexed and sorted by ``track_id``: ``split``, ``genre``,
    ``label`` (position of the genre in alphabetical order) and ``artist`` (text, unique for a track
    of an unknown artist). A `UserError` is raised if a split is empty, the training split lacks a
    genre, or there is only one genre.
    """
    unknown_artist = "track " + tracks.index.to_series().astype("string")
    plan = pd.DataFrame(
        {
            "split": tracks["set", "split"].astype(str),
            "genre": map_genres(tracks["track", "genre_top"], mapping),
            "artist": artist_of(tracks).fillna(unknown_artist),
        }
    )
    plan = plan[plan["genre"].notna() & plan["split"].isin(SPLITS)].sort_index()
    plan.index.name = "track_id"
    in_training = set(plan.loc[plan["split"] == "training", "genre"])
    for split in SPLITS:
        genres = set(plan.loc[plan["split"] == split, "genre"])
        if not genres:
            raise UserError(f"the metadata has no {split} track with a genre: check tracks.csv")
        if unseen := genres - in_training:
            raise UserError(f"no training track is {min(unseen)}, but {split} tracks are")
    if len(in_training) < 2:
        raise UserError(
            f"the metadata has one genre only ({min(in_training)}): a classifier needs at least two"
        )
    plan["label"] = plan["genre"].map(sorted(in_training).index).astype(int)
    return plan[["split", "genre", "label", "artist"]]


def artist_of(tracks: pd.DataFrame) -> pd.Series:
    """Return each track's artist: the id, else the name, else missing.

    Ids may be text; ``7`` and ``7.0`` are equal.
    """
    ids, names = tracks["artist", "id"], tracks["artist", "name"]
    numbers = pd.to_numeric(ids, errors="coerce")
    whole = numbers.where(numbers % 1 == 0).astype("Int64").astype("string")
    known = whole.fillna(_as_text(ids)).where(numbers != -1)  # unknown in the FMA
    return known.fillna(_as_text(names))


def _as_text(values: pd.Series) -> pd.Series:
    names = values.astype("string").map(clean_name, na_action="ignore").astype("string")
    return names.where(names != "")


def genres_of(plan: pd.DataFrame) -> tuple[str, ...]:
    """Return the genres of a plan in the order of their labels."""
    return tuple(plan.drop_duplicates("label").sort_values("label")["genre"])


def plan_digest(plan: pd.DataFrame) -> str:
    """Return a checksum of a plan for the settings of a journal."""
    return hashlib.sha256(plan.to_csv().encode()).hexdigest()


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return the entry of a data set in a manifest; ``licences`` are those of training tracks."""
    described = {"title": dataset.title, "subset": dataset.subset, "synthetic": dataset.is_demo}
    licences = count_licences(dataset)
    return described | ({"licences": licences} if licences else {})
