"""Which segments each track gives: decided before any audio is read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.fma.track_plan import genres_of, plan_tracks

SEGMENTS_PER_TRACK = 3


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
        What `common.fma.track_plan.plan_tracks` gives, and ``segments``, before ``artist``.

    Raises
    ------
    UserError
        If a split has no track, or the training split lacks a genre of the others.
    """
    plan = plan_tracks(tracks, mapping)
    in_training = plan["split"] == "training"
    share = plan.loc[in_training, "genre"].value_counts(normalize=True)
    frequent = share.index[share > 1 / len(genres_of(plan))]
    once = balance & in_training & plan["genre"].isin(frequent)
    plan["segments"] = np.where(once, 1, SEGMENTS_PER_TRACK)
    return plan[["split", "genre", "label", "segments", "artist"]]
