"""Execute the notebooks in the order of reading, as copies or in place."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT, display_path
from tools.imports import code_digest, used_modules
from tools.notebook_data import renew_data_lines, state_data, without_data_line, write_notebook
from tools.notebook_outputs import remove_players, tidy

NOTEBOOKS = (
    "spectrogram_image/Feature Visualization.ipynb",
    "spectrogram_image/Feature Extraction.ipynb",
    "spectrogram_image/TFRecord Conversion.ipynb",
    "spectrogram_image/CNN.ipynb",
    "spectrogram_feature/Full Data Pipeline.ipynb",
    "spectrogram_feature/Training.ipynb",
    "spectrogram_feature/Genre Confusion.ipynb",
)
"""Notebooks in the order of reading: each reads files that the earlier ones write."""

EXECUTED = PROJECT_ROOT / "build" / "notebooks"

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class _TalkingClient(NotebookClient):
    """A client that prints the current cell, the seconds since its start, and its output."""

    def __init__(self, notebook: nbformat.NotebookNode, source: Path, *, quiet: bool) -> None:
        resources = {"metadata": {"path": str(source.parent)}}
        super().__init__(notebook, timeout=None, kernel_name="python3", resources=resources)
        # The kernel would warn about its TCP connection, which is local.
        self.extra_arguments = ["--log-level=ERROR"]
        self.record_timing = False  # execution times differ in every run
        self.title, self.quiet, self.started = source.stem, quiet, time.monotonic()

    async def async_execute_cell(
        self, cell: Any, cell_index: int, *args: Any, **options: Any
    ) -> nbformat.NotebookNode:
        if cell.cell_type == "code" and cell.source.strip():
            first = cell.source.strip().splitlines()[0]
            where = f"{self.title} {cell_index + 1}/{len(self.nb.cells)}"
            print(f"[{where}, {self.seconds:.0f} s] {first:.70}", flush=True)
        return await super().async_execute_cell(cell, cell_index, *args, **options)

    @property
    def seconds(self) -> float:
        """float: time since the start."""
        return time.monotonic() - self.started

    def process_message(self, msg: dict, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "stream" and not self.quiet:
            sys.stdout.write(msg["content"]["text"])
            sys.stdout.flush()
        return super().process_message(msg, cell, cell_index)


def execute(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    players: bool = True,
    quiet: bool = False,
) -> None:
    """Execute a notebook in a new kernel and write it with its outputs.

    The kernel runs in the folder of the source, as in Jupyter. The target may be the source. The
    `parameters` are added to the first cell with code. The first cell names the data (see
    `state_data`). A `UserError` is raised if the parameters' cell does not assign one of them, or
    if a cell fails; the target then holds the notebook up to that cell, unless it is the source.
    Without `players`, a short text replaces the audio of the outputs. If `quiet`, the outputs of
    cells are not printed.
    """
    notebook = nbformat.read(source, as_version=4)
    if parameters:
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        if unknown := sorted(set(parameters) - parameter_names(cell.source)):
            raise UserError(f"{source.name} has no parameter {unknown[0]}: see its first cell")
        lines = [f"{name} = {_literal(value)}" for name, value in parameters.items()]
        cell.source += "\n\n# Changed for these results\n" + "\n".join(lines)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = _TalkingClient(notebook, source, quiet=quiet)
    problem = None
    try:
        client.execute()
    except CellExecutionError as error:
        problem = f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        problem = "its kernel died, often for lack of memory"
    notebook.metadata = dict(_METADATA)
    if problem is None:  # committed outputs are made without variables and pretrained weights
        notebook.metadata["digest"] = digest(source, {} if target == source else surroundings())
        notebook.metadata["seconds"] = round(client.seconds)
    tidy(notebook)
    if not players:
        remove_players(notebook)
    state_data(notebook, source, target)
    if problem is None or target != source:
        write_notebook(notebook, target)
    if problem:
        raise UserError(f"{source.name} failed: {problem} (see {target})")


def parameter_names(code: str) -> set[str]:
    """Collect the upper-case names that the first cell with code assigns."""
    return set(re.findall(r"^[A-Z_]+(?= =|, )|(?<=, )[A-Z_]+(?= =)", code, re.M))


def _literal(value: Any) -> str:
    """Write a value as code, with double quotes as in the cells."""
    text = repr(value)
    return text if '"' in text else text.replace("'", '"')


def digest(notebook: Path, surroundings: Mapping[str, str] | None = None) -> str:
    """Hash the dependencies of a notebook's outputs.

    These are the code of the cells and of the project's modules that they use (see
    `code_digest`), and optionally the `surroundings`.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    modules = used_modules("\n".join(code))
    parts = [*code, *(code_digest(module.read_text(encoding="utf-8")) for module in modules)]
    parts += [f"{name}={value}" for name, value in sorted((surroundings or {}).items())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _text_of(notebook: nbformat.NotebookNode) -> list[str]:
    """List the sources of a notebook's cells, without the line that names the data."""
    return [without_data_line(cell.source) for cell in notebook.cells]


def surroundings() -> dict[str, str]:
    """Return dependencies of outputs besides code: ``FMA_`` variables and pretrained weights."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("FMA_")}
    weights = (PROJECT_ROOT / "data" / "pretrained").glob("*.weights.h5")
    return variables | {"pretrained": ", ".join(sorted(path.name for path in weights))}


def parse_parameter(text: str) -> tuple[str, Any]:
    """Parse ``NAME=VALUE``; other text is a `UserError`."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise UserError(f"{text!r} is not of the form NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m tools.notebooks",
        "Execute the notebooks in the order of reading.\n\n"
        "Without --in-place, copies are written to build/notebooks/<data set>/. Copies that are\n"
        "up to date (same cells, same modules, same FMA_ variables) are skipped.",
        "  python -m tools.notebooks\n"
        "  python -m tools.notebooks --in-place\n"
        "  FMA_EPOCHS=2 python -m tools.notebooks 'spectrogram_feature/Training.ipynb'\n"
        "  python -m tools.notebooks spectrogram_feature/Training.ipynb --out results/mine \\\n"
        "      --set RECORDS=../data/records/mine EPOCHS=15",
    )
    parser.add_argument("notebooks", nargs="*", help="by default all", default=NOTEBOOKS)
    parser.add_argument("--in-place", action="store_true", help="write outputs into the notebooks")
    parser.add_argument("--out", type=Path, help="folder for the executed copies")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of the first cell; a value that is no Python literal is text",
    )
    parser.add_argument(
        "--without-players", action="store_true", help="leave the audio out of the outputs"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print the first line of each cell, not its output"
    )
    arguments = parser.parse_args()
    for name in ("FMA_ROOT", "FMA_OUTPUT"):  # kernels run in other folders
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).resolve())
    parameters = dict(parse_parameter(text) for text in arguments.set)
    if arguments.out or parameters or arguments.without_players:
        if not (arguments.out and len(arguments.notebooks) < len(NOTEBOOKS)):
            raise UserError("--set and --without-players need --out and the names of notebooks")
        for name in arguments.notebooks:
            target = arguments.out.resolve() / Path(name).name
            players = not arguments.without_players
            execute(PROJECT_ROOT / name, target, parameters, players=players)
        renew_data_lines(PROJECT_ROOT / name for name in NOTEBOOKS)
        return
    variables = sorted({name for name in os.environ if name.startswith("FMA_")} - {"FMA_ROOT"})
    if arguments.in_place and variables:
        raise UserError(f"--in-place writes the committed outputs: unset {', '.join(variables)}")
    dataset = find_dataset()
    if arguments.in_place and not dataset.is_demo:
        raise UserError(f"--in-place is for the demo set, not for {dataset.title}: leave it out")
    if not arguments.quiet:
        print(dataset.notice)
    targets = {}
    for name in arguments.notebooks:
        if not (PROJECT_ROOT / name).exists():
            raise UserError(f"there is no notebook {name}: choose one of {', '.join(NOTEBOOKS)}")
        target = PROJECT_ROOT / name if arguments.in_place else EXECUTED / dataset.name / name
        if not arguments.in_place and is_current(PROJECT_ROOT / name, target):
            print(f"{name}: up to date in {display_path(target)}")
        else:
            targets[name] = target
    stages = {name.partition("/")[0] for name in targets}
    # Large data would fill the memory twice. Committed notebooks show times.
    together = (
        dataset.is_demo and not arguments.in_place and default_workers() > 1 and len(stages) > 1
    )
    if not arguments.quiet and targets:
        print(_plan(list(targets), together=together))
    if together:
        execute_stages(targets)
    else:
        for name, target in targets.items():
            execute(PROJECT_ROOT / name, target, quiet=arguments.quiet)
    if not (arguments.in_place or arguments.quiet):
        print(f"Executed notebooks: {display_path(EXECUTED / dataset.name)}")


def is_current(source: Path, target: Path) -> bool:
    """Return True if an executed copy has the text, the code and the surroundings of today."""
    if not target.exists():
        return False
    made, now = (nbformat.read(path, as_version=4) for path in (target, source))
    same_text = _text_of(made) == _text_of(now)
    return same_text and made.metadata.get("digest") == digest(source, surroundings())


def _plan(names: list[str], *, together: bool) -> str:
    """Announce the work, with the seconds that the committed notebooks took in ``make run``."""
    seconds = Counter[str]()
    for name in names:
        notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
        seconds[name.partition("/")[0]] += notebook.metadata.get("seconds", 60)
    longest = max(seconds.values()) if together else seconds.total()
    how = ", stages beside each other" if together else ""
    least = "on 2 cores and the demo set"
    return f"Notebooks to execute: {len(names)}{how}; about {longest / 60:.0f} min {least}"


def execute_stages(names: Iterable[str]) -> None:
    """Execute the notebooks of each stage in a process of its own; stages share no files.

    A `UserError` is raised if a notebook fails; the other stage is finished first.
    """
    command = [sys.executable, "-m", "tools.notebooks", "--quiet"]
    by_stage: dict[str, list[str]] = {}
    for name in names:
        by_stage.setdefault(name.partition("/")[0], []).append(name)
    running = [subprocess.Popen([*command, *chain]) for chain in by_stage.values()]
    codes = [process.wait() for process in running]
    if any(codes):
        raise UserError("a notebook failed: see its message above")


if __name__ == "__main__":
    cli.run_command(main)
