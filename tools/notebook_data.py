"""The line of a rendered notebook that names its data and links to other renderings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode

from common.jobs.files import atomic_write
from common.paths import PROJECT_ROOT

_LINE = re.compile(r"\n\n> \*\*Data:\*\* .*")
_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z])")


def notice_of(notebook: NotebookNode) -> str:
    """Return the first printed line of `common.fma.dataset.notice`, which names the data set."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    lines = [line for output in outputs for line in output.get("text", "").splitlines()]
    return next((line for line in lines if line.startswith(("*** SYN", "Data set:"))), "")


def without_data_line(markdown: str) -> str:
    """Remove the line that `state_data` writes."""
    return _LINE.sub("", markdown)


def state_data(notebook: NotebookNode, source: Path, place: Path) -> None:
    """Name the data in the second paragraph of the first cell, in place.

    An earlier line is replaced. Nothing is written if the notebook prints no notice of its data.

    Parameters
    ----------
    notebook : NotebookNode
        An executed notebook that begins with Markdown.
    source : Path
        Notebook in the folder of a stage, from which this one was executed.
    place : Path
        Path of the page, from which the links are relative. A README beside it describes the data
        in its first sentence.
    """
    notice, first = notice_of(notebook), notebook.cells[0]
    first.source = without_data_line(first.source)
    if notice and first.cell_type == "markdown":
        is_demo = notice.startswith("*** SYN")
        line = _demo_line(source, place) if is_demo else _real_line(notice, source, place)
        title, *others = first.source.split("\n\n")
        first.source = "\n\n".join([title, f"> **Data:** {line}", *others])


def _demo_line(source: Path, place: Path) -> str:
    text = "the synthetic demo set. Its scores describe the software, not music. "
    results = PROJECT_ROOT / "results"
    renderings = sorted(results.glob(f"*/{source.name}"))
    if renderings:
        return f"{text}The same notebook on real data: {_links(renderings, place)}."
    pages = sorted(results.glob("*/README.md"))
    return f"{text}Results on real data: {_links(pages, place)}."


def _real_line(notice: str, source: Path, place: Path) -> str:
    readme = place.parent / "README.md"
    if PROJECT_ROOT / "results" not in place.parents or not readme.exists():
        return f"{notice.removeprefix('Data set: ')}."
    paragraph = readme.read_text(encoding="utf-8").split("\n\n")[1]
    sentence = _SENTENCE.split(" ".join(paragraph.split()))[0]
    demo = _links([source], place)
    return f"{sentence} All results: {_links([readme], place)}. On the synthetic demo set: {demo}."


def _links(targets: list[Path], place: Path) -> str:
    """Link files of the project relative to the folder of a page, separated by commas."""
    links = []
    for target in targets:
        shown = target.parent if target.name == "README.md" else target
        name = shown.relative_to(PROJECT_ROOT).as_posix()
        links.append(f"[{name}]({quote(os.path.relpath(target, place.parent))})")
    return ", ".join(links)


def renew_data_lines(sources: Iterable[Path]) -> None:
    """Renew the lines of notebooks in the stages' folders and of their renderings in results/."""
    for source in sources:
        for path in (source, *(PROJECT_ROOT / "results").glob(f"*/{source.name}")):
            notebook = nbformat.read(path, as_version=4)
            before = notebook.cells[0].source
            state_data(notebook, source, path)
            if notebook.cells[0].source != before:
                write_notebook(notebook, path)


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook with a final newline, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(nbformat.writes(notebook).encode() + b"\n")
