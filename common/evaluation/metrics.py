"""Accuracy and F1 with bootstrap confidence intervals.

The intervals come from a cluster bootstrap: whole tracks are drawn with replacement, since the
segments of a track are not independent, and the 2.5th and 97.5th percentile of the statistic over
many resamples bound the interval. The variance between training runs is not included, and the
tracks of an artist are taken as independent, unless larger clusters are given, e.g. artists.

References
----------
B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993, chapter 13
(percentile intervals); A. C. Cameron, J. B. Gelbach and D. L. Miller, "Bootstrap-Based Improvements
for Inference with Clustered Errors", Review of Economics and Statistics 90(3), 2008 (resampling
clusters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.evaluation.predictions import Predictions, sum_by_track

LEVEL = 0.95
"""Confidence level of the intervals."""

RESAMPLES = 2000

RESAMPLES_PER_BLOCK = 200
"""Resamples drawn at once: 200 × 2,573 tracks of the FMA's test split take 4 MB."""


@dataclass(frozen=True)
class Score:
    """A statistic between 0 and 1 with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it in percent: ``55.3 % [51.2, 59.1]``; a dash if it is undefined."""
        if np.isnan(self.value):
            return "–"
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Difference(Score):
    """A difference of two scores with its 95 % confidence interval."""

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

    @property
    def main(self) -> Score:
        """Score: the one that ranks models."""
        return self.track_accuracy


Runs = Predictions | Sequence[Predictions]
"""Predictions of a model, or of several trainings of it, e.g. with other seeds."""


def evaluate(
    runs: Runs, *, clusters: pd.Series | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Scores:
    """Compute accuracy and macro-F1 of tracks and segments with bootstrap intervals.

    ``clusters`` has the cluster of each track, by track id; whole clusters are drawn. The scores of
    several runs are means over the runs, in each resample, too. Macro-F1 is the mean of F1 over the
    genres that occur among the true labels, in each resample over those that were drawn. The
    interval of perfect accuracy, or of zero, has no width.
    """
    tallies = np.stack(
        [np.stack([_tally(run.by_track()), _tally(run)], axis=1) for run in as_list(runs)], axis=2
    )  # [shape=(tracks, 2 units, runs, 3, genres)]
    totals = tallies.sum(axis=0)
    tallies = _sum_by_cluster(tallies, as_list(runs)[0], clusters)
    drawn = _bootstrap_sums(tallies, resamples, seed)

    def score(statistic: Callable[[np.ndarray], np.ndarray], unit: int) -> Score:
        value = float(statistic(totals[unit]).mean())
        return Score(value, *percentile_interval(statistic(drawn[:, unit]).mean(axis=-1)))

    return Scores(
        track_accuracy=score(_accuracy, 0),
        track_macro_f1=score(_macro_f1, 0),
        segment_accuracy=score(_accuracy, 1),
        segment_macro_f1=score(_macro_f1, 1),
    )


def compare(a: Runs, b: Runs, *, clusters: pd.Series | None = None) -> Difference:
    """Estimate the track accuracy of `a` minus that of `b` by a paired bootstrap.

    Both are scored on the same resampled tracks, or ``clusters`` of tracks as for `evaluate`; their
    segments may differ. The accuracy of several runs is their mean. A difference is significant if
    its interval excludes zero.

    Raises
    ------
    ValueError
        If they are not of the same tracks, labels and genres.
    """
    first, *others = (run.by_track() for run in (*as_list(a), *as_list(b)))
    for run in others:
        same = np.array_equal(run.track_id, first.track_id) and run.genres == first.genres
        if not same or not np.array_equal(run.label, first.label):
            raise ValueError(
                "only predictions of the same tracks, labels and genres are comparable"
            )
    gain = _correctness(a) - _correctness(b)
    sums = _sum_by_cluster(np.stack([gain, np.ones(len(gain))], axis=1), first, clusters)
    return Difference(float(gain.mean()), *percentile_interval(ratio(_bootstrap_sums(sums))))


def as_list(runs: Runs) -> list[Predictions]:
    """Return the predictions of one or several runs as a list."""
    return [runs] if isinstance(runs, Predictions) else list(runs)


def _correctness(runs: Runs) -> np.ndarray:
    """Compute the share of runs that predict each track's genre, in order of track id."""
    tracks = [run.by_track() for run in as_list(runs)]
    tracks[0].require_one_genre()
    return np.mean([run.predicted == run.label for run in tracks], axis=0)


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], *, seed: int = 0
) -> Score:
    """Compute a statistic of sums over tracks, with its interval.

    Parameters
    ----------
    values : np.ndarray [shape=(tracks, ...)]
        Values that are summed over tracks, e.g. counts.
    statistic : callable
        From sums [shape=(n, ...)] to the statistic [shape=(n,)]; resamples where it is NaN are
        ignored.
    """
    [value] = statistic(values.sum(axis=0, dtype=np.float64)[None])
    drawn = statistic(_bootstrap_sums(values, RESAMPLES, seed))
    drawn = drawn[np.isfinite(drawn)]
    interval = percentile_interval(drawn) if drawn.size else (np.nan, np.nan)
    return Score(float(value), *interval)


def ratio(sums: np.ndarray) -> np.ndarray:
    """Divide the first of two sums by the second, for `bootstrap`: (n, 2) → (n,)."""
    return divide(sums[:, 0], sums[:, 1])


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is not positive."""
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)


def per_genre(predictions: Predictions) -> pd.DataFrame:
    """Compute ``precision``, ``recall``, ``f1`` and ``tracks`` of every genre at track level.

    Undefined values are missing, e.g. the precision of a genre that is never predicted.
    """
    tracks = predictions.by_track()
    true, predicted, hits = _tally(tracks).sum(axis=0)
    return pd.DataFrame(
        {
            "precision": divide(hits, predicted),
            "recall": divide(hits, true),
            "f1": divide(2 * hits, true + predicted),
            "tracks": true.astype(np.int64),
        },
        index=pd.Index(tracks.genres, name="genre"),
    )


def confusion(predictions: Predictions) -> pd.DataFrame:
    """Count the tracks of each true genre (rows) by predicted genre (columns), in label order."""
    predictions.require_one_genre()
    tracks = predictions.by_track()
    n = len(tracks.genres)
    counts = np.bincount(tracks.label * n + tracks.predicted, minlength=n * n).reshape(n, n)
    return by_genre(counts, tracks.genres)


def by_genre(values: np.ndarray, genres: Sequence[str]) -> pd.DataFrame:
    """Tabulate values (genres, genres) of each true genre (rows) and predicted genre (columns)."""
    rows, columns = (pd.Index(genres, name=f"{kind} genre") for kind in ("true", "predicted"))
    return pd.DataFrame(values, index=rows, columns=columns)


def _tally(predictions: Predictions) -> np.ndarray:
    """Count the segments of each track by true genre, predicted genre and both.

    The result [shape=(tracks, 3, genres)] is in order of track id.
    """
    predictions.require_one_genre()
    one_hot = np.eye(len(predictions.genres))
    true, predicted = one_hot[predictions.label], one_hot[predictions.predicted]
    counts = np.stack([true, predicted, true * predicted], axis=1)
    return sum_by_track(predictions.track_id, counts)


def _sum_by_cluster(
    values: np.ndarray, predictions: Predictions, clusters: pd.Series | None
) -> np.ndarray:
    """Sum values (tracks, ...), in order of track id, over the clusters."""
    if clusters is None:
        return values
    return sum_by_track(clusters.loc[np.unique(predictions.track_id)].to_numpy(), values)


def _bootstrap_sums(values: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Sum values over tracks, or clusters of tracks, drawn with replacement.

    Values are multiplied by a matrix of counts, in blocks of resamples to bound the memory.
    """
    flat = values.reshape(len(values), -1)
    sums = [counts @ flat for counts in draw_counts(len(values), resamples, seed)]
    return np.concatenate(sums).reshape(resamples, *values.shape[1:])


def draw_counts(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[np.ndarray]:
    """Draw n units with replacement, and count each: blocks [shape=(resamples, n)], float64."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, RESAMPLES_PER_BLOCK):
        size = min(RESAMPLES_PER_BLOCK, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        yield counts.astype(np.float64)


def _accuracy(tally: np.ndarray) -> np.ndarray:
    return tally[..., 2, :].sum(axis=-1) / tally[..., 0, :].sum(axis=-1)


def _macro_f1(tally: np.ndarray) -> np.ndarray:
    true, predicted, hits = np.moveaxis(tally, -2, 0)
    f1 = divide(2 * hits, true + predicted)
    return np.nanmean(np.where(true > 0, f1, np.nan), axis=-1)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the 95 % interval of resampled values."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
