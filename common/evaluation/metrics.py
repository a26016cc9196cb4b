"""Accuracy and F1 with bootstrap confidence intervals.

The intervals come from a cluster bootstrap: whole tracks are drawn with replacement, each with all
its segments, and the percentiles of the statistic over many resamples bound the interval. The
segments of a track are not independent, and intervals over segments would be too narrow. The
intervals do not include the variance between training runs, and take the tracks of one artist as
independent.

References
----------
B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993, chapter 13
(percentile intervals); A. C. Cameron, J. B. Gelbach and D. L. Miller, "Bootstrap-Based Improvements
for Inference with Clustered Errors", Review of Economics and Statistics 90(3), 2008 (resampling
clusters).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.evaluation.predictions import Predictions, sum_by_track

RESAMPLES_PER_BLOCK = 200
"""Resamples drawn at once: 200 × 2,573 tracks of the FMA's test split take 4 MB."""


@dataclass(frozen=True)
class Score:
    """A statistic between 0 and 1 with the ends of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it in percent: ``55.3 % [51.2, 59.1]``."""
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Difference(Score):
    """A difference of two scores with its confidence interval."""

    def __str__(self) -> str:
        """Write it in percentage points: ``+1.2 points [-0.5, +2.9]``."""
        return f"{100 * self.value:+.1f} points [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"


@dataclass(frozen=True)
class Scores:
    """Scores of a model; the probabilities of a track are the mean over its segments."""

    track_accuracy: Score
    track_macro_f1: Score
    segment_accuracy: Score
    segment_macro_f1: Score


def evaluate(
    predictions: Predictions, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Scores:
    """Compute accuracy and macro-F1 of tracks and segments with bootstrap intervals.

    Macro-F1 is the mean of F1 over the genres that occur among the true labels, in each resample
    over those that were drawn.

    Parameters
    ----------
    predictions : Predictions
        Of all segments of the tracks.
    resamples : int > 0
        Number of resamples.
    level : 0 < float < 1
        Confidence level of the intervals.
    seed : int

    Notes
    -----
    The interval of a classifier that is always right, or always wrong, has no width.
    """
    tracks = predictions.by_track()
    tallies = np.stack([_tally(tracks), _tally(predictions)], axis=1)
    totals = tallies.sum(axis=0)
    drawn = _bootstrap_sums(tallies, resamples, seed)

    def score(statistic: Callable[[np.ndarray], np.ndarray], unit: int) -> Score:
        value = float(statistic(totals[unit]))
        return Score(value, *_percentile_interval(statistic(drawn[:, unit]), level))

    return Scores(
        track_accuracy=score(_accuracy, 0),
        track_macro_f1=score(_macro_f1, 0),
        segment_accuracy=score(_accuracy, 1),
        segment_macro_f1=score(_macro_f1, 1),
    )


def compare(
    a: Predictions,
    b: Predictions,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Estimate the track accuracy of `a` minus that of `b` by a paired bootstrap.

    Both are scored on the same resampled tracks. A difference is significant at the level if its
    interval excludes zero.

    Parameters
    ----------
    a, b : Predictions
        Of the same tracks and genres; their segments may differ.
    resamples, level, seed
        As in `evaluate`.

    Raises
    ------
    ValueError
        If they are not of the same tracks, labels and genres.
    """
    a, b = a.by_track(), b.by_track()
    same_tracks = np.array_equal(a.track_id, b.track_id) and np.array_equal(a.label, b.label)
    if not same_tracks or a.genres != b.genres:
        raise ValueError("only predictions of the same tracks, labels and genres compare")
    gain = (a.predicted == a.label).astype(float) - (b.predicted == b.label)
    drawn = _bootstrap_sums(gain, resamples, seed) / len(gain)
    return Difference(float(gain.mean()), *_percentile_interval(drawn, level))


def bootstrap(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """Compute a statistic of sums over tracks, with its interval.

    Parameters
    ----------
    values : np.ndarray [shape=(tracks, ...)]
        Values that are summed over tracks, e.g. counts.
    statistic : callable
        From sums [shape=(n, ...)] to the statistic [shape=(n,)]. Resamples where it is NaN are
        ignored.
    resamples, level, seed
        As in `evaluate`.
    """
    [value] = statistic(values.sum(axis=0, dtype=np.float64)[None])
    drawn = statistic(_bootstrap_sums(values, resamples, seed))
    drawn = drawn[np.isfinite(drawn)]
    interval = _percentile_interval(drawn, level) if drawn.size else (np.nan, np.nan)
    return Score(float(value), *interval)


def ratio(sums: np.ndarray) -> np.ndarray:
    """Divide the first of two sums by the second, for `bootstrap`: (n, 2) → (n,)."""
    return _ratio(sums[:, 0], sums[:, 1])


def per_genre(predictions: Predictions) -> pd.DataFrame:
    """Compute precision, recall and F1 of every genre at track level.

    Returns
    -------
    pandas.DataFrame
        Rows are genres in label order; columns ``precision``, ``recall``, ``f1`` and ``tracks``
        (of the true genre). Undefined values are missing, e.g. the precision of a genre that is
        never predicted.
    """
    tracks = predictions.by_track()
    true, predicted, hits = _tally(tracks).sum(axis=0)
    return pd.DataFrame(
        {
            "precision": _ratio(hits, predicted),
            "recall": _ratio(hits, true),
            "f1": _ratio(2 * hits, true + predicted),
            "tracks": true.astype(np.int64),
        },
        index=pd.Index(tracks.genres, name="genre"),
    )


def confusion(predictions: Predictions) -> pd.DataFrame:
    """Count the tracks of each true genre (rows) by predicted genre (columns), in label order."""
    tracks = predictions.by_track()
    n = len(tracks.genres)
    counts = np.bincount(tracks.label * n + tracks.predicted, minlength=n * n).reshape(n, n)
    return pd.DataFrame(
        counts,
        index=pd.Index(tracks.genres, name="true genre"),
        columns=pd.Index(tracks.genres, name="predicted genre"),
    )


def _tally(predictions: Predictions) -> np.ndarray:
    """Count the segments of each track, in order of id, by true genre, predicted genre and both.

    Returns
    -------
    np.ndarray [shape=(tracks, 3, genres), dtype=float64]
        The statistics of a resample follow from a weighted sum over tracks.
    """
    one_hot = np.eye(len(predictions.genres))
    true, predicted = one_hot[predictions.label], one_hot[predictions.predicted]
    counts = np.stack([true, predicted, true * predicted], axis=1)
    return sum_by_track(predictions.track_id, counts)


def _bootstrap_sums(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sum values over tracks drawn with replacement, ``resamples`` times.

    Values are multiplied by a matrix of counts, in blocks of resamples to bound the memory.
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    flat = values.reshape(n, -1)
    blocks = []
    for start in range(0, resamples, RESAMPLES_PER_BLOCK):
        size = min(RESAMPLES_PER_BLOCK, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        blocks.append(counts.astype(np.float64) @ flat)
    return np.concatenate(blocks).reshape(resamples, *values.shape[1:])


def _accuracy(tally: np.ndarray) -> np.ndarray:
    return tally[..., 2, :].sum(axis=-1) / tally[..., 0, :].sum(axis=-1)


def _macro_f1(tally: np.ndarray) -> np.ndarray:
    true, predicted, hits = np.moveaxis(tally, -2, 0)
    f1 = _ratio(2 * hits, true + predicted)
    return np.nanmean(np.where(true > 0, f1, np.nan), axis=-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is zero."""
    return np.divide(
        numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0
    )


def _percentile_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
