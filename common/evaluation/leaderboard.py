"""Leaderboards: tables that compare models, as data and formatted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from common.evaluation.metrics import Score, Scores
from common.plotting.tables import styled
from common.text import format_duration

STATISTICS = {
    "track_accuracy": "Track accuracy",
    "track_macro_f1": "Track macro-F1",
    "segment_accuracy": "Segment accuracy",
    "segment_macro_f1": "Segment macro-F1",
}
"""The fields of `Scores` and their headings, in the order of the table's columns."""

ABSENT = "–"

LEADERBOARD_FILE = "leaderboard.csv"
"""Name of a leaderboard in the folder of its models."""


@dataclass(frozen=True)
class Result:
    """One row of a leaderboard.

    Attributes
    ----------
    model : str
        Name of the row.
    scores : Scores
        On the test split.
    parameters : int, optional
        Number of parameters; None where it has no meaning.
    seconds : float, optional
        Training time.
    note : str
    is_baseline : bool
    """

    model: str
    scores: Scores
    parameters: int | None
    seconds: float | None
    note: str = ""
    is_baseline: bool = False


def leaderboard(rows: Sequence[Result]) -> pd.DataFrame:
    """Tabulate results: baselines first, as given, then models from the best to the worst.

    Returns
    -------
    pandas.DataFrame
        Columns ``model``, ``is_baseline``; for each statistic ``s`` of `STATISTICS` the columns
        ``s``, ``s_low``, ``s_high`` (0 to 1); ``parameters`` (Int64), ``seconds`` (float64) and
        ``note``. Plain values throughout: it survives a round trip through CSV.
    """
    ranked = sorted(
        rows, key=lambda row: 0 if row.is_baseline else 2 - row.scores.track_accuracy.value
    )
    table = pd.DataFrame([_flatten(row) for row in ranked], columns=_COLUMNS)
    return table.astype({"parameters": "Int64", "seconds": "float64", "is_baseline": bool})


_COLUMNS = [
    "model",
    "is_baseline",
    *(f"{name}{end}" for name in STATISTICS for end in ("", "_low", "_high")),
    "parameters",
    "seconds",
    "note",
]


def _flatten(row: Result) -> dict:
    flat = {name: getattr(row, name) for name in _COLUMNS if hasattr(row, name)}
    for name, score in asdict(row.scores).items():
        flat |= {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
    return flat


def write_leaderboard(rows: Sequence[Result], folder: str | Path, title: str) -> pd.DataFrame:
    """Write a leaderboard to ``leaderboard.csv`` and ``leaderboard.png``.

    Parameters
    ----------
    rows : sequence of Result
    folder : path-like
    title : str
        Title of the figure: the data set and the protocol.

    Returns
    -------
    pandas.DataFrame
        As `leaderboard` makes it.
    """
    from common.plotting.result_plots import leaderboard_figure

    table = leaderboard(rows)
    path = Path(folder) / LEADERBOARD_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.4f")
    leaderboard_figure(table, title=title).savefig(path.with_suffix(".png"), dpi=150)
    return table


def text_leaderboard(table: pd.DataFrame) -> str:
    """Format a leaderboard, as made by `leaderboard` or read from its CSV, for a terminal."""
    return _as_text(table).to_string(index=False)


def style_leaderboard(table: pd.DataFrame, *, caption: str) -> Styler:
    """Format a leaderboard: percentages with intervals, the best of each statistic in bold.

    Parameters
    ----------
    table : pandas.DataFrame
        As `leaderboard` makes it, or as read back from its CSV.
    caption : str
        The statistic and the data set; a synthetic data set is named as such.
    """
    shown = _as_text(table)
    bold = pd.DataFrame("", index=shown.index, columns=shown.columns)
    for name, heading in STATISTICS.items():
        bold.loc[table[name] == table[name].max(), heading] = "font-weight: bold"
    numbers = [*STATISTICS.values(), "Parameters", "Training time"]
    return (
        styled(shown, caption, right=numbers)
        .format(_in_two_lines, subset=list(STATISTICS.values()))
        .apply(lambda _: bold, axis=None)
        .hide(axis="index")
    )


def _in_two_lines(score: str) -> str:
    """Put the interval under the value: side by side, four of them are wider than a page."""
    return f"{score.replace(' [', '<br><small>[')}</small>"


def style_per_genre(table: pd.DataFrame, *, caption: str) -> Styler:
    """Format the precision, recall and F1 of `metrics.per_genre`, the best of each in bold."""
    headings = {"precision": "Precision", "recall": "Recall", "f1": "F1", "tracks": "Tracks"}
    shown = table.rename(columns=headings).rename_axis("Genre")
    ratios = ["Precision", "Recall", "F1"]
    return styled(shown, caption, dict.fromkeys(ratios, "{:.1%}"), best=ratios)


def _or_absent(value: float, pattern: str) -> str:
    return ABSENT if pd.isna(value) else pattern.format(value)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"Model": table["model"]})
    for name, heading in STATISTICS.items():
        values = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        shown[heading] = [str(Score(*value)) for value in values]
    shown["Parameters"] = [_or_absent(value, "{:,.0f}") for value in table["parameters"]]
    shown["Training time"] = [
        ABSENT if pd.isna(value) else format_duration(value) for value in table["seconds"]
    ]
    notes = table["note"].fillna("")
    if notes.any():
        shown["Note"] = notes
    return shown
