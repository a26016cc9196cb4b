"""The README's table of the benchmarks, made of results.json.

python benchmarks/readme_table.py            # puts it between the README's two markers
python benchmarks/readme_table.py --check    # only looks whether it is what results.json says
"""

from __future__ import annotations

from pathlib import Path

from rows import RESULTS, markdown_table, read_rows

from common import cli
from common.files import atomic_write
from fma_utils import PROJECT_ROOT, UserError, display_path

README = PROJECT_ROOT / "README.md"
BEGIN = "<!-- benchmarks: made by benchmarks/readme_table.py -->"
END = "<!-- end of benchmarks -->"


def with_table(text: str, table: str) -> str:
    """Put a table between the two markers of a text.

    Parameters
    ----------
    text : str
        Holds `BEGIN` and, further down, `END`, each in a line of its own.
    table : str

    Returns
    -------
    str
        The same text again for the same table.

    Raises
    ------
    UserError
        If a marker is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"the README lacks the lines {BEGIN} and {END}: put them where it belongs")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python benchmarks/readme_table.py",
        "Write the README's table of the benchmarks from results.json.",
        "  python benchmarks/readme_table.py\n  python benchmarks/readme_table.py --check",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if it is stale")
    arguments = parser.parse_args()
    text = arguments.readme.read_text(encoding="utf-8")
    renewed = with_table(text, markdown_table(read_rows(arguments.results)))
    if not arguments.check:
        with atomic_write(arguments.readme) as file:
            file.write(renewed.encode())
    elif renewed != text:
        raise UserError(
            f"the table in {display_path(arguments.readme)} is not what "
            f"{display_path(arguments.results)} says: run python benchmarks/readme_table.py"
        )


if __name__ == "__main__":
    cli.run_command(main)
