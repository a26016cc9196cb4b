"""What the commands of the benchmarks share: options, and printing rows as they come."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rows import Row, cells, machine, write_rows
from timing import DifferentResults

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset

Measure = Callable[[argparse.Namespace], Iterator[Row]]


def run_benchmark(
    script: str,
    description: str,
    measure: Measure,
    *,
    rounds: int = 5,
    add_options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> None:
    """Run the command of one benchmark and end the process.

    Parameters
    ----------
    script : str
        The ``__file__`` of the benchmark.
    description : str
        Its docstring.
    measure : callable
        Takes the arguments and gives rows, one after the other.
    rounds : int
        Of each comparison, unless told otherwise.
    add_options : callable, optional
        Adds what is particular to it to the parser.
    """

    def main() -> None:
        name = f"python benchmarks/{Path(script).name}"
        parser = cli.make_parser(
            name, description, f"  {name}\n  FMA_ROOT=/music/fma {name} --rounds 9"
        )
        parser.add_argument("--rounds", type=int, default=rounds, help="of each comparison")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
        if add_options:
            add_options(parser)
        arguments = parser.parse_args()
        if arguments.rounds < 1:
            raise UserError(f"--rounds {arguments.rounds}: ask for at least 1")
        dataset = find_dataset()
        print(dataset.notice)
        where = f"{machine()}, {dataset.title}"
        rows: list[Row] = []
        try:
            for row in measure(arguments):
                rows.append(replace(row, where=where))
                print_row(row)
                if arguments.json:  # what is measured stays, whatever happens to the next
                    write_rows(rows, arguments.json)
        except DifferentResults as error:
            raise UserError(f"not timed, since the results differ: {error}") from None

    cli.run_command(main)


def print_row(row: Row) -> None:
    """Print a row in a line, and below it what was run."""
    name, ours, against, ratio, target = cells(row)
    print(f"{name:<46} {ours:>22}  {ratio:<26} {target:<16} {against}")
    print(f"    {row.what}{'; ' + row.equal if row.equal else ''}", flush=True)
