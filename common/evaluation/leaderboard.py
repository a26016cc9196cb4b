"""Leaderboards: tables that compare models, as data and formatted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from common.evaluation.metrics import Score
from common.evaluation.scoring import Scores
from common.plotting.tables import styled
from common.text import format_duration

STATISTICS = {
    "track_accuracy": "Track accuracy",
    "track_macro_f1": "Track macro-F1",
    "segment_accuracy": "Segment accuracy",
    "segment_macro_f1": "Segment macro-F1",
    "macro_average_precision": "Macro AP",
    "micro_average_precision": "Micro AP",
    "macro_roc_auc": "Macro ROC AUC",
    "micro_roc_auc": "Micro ROC AUC",
    "r_precision": "R-precision",
    "lrap": "LRAP",
}
"""The fields of the scores and their headings, in the order of the table's columns.

The first four are those of `metrics.Scores`, the others those of `multilabel.Scores`; AP is the
average precision, and n the number of genres of a track."""

ABSENT = "–"

LEADERBOARD_FILE = "leaderboard.csv"  # name of a leaderboard in the folder of its models


@dataclass(frozen=True)
class Result:
    """One row of a leaderboard: the scores on the test split, and the training time in seconds.

    ``parameters`` is None where it has no meaning.
    """

    model: str
    scores: Scores
    parameters: int | None
    seconds: float | None
    note: str = ""
    is_baseline: bool = False


def leaderboard(rows: Sequence[Result]) -> pd.DataFrame:
    """Tabulate results: baselines in the given order, then models from the best to the worst.

    The columns are ``model``, ``is_baseline``; for each statistic ``s`` of `STATISTICS` ``s``,
    ``s_low``, ``s_high`` (0 to 1); ``parameters`` (Int64), ``seconds`` (float64) and ``note``.
    """
    ranked = sorted(rows, key=lambda row: 0 if row.is_baseline else 2 - row.scores.main.value)
    table = pd.DataFrame([_flatten(row) for row in ranked])
    return table.astype({"parameters": "Int64", "seconds": "float64", "is_baseline": bool})


def _flatten(row: Result) -> dict[str, Any]:
    flat: dict[str, Any] = {"model": row.model, "is_baseline": row.is_baseline}
    for name, score in asdict(row.scores).items():
        flat |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
    return flat | {"parameters": row.parameters, "seconds": row.seconds, "note": row.note}


def write_leaderboard(rows: Sequence[Result], folder: str | Path, title: str) -> pd.DataFrame:
    """Write a leaderboard to ``leaderboard.csv`` and ``leaderboard.png``, and return it.

    The title of the figure is the data set and the protocol.
    """
    from common.plotting.result_plots import leaderboard_figure

    table = leaderboard(rows)
    path = Path(folder) / LEADERBOARD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.4f")
    shown = [name for name in STATISTICS if name in table][:2]
    panels = {name: STATISTICS[name] for name in shown}
    leaderboard_figure(table, panels=panels, title=title).savefig(path.with_suffix(".png"), dpi=150)
    return table


def text_leaderboard(table: pd.DataFrame) -> str:
    """Format a leaderboard, as made by `leaderboard` or read from its CSV, for a terminal.

    Statistics that the table lacks are omitted.
    """
    return _as_text(table).to_string(index=False)


def style_leaderboard(table: pd.DataFrame, *, caption: str) -> Styler:
    """Format a leaderboard: percentages with intervals, the best of each statistic in bold.

    The caption is the statistic and the data set; a synthetic data set is named as such.
    """
    shown = _as_text(table)
    bold = pd.DataFrame("", index=shown.index, columns=shown.columns)
    present = {name: heading for name, heading in STATISTICS.items() if name in table}
    for name, heading in present.items():
        bold.loc[table[name] == table[name].max(), heading] = "font-weight: bold"
    numbers = [*present.values(), "Parameters", "Training time"]
    return (
        styled(shown, caption, right=numbers)
        .format(_in_two_lines, subset=list(present.values()))
        .apply(lambda _: bold, axis=None)
        .hide(axis="index")
    )


def _in_two_lines(score: str) -> str:
    """Write the interval below the value, since four of them side by side exceed a page."""
    return f"{score.replace(' [', '<br><small>[')}</small>"


def style_per_genre(table: pd.DataFrame, *, caption: str) -> Styler:
    """Format the precision, recall and F1 of `metrics.per_genre`, the best of each in bold."""
    headings = {"precision": "Precision", "recall": "Recall", "f1": "F1", "tracks": "Tracks"}
    shown = table.rename(columns=headings).rename_axis("Genre")
    ratios = ["Precision", "Recall", "F1"]
    return styled(shown, caption, dict.fromkeys(ratios, "{:.1%}"), best=ratios)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"Model": table["model"]})
    for name, heading in STATISTICS.items():
        if name not in table:  # written before this statistic was added
            continue
        values = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        shown[heading] = [str(Score(*value)) for value in values]
    for name, heading, write in (
        ("parameters", "Parameters", "{:,.0f}".format),
        ("seconds", "Training time", format_duration),
    ):
        shown[heading] = [ABSENT if pd.isna(value) else write(value) for value in table[name]]
    notes = table["note"].astype(object).fillna("")
    if notes.any():
        shown["Note"] = notes
    return shown
