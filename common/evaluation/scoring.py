"""Scores of predictions with one or with several genres a track."""

from __future__ import annotations

from types import ModuleType

import pandas as pd

from common.evaluation import metrics, multilabel
from common.evaluation.metrics import Difference, Runs, as_list
from common.evaluation.predictions import Predictions

Scores = metrics.Scores | multilabel.Scores


def evaluate(runs: Runs, *, clusters: pd.Series | None = None) -> Scores:
    """Score predictions; see `metrics.evaluate` and `multilabel.evaluate`."""
    return _module(runs).evaluate(runs, clusters=clusters)


def compare(a: Runs, b: Runs, *, clusters: pd.Series | None = None) -> Difference:
    """Compare the main score of two models; see `metrics.compare` and `multilabel.compare`."""
    return _module(a).compare(a, b, clusters=clusters)


def main_score(predictions: Predictions) -> float:
    """Return the score that ranks models: track accuracy, or macro average precision."""
    return _module(predictions).evaluate(predictions, resamples=1).main.value


def _module(runs: Runs) -> ModuleType:
    return multilabel if as_list(runs)[0].has_several_genres else metrics
