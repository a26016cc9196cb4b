"""All benchmarks, one after the other, each in a process of its own; results.json and figure.

A benchmark that fails costs its rows only, and the exit code. The README's table is then renewed by
``python benchmarks/readme_table.py``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figure import FIGURE, draw
from rows import RESULTS, Row, read_rows, write_rows

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from common.paths import PROJECT_ROOT, display_path

BENCHMARKS = (
    "constant_q",
    "track_features",
    "decoders",
    "extraction",
    "records",
    "rendering",
    "image_input",
    "augmentation",
    "training",
    "prediction",
    "embedding",
)


def run(name: str, options: list[str]) -> tuple[list[Row], bool]:
    """Run one benchmark; give the rows that it finished, and whether that was all of them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        results = Path(folder, "rows.json")
        script = Path(__file__).with_name(f"{name}.py")
        started = time.perf_counter()
        command = [sys.executable, str(script), "--json", str(results), *options]
        code = subprocess.run(command, cwd=PROJECT_ROOT).returncode
        rows = read_rows(results) if results.exists() else []
    if code == 130:  # Ctrl-C reached the benchmark too, which said so
        raise KeyboardInterrupt
    went = "failed after" if code else "took"
    print(f"--- {name} {went} {time.perf_counter() - started:.0f} s\n", flush=True)
    return rows, code == 0


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python benchmarks/run.py",
        "Run all benchmarks, write results.json and a figure. A quarter of an hour at most on two\n"
        "cores; on a machine that does something else its numbers are worth little.",
        "  FMA_ROOT=/music/fma python benchmarks/run.py\n"
        "  python benchmarks/run.py --only constant_q records --results build/bench/some.json",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=BENCHMARKS,
        metavar="NAME",
        help=f"some of {', '.join(BENCHMARKS)}",
    )
    parser.add_argument("--rounds", type=int, help="of each comparison; by default each its own")
    parser.add_argument(
        "--results",
        type=Path,
        help="by default benchmarks/results.json; with --only none, lest it lose its other rows",
    )
    arguments = parser.parse_args()
    find_dataset()  # or say at once that there is none
    chosen = arguments.only or BENCHMARKS
    results = arguments.results or (None if arguments.only else RESULTS)
    options = [] if arguments.rounds is None else ["--rounds", str(arguments.rounds)]
    started = time.perf_counter()
    rows, failed = [], []
    for name in chosen:
        found, is_whole = run(name, options)
        rows += found
        failed += [] if is_whole else [name]
    print(f"{len(rows)} rows in {(time.perf_counter() - started) / 60:.1f} minutes")
    if missed := [row.name for row in rows if row.is_met is False]:
        print("Targets that were missed: " + "; ".join(missed))
    if results and rows:
        write_rows(rows, results)
        draw(rows, results.with_name(FIGURE.name))
        print(f"Written: {display_path(results)}")
    if failed:
        raise UserError(f"these benchmarks failed, as they say above: {', '.join(failed)}")


if __name__ == "__main__":
    cli.run_command(main)
