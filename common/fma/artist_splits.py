"""Splits by artist, without an artist in two splits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from common.errors import UserError
from common.fma.metadata import SPLITS

SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}
"""Split → approximate share of each genre's tracks."""


def deal_artists(
    tracks: pd.DataFrame, known: Mapping[str, str] | None = None, seed: int = 0
) -> dict[str, str]:
    """Divide the artists of each genre among training, validation and test.

    A genre of three artists or more is in every split, one of two in training and test, one of a
    single artist in training.

    Parameters
    ----------
    tracks : pandas.DataFrame
        With ``genre`` and ``artist``.
    known : mapping, optional
        Artist → split of earlier runs, which is kept.
    seed : int >= 0
        Order of artists with equally many tracks.

    Returns
    -------
    dict
        Artist → split.
    """
    rng = np.random.default_rng(seed)
    present = sorted(set(tracks["artist"]))
    split = {artist: known[artist] for artist in present if known and artist in known}
    artists = tracks.groupby("genre")["artist"]
    # Genres with the fewest artists first, while artists of several genres have no split yet.
    for genre in artists.nunique().sort_values(kind="stable").index:
        _deal(artists.get_group(genre).value_counts().sort_index(), split, rng)
    require_every_split(tracks, split)
    return split


def _deal(sizes: pd.Series, split: dict[str, str], rng: np.random.Generator) -> None:
    """Divide the artists of one genre without a split, in descending order of their tracks."""
    have = {
        name: sum(size for artist, size in sizes.items() if split.get(artist) == name)
        for name in SPLITS
    }
    shuffled = sizes.sample(frac=1, random_state=rng)
    ranked = shuffled.sort_values(ascending=False, kind="stable")
    rest = [(artist, size) for artist, size in ranked.items() if artist not in split]
    for place, (artist, size) in enumerate(rest):
        empty = [name for name in SPLITS if not have[name]]
        if "training" in empty:
            chosen = "training"
        elif len(rest) - place <= len(empty):
            chosen = empty[-1]
        else:
            chosen = max(SPLITS, key=lambda name: SHARES[name] * sizes.sum() - have[name])
        split[artist] = chosen
        have[chosen] += size


def require_every_split(tracks: pd.DataFrame, split: Mapping[str, str]) -> None:
    """Raise `UserError` for splits without artists and genres without training artists."""
    of_track = tracks["artist"].map(split)
    trained = set(tracks.loc[of_track == "training", "genre"])
    if unseen := sorted(set(tracks["genre"]) - trained):
        raise UserError(
            f"no artist of {unseen[0]} is in the training split: all are in other splits, perhaps "
            "with another genre; name the splits in a CSV, see --help"
        )
    if absent := [name for name in SPLITS if name not in set(of_track)]:
        raise UserError(
            f"too few tracks, no artist is in the split {absent[0]}: at least one genre needs "
            "three artists, or three tracks if the artists are unknown"
        )
