"""Scores of trained classifiers, networks and baselines, as rows of a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.evaluation.leaderboard import Result
from common.evaluation.model_card import PREDICTIONS_FILE, write_model_card
from common.evaluation.predictions import Predictions, predict
from common.evaluation.scoring import compare, evaluate
from common.records.folder import RecordFolder

Judged = tuple[Result, Predictions]  # a row of the leaderboard and its predictions


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A trained classifier; see `common.evaluation.predictions.Classifier`.

    ``seconds`` is the training time, ``parameters`` the number of parameters, None where it has no
    meaning, and ``folder`` the folder of the training.
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
    """Score predictions; the other arguments are columns of the row, see `Result`."""
    scores = evaluate(predictions)
    return Result(name, scores, parameters, seconds, note, is_baseline), predictions


def judge_on_test(fitted: Fitted, records: RecordFolder, name: str | None = None) -> Judged:
    """Judge a classifier on the test split, which neither training nor selection has used.

    The predictions of a `common.training.train.Run` are saved in its folder, and its card is
    written. The records hold the features that the classifier takes.
    """
    predictions = predict(fitted.model, records, "test")
    if fitted.folder:
        predictions.save(fitted.folder / PREDICTIONS_FILE)
        write_model_card(fitted.folder)
    return judge(
        predictions,
        name or fitted.name,
        parameters=fitted.parameters,
        seconds=fitted.seconds,
        is_baseline=fitted.is_baseline,
    )


def judge_seeds(
    runs: Sequence[Fitted], records: RecordFolder, name: str | None = None
) -> tuple[Result, list[Predictions]]:
    """Judge several trainings of a model that differ in their seed on the test split.

    The scores are means over the trainings, with intervals over tracks. The note has the standard
    deviation of the main score between the trainings.
    """
    judged = [judge_on_test(run, records, name) for run in runs]
    (first, _), predictions = judged[0], [one for _, one in judged]
    if len(runs) == 1:
        return first, predictions
    by_seed = [100 * result.scores.main.value for result, _ in judged]
    note = f"{len(runs)} seeds, standard deviation {np.std(by_seed, ddof=1):.1f} points"
    seconds = _sum_if_known([run.seconds for run in runs])
    scores = evaluate(predictions)
    return replace(first, scores=scores, seconds=seconds, note=note), predictions


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


def _sum_if_known(values: list[Any]) -> Any:
    return None if None in values else sum(values)


def note_gain(judged: Judged, baseline: Judged) -> Judged:
    """Add to the note of a row the gain in the main score over a baseline."""
    (result, predictions), (rival, of_rival) = judged, baseline
    gain = f"{compare(predictions, of_rival)} over {rival.model}"
    return replace(result, note="; ".join(filter(None, [result.note, gain]))), predictions
