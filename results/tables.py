"""Tables of results in the README and in results/real_music, from leaderboards of trainings.

A table is between two markers that name the folder of its leaderboard. To add a table, add its
folder, and these lines to the page::

    <!-- FOLDER: made by results/tables.py -->
    <!-- end of FOLDER -->
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common import cli
from common.errors import UserError
from common.evaluation.leaderboard import ABSENT, LEADERBOARD_FILE
from common.evaluation.metrics import Score
from common.paths import PROJECT_ROOT, display_path
from common.tables import read_table
from tools.marked_text import markers, names_in, renew

SCRIPT = "results/tables.py"
README = PROJECT_ROOT / "README.md"
REAL_MUSIC = Path(__file__).parent / "real_music"

STATISTICS = {
    "track_accuracy": "track accuracy",
    "track_macro_f1": "track macro-F1",
    "segment_accuracy": "segment accuracy",
}
"""Columns of a leaderboard, and their titles in the tables."""

SHORT = (
    ("one_model", "Majority class", "always the most frequent genre"),
    ("one_model", "SVM on bin statistics", "SVM on bin statistics of the CQT"),
    ("one_model", "texture", "`texture`, one network"),
    ("four_members", "texture", "`texture`, four networks averaged"),
    ("musicnn_one_model", "musicnn", "`musicnn`, a probe on published weights"),
)
"""Rows of the README's table: folder, model, description. The best model is added if missing."""

_GAIN = re.compile(r"([+-]\d+\.\d) points (\[[+-]\d+\.\d, [+-]\d+\.\d\]) over ([^;]+)")


def read_gains(note: str) -> dict[str, str]:
    """Parse the gains in a note of a leaderboard; raise a `UserError` if one has another form.

    The note ``folds 57% to 88%; +2.3 points [-4.2, +8.3] over SVM on bin statistics`` contains the
    gain ``+2.3 [-4.2, +8.3]`` over the baseline ``SVM on bin statistics``.
    """
    found = _GAIN.findall(note)
    if len(found) != note.count(" points "):
        raise UserError(
            f"the note {note!r} has no gain in the form of common.evaluation.metrics.Difference"
        )
    return {baseline.strip(): f"{gain} {interval}" for gain, interval, baseline in found}


def read_leaderboard(folder: Path) -> pd.DataFrame:
    """Read the leaderboard of a folder; raise a `UserError` if it is missing or malformed.

    It has the columns ``folder``, ``model``, the formatted statistics of `STATISTICS`, ``gains`` by
    baseline, and ``accuracy`` of tracks.
    """
    path = folder / LEADERBOARD_FILE
    if not path.exists():
        raise UserError(f"{display_path(path)} is missing: a training writes it")
    table = read_table(path)
    rows = pd.DataFrame({"folder": folder.name, "model": table["model"]})
    for name, title in STATISTICS.items():
        scores = table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        rows[title] = [str(Score(*score)) for score in scores]
    rows["gains"] = [read_gains(note) for note in table["note"].fillna("")]
    rows["accuracy"] = table["track_accuracy"]
    return rows


def long_table(rows: pd.DataFrame) -> str:
    """Format all rows of a leaderboard, with a column of gains for each baseline."""
    baselines = list(dict.fromkeys(name for gains in rows["gains"] for name in gains))
    lines = [
        [
            row["model"],
            *row[[*STATISTICS.values()]],
            *(row["gains"].get(b, ABSENT) for b in baselines),
        ]
        for _, row in rows.iterrows()
    ]
    gains = [f"over {baseline}, points" for baseline in baselines]
    return _markdown(("model", *STATISTICS.values(), *gains), lines)


def short_table(rows: pd.DataFrame) -> str:
    """Format the rows of `SHORT` and, in bold, the best row of all.

    A `UserError` is raised if a row of `SHORT` is in no leaderboard.
    """
    known = {(row["folder"], row["model"]): row for _, row in rows.iterrows()}
    titles = {(folder, model): title for folder, model, title in SHORT}
    if absent := [key for key in titles if key not in known]:
        raise UserError(f"results/real_music/{absent[0][0]} has no row {absent[0][1]!r} any more")
    best = max(known, key=lambda key: known[key]["accuracy"])
    titles.setdefault(best, f"the best of all: {best[1]}, `{best[0]}`")
    lines = []
    for key, title in titles.items():
        row = known[key]
        gains = ", ".join(f"{gain} over {baseline}" for baseline, gain in row["gains"].items())
        name = f"**{title}**" if key == best else title
        lines.append((name, row["track accuracy"], row["track macro-F1"], gains or ABSENT))
    return _markdown(("model", "track accuracy", "track macro-F1", "gain, points"), lines)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table with no-break spaces in percentages and intervals."""
    breaks = re.compile(r" (?=%)|(?<=\d,) (?=[\d+-][\d.]*\])")
    unbroken = [[breaks.sub("\u00a0", cell) for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *unbroken]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        f"python {SCRIPT}",
        "Write the tables of results into the README and the page of results/real_music, from\n"
        "the leaderboards beside that page.",
        f"  python {SCRIPT}\n  python {SCRIPT} --check",
    )
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument(
        "--folder", type=Path, default=REAL_MUSIC, help="folder of the page and its results"
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a page is out of date"
    )
    arguments = parser.parse_args()
    page = arguments.folder / "README.md"
    folders = names_in(page.read_text(encoding="utf-8"), SCRIPT)
    present = sorted(path.parent.name for path in arguments.folder.glob(f"*/{LEADERBOARD_FILE}"))
    if unshown := [name for name in present if name not in folders]:
        lines = " and ".join(markers(unshown[0], SCRIPT))
        raise UserError(f"{display_path(page)} does not show {unshown[0]}: add the lines {lines}")
    tables = {name: read_leaderboard(arguments.folder / name) for name in folders}
    parts = {name: long_table(rows) for name, rows in tables.items()}
    renew(page, parts, SCRIPT, check=arguments.check)
    short = short_table(pd.concat(tables.values()))
    renew(arguments.readme, {"results": short}, SCRIPT, check=arguments.check)


if __name__ == "__main__":
    cli.run_command(main)
