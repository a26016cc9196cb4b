"""Test accuracy by the number of training tracks."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd

from common.evaluation.baselines import svm
from common.evaluation.metrics import evaluate
from common.evaluation.predictions import Predictions, predict
from common.tables import write_table
from rows import ENDS, HERE, Row, curve_figure, flat, save_figure, test_predictions
from study import SEEDS, Study

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training tracks, before all of them."""


def learning_curve(study: Study, best: Row, rival: Row) -> None:
    """Measure the test accuracy by the share of the training tracks."""
    rows: list[tuple[float, str, Sequence[Predictions]]] = []
    for share in SHARES:
        of_svm, of_network = [], []
        for seed in range(SEEDS):
            data = study.share(share, seed)
            of_svm.append(predict(svm(data).model, data, "test"))
            of_network.append(test_predictions(study.on_share(best.model, share, seed), data))
        rows += [(share, rival.model, of_svm), (share, best.model, of_network)]
    rows += [(1.0, rival.model, rival.test), (1.0, best.model, best.test)]
    count = len(study.segments["training"].label)
    table = pd.DataFrame(
        [
            {
                "training_tracks": round(share * count),
                "model": model,
                **flat("test_accuracy", evaluate(list(runs)).track_accuracy),
            }
            for share, model, runs in rows
        ]
    )
    write_table(HERE / "learning_curve.csv", table)
    save_figure(learning_curve_figure(table), "learning_curve.png")


def learning_curve_figure(table: pd.DataFrame) -> plt.Figure:
    """Show test accuracy by the number of training tracks."""
    names = {f"test_accuracy{end}": name for end, name in ENDS.items()}
    curves = {
        model: part.set_index("training_tracks")[[*names]].rename(columns=names)
        for model, part in table.groupby("model", sort=False)
    }
    title = "FMA small: test accuracy by training tracks"
    return curve_figure(curves, title=title, xlabel="Training tracks")
