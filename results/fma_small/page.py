"""Tables of results/fma_small in its page and in the README, from the CSV files beside the page."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from common import cli
from common.evaluation.leaderboard import ABSENT
from common.evaluation.metrics import Difference, Score
from common.fma.metadata import SPLITS
from common.paths import PROJECT_ROOT
from common.tables import read_table
from few_labels import ALL, LABELS
from tools.marked_text import renew

SCRIPT = "results/fma_small/page.py"
HERE = Path(__file__).parent
README = PROJECT_ROOT / "README.md"

COLUMNS = {
    "labels": "labels",
    "genres": "genres",
    "genre": "genre",
    "parent": "parent",
    "model": "model",
    "rule": "rule",
    "task": "trained on",
    "augmentation": "augmentation",
    "representation": "representation",
    "training_tracks": "training tracks",
    "accuracy": "accuracy",
    "validation_accuracy": "validation accuracy",
    "gain_on_validation": "gain on validation, points",
    "test_accuracy": "test accuracy",
    "deviation_between_seeds": "deviation between seeds, points",
    "test_macro_f1": "test macro-F1",
    "over_groups": "interval over artists",
    "of_artist": "the artist's tracks",
    "without_artist": "other tracks",
    "macro_average_precision": "macro AP",
    "micro_average_precision": "micro AP",
    "macro_roc_auc": "macro ROC AUC",
    "r_precision": "R-precision",
    "lrap": "LRAP",
    "sub_genre_errors": "wrong sub-genres",
    "root_of_errors": "root right",
    "gain": "gain, points",
    "violations": "pairs above the parent",
    "gain_over_svm": "over the SVM, points",
    "gain_over_richer_svm": "over the richer SVM, points",
    "precision": "precision",
    "recall": "recall",
    "validation_recall": "recall on validation",
    "f1": "F1",
    "tracks": "test tracks",
    "frequency": "frequency",
    "chance": "AP by chance",
    "average_precision": "AP",
    "roc_auc": "ROC AUC",
    "parameters": "parameters",
    "minutes_a_seed": "minutes",
    **{f"low_edge_{split}": split for split in SPLITS},
    **{f"labels_{count}": f"{count} per genre" for count in LABELS},
    f"labels_{ALL}": "all",
}
"""Column of a CSV → title; columns with ``_low`` and ``_high`` have an interval."""

SHARES = (
    "precision",
    "recall",
    "validation_recall",
    "f1",
    "of_artist",
    "frequency",
    "chance",
    "roc_auc",
    "violations",
    *(f"low_edge_{split}" for split in SPLITS),
)
"""Columns in percent besides accuracies."""

PAGE = {
    "models": None,
    "recipes": None,
    "cross_validation": None,
    "frequent_artist": None,
    "per_genre": None,
    "edges": None,
    "low_pass": ["model", "validation_accuracy", "test_accuracy", "gain_over_svm"],
    "learning_curve": None,
    "few_labels": None,
    "several_genres": None,
    "several_genres_per_genre": None,
    "hierarchy": None,
    "multi_task": None,
}
"""CSV → columns on the page, by default all of `COLUMNS` that it has."""

FREQUENT = 20  # genres on the page; the CSV has all

SHORT = ["model", "validation_accuracy", "test_accuracy", "gain_over_svm"]
"""Columns of the README's table."""


def format_table(table: pd.DataFrame, columns: list[str] | None = None) -> str:
    """Format a table in Markdown, with percentages, intervals and points."""
    chosen = [name for name in columns or COLUMNS if name in table]
    cells = {COLUMNS[name]: [_cell(name, row) for _, row in table.iterrows()] for name in chosen}
    lines = [cells, ["---"] * len(cells), *zip(*cells.values(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(name: str, row: pd.Series) -> str:
    value = row[name]
    if not isinstance(value, str) and pd.isna(value):
        return ABSENT
    if f"{name}_low" in row:
        interval = value, row[f"{name}_low"], row[f"{name}_high"]
        gain = str(Difference(*interval)).replace(" points", "")
        text = gain if name.startswith("gain") else str(Score(*interval))
    elif name.endswith("accuracy") or name in SHARES:
        text = f"{100 * value:.1f} %"
    elif name == "deviation_between_seeds":
        text = f"{100 * value:.1f}"
    elif name == "minutes_a_seed":
        text = f"{value:.1f}"
    else:
        text = value if isinstance(value, str) else f"{round(value):,}"
    return re.sub(r" (?=%)|(?<=\d,) (?=[\d+-][\d.]*\])", "\u00a0", text)


def write_pages(*, check: bool = False) -> None:
    """Write the tables into both pages; with `check`, raise a `UserError` for an old one."""
    tables = {name: read_table(HERE / f"{name}.csv") for name in PAGE}
    tables["several_genres_per_genre"] = tables["several_genres_per_genre"].head(FREQUENT)
    parts = {name: format_table(table, PAGE[name]) for name, table in tables.items()}
    renew(HERE / "README.md", parts, SCRIPT, check=check)
    short = format_table(short_rows(tables["models"], tables["cross_validation"]), SHORT)
    renew(README, {"fma_small": short}, SCRIPT, check=check)


def short_rows(models: pd.DataFrame, cross_validation: pd.DataFrame) -> pd.DataFrame:
    """Select the baselines, the network that cross-validation chose, and the best others.

    These are the best on validation of stage 1 and of the averages.
    """
    ordered = models.sort_values("validation_accuracy", ascending=False)
    baseline, of_images, averaged = (
        ordered["model"].str.startswith(start)
        for start in (("Majority", "SVM"), "stage 1", "average")
    )
    networks = ~(baseline | of_images | averaged)
    judged = cross_validation.set_index("model")["accuracy"]
    judged = judged[judged.index.isin(ordered["model"][networks])]
    chosen = ordered["model"] == judged.idxmax()
    best = [ordered[group].head(1) for group in (of_images, chosen, averaged)]
    return pd.concat([ordered[baseline].sort_index(), *best])


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        f"python {SCRIPT}",
        "Write the tables of results/fma_small into its page and into the README.",
        f"  python {SCRIPT}\n  python {SCRIPT} --check",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a page is out of date"
    )
    arguments: argparse.Namespace = parser.parse_args()
    write_pages(check=arguments.check)


if __name__ == "__main__":
    cli.run_command(main)
