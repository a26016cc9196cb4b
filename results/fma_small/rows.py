"""Rows of the tables: predictions of a model on the validation and the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from common.evaluation.judging import PREDICTIONS_FILE, Fitted
from common.evaluation.metrics import Score, Scores, compare, evaluate
from common.evaluation.predictions import Predictions, predict
from common.fma.metadata import SPLITS
from common.tables import write_table

if TYPE_CHECKING:
    import matplotlib.pyplot as plt

    from common.training.train import Run

HERE = Path(__file__).parent

ENDS = {"": "value", "_low": "low", "_high": "high"}
"""Suffix of a column of `flat` → part of the score."""


def test_predictions(run: Run, records: Any) -> Predictions:
    """Predict the test split once; read the predictions afterwards."""
    path = run.folder / PREDICTIONS_FILE
    if not path.exists():
        predict(run.model, records, "test").save(path)
    return Predictions.load(path)


def accuracy_of(predictions: Predictions) -> float:
    """Return the accuracy of predictions with one segment per track."""
    return float((predictions.predicted == predictions.label).mean())


@dataclass(frozen=True)
class Row:
    """One row of a table: a model and its predictions, one for each seed."""

    model: str
    validation: Sequence[Predictions]
    test: Sequence[Predictions]
    parameters: int | None = None
    seconds: float | None = None

    @property
    def validation_accuracy(self) -> float:
        """float: mean over the seeds."""
        return float(np.mean([accuracy_of(one) for one in self.validation]))

    def cells(self, rivals: Mapping[str, Row]) -> dict[str, Any]:
        """Return the cells of the table; ``rivals`` are the rows of the baselines by column."""
        scores: Scores = evaluate(list(self.test))
        by_seed = [accuracy_of(one) for one in self.test]
        gains = {
            name: compare(list(self.test), rival.test)
            for name, rival in rivals.items()
            if rival is not self
        }
        return {
            "model": self.model,
            "validation_accuracy": self.validation_accuracy,
            **flat("test_accuracy", scores.track_accuracy),
            "seeds": len(by_seed),
            "deviation_between_seeds": np.std(by_seed, ddof=1) if len(by_seed) > 1 else None,
            **flat("test_macro_f1", scores.track_macro_f1),
            **{
                key: value
                for name, gain in gains.items()
                for key, value in flat(name, gain).items()
            },
            "parameters": self.parameters,
            "minutes_a_seed": None if self.seconds is None else self.seconds / 60,
        }


def flat(name: str, score: Score) -> dict[str, float]:
    """Name a score and the ends of its interval, for the columns of a table."""
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def row_of(model: str, runs: Sequence[Run], records: Any) -> Row:
    """Evaluate several trainings of a network."""
    return Row(
        model,
        [predict(run.model, records, "validation") for run in runs],
        [test_predictions(run, records) for run in runs],
        runs[0].parameters,
        float(np.mean([run.seconds for run in runs])),
    )


def row_of_baseline(model: str, fitted: Fitted, records: Any) -> Row:
    """Evaluate a baseline."""
    validation, test = (predict(fitted.model, records, split) for split in SPLITS[1:])
    return Row(model, [validation], [test], seconds=fitted.seconds)


def average(model: str, rows: Sequence[Row]) -> Row:
    """Average the probabilities of all trainings of some rows; each row has the same weight."""

    def mean(split: str) -> list[Predictions]:
        return [Predictions.average([Predictions.average(getattr(row, split)) for row in rows])]

    return Row(f"average of {model}", mean("validation"), mean("test"))


def write_rows(name: str, rows: Sequence[Row], rivals: Mapping[str, Row]) -> None:
    """Write a table of rows as CSV."""
    write_table(HERE / f"{name}.csv", pd.DataFrame([row.cells(rivals) for row in rows]))


def curve_figure(curves: Mapping[str, pd.DataFrame], *, title: str, xlabel: str) -> plt.Figure:
    """Show accuracies by a number of examples, on a logarithmic axis.

    ``curves`` maps a label to ``value``, ``low`` and ``high`` by number.
    """
    import matplotlib.pyplot as plt

    from common.plotting.style import STYLE, new_figure

    with plt.rc_context(STYLE):
        figure, axes = new_figure(1, 1, size=(6.5, 4), title=title)
        panel = axes[0, 0]
        for label, curve in curves.items():
            percent = 100 * curve
            error = percent["value"] - percent["low"], percent["high"] - percent["value"]
            panel.errorbar(curve.index, percent["value"], error, marker="o", capsize=3, label=label)
        counts = sorted({count for curve in curves.values() for count in curve.index})
        panel.set_xscale("log")
        panel.set_xticks(counts, [f"{count:,}" for count in counts])
        panel.minorticks_off()
        panel.set(xlabel=xlabel, ylabel="Track accuracy (%), 95 % interval")
        panel.legend()
    return figure


def save_figure(figure: plt.Figure, name: str) -> None:
    """Write a figure beside this file."""
    import matplotlib.pyplot as plt

    figure.savefig(HERE / name, dpi=120)
    plt.close(figure)
