"""Command line of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from harness.rows import Row, cells, machine, write_rows
from harness.timing import DifferentResults


def run_benchmark(
    script: str,
    description: str,
    measure: Callable[[int], Iterator[Row]],
    *,
    rounds: int = 5,
) -> None:
    """Parse the command line of a benchmark; print and write each row that `measure` yields.

    `script` and `description` are ``__file__`` and ``__doc__`` of the benchmark. `measure` is
    called with the number of rounds.
    """

    def main() -> None:
        name = f"python benchmarks/{Path(script).name}"
        parser = cli.make_parser(
            name, description, f"  {name}\n  FMA_ROOT=/music/fma {name} --rounds 9"
        )
        parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each comparison")
        parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
        arguments = parser.parse_args()
        if arguments.rounds < 1:
            raise UserError(f"--rounds {arguments.rounds} must be at least 1")
        dataset = find_dataset()
        print(dataset.notice)
        rows: list[Row] = []
        try:
            for row in measure(arguments.rounds):
                rows.append(replace(row, where=f"{machine()}, {dataset.title}"))
                name, ours, against, ratio, target = cells(row)
                print(f"{name:<46} {ours:>22}  {ratio:<26} {target:<16} {against}")
                print(f"    {row.what}{'; ' + row.equal if row.equal else ''}", flush=True)
                if arguments.json:  # after each row, in case of a later failure
                    write_rows(rows, arguments.json)
        except DifferentResults as error:
            raise UserError(f"not timed, since the results differ: {error}") from None

    cli.run_command(main)
