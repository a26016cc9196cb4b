"""Check that trainings were long enough."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

LATE = 0.2  # share of the epochs at the end
FEWEST = 10  # epochs of a curve that can be judged
FLAT = 0.05  # share of all improvement that may fall on them


def convergence(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Measure how much of the improvement in validation loss falls on the last epochs.

    A curve is flat if at most `FLAT` of the improvement since the first epoch was reached in the
    last `LATE` of the epochs. A curve that did not improve, or of fewer than `FEWEST` epochs, is
    not.

    Parameters
    ----------
    histories : mapping
        Name → learning curves, as of `common.training.train.Run`.

    Returns
    -------
    pd.DataFrame
        A row per name: ``epochs``, ``best epoch``, ``late improvement`` (share), ``flat`` (bool).
    """
    return pd.DataFrame(
        {name: _describe(history["val_loss"]) for name, history in histories.items()}
    ).T


def _describe(loss: pd.Series) -> dict[str, object]:
    early = loss.iloc[: max(1, round(len(loss) * (1 - LATE)))]
    whole = loss.iloc[0] - loss.min()
    late = (early.min() - loss.min()) / whole if whole > 0 else 0.0
    return {
        "epochs": len(loss),
        "best epoch": int(loss.idxmin()),
        "late improvement": late,
        "flat": whole > 0 and late <= FLAT and len(loss) >= FEWEST,
    }
