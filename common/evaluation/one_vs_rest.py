"""Support-vector machines for several genres a track: one genre against the rest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from common.evaluation.predictions import Predictions
from common.evaluation.scoring import main_score
from common.records.segments import Segments

SEARCH_SEGMENTS = 2000
"""Largest number of training segments in the search for C and gamma, in whole tracks."""


@dataclass(frozen=True, eq=False)
class OneVsRest:
    """Calibrated support-vector machines, one for each genre; see `fit_one_vs_rest`.

    ``slope`` and ``offset`` (genres,) turn decision values into logits. ``ancestors`` (genres,
    genres) is the output of `common.fma.labels.ancestors`.
    """

    machine: Pipeline
    slope: np.ndarray
    offset: np.ndarray
    ancestors: np.ndarray

    def predict_statistics(self, statistics: np.ndarray) -> np.ndarray:
        """Predict probabilities (segments, genres) from descriptions of segments."""
        logits = self.machine.decision_function(statistics) * self.slope + self.offset
        return bound_by_ancestors(1 / (1 + np.exp(-logits)), self.ancestors).astype(np.float32)


def fit_one_vs_rest(
    training: Segments,
    validation: Segments,
    targets: np.ndarray,
    ancestors: np.ndarray,
    grid: Sequence[tuple[float, float]],
) -> OneVsRest:
    """Fit support-vector machines with a radial basis function kernel.

    All genres share C and gamma, the pair of ``grid`` with the highest macro average precision of
    the validation tracks after training on `SEARCH_SEGMENTS`. A sigmoid, fitted to the validation
    segments of each genre, turns decision values into probabilities, and the probability of a genre
    is limited to that of its ancestors.

    Parameters
    ----------
    training, validation : Segments
        Descriptions of segments, as `common.evaluation.baselines.collect` returns them.
    targets : np.ndarray [shape=(labels, genres), dtype=bool]
        Genres of each label.
    grid : sequence of (float, float)
        Pairs of C and of gamma times the number of statistics.

    References
    ----------
    J. C. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin
    Classifiers, MIT Press, 1999 (calibration).
    """

    def fit(part: Segments, c: float, relative_gamma: float) -> OneVsRest:
        svc = SVC(C=c, gamma=relative_gamma / part.features.shape[1], cache_size=1000)
        machine = make_pipeline(StandardScaler(), OneVsRestClassifier(svc))
        with warnings.catch_warnings():  # a fold may lack a genre, whose machine is constant
            warnings.filterwarnings("ignore", "Label .* is present in all", UserWarning)
            machine.fit(part.features, targets[part.label].astype(int))
        decisions = machine.decision_function(validation.features)
        sigmoids = [
            fit_sigmoid(of_genre, is_true)
            for of_genre, is_true in zip(decisions.T, targets[validation.label].T, strict=True)
        ]
        slope, offset = np.array(sigmoids).T
        return OneVsRest(machine, slope, offset, ancestors)

    def score(point: tuple[float, float]) -> float:
        probability = fit(sample, *point).predict_statistics(validation.features)
        genres = tuple(map(str, range(targets.shape[1])))
        predictions = Predictions(
            validation.track_id, validation.label, probability, genres, targets
        )
        return main_score(predictions)

    sample = training.sample(SEARCH_SEGMENTS)
    return fit(training, *max(grid, key=score))


def fit_sigmoid(decisions: np.ndarray, is_true: np.ndarray) -> tuple[float, float]:
    """Fit slope and offset of the logit of a genre to decision values (segments,).

    Platt's targets, between the two classes, bound the slope if a value separates them.
    """
    true, false = is_true.sum(), (~is_true).sum()
    target = np.where(is_true, (true + 1) / (true + 2), 1 / (false + 2))
    model = LogisticRegression(C=np.inf).fit(
        np.tile(decisions, 2)[:, None],
        np.repeat([1, 0], len(decisions)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def bound_by_ancestors(probability: np.ndarray, ancestors: np.ndarray) -> np.ndarray:
    """Reduce probabilities (n, genres) to those of their ancestors, where these are smaller."""
    return np.stack([probability[:, own].min(axis=1) for own in ancestors], axis=1)
