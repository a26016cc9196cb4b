"""The measurements on FMA small: what is computed from the features, and the page."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from common.evaluation.predictions import Predictions
from common.paths import PROJECT_ROOT

sys.path.append(str(PROJECT_ROOT / "results" / "fma_small"))  # scripts, as those of benchmarks/

import measure
import page


def test_the_pages_say_what_the_tables_say():
    page.write_pages(check=True)


def test_the_edge_is_the_highest_audible_bin():
    features = np.zeros((3, 5, 8), np.uint8)
    features[0, :, :6] = 20
    features[1, 2, 7] = 20  # a click: its mean over time is 4
    assert measure.edge(features, 3).tolist() == [[5], [7], [0]]
    assert measure.edge(features, 4).tolist() == [[5], [0], [0]]


def predictions(predicted):
    label = np.array([0, 0, 1, 1])
    return Predictions(np.arange(4), label, np.eye(2)[predicted], ("Folk", "Rock"))


def test_a_row_has_means_over_seeds_and_the_paired_gain():
    rival = measure.Row("SVM", [0.5], [predictions([0, 1, 1, 0])])
    row = measure.Row("cnn", [0.6, 0.8], [predictions([0, 0, 1, 0]), predictions([0, 0, 1, 1])])
    cells = row.cells(rival.test)
    assert cells["validation_accuracy"] == pytest.approx(0.7)
    assert cells["test_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert cells["deviation_between_seeds"] == pytest.approx(np.std([0.75, 1], ddof=1))
    assert cells["gain_over_svm"] == pytest.approx(0.875 - 0.5)
    assert rival.cells(None)["deviation_between_seeds"] is None


def test_tables_show_percentages_intervals_and_points():
    table = pd.DataFrame(
        {
            "model": ["SVM", "cnn"],
            "test_accuracy": [0.439, 0.4],
            "test_accuracy_low": [0.4, 0.37],
            "test_accuracy_high": [0.47, 0.43],
            "deviation_between_seeds": [np.nan, 0.012],
            "gain_over_svm": [np.nan, -0.039],
            "gain_over_svm_low": [np.nan, -0.07],
            "gain_over_svm_high": [np.nan, 0.01],
            "parameters": [np.nan, 130_888],
        }
    )
    text = page.format_table(table).replace("\u00a0", " ")
    assert text.splitlines()[2:] == [
        "| SVM | 43.9 % [40.0, 47.0] | – | – | – |",
        "| cnn | 40.0 % [37.0, 43.0] | 1.2 | -3.9 [-7.0, +1.0] | 130,888 |",
    ]
