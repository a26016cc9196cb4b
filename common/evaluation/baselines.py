"""Baselines: the majority class, or the frequencies of genres, and a support-vector machine.

Both predict segments and are averaged over the segments of a track, as networks are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from common.evaluation.calibration import fit_temperature
from common.evaluation.judging import Fitted
from common.evaluation.one_vs_rest import OneVsRest, fit_one_vs_rest
from common.evaluation.predictions import Predictions
from common.fma.labels import ancestors
from common.records.folder import RecordFolder
from common.records.quantization import dequantize
from common.records.segments import Batch, Segments

Describe = Callable[[np.ndarray], np.ndarray]
"""Function from features (segments, ...) to vectors (segments, n)."""

SVM_NAME = "SVM on bin statistics"

SVM_GRID = tuple((c, gamma) for c in (1.0, 3.0, 10.0) for gamma in (0.25, 1.0))
"""Pairs of C and of gamma times the number of statistics, the strongest regularisation first."""

SEARCH_SEGMENTS = 8000
"""Largest number of training segments in the search over `SVM_GRID`, in whole tracks."""


def bin_statistics(features: np.ndarray) -> np.ndarray:
    """Compute mean, standard deviation and mean absolute step of each bin over time.

    Features are uint8 (segments, frames, bins), of two frames at least. The result, float32
    (segments, 3 · bins), has all means, then all standard deviations, then all steps, each between
    0 and 1.
    """
    segments, frames, bins = features.shape
    if frames < 2:
        raise ValueError(f"{frames} frame: at least two are needed for the absolute step")
    statistics = np.empty((segments, 3, bins), dtype=np.float32)
    # A single segment fits into the cache of the processor.
    for segment, values in zip(statistics, features, strict=True):
        scaled = dequantize(values)
        segment[0] = scaled.mean(axis=0)
        segment[1] = scaled.std(axis=0)
        segment[2] = np.abs(np.diff(scaled, axis=0)).mean(axis=0)
    return statistics.reshape(segments, 3 * bins)


def collect(batches: Iterable[Batch], describe: Describe = bin_statistics) -> Segments:
    """Describe the segments of batches; one batch of features is in memory at a time."""
    return Segments.join((describe(features), label, track) for features, label, track in batches)


@dataclass(frozen=True, eq=False)
class Majority:
    """A classifier that predicts the training shares of the genres for every segment."""

    share: np.ndarray

    def predict_on_batch(self, features: np.ndarray) -> np.ndarray:
        """See `common.evaluation.predictions.Classifier`."""
        return np.tile(self.share, (len(features), 1))


def majority(records: RecordFolder) -> Fitted:
    """Count the training tracks of each genre; counts of segments would reflect the balancing."""
    manifest = records.manifest
    counts = np.array(manifest.counts("tracks", "training"))
    share = (counts / manifest.size("tracks", "training")).astype(np.float32)
    name = "Genre frequencies" if manifest.has_several_genres else "Majority class"
    return Fitted(name=name, model=Majority(share), seconds=0.0, is_baseline=True)


@dataclass(frozen=True, eq=False)
class SupportVectorMachine:
    """A calibrated support-vector machine on descriptions of segments; see `fit_svm`.

    ``temperature`` is the divisor that turns decision values into logits. Of the ``n_genres``
    genres, those without training segments have probability 0. ``c`` and ``gamma`` are the values
    selected on validation.
    """

    machine: Pipeline
    temperature: float
    n_genres: int
    c: float
    gamma: float

    def predict_statistics(self, statistics: np.ndarray) -> np.ndarray:
        """Predict from descriptions."""
        decisions = _decisions(self.machine, statistics)
        probability = np.zeros((len(statistics), self.n_genres), dtype=np.float32)
        probability[:, self.machine.classes_] = softmax(decisions / self.temperature, axis=1)
        return probability


@dataclass(frozen=True, eq=False)
class Described:
    """A machine on descriptions of segments, as a `common.evaluation.predictions.Classifier`."""

    machine: SupportVectorMachine | OneVsRest
    describe: Describe

    def predict_on_batch(self, features: np.ndarray) -> np.ndarray:
        """See `common.evaluation.predictions.Classifier`."""
        return self.machine.predict_statistics(self.describe(features))


def svm(
    records: RecordFolder, *, describe: Describe = bin_statistics, name: str = SVM_NAME
) -> Fitted:
    """Fit a support-vector machine to descriptions of the training segments.

    See `fit_svm`, and `common.evaluation.one_vs_rest.fit_one_vs_rest` for several genres a track.
    """
    started = time.perf_counter()
    training, validation = (
        collect(records.arrays(split), describe) for split in ("training", "validation")
    )
    manifest = records.manifest
    machine: SupportVectorMachine | OneVsRest
    if manifest.has_several_genres:
        tree = ancestors(manifest.genres, manifest.parents)
        machine = fit_one_vs_rest(training, validation, manifest.targets, tree, SVM_GRID)
    else:
        machine = fit_svm(training, validation, len(manifest.genres))
    seconds = time.perf_counter() - started
    return Fitted(name=name, model=Described(machine, describe), seconds=seconds, is_baseline=True)


BASELINES: tuple[Callable[[RecordFolder], Fitted], ...] = (majority, svm)
"""The first rows of every leaderboard."""


def fit_svm(
    training: Segments,
    validation: Segments,
    n_genres: int,
    *,
    grid: Sequence[tuple[float, float]] = SVM_GRID,
) -> SupportVectorMachine:
    """Fit a support-vector machine with a radial basis function kernel.

    The examples are segments, with descriptions as features, as `collect` returns them. On real
    music, the statistics of whole 30 s tracks scored 0.64 track accuracy in artist-grouped
    cross-validation, those of segments 0.67. ``grid`` has pairs of C and of gamma times the number
    of statistics; the pair with the highest track accuracy on the validation split is selected. The
    temperature maximises the likelihood there. It needs few tracks and does not change the
    predicted genre; a logistic regression on the decision values gained a point on real music of
    four genres and lost 27 points on the demo set's 16 genres, some of which have one validation
    track.

    The time is quadratic in the segments: about 8 minutes on one core for the 31,000 of FMA medium,
    4 of them for the search.

    References
    ----------
    C. Cortes and V. Vapnik, "Support-vector networks", Machine Learning 20, 1995; C. Guo et al.,
    "On calibration of modern neural networks", ICML 2017 (temperature scaling).
    """

    def fit(part: Segments, c: float, relative_gamma: float) -> SupportVectorMachine:
        gamma = relative_gamma / part.features.shape[1]
        machine = make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma, cache_size=1000)).fit(
            part.features, part.label
        )
        temperature = _fit_temperature(machine, validation)
        return SupportVectorMachine(machine, temperature, n_genres, c, gamma)

    def validation_accuracy(point: tuple[float, float]) -> float:
        probability = fit(sample, *point).predict_statistics(validation.features)
        genres = tuple(map(str, range(n_genres)))
        tracks = Predictions(validation.track_id, validation.label, probability, genres).by_track()
        return float((tracks.predicted == tracks.label).mean())

    sample = training.sample(SEARCH_SEGMENTS)
    return fit(training, *max(grid, key=validation_accuracy))


def _decisions(machine: Pipeline, statistics: np.ndarray) -> np.ndarray:
    """Compute decision values, a column per genre."""
    values = machine.decision_function(statistics)
    # For two genres, scikit-learn returns a single column, the margin of the second.
    return values if values.ndim == 2 else np.stack([-values, values], axis=1) / 2


def _fit_temperature(machine: Pipeline, validation: Segments) -> float:
    """Fit the temperature to the validation segments of the genres in the training split."""
    known = np.isin(validation.label, machine.classes_)
    if not known.any():
        return 1.0
    decisions = _decisions(machine, validation.features[known])
    return fit_temperature(decisions, np.searchsorted(machine.classes_, validation.label[known]))
