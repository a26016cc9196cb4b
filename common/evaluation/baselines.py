"""What every network must beat: the majority class, and a support-vector machine.

Both answer per segment and are averaged over the segments of a track, as the networks are, so
that one table compares like with like.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from common.evaluation.calibration import fit_temperature
from common.evaluation.metrics import Predictions
from common.records.quantization import as_float
from common.records.segments import Batch, Segments

SVM_GRID = tuple((c, gamma) for c in (1.0, 3.0, 10.0) for gamma in (0.25, 1.0))
"""Pairs of C and of gamma times the number of statistics, the mildest first."""


class Baseline(Protocol):
    """A fitted classifier of segments."""

    @property
    def name(self) -> str:
        """str: what a table calls it."""
        ...

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict genre probabilities.

        Parameters
        ----------
        features : np.ndarray [shape=(segments, frames, bins), dtype=uint8]

        Returns
        -------
        np.ndarray [shape=(segments, genres), dtype=float32]
            Rows sum to 1.
        """
        ...


def collect(batches: Iterable[Batch]) -> Segments:
    """Reduce batches of segments to `bin_statistics`, holding one batch of features at a time."""
    return Segments.join(
        (bin_statistics(features), label, track) for features, label, track in batches
    )


def bin_statistics(features: np.ndarray) -> np.ndarray:
    """Summarise each bin over time: mean, standard deviation and mean absolute step.

    The mean is the spectral envelope, the standard deviation the dynamics, and the step between
    neighbouring frames tells a beat from a swell of the same dynamics.

    Parameters
    ----------
    features : np.ndarray [shape=(segments, frames, bins), dtype=uint8]
        Scaled magnitudes in dB, at least two frames of them.

    Returns
    -------
    np.ndarray [shape=(segments, 3 * bins), dtype=float32]
        All means, then all standard deviations, then all steps, each between 0 and 1.
    """
    segments, frames, bins = features.shape
    if frames < 2:
        raise ValueError(f"{frames} frame has no steps: at least two are needed")
    statistics = np.empty((segments, 3, bins), dtype=np.float32)
    # One by one: a segment fits into the processor's cache, all of them at once not into memory.
    for segment, values in zip(statistics, features, strict=True):
        scaled = as_float(values)
        segment[0] = scaled.mean(axis=0)
        segment[1] = scaled.std(axis=0)
        segment[2] = np.abs(np.diff(scaled, axis=0)).mean(axis=0)
    return statistics.reshape(segments, 3 * bins)


@dataclass(frozen=True, eq=False)
class Majority:
    """Predicts the training shares of the genres whatever it hears; see `fit_majority`."""

    share: np.ndarray
    name: str = "Majority class"

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Give every segment the same probabilities; see `Baseline.predict`."""
        return np.tile(self.share, (len(features), 1))


def fit_majority(labels: np.ndarray, n_genres: int) -> Majority:
    """Learn how frequent each genre is.

    Parameters
    ----------
    labels : np.ndarray [shape=(tracks,), dtype=int]
        Of the training *tracks*: among training segments, frequent genres are held back.
    n_genres : int > 0

    Returns
    -------
    Majority
    """
    counts = np.bincount(labels, minlength=n_genres)
    return Majority((counts / counts.sum()).astype(np.float32))


@dataclass(frozen=True, eq=False)
class SupportVectorMachine:
    """A calibrated support-vector machine on bin statistics; see `fit_svm`.

    Attributes
    ----------
    machine : sklearn.pipeline.Pipeline
        From statistics to decision values.
    temperature : float > 0
        What decision values are divided by to become logits.
    n_genres : int
        The number of all genres; those that training has no segments of get probability 0.
    c, gamma : float
        What validation chose.
    """

    machine: Pipeline
    temperature: float
    n_genres: int
    c: float
    gamma: float
    name: str = "SVM on bin statistics"

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predict genre probabilities; see `Baseline.predict`."""
        return self.predict_statistics(bin_statistics(features))

    def predict_statistics(self, statistics: np.ndarray) -> np.ndarray:
        """Predict from what `bin_statistics` gives."""
        decisions = _decisions(self.machine, statistics)
        probability = np.zeros((len(statistics), self.n_genres), dtype=np.float32)
        probability[:, self.machine.classes_] = softmax(decisions / self.temperature, axis=1)
        return probability


def fit_svm(
    training: Segments,
    validation: Segments,
    n_genres: int,
    *,
    grid: Sequence[tuple[float, float]] = SVM_GRID,
    class_weight: str | dict[int, float] | None = None,
    search_segments: int = 8000,
    seed: int = 0,
) -> SupportVectorMachine:
    """Fit a support-vector machine with a radial basis function kernel.

    It learns from segments. On real music this beat a machine trained on the statistics of whole
    30 s tracks, having three times the examples and three votes on every track (0.67 against 0.64
    track accuracy in artist-grouped cross-validation).

    The validation split serves twice, and the test split never: track accuracy on it chooses C
    and gamma, the first of equals, and its likelihood chooses the temperature that makes
    probabilities of decision values. A single number can be learnt from few tracks and leaves the
    machine's own choice of genre alone; a logistic regression on the decision values was a point
    better on real music of four genres, where each had many validation tracks, but took 27 points
    away on the demo set's 16 genres, some with one. As the splits share no artist, neither sees a
    track that the machine was trained on. Nothing is random but the tracks that the search is run
    on.

    The time grows with the square of the segments: for the 31,000 of FMA medium about 8 minutes on
    one core, of which the search takes 4.

    Parameters
    ----------
    training, validation : Segments
        Of different tracks, whose features are statistics, as `collect` gives them; training of
        two genres at least.
    n_genres : int > 1
    grid : sequence of (C, gamma * number of statistics)
        What to choose from.
    class_weight : "balanced" or dict, optional
        As `sklearn.svm.SVC` takes it; by default every segment counts the same, since the choice
        of training segments has evened the genres out already.
    search_segments : int > 0
        The search uses whole tracks with about so many training segments at most; the chosen
        machine is then fitted to all.
    seed : int
        Which tracks these are.

    Returns
    -------
    SupportVectorMachine

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20, 1995; C. Guo et al.,
    "On calibration of modern neural networks", ICML 2017 (temperature scaling).
    """

    def fit(part: Segments, c: float, relative_gamma: float) -> SupportVectorMachine:
        gamma = relative_gamma / part.features.shape[1]
        machine = make_pipeline(
            StandardScaler(), SVC(C=c, gamma=gamma, class_weight=class_weight, cache_size=1000)
        ).fit(part.features, part.label)
        temperature = _fit_temperature(machine, validation)
        return SupportVectorMachine(machine, temperature, n_genres, c, gamma)

    def validation_accuracy(point: tuple[float, float]) -> float:
        probability = fit(sample, *point).predict_statistics(validation.features)
        genres = tuple(map(str, range(n_genres)))
        tracks = Predictions(validation.track_id, validation.label, probability, genres).by_track()
        return float((tracks.predicted == tracks.label).mean())

    sample = _sample_tracks(training, search_segments, seed)
    return fit(training, *max(grid, key=validation_accuracy))


def predict(baseline: Baseline, batches: Iterable[Batch], genres: Sequence[str]) -> Predictions:
    """Let a baseline predict labelled segments, for `common.evaluation.metrics.evaluate`.

    Parameters
    ----------
    baseline : Baseline
    batches : iterable of Batch
    genres : sequence of str
        In label order.

    Returns
    -------
    Predictions
    """
    return Predictions.of_batches(
        ((track, label, baseline.predict(features)) for features, label, track in batches), genres
    )


def _decisions(machine: Pipeline, statistics: np.ndarray) -> np.ndarray:
    """Compute decision values, a column per genre."""
    values = machine.decision_function(statistics)
    # Of two genres, scikit-learn gives one column: how much more the second one is.
    return values if values.ndim == 2 else np.stack([-values, values], axis=1) / 2


def _fit_temperature(machine: Pipeline, validation: Segments) -> float:
    """Find the temperature under which the true genres are the most likely."""
    known = np.isin(validation.label, machine.classes_)
    if not known.any():
        return 1.0
    decisions = _decisions(machine, validation.features[known])
    return fit_temperature(decisions, np.searchsorted(machine.classes_, validation.label[known]))


def _sample_tracks(segments: Segments, at_most: int, seed: int) -> Segments:
    """Draw whole tracks until the next would exceed the number of segments."""
    tracks, position = np.unique(segments.track_id, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(tracks))
    sizes = np.bincount(position)[order]
    drawn = order[np.cumsum(sizes) <= at_most]
    return segments.of(tracks[drawn])
