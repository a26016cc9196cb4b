"""Run all benchmarks, each in its own process; write results.json and the tables of the pages."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from common.paths import PROJECT_ROOT, display_path
from harness.pages import renew_pages
from harness.rows import RESULTS, Row, read_rows, write_rows

BENCHMARKS = (
    "constant_q",
    "extraction",
    "records",
    "rendering",
    "image_input",
    "augmentation",
    "training",
    "prediction",
    "exports",
)


def run(name: str, options: list[str]) -> tuple[list[Row], bool]:
    """Run one benchmark; return its rows, and whether it succeeded."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        results = Path(folder, "rows.json")
        script = Path(__file__).with_name(f"{name}.py")
        started = time.perf_counter()
        command = [sys.executable, str(script), "--json", str(results), *options]
        code = subprocess.run(command, cwd=PROJECT_ROOT).returncode
        rows = read_rows(results) if results.exists() else []
    if code == 130:  # Ctrl-C interrupted the benchmark too
        raise KeyboardInterrupt
    result = "failed after" if code else "took"
    print(f"--- {name} {result} {time.perf_counter() - started:.0f} s\n", flush=True)
    return rows, code == 0


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python benchmarks/run.py",
        "Run all benchmarks; write results.json and the tables of the pages. That takes\n"
        "15 minutes on two cores. Other load on the machine distorts the results.",
        "  FMA_ROOT=/music/fma python benchmarks/run.py\n"
        "  python benchmarks/run.py --only constant_q records --results build/bench/some.json\n"
        "  python benchmarks/run.py --pages",
    )
    names = f"some of {', '.join(BENCHMARKS)}"
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=names)
    parser.add_argument("--rounds", type=int, help="rounds of each comparison")
    parser.add_argument(
        "--results", type=Path, help="by default benchmarks/results.json; with --only, nothing"
    )
    parser.add_argument("--pages", action="store_true", help="only write the tables of the pages")
    parser.add_argument(
        "--check", action="store_true", help="only check that the tables are up to date"
    )
    arguments = parser.parse_args()
    if arguments.pages or arguments.check:
        renew_pages(check=arguments.check)
        return
    find_dataset()  # fail early
    results = arguments.results or (None if arguments.only else RESULTS)
    options = [] if arguments.rounds is None else ["--rounds", str(arguments.rounds)]
    rows, failed = [], []
    for name in arguments.only or BENCHMARKS:
        measured, is_complete = run(name, options)
        rows += measured
        failed += [] if is_complete else [name]
    print(f"{len(rows)} rows")
    if missed := [row.name for row in rows if row.is_met is False]:
        print("Missed targets: " + "; ".join(missed))
    if results and rows:
        write_rows(rows, results)
        print(f"Written: {display_path(results)}")
    if failed:
        raise UserError(f"these benchmarks failed, see their messages above: {', '.join(failed)}")
    if results == RESULTS:
        renew_pages()


if __name__ == "__main__":
    cli.run_command(main)
