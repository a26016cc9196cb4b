"""Result tables in README.md, benchmarks/README.md and docs/fma-costs.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.paths import PROJECT_ROOT
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


def markdown_table(rows: Iterable[Row]) -> str:
    """Format rows as a Markdown table, followed by machine and data set."""
    rows = list(rows)
    lines = [HEADER, ("---",) * len(HEADER), *map(cells, rows)]
    places = " · ".join(dict.fromkeys(row.where for row in rows if row.where))
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
