"""The README's table of the benchmarks, made of results.json.

python benchmarks/readme_table.py            # puts it between the README's two markers
python benchmarks/readme_table.py --check    # only looks whether it is what results.json says
"""

from __future__ import annotations

from pathlib import Path

from rows import RESULTS, markdown_table, read_rows

from common import cli
from common.paths import PROJECT_ROOT
from tools.marked_text import add_check_option, renew

README = PROJECT_ROOT / "README.md"
SCRIPT = "benchmarks/readme_table.py"
PART = "benchmarks"


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        f"python {SCRIPT}",
        "Write the README's table of the benchmarks from results.json.",
        f"  python {SCRIPT}\n  python {SCRIPT} --check",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, default=README)
    add_check_option(parser)
    arguments = parser.parse_args()
    table = markdown_table(read_rows(arguments.results))
    renew(arguments.readme, {PART: table}, SCRIPT, check=arguments.check)


if __name__ == "__main__":
    cli.run_command(main)
