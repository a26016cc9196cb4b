"""Number of segments of each track, computed before any audio is read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.fma.labels import SEPARATOR
from common.fma.track_plan import plan_tracks

SEGMENTS_PER_TRACK = 3


def plan_segments(
    tracks: pd.DataFrame, mapping: str = "all", *, balance: bool = True
) -> pd.DataFrame:
    """Plan the number of segments of each track.

    In training, tracks of a genre with more than 1/number of genres of the tracks have one segment,
    the others three, which raises the share of rare genres. Validation and test tracks have three:
    a track is evaluated on all of its segments.

    Parameters
    ----------
    tracks, mapping
        See `common.fma.track_plan.plan_tracks`, also for errors.
    balance : bool
        False: three segments for every track, for cross-validation, which tests each track once.

    Returns
    -------
    pandas.DataFrame
        Indexed by track id, with ``split``, ``genre``, ``label``, ``segments`` and ``artist``.
    """
    return count_segments(plan_tracks(tracks, mapping), balance=balance)


def count_segments(plan: pd.DataFrame, *, balance: bool = True) -> pd.DataFrame:
    """Add the number of segments to a plan; the rarest genre of a track determines it."""
    own = plan["genre"].str.split(SEPARATOR, regex=False)
    row, genre = np.repeat(np.arange(len(plan)), own.map(len)), np.concatenate(own.tolist())
    in_training = (plan["split"] == "training").to_numpy()
    share = pd.Series(genre[in_training[row]]).value_counts() / in_training.sum()
    is_rare = ~(share.reindex(genre).to_numpy() > 1 / len(set(genre)))
    once = balance & in_training & (np.bincount(row, is_rare) == 0)
    plan = plan.assign(segments=np.where(once, 1, SEGMENTS_PER_TRACK))
    return plan[["split", "genre", "label", "segments", "artist"]]
