"""The tables of results, made of the leaderboards that trainings wrote: none is typed by hand.

python results/tables.py            # renews the tables of the README and of the results' pages
python results/tables.py --check    # only looks whether they are what the leaderboards say

A table stands between two markers that name the folder of its leaderboard. To show another one,
add the folder, and where its table belongs these two lines::

    <!-- FOLDER: made by results/tables.py -->
    <!-- end of FOLDER -->
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common import cli
from common.errors import UserError
from common.evaluation.leaderboard import ABSENT, LEADERBOARD_FILE
from common.evaluation.metrics import Score
from common.paths import PROJECT_ROOT, display_path
from tools.marked_text import add_check_option, markers, names_in, renew

SCRIPT = "results/tables.py"
README = PROJECT_ROOT / "README.md"
PART = "results"
"""Of the README: its short table."""

REAL_MUSIC = Path(__file__).parent / "real_music"

SHORT = (
    ("one_model", "Majority class", "always the most frequent genre"),
    ("one_model", "SVM on bin statistics", "SVM on bin statistics of the CQT"),
    ("one_model", "texture", "`texture`, one network"),
    ("four_members", "texture", "`texture`, four networks averaged"),
    ("musicnn_one_model", "SVM on musicnn", "SVM on musicnn's embedding"),
    ("musicnn_one_model", "musicnn", "`musicnn`, a probe on published weights"),
    (
        "together_four_members",
        "average of these 2",
        "`texture` and `musicnn` together, four of each",
    ),
)
"""The rows of the README's table: folder, model, what it is. The best of all is added to them."""

_GAIN = re.compile(r"([+-]\d+\.\d) points (\[[+-]\d+\.\d, [+-]\d+\.\d\]) over ([^;]+)")


@dataclass(frozen=True)
class Row:
    """One model of a leaderboard.

    Attributes
    ----------
    folder, model : str
    accuracy : float
        Of tracks.
    scores : tuple of str
        Track accuracy, track macro-F1 and segment accuracy, with their intervals.
    gains : dict
        Baseline → how many points better, with its interval.
    """

    folder: str
    model: str
    accuracy: float
    scores: tuple[str, ...]
    gains: dict[str, str]


def read_gains(note: str) -> dict[str, str]:
    """Read from a note how much better a model is than what.

    Parameters
    ----------
    note : str
        Such as ``folds 57% to 88%; +2.3 points [-4.2, +8.3] over SVM on bin statistics``.

    Returns
    -------
    dict
        Baseline → ``+2.3 [-4.2, +8.3]``; empty where the note tells of none.

    Raises
    ------
    UserError
        If the note speaks of points in another form.
    """
    found = _GAIN.findall(note)
    if len(found) != note.count(" points "):
        raise UserError(
            f"the note {note!r} does not tell the gain as common.evaluation.metrics writes it"
        )
    return {baseline.strip(): f"{gain} {interval}" for gain, interval, baseline in found}


def read_rows(folder: Path) -> list[Row]:
    """Read the leaderboard of a folder.

    Raises
    ------
    UserError
        If there is none, or a note is not understood.
    """
    path = folder / LEADERBOARD_FILE
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"{display_path(path)} is missing: a training writes it") from None

    def score(entry: pd.Series, name: str) -> str:
        return str(Score(*entry[[name, f"{name}_low", f"{name}_high"]]))

    statistics = ("track_accuracy", "track_macro_f1", "segment_accuracy")
    return [
        Row(
            folder=folder.name,
            model=entry["model"],
            accuracy=entry["track_accuracy"],
            scores=tuple(score(entry, name) for name in statistics),
            gains=read_gains(entry["note"] if isinstance(entry["note"], str) else ""),
        )
        for _, entry in table.iterrows()
    ]


def long_table(rows: Sequence[Row]) -> str:
    """Write all rows of a leaderboard, with a column for each baseline that is compared with."""
    baselines = list(dict.fromkeys(name for row in rows for name in row.gains))
    header = ("model", "track accuracy", "track macro-F1", "segment accuracy")
    gains = [f"over {baseline}, points" for baseline in baselines]
    lines = [
        (row.model, *row.scores, *(row.gains.get(name, ABSENT) for name in baselines))
        for row in rows
    ]
    return _markdown((*header, *gains), lines)


def short_table(rows: Sequence[Row]) -> str:
    """Write the rows of `SHORT`, and the best of all unless it is among them; it is in bold.

    Raises
    ------
    UserError
        If one of them is in no leaderboard.
    """
    known = {(row.folder, row.model): row for row in rows}
    if absent := [key for *key, _ in SHORT if tuple(key) not in known]:
        raise UserError(f"results/real_music/{absent[0][0]} has no row {absent[0][1]!r} any more")
    best = max(rows, key=lambda row: row.accuracy)
    titles = {(folder, model): title for folder, model, title in SHORT}
    titles.setdefault((best.folder, best.model), f"the best of all: {best.model}, `{best.folder}`")
    lines = []
    for key, title in titles.items():
        row = known[key]
        name = f"**{title}**" if row is best else title
        accuracy, macro_f1, _ = row.scores
        gains = ", ".join(f"{gain} over {baseline}" for baseline, gain in row.gains.items())
        lines.append((name, accuracy, macro_f1, gains or ABSENT))
    return _markdown(("model", "track accuracy", "track macro-F1", "gain, points"), lines)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    unbroken = [[_unbroken(cell) for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *unbroken]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _unbroken(cell: str) -> str:
    """Keep a number with its sign and an interval in one line of a narrow column."""
    return re.sub(r" (?=%)|(?<=\d,) (?=[\d+-][\d.]*\])", "\u00a0", cell)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        f"python {SCRIPT}",
        "Write the tables of results into the README and the page of results/real_music, from\n"
        "the leaderboards beside that page. Which table goes where, markers in the pages tell.",
        f"  python {SCRIPT}\n  python {SCRIPT} --check",
    )
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--folder", type=Path, default=REAL_MUSIC, help="of a page and its results")
    add_check_option(parser)
    arguments = parser.parse_args()
    page = arguments.folder / "README.md"
    folders = names_in(page.read_text(encoding="utf-8"), SCRIPT)
    present = sorted(path.parent.name for path in arguments.folder.glob(f"*/{LEADERBOARD_FILE}"))
    if unshown := [name for name in present if name not in folders]:
        lines = " and ".join(markers(unshown[0], SCRIPT))
        raise UserError(f"{display_path(page)} does not show {unshown[0]}: add the lines {lines}")
    tables = {name: read_rows(arguments.folder / name) for name in folders}
    parts = {name: long_table(rows) for name, rows in tables.items()}
    renew(page, parts, SCRIPT, check=arguments.check)
    short = short_table([row for rows in tables.values() for row in rows])
    renew(arguments.readme, {PART: short}, SCRIPT, check=arguments.check)


if __name__ == "__main__":
    cli.run_command(main)
