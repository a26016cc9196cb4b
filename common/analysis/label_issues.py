"""Label issues: labels that are probably wrong, found from out-of-fold predictions.

Confident learning (C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating
uncertainty in dataset labels", Journal of Artificial Intelligence Research 70, 2021): the threshold
of a genre is its mean probability over the tracks with this label. A track is confidently of a
genre if its probability reaches the threshold; a label issue is a track that is confidently of
another genre than its label. The predictions must be out of fold, since a model reproduces the
wrong labels that it is trained on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from common.evaluation.predictions import Predictions


def find_label_issues(predictions: Predictions) -> pd.DataFrame:
    """Rank tracks by how probable it is that their label is wrong.

    The table is indexed by ``track_id``, label issues first: ``label``, ``suggested`` (the
    confident genre, or the label), ``margin`` (the probability of the label minus the largest of
    the others, -1 to 1; lowest first) and ``issue`` (whether label and suggestion differ).
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
            "issue": suggested != tracks.label,
        },
        index=pd.Index(tracks.track_id, name="track_id"),
    )
    return table.sort_values(["issue", "margin"], ascending=[False, True], kind="stable")


def thresholds(tracks: Predictions) -> np.ndarray:
    """Average the probability of each genre over the tracks with this label [shape=(genres,)].

    The threshold of a genre that is no label is infinite.
    """
    tracks.require_one_genre()
    one_hot = np.eye(len(tracks.genres))[tracks.label]
    counts = one_hot.sum(axis=0)
    sums = (one_hot * tracks.probability).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.inf), where=counts > 0)


def confident_genre(tracks: Predictions) -> np.ndarray:
    """Select the most probable genre above its threshold [shape=(tracks,)].

    Without one, the label is selected.
    """
    reached = tracks.probability >= thresholds(tracks)
    best = np.where(reached, tracks.probability, -1).argmax(axis=1)
    return np.where(reached.any(axis=1), best, tracks.label)


def plant_wrong_labels(
    label: pd.Series, genres: int, *, share: float = 0.1, seed: int = 0
) -> pd.Series:
    """Replace a share of the labels (by track) by other genres at random, all equally probable."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(label), size=round(share * len(label)), replace=False)
    planted = label.copy()
    steps = rng.integers(1, genres, size=len(chosen))
    planted.iloc[chosen] = (label.iloc[chosen] + steps) % genres
    return planted


def score_label_issues(table: pd.DataFrame, wrong: np.ndarray) -> pd.Series:
    """Score label issues, of `find_label_issues`, against the ids of tracks with replaced labels.

    The scores are ``planted``, ``issues`` and ``found`` (the counts of replaced labels, of issues
    and of both), ``precision``, ``recall``, ``precision_at_planted`` (over as many of the first
    tracks as were replaced), and ``chance`` (the precision of random issues). Labels that were
    wrong before count as false positives, so the precision is a lower bound.
    """
    planted = table.index.isin(wrong)
    found = int((planted & table["issue"]).sum())
    count, issues = int(planted.sum()), int(table["issue"].sum())
    return pd.Series(
        {
            "planted": count,
            "issues": issues,
            "found": found,
            "precision": found / max(issues, 1),
            "recall": found / max(count, 1),
            "precision_at_planted": planted[:count].mean() if count else np.nan,
            "chance": planted.mean(),
        }
    )
