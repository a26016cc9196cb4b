"""The plan: tracks with their labels, splits and artists."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from common.fma.dataset import Dataset
from common.fma.genres import clean_name, map_genres
from common.fma.labels import (
    MIN_TRACKS,
    GenreTree,
    LabelSets,
    count_by_split,
    genre_sets,
    join,
)
from common.fma.licences import count_licences
from common.fma.metadata import SPLITS

PLAN_COLUMNS = [("set", "split"), ("track", "genre_top"), ("artist", "id"), ("artist", "name")]
"""Columns of ``tracks.csv`` in a plan."""

GENRES_ALL = ("track", "genres_all")
"""The further column of a plan of tracks with several genres."""

MAX_PADDING = 0.1  # maximum padding of a track in seconds; many of FMA's 30 s clips last 29.98 s


def columns_of(labels: str) -> list[tuple[str, str]]:
    """List the columns of ``tracks.csv`` that `plan_labels` needs."""
    return PLAN_COLUMNS if labels == "top" else [*PLAN_COLUMNS, GENRES_ALL]


def plan_labels(
    tracks: pd.DataFrame, mapping: str, labels: str, genres_csv: Path, min_tracks: int = MIN_TRACKS
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Plan tracks with one or several genres; see `plan_tracks` and `plan_several_genres`.

    ``labels`` is a key of `common.fma.labels.LABELS`; ``tracks`` has the columns of `columns_of`.

    Returns
    -------
    plan : pandas.DataFrame
    described : dict
        The entries of the labels in a manifest.
    """
    if labels == "top":
        plan = plan_tracks(tracks, mapping)
        return plan, {"genres": genres_of(plan)}
    if mapping != "all":
        raise UserError(f"--genres {mapping} is for one genre a track: leave out --labels {labels}")
    tree = GenreTree.read(genres_csv)
    sets = genre_sets(tracks[GENRES_ALL], tree, labels)
    plan = plan_several_genres(tracks, sets, tree, min_tracks)
    described = LabelSets.of(plan["genre"], tree, labels).described
    occurring = len(frozenset().union(*sets))
    left_out = {
        "genres": occurring - len(described["genres"]),
        "tracks": len(tracks) - len(plan),
    }
    return plan, described | {"left_out": left_out}


def plan_tracks(tracks: pd.DataFrame, mapping: str = "all") -> pd.DataFrame:
    """Select the tracks with a genre and a split.

    ``tracks`` is indexed by track id, with the columns `PLAN_COLUMNS`; ``mapping`` is a key of
    `GENRE_MAPPINGS`. The result is indexed and sorted by ``track_id``: ``split``, ``genre``,
    ``label`` (position of the genre in alphabetical order) and ``artist`` (text, unique for a track
    of an unknown artist). A `UserError` is raised if a split is empty, the training split lacks a
    genre, or there is only one genre.
    """
    plan = _plan(tracks, map_genres(tracks["track", "genre_top"], mapping))
    plan = plan[plan["genre"].notna() & plan["split"].isin(SPLITS)].sort_index()
    _require_splits(plan)
    in_training = set(plan.loc[plan["split"] == "training", "genre"])
    for split in SPLITS:
        genres = set(plan.loc[plan["split"] == split, "genre"])
        if unseen := genres - in_training:
            raise UserError(f"no training track is {min(unseen)}, but {split} tracks are")
    if len(in_training) < 2:
        raise UserError(
            f"the metadata has one genre only ({min(in_training)}): a classifier needs at least two"
        )
    plan["label"] = plan["genre"].map(sorted(in_training).index).astype(int)
    return plan[["split", "genre", "label", "artist"]]


def plan_several_genres(
    tracks: pd.DataFrame, sets: pd.Series, tree: GenreTree, min_tracks: int = MIN_TRACKS
) -> pd.DataFrame:
    """Select the tracks with a genre and a split.

    The genres are all roots, and those below them that have ``min_tracks`` training tracks and one
    in each other split.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Indexed by track id, with the columns `PLAN_COLUMNS`.
    sets : pandas.Series
        Genres of each track, as `common.fma.labels.genre_sets` returns them.

    Returns
    -------
    pandas.DataFrame
        As of `plan_tracks`; ``genre`` has the genres of the track, joined by
        `common.fma.labels.SEPARATOR`, and ``label`` is the index in `LabelSets.sets`.

    Raises
    ------
    UserError
        If a split is empty, the training split lacks a root genre of another split, or all tracks
        have the same genres.
    """
    if min_tracks < 1:
        raise UserError(f"--min-tracks {min_tracks} must be 1 or more")
    split = tracks["set", "split"].astype(str)
    counts = count_by_split(sets, split)
    is_root = ~counts.index.isin(list(tree.parents_of(counts.index)))
    unseen = is_root & (counts["training"] == 0) & (counts.sum(axis=1) > 0)
    if unseen.any():
        raise UserError(f"no training track is {counts.index[unseen][0]}, but other tracks are")
    is_frequent = (counts >= [min_tracks, 1, 1]).all(axis=1)
    chosen = frozenset(counts.index[is_root | is_frequent])
    plan = _plan(tracks, sets.map(chosen.intersection))
    plan = plan[plan["genre"].map(len).astype(bool) & split.isin(SPLITS)].sort_index()
    _require_splits(plan)
    if plan["genre"].nunique() < 2:
        raise UserError(
            f"all {len(plan):,} tracks have the same genres ({', '.join(sorted(chosen))}): a "
            "classifier needs at least two kinds of tracks"
        )
    plan["genre"] = join(plan["genre"], tree)
    plan["label"] = pd.factorize(plan["genre"], sort=True)[0]
    return plan[["split", "genre", "label", "artist"]]


def _plan(tracks: pd.DataFrame, genre: pd.Series) -> pd.DataFrame:
    unknown_artist = "track " + tracks.index.to_series().astype("string")
    artist = artist_of(tracks).fillna(unknown_artist)
    split = tracks["set", "split"].astype(str)
    plan = pd.DataFrame({"split": split, "genre": genre, "artist": artist})
    plan.index.name = "track_id"
    return plan


def _require_splits(plan: pd.DataFrame) -> None:
    for split in SPLITS:
        if not (plan["split"] == split).any():
            raise UserError(f"the metadata has no {split} track with a genre: check tracks.csv")


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
