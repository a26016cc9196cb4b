"""Result tables in README.md, benchmarks/README.md and docs/fma-costs.md, and their figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from common.errors import UserError
from common.paths import PROJECT_ROOT
from common.plotting.style import DARK, GREY, STYLE
from harness.fma_costs import SCALE, costs_table, read_speeds
from harness.rows import HEADER, RESULTS, Row, cells, read_rows
from tools.marked_text import renew

SCRIPT = "benchmarks/run.py --pages"

README_ROWS = (
    "Constant-Q of one segment, against librosa",
    "MP3 to features, against a load a segment",
    "Extraction with 2 workers, against the plain way",
    "Input of images, against dataframe generator",
    "predict on a long file",
)

_OURS, _TARGET = "#2f6f9f", "#c62828"


def markdown_table(rows: Iterable[Row]) -> str:
    """Format the headline rows as a Markdown table, followed by machine and data set."""
    shown = [row for row in rows if row.is_headline]
    lines = [HEADER, ("---",) * len(HEADER), *map(cells, shown)]
    places = " · ".join(dict.fromkeys(row.where for row in shown if row.where))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nMeasured on {places}.\n"


def renew_pages(
    results: Path = RESULTS, scale: Path = SCALE, root: Path = PROJECT_ROOT, *, check: bool = False
) -> None:
    """Write the tables of results.json and scale.md into the pages.

    With `check`, write nothing and raise `UserError` if a table is out of date.
    """
    rows = {row.name: row for row in read_rows(results)}
    if missing := [name for name in README_ROWS if name not in rows]:
        raise UserError(f"{results} has no row {missing[0]!r}: make bench measures it")
    tables = {
        "README.md": ("speed", markdown_table(rows[name] for name in README_ROWS)),
        "benchmarks/README.md": ("benchmarks", markdown_table(rows.values())),
        "docs/fma-costs.md": ("fma-costs", costs_table(read_speeds(rows.values(), scale))),
    }
    for page, (part, table) in tables.items():
        renew(root / page, {part: table}, SCRIPT, check=check)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the ratios of the headline rows, their ranges and targets."""
    shown = [row for row in rows if row.ratio is not None and not row.is_share and row.is_headline]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9, 1.2 + 0.3 * len(shown)))
        for y, row in enumerate(shown):
            axes.barh(y, row.ratio, color=_OURS, height=0.6)
            if row.spread:
                axes.plot(row.spread, (y, y), color=DARK, linewidth=1)
            if row.target:
                marker = {"marker": "|", "markersize": 13, "markeredgewidth": 2}
                axes.plot(row.target[1], y, color=_TARGET, **marker)
        axes.axvline(1, color=GREY, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks(range(len(shown)), [row.name for row in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        axes.set_xlabel("speed relative to the peer (line: range over rounds, red: target)")
        axes.set_title("Speed, both sides in turns in one process")
        figure.savefig(path)
        plt.close(figure)
