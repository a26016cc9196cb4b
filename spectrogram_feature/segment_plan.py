"""Which segments each track gives: decided before any audio is read."""

from __future__ import annotations

import numpy as np
import pandas as pd

import fma_utils
from fma_utils import SPLITS, UserError

SEGMENTS_PER_TRACK = 3

PLAN_COLUMNS = [("set", "split"), ("track", "genre_top"), ("artist", "id"), ("artist", "name")]
"""What the plan needs of the metadata."""


def plan_segments(
    tracks: pd.DataFrame, mapping: str = "all", *, balance: bool = True
) -> pd.DataFrame:
    """Decide how many segments each track gives.

    In training, a genre whose share of the tracks is above 1/number of genres gives one segment
    a track and the others give three, so that rare genres are seen more often. Validation and
    test tracks give all their segments: a track is judged on the whole of it.

    Parameters
    ----------
    tracks : pandas.DataFrame
        Indexed by track id, with the columns `PLAN_COLUMNS`.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    balance : bool
        Otherwise every track gives three segments, for cross-validation, where each track is
        judged once.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``track_id``, in its order: ``split``, ``genre``, ``label`` (position of the
        genre in alphabetical order), ``segments`` and ``artist`` (a string; a track whose artist
        is unknown counts as an artist of its own). Tracks without a genre are left out.

    Raises
    ------
    UserError
        If a split has no track, or the training split lacks a genre of the others.
    """
    genre = fma_utils.map_genres(tracks["track", "genre_top"], mapping)
    plan = pd.DataFrame(
        {
            "split": tracks["set", "split"].astype(str),
            "genre": genre,
            "artist": _artists(tracks),
        }
    )
    plan = plan[plan["genre"].notna() & plan["split"].isin(SPLITS)].sort_index()
    plan.index.name = "track_id"
    training = plan.loc[plan["split"] == "training", "genre"]
    for split in SPLITS:
        genres = set(plan.loc[plan["split"] == split, "genre"])
        if not genres:
            raise UserError(f"the metadata has no {split} track with a genre: check tracks.csv")
        if unseen := genres - set(training):
            raise UserError(f"no training track is {min(unseen)}, but {split} tracks are")
    genres = sorted(set(training))
    plan["label"] = plan["genre"].map(genres.index).astype(int)
    share = training.value_counts(normalize=True)
    frequent = share.index[share > 1 / len(genres)]
    once = balance & (plan["split"] == "training") & plan["genre"].isin(frequent)
    plan["segments"] = np.where(once, 1, SEGMENTS_PER_TRACK)
    return plan[["split", "genre", "label", "segments", "artist"]]


def _artists(tracks: pd.DataFrame) -> pd.Series:
    """Name each track's artist by the id, or else the name, or else the track."""
    known = tracks["artist", "id"].astype("Int64").astype("string")
    known = known.fillna(tracks["artist", "name"].astype("string"))
    return known.fillna("track " + tracks.index.to_series().astype("string"))


def genres_of(plan: pd.DataFrame) -> tuple[str, ...]:
    """List a plan's genres in the order of their labels."""
    return tuple(plan.drop_duplicates("label").sort_values("label")["genre"])
