"""The check that a validation curve is flat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from common.training.convergence import convergence


def history(losses) -> pd.DataFrame:
    return pd.DataFrame({"val_loss": losses}, index=range(1, len(losses) + 1))


def test_a_falling_curve_is_not_flat_and_a_flat_one_is():
    table = convergence(
        {
            "falling": history(np.linspace(2, 1, 10)),
            "flat": history([2, 1.5, 1.2, 1.1, 1.0, 1.0, 1.01, 1.0, 0.99, 1.0]),
            "rising": history([2, 1, *np.linspace(1.1, 1.8, 8)]),
            "short": history([2, 1, 1.5, 1.6, 1.7]),
        }
    )
    assert table["flat"].tolist() == [False, True, True, False]
    assert table.loc["falling", "late improvement"] == pytest.approx(2 / 9)
    assert table.loc["flat", "late improvement"] == pytest.approx(0.01 / 1.01)
    assert table["best epoch"].tolist() == [10, 9, 2, 2]
    assert table["epochs"].tolist() == [10, 10, 10, 5]


def test_a_training_that_never_improved_is_not_flat():
    assert convergence({"one": history([2.0])})["flat"].tolist() == [False]
    assert convergence({"worse": history(np.linspace(1, 2, 12))})["flat"].tolist() == [False]
