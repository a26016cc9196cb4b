"""Scores of tracks with several genres, with bootstrap confidence intervals.

All scores are at track level: the probabilities of a track are the mean over its segments. Average
precision and the area under the ROC curve rank the tracks of a genre (macro: the mean over genres)
or all pairs of a track and a genre (micro). They are not sums over tracks, so each resample ranks
the tracks that were drawn, with their counts as weights. Ties are ranked as in scikit-learn: tied
pairs pass a threshold together.

A genre without a true track has no average precision and no ROC curve, and a genre of every track
has no ROC curve. Macro means omit these genres, in each resample those of the tracks drawn.

A resample repeats tracks, and a repeated true track raises the average precision of a rare genre.
The intervals are therefore shifted by the estimate of this bias: the mean of the resamples minus
the value. They refer to splits of this size: few true tracks give a higher average precision than
many, so only scores of the same split are comparable.

References
----------
B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993, chapter 10
(bias); M.-L. Zhang and Z.-H. Zhou, "A review on multi-label learning algorithms", IEEE Transactions
on Knowledge and Data Engineering 26(8), 2014 (ranking scores); C. D. Manning, P. Raghavan and H.
Schütze, "Introduction to Information Retrieval", Cambridge University Press, 2008, chapter 8
(R-precision); C. N. Silla and A. A. Freitas, "A survey of hierarchical classification across
different application domains", Data Mining and Knowledge Discovery 22, 2011.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from common.evaluation.metrics import (
    RESAMPLES,
    Difference,
    Runs,
    Score,
    as_list,
    bootstrap,
    divide,
    draw_counts,
    percentile_interval,
    ratio,
)
from common.evaluation.predictions import Predictions
from common.fma.labels import root_of

RESAMPLES_AT_ONCE = 50
"""Resamples scored at once: 50 × 13,000 pairs of a track and its genre take 5 MB an array."""

TOLERANCE = 1e-6
"""Differences of probabilities up to this size are rounding errors."""


@dataclass(frozen=True)
class Scores:
    """Scores of tracks with several genres.

    ``r_precision`` is the share of true genres among the n most probable genres of a track
    that has n genres (R-precision), ``lrap`` the label ranking average precision; both are means
    over tracks.
    """

    macro_average_precision: Score
    micro_average_precision: Score
    macro_roc_auc: Score
    micro_roc_auc: Score
    r_precision: Score
    lrap: Score

    @property
    def main(self) -> Score:
        """Score: the one that ranks models."""
        return self.macro_average_precision


STATISTICS = tuple(field.name for field in fields(Scores))
"""Names of the scores."""


@dataclass(frozen=True)
class SubGenreErrors:
    """How often the root of a wrong sub-genre is right.

    ``tracks`` have a sub-genre. In ``errors`` of these, the most probable sub-genre is not among
    the genres of the track. ``root_accuracy`` is the share of these errors where the root of that
    sub-genre is a root of the track; it is NaN if there is no error.
    """

    tracks: int
    errors: int
    root_accuracy: Score


def evaluate(
    runs: Runs, *, clusters: pd.Series | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Scores:
    """Compute the scores of tracks with bootstrap intervals.

    ``clusters`` has the cluster of each track, by track id; whole clusters are drawn. The scores of
    several runs are means over the runs, in each resample, too. Macro means are over the genres
    that have a true track, and for ROC AUC one of another genre, in each resample among the tracks
    drawn.

    Raises
    ------
    ValueError
        If a track has no genre, or the runs are not of the same tracks, genres and true genres.
    """
    tracks = _by_track(as_list(runs))
    statistics = _Statistics(tracks)
    values = statistics(np.ones((len(tracks[0].label), 1)))[:, 0]
    drawn = np.concatenate(
        [statistics(weights) for weights in _draw(tracks[0], clusters, resamples, seed)], axis=1
    )
    return Scores(*map(_with_interval, values, drawn))


def compare(
    a: Runs,
    b: Runs,
    statistic: str = "macro_average_precision",
    *,
    clusters: pd.Series | None = None,
) -> Difference:
    """Estimate a score, a field of `Scores`, of `a` minus that of `b` by a paired bootstrap.

    Both are scored on the same resampled tracks, or ``clusters`` of tracks as for `evaluate`; their
    segments may differ. The score of several runs is their mean. A difference is significant if its
    interval excludes zero.

    Raises
    ------
    ValueError
        If a track has no genre, or they are not of the same tracks, genres and true genres.
    """
    row = STATISTICS.index(statistic)
    tracks = _by_track([*as_list(a), *as_list(b)])
    first, second = _Statistics(tracks[: len(as_list(a))]), _Statistics(tracks[len(as_list(a)) :])

    def gain(weights: np.ndarray) -> np.ndarray:
        return first(weights)[row] - second(weights)[row]

    [value] = gain(np.ones((len(tracks[0].label), 1)))
    drawn = np.concatenate([gain(weights) for weights in _draw(tracks[0], clusters)])
    return Difference(float(value), *_centred_interval(value, drawn))


def per_genre(
    predictions: Predictions,
    parents: Mapping[str, str],
    training_tracks: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Tabulate the scores of every genre, from the most to the least frequent one.

    ``parents`` has the parent of each sub-genre, ``training_tracks`` the number of training tracks
    of each genre.

    Returns
    -------
    pd.DataFrame
        By ``genre``: ``parent``, empty for root genres; ``training_tracks`` if they are given;
        ``tracks``, the number of true tracks; ``frequency``, their share, which is the average
        precision of equal probabilities; ``chance``, the expected average precision of a random
        ranking, which exceeds the frequency of a rare genre; ``average_precision``,
        ``average_precision_low``, ``average_precision_high`` and ``roc_auc``. Undefined scores are
        missing.
    """
    [tracks] = _by_track([predictions])
    rankings = _rank_genres(tracks)
    precision, auc = _score(rankings, np.ones((len(tracks.label), 1)))[..., 0].T
    drawn = np.concatenate([_score(rankings, weights)[:, 0] for weights in _draw(tracks)], axis=1)
    scores = list(map(_with_interval, precision, drawn))
    counts = tracks.truth.sum(axis=0)
    table = pd.DataFrame(
        {
            "parent": [parents.get(genre, "") for genre in tracks.genres],
            "tracks": counts,
            "frequency": counts / len(tracks.label),
            "chance": _chance(counts, len(tracks.label)),
            "average_precision": precision,
            "average_precision_low": [score.low for score in scores],
            "average_precision_high": [score.high for score in scores],
            "roc_auc": auc,
        },
        index=pd.Index(tracks.genres, name="genre"),
    )
    if training_tracks is not None:
        table.insert(1, "training_tracks", [training_tracks[genre] for genre in tracks.genres])
    return table.sort_values("tracks", ascending=False, kind="stable")


def sub_genre_errors(predictions: Predictions, parents: Mapping[str, str]) -> SubGenreErrors:
    """Compute how often the root is right where the most probable sub-genre is wrong.

    ``parents`` has the parent of each sub-genre. A `ValueError` is raised if no genre has a parent.
    """
    [tracks] = _by_track([predictions])
    genres = np.array(tracks.genres)
    is_sub = np.isin(genres, list(parents))
    if not is_sub.any():
        raise ValueError("none of the genres is a sub-genre")
    roots = np.array([root_of(genre, parents) for genre in tracks.genres])
    same_root = roots[:, None] == roots
    predicted = np.where(is_sub, tracks.probability, -1).argmax(axis=1)
    eligible = tracks.truth[:, is_sub].any(axis=1)
    wrong = eligible & ~tracks.truth[np.arange(len(predicted)), predicted]
    right_root = wrong & (tracks.truth & same_root[predicted]).any(axis=1)
    accuracy = bootstrap(np.stack([right_root, wrong], axis=1).astype(np.float64), ratio)
    return SubGenreErrors(int(eligible.sum()), int(wrong.sum()), accuracy)


def violations(predictions: Predictions, parents: Mapping[str, str]) -> float:
    """Compute the share of pairs of a track and a sub-genre that violate the hierarchy.

    A pair violates it if the sub-genre is more probable than its parent by more than `TOLERANCE`.
    Sub-genres whose parent is not among the genres are omitted. The share of no pairs is zero.
    """
    tracks = predictions.by_track()
    column = {genre: position for position, genre in enumerate(tracks.genres)}
    pairs = [
        (column[sub], column[parent])
        for sub, parent in parents.items()
        if sub in column and parent in column
    ]
    if not pairs:
        return 0.0
    subs, above = np.transpose(pairs)
    excess = tracks.probability[:, subs] - tracks.probability[:, above]
    return float((excess > TOLERANCE).mean())


def best_threshold(predictions: Predictions) -> float:
    """Find the probability threshold that maximises micro-F1 over pairs of a track and a genre.

    A genre is predicted if its probability is at least the threshold. Every observed probability is
    tried; the highest of several equal thresholds is returned.
    """
    [tracks] = _by_track([predictions])
    order = np.argsort(-tracks.probability, axis=None, kind="stable")
    probability = tracks.probability.ravel()[order]
    hits = tracks.truth.ravel()[order].cumsum()
    last_of_tied = np.diff(probability, append=-1) < 0
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + hits[-1])
    return float(probability[np.where(last_of_tied, f1, -1).argmax()])


def _by_track(runs: Sequence[Predictions]) -> list[Predictions]:
    """Average over segments; check that each track has a genre, and that runs have the same."""
    first, *others = tracks = [run.by_track() for run in runs]
    without = ~first.truth.any(axis=1)
    if without.any():
        raise ValueError(f"track {first.track_id[without][0]} has no genre")
    for run in others:
        same = np.array_equal(run.track_id, first.track_id) and run.genres == first.genres
        if not same or not np.array_equal(run.truth, first.truth):
            raise ValueError(
                "only predictions of the same tracks, genres and true genres are comparable"
            )
    return tracks


def _draw(
    tracks: Predictions,
    clusters: pd.Series | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Draw tracks, or clusters of tracks: blocks of weights [shape=(tracks, resamples)]."""
    units = tracks.track_id if clusters is None else clusters.loc[tracks.track_id].to_numpy()
    names, position = np.unique(units, return_inverse=True)
    for counts in draw_counts(len(names), resamples, seed):
        for start in range(0, len(counts), RESAMPLES_AT_ONCE):
            yield counts[start : start + RESAMPLES_AT_ONCE].T[position]


def _with_interval(value: float, drawn: np.ndarray) -> Score:
    return Score(float(value), *np.clip(_centred_interval(value, drawn), 0, 1).tolist())


def _centred_interval(value: float, drawn: np.ndarray) -> tuple[float, float]:
    """Return the interval of resampled values, their mean shifted to the value; NaN is ignored."""
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size == 0:
        return np.nan, np.nan
    return percentile_interval(drawn - drawn.mean() + value)


def _chance(true: np.ndarray, tracks: int) -> np.ndarray:
    """Compute the expected average precision of a random ranking for numbers of true tracks.

    Of the tracks above a true one, a share of (true - 1) / (tracks - 1) is true on average.
    """
    share = (true - 1) / max(tracks - 1, 1)
    itself = (1 / np.arange(1, tracks + 1)).mean()
    return np.where(true > 0, share + (1 - share) * itself, np.nan)


class _Statistics:
    """The statistics `STATISTICS` of weighted tracks, the mean over runs."""

    def __init__(self, runs: Sequence[Predictions]) -> None:
        self._genres = [_rank_genres(run) for run in runs]
        self._pairs = [_Ranking(run.probability, run.truth) for run in runs]
        means = [[_r_precision(run), _ranking_precision(run)] for run in runs]
        self._of_track = np.mean(means, axis=0)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Compute (statistics, n) for the weights of tracks (tracks, n)."""
        macro = np.mean([_mean_over_genres(_score(run, weights)) for run in self._genres], axis=0)
        micro = np.mean(_score(self._pairs, weights), axis=0)
        of_track = self._of_track @ weights / weights.sum(axis=0)
        return np.concatenate([np.stack([macro, micro], axis=1).reshape(4, -1), of_track])


def _mean_over_genres(scores: np.ndarray) -> np.ndarray:
    """Average (genres, 2, n) over the genres where a score is defined."""
    return divide(np.nansum(scores, axis=0), np.isfinite(scores).sum(axis=0))


class _Ranking:
    """Pairs of a track and a genre from the most to the least probable one.

    Only groups of tied pairs that have a true pair matter. The rows of ``_true`` [shape=(groups,
    tracks)] count the true pairs of each group. The rows of ``_false`` [shape=(2 × groups, tracks)]
    count the false pairs between the previous group and this one, and those of this one, in turn.
    """

    def __init__(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """Rank the pairs; both arrays have the shape (tracks, genres)."""
        tracks, self._genres = truth.shape
        order = np.argsort(-probability, axis=None, kind="stable")
        is_true = truth.ravel()[order]
        track = order // self._genres
        ends = np.flatnonzero(np.diff(probability.ravel()[order], append=-1)) + 1
        hits = is_true.cumsum()[ends - 1]
        misses = ends - hits
        has_true = np.diff(hits, prepend=0) > 0
        bounds = np.stack([np.append(0, misses[:-1]), misses], axis=1)[has_true]
        self._true = _count_by_row(track[is_true], hits[has_true], tracks)
        self._false = _count_by_row(track[~is_true], bounds.ravel(), tracks)

    def score(self, weights: np.ndarray) -> np.ndarray:
        """Compute average precision and ROC AUC (2, n) for the weights of tracks (tracks, n).

        Both are NaN if all true pairs have zero weight. ROC AUC is also NaN if all false pairs do.
        """
        true = self._true @ weights
        hits = true.cumsum(axis=0)
        misses = (self._false @ weights).cumsum(axis=0)
        before, through = misses[::2], misses[1::2]
        all_true = true.sum(axis=0)
        all_false = self._genres * weights.sum(axis=0) - all_true
        ranked = hits + through
        precision = np.einsum("kn,kn->n", true, hits / np.where(ranked > 0, ranked, 1))
        outranked = np.einsum("kn,kn->n", true, all_false - (before + through) / 2)
        return np.stack([divide(precision, all_true), divide(outranked, all_true * all_false)])


def _count_by_row(track: np.ndarray, ends: np.ndarray, tracks: int) -> csr_array:
    """Count tracks (rows, tracks) in consecutive parts of a list of tracks, given their ends."""
    bounds = np.append(0, ends)
    track = track[: bounds[-1]]
    return csr_array((np.ones(len(track)), track, bounds), shape=(len(ends), tracks))


def _rank_genres(tracks: Predictions) -> list[_Ranking]:
    """Rank the tracks for each genre."""
    return [
        _Ranking(tracks.probability[:, [genre]], tracks.truth[:, [genre]])
        for genre in range(len(tracks.genres))
    ]


def _score(rankings: Sequence[_Ranking], weights: np.ndarray) -> np.ndarray:
    """Compute average precision and ROC AUC of each ranking: (rankings, 2, n)."""
    return np.stack([ranking.score(weights) for ranking in rankings])


def _r_precision(tracks: Predictions) -> np.ndarray:
    """Compute the share of true genres among as many of the most probable ones (tracks,).

    Of genres that are tied at the last rank, the expected share in random order is counted.
    """
    true, probability = tracks.truth, tracks.probability
    count = true.sum(axis=1)
    last = np.take_along_axis(-np.sort(-probability, axis=1), count[:, None] - 1, axis=1)
    above, tied = probability > last, probability == last
    places = (count - above.sum(axis=1)) / tied.sum(axis=1)
    return ((true & above).sum(axis=1) + places * (true & tied).sum(axis=1)) / count


def _ranking_precision(tracks: Predictions) -> np.ndarray:
    """Compute the mean precision at the ranks of the true genres (tracks,), for LRAP."""
    true = tracks.truth
    track, genre = np.nonzero(true)
    passes = tracks.probability[track] >= tracks.probability[track, genre][:, None]
    precision = (passes & true[track]).sum(axis=1) / passes.sum(axis=1)
    return np.bincount(track, weights=precision) / true.sum(axis=1)
