"""From a trained classifier, network or baseline alike, to its row of a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.evaluation.leaderboard import Result
from common.evaluation.metrics import compare, evaluate
from common.evaluation.predictions import Predictions, predict
from common.records.folder import RecordFolder

PREDICTIONS_FILE = "test_predictions.npz"
"""Predictions of the test split, in the folder of a training."""

Judged = tuple[Result, Predictions]
"""A row of the leaderboard, and the predictions that it summarises."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A trained classifier.

    Attributes
    ----------
    name : str
    model : Classifier
        See `common.evaluation.predictions.Classifier`.
    seconds : float
        Training time.
    parameters : int, optional
        Number of parameters; None where it has no meaning.
    is_baseline : bool
    folder : Path, optional
        The folder of its training.
    """

    name: str
    model: Any
    seconds: float
    parameters: int | None = None
    is_baseline: bool = False
    folder: Path | None = None


def judge(
    predictions: Predictions,
    name: str,
    *,
    parameters: int | None = None,
    seconds: float | None = None,
    note: str = "",
    is_baseline: bool = False,
) -> Judged:
    """Score predictions; the result is a row of the leaderboard.

    Parameters
    ----------
    predictions : Predictions
    name, parameters, seconds, note, is_baseline
        The other columns of the row; see `common.evaluation.leaderboard.Result`.

    Returns
    -------
    Result, Predictions
    """
    scores = evaluate(predictions)
    return Result(name, scores, parameters, seconds, note, is_baseline), predictions


def judge_on_test(fitted: Fitted, records: RecordFolder, name: str | None = None) -> Judged:
    """Judge a classifier on the test split, which neither training nor selection has used.

    Parameters
    ----------
    fitted : Fitted
        A `common.training.train.Run` or a baseline. The predictions of a run are saved in its
        folder.
    records : RecordFolder
        Records of the features that the classifier takes.
    name : str, optional
        Name of the row, by default that of the classifier.

    Returns
    -------
    Result, Predictions
    """
    predictions = predict(fitted.model, records, "test")
    if fitted.folder:
        predictions.save(fitted.folder / PREDICTIONS_FILE)
    return judge(
        predictions,
        name or fitted.name,
        parameters=fitted.parameters,
        seconds=fitted.seconds,
        is_baseline=fitted.is_baseline,
    )


def average_models(judged: Sequence[Judged]) -> Judged:
    """Judge the average of several models' probabilities for the same segments."""
    results = [result for result, _ in judged]
    average = Predictions.average([predictions for _, predictions in judged])
    return judge(
        average,
        f"average of these {len(judged)}",
        parameters=_sum_if_known([result.parameters for result in results]),
        seconds=_sum_if_known([result.seconds for result in results]),
    )


def _sum_if_known(values: Sequence[float | None]) -> Any:
    """Add up, unless a value is missing."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def note_gain(judged: Judged, baseline: Judged) -> Judged:
    """Add to a row's note the gain in accuracy over a baseline, compared track by track."""
    (result, predictions), (rival, of_rival) = judged, baseline
    gain = f"{compare(predictions, of_rival)} over {rival.model}"
    return replace(result, note="; ".join(filter(None, [result.note, gain]))), predictions
