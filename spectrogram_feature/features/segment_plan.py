"""Number of segments of each track, computed before any audio is read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.fma.track_plan import genres_of, plan_tracks

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
    plan = plan_tracks(tracks, mapping)
    in_training = plan["split"] == "training"
    share = plan.loc[in_training, "genre"].value_counts(normalize=True)
    frequent = share.index[share > 1 / len(genres_of(plan))]
    once = balance & in_training & plan["genre"].isin(frequent)
    plan["segments"] = np.where(once, 1, SEGMENTS_PER_TRACK)
    return plan[["split", "genre", "label", "segments", "artist"]]
