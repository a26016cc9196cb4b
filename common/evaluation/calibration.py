"""Calibration: expected calibration error, reliability diagrams and temperature scaling.

Confidence is the probability of the predicted genre. Tracks are sorted by confidence into bins of
equal size. The expected calibration error is the mean absolute difference between the mean
confidence and the accuracy of a bin, weighted by tracks. It is above zero by chance; compare it
with `error_if_calibrated`.

References
----------
C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML
2017 (expected calibration error, temperature scaling); K. Nguyen and B. O'Connor, "Posterior
calibration and exploratory analysis for natural language processing models", EMNLP 2015 (bins of
equal size); J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams",
Weather and Forecasting 22(3), 2007 (range of calibrated forecasts).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from common.evaluation.metrics import Score, bootstrap
from common.evaluation.predictions import Predictions

MOST_BINS = 15  # number of bins of Guo et al.
TRACKS_PER_BIN = 10  # smallest number of tracks in a bin

SIMULATIONS = 2000

_SMALLEST = 1e-12
"""Added to probabilities before a logarithm: a float32 softmax rounds the smallest to zero."""


def reliability(predictions: Predictions, *, seed: int = 0) -> pd.DataFrame:
    """Tabulate the bins, from the lowest confidence.

    Columns are ``tracks``, ``confidence`` (mean), ``accuracy``, and ``expected_low``,
    ``expected_high``, the 95 % range of the accuracy of a calibrated classifier.
    """
    confidence, right, bins = _binned(predictions)
    sizes = bins.sum(axis=0)
    simulated = _simulate(confidence, seed) @ bins / sizes
    low, high = np.quantile(simulated, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "tracks": sizes.astype(np.int64),
            "confidence": confidence @ bins / sizes,
            "accuracy": right @ bins / sizes,
            "expected_low": low,
            "expected_high": high,
        }
    )


def calibration_error(predictions: Predictions, *, seed: int = 0) -> Score:
    """Compute the expected calibration error of tracks.

    The interval is that of the basic bootstrap, the percentiles reflected at the value, since
    resampling increases absolute differences.
    """
    confidence, right, bins = _binned(predictions)
    gaps = bins * (confidence - right)[:, None]
    score = bootstrap(gaps, lambda sums: np.abs(sums).sum(axis=-1) / len(gaps), seed=seed)
    low, high = (float(np.clip(2 * score.value - end, 0, 1)) for end in (score.high, score.low))
    return Score(score.value, low, high)


def error_if_calibrated(predictions: Predictions, *, seed: int = 0) -> Score:
    """Simulate the expected calibration error of a calibrated classifier of the same confidences.

    The interval is the range of 95 % of the simulations.
    """
    confidence, _, bins = _binned(predictions)
    gaps = confidence - _simulate(confidence, seed)
    errors = np.abs(gaps @ bins).sum(axis=1) / len(confidence)
    return Score(float(errors.mean()), *map(float, np.quantile(errors, [0.025, 0.975])))


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Fit the temperature, between e⁻⁴ and e⁴, by maximum likelihood.

    Logits (n, classes) are up to a constant in each row; labels (n,) are indices of columns.
    """

    def negative_log_likelihood(log_temperature: float) -> float:
        logs = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(logs[np.arange(len(label)), label].mean())

    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=(-4, 4)).x))


def temperature_of(predictions: Predictions) -> float:
    """Fit the temperature of tracks' probabilities, e.g. on the validation split."""
    tracks = predictions.by_track()
    return fit_temperature(_logits(tracks), tracks.label)


def with_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """Divide the logits of tracks by a temperature; the order of genres does not change."""
    tracks = predictions.by_track()
    probability = softmax(_logits(tracks) / temperature, axis=1)
    return Predictions(tracks.track_id, tracks.label, probability, tracks.genres)


def _logits(tracks: Predictions) -> np.ndarray:
    tracks.require_one_genre()
    return np.log(tracks.probability.astype(np.float64) + _SMALLEST)


def _binned(predictions: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the confidence (tracks,), correctness (tracks,) and one-hot bin (tracks, bins)."""
    predictions.require_one_genre()
    tracks = predictions.by_track()
    confidence = tracks.probability.max(axis=1).astype(np.float64)
    right = (tracks.predicted == tracks.label).astype(np.float64)
    count = int(np.clip(len(right) // TRACKS_PER_BIN, 1, MOST_BINS))
    rank = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    return confidence, right, np.eye(count)[rank * count // len(rank)]


def _simulate(confidence: np.ndarray, seed: int) -> np.ndarray:
    """Draw which tracks are correct (simulations, tracks), each with its confidence."""
    draws = np.random.default_rng(seed).random((SIMULATIONS, len(confidence)), dtype=np.float32)
    return (draws < confidence).astype(np.float64)
