"""Finding labels that are probably wrong, from predictions of models that did not learn them.

Confident learning (C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating
uncertainty in dataset labels", Journal of Artificial Intelligence Research 70, 2021): a genre's
threshold is the mean probability that tracks with this label give it, so that a genre of which the
model is never sure needs less to be believed. A track whose probability of some genre reaches that
genre's threshold is confidently of it; where this is another than its label, the label is doubted.

The predictions must be out of fold: a model that has learnt a wrong label repeats it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.evaluation.predictions import Predictions


def doubt_labels(predictions: Predictions) -> pd.DataFrame:
    """Rank tracks by how much their label is doubted.

    Parameters
    ----------
    predictions : Predictions
        Out of fold.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``track_id``, the most doubtful first: ``label``, ``suggested`` (genres; what
        the track is confidently of, or its label), ``margin`` (the normalised margin: the label's
        probability less the largest of the others', from -1 to 1) and ``doubted`` (whether label
        and suggestion differ). All doubted tracks stand above all others.
    """
    tracks = predictions.by_track()
    suggested = confident_genre(tracks)
    rows = np.arange(len(tracks.label))
    others = tracks.probability.copy()
    others[rows, tracks.label] = -np.inf
    table = pd.DataFrame(
        {
            "label": np.take(tracks.genres, tracks.label),
            "suggested": np.take(tracks.genres, suggested),
            "margin": tracks.probability[rows, tracks.label] - others.max(axis=1),
            "doubted": suggested != tracks.label,
        },
        index=pd.Index(tracks.track_id, name="track_id"),
    )
    return table.sort_values(["doubted", "margin"], ascending=[False, True], kind="stable")


def thresholds(tracks: Predictions) -> np.ndarray:
    """Average each genre's probability over the tracks that have it as label.

    Returns
    -------
    np.ndarray [shape=(genres,), dtype=float64]
        Infinite for a genre that is no track's label: nothing is confidently of it.
    """
    one_hot = np.eye(len(tracks.genres))[tracks.label]
    counts = one_hot.sum(axis=0)
    sums = (one_hot * tracks.probability).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)


def confident_genre(tracks: Predictions) -> np.ndarray:
    """Tell which genre each track is confidently of: the most probable above its threshold.

    Returns
    -------
    np.ndarray [shape=(tracks,), dtype=int64]
        The label of a track that is confidently of none.
    """
    reached = tracks.probability >= thresholds(tracks)
    best = np.where(reached, tracks.probability, -1).argmax(axis=1)
    return np.where(reached.any(axis=1), best, tracks.label)


def plant_wrong_labels(
    label: pd.Series, genres: int, *, share: float = 0.1, seed: int = 0
) -> pd.Series:
    """Give some tracks a wrong label on purpose, to see whether they are found.

    Parameters
    ----------
    label : pandas.Series of int
        By track.
    genres : int > 1
    share : 0 < float < 1
        Of tracks, rounded; drawn at random, each with any other genre as likely as the next.

    Returns
    -------
    pandas.Series of int
        Of the same tracks; the planted ones are those that differ.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(label), size=round(share * len(label)), replace=False)
    planted = label.copy()
    steps = rng.integers(1, genres, size=len(chosen))
    planted.iloc[chosen] = (label.iloc[chosen] + steps) % genres
    return planted


def judge_doubts(table: pd.DataFrame, wrong: np.ndarray) -> pd.Series:
    """Count how many of the doubted labels are known to be wrong.

    Parameters
    ----------
    table : pandas.DataFrame
        As `doubt_labels` gives it.
    wrong : np.ndarray of int
        The ids of the tracks whose labels were planted.

    Returns
    -------
    pandas.Series
        ``planted`` and ``doubted`` (counts), ``found`` (both); ``precision`` of the doubts,
        ``recall`` of the planted, ``precision_at_planted`` (of the most doubtful tracks, as many
        as were planted), and ``chance``, the precision of doubting at random. The precision is a
        lower bound: labels that were wrong before count as false alarms.
    """
    planted = table.index.isin(wrong)
    found = int((planted & table["doubted"]).sum())
    count = int(planted.sum())
    return pd.Series(
        {
            "planted": count,
            "doubted": int(table["doubted"].sum()),
            "found": found,
            "precision": found / max(int(table["doubted"].sum()), 1),
            "recall": found / max(count, 1),
            "precision_at_planted": planted[:count].mean() if count else np.nan,
            "chance": planted.mean(),
        }
    )
