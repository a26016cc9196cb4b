"""Outputs of executed notebooks, without parts that differ between runs."""

from __future__ import annotations

import re

from nbformat import NotebookNode

_BAR = re.compile(r"^.*\d+%\|.*\| [\d.,]+\w?/[\d.,]+\w? ?\[.*\]\s*$")
"""A progress bar of `tqdm`."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>)")

_PLAYER = re.compile(r"<audio\b.*?</audio>", re.DOTALL)

_STYLED = re.compile(r"\bT_[0-9a-f]{5}(?=[_\" ])")
"""The random identifier that pandas gives a styled table."""


def remove_players(notebook: NotebookNode) -> None:
    """Replace the audio players in the outputs of a notebook by a text, in place."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                text = "<em>Audio is left out of this rendering.</em>"
                data["text/html"] = _PLAYER.sub(text, data["text/html"])


def tidy(notebook: NotebookNode) -> None:
    """Make outputs of a notebook equal in every run of the same code on the same data, in place.

    Printed parts of a cell are joined, and overwritten lines keep their last state. Progress bars
    and memory addresses are removed. Identifiers of tables are derived from those of the cells.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            names: dict[str, str] = {}
            cell.outputs = _joined(cell.outputs)
            cell.outputs = [out for out in cell.outputs if _tidy_output(out, cell.id, names)]


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        follows = joined and joined[-1].get("name") == output.get("name")
        if output.output_type == "stream" and follows:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _tidy_output(output: NotebookNode, cell: str, names: dict[str, str]) -> bool:
    """Tidy an output of a cell; return whether anything is left."""
    if output.output_type == "stream":
        seen = [line.rstrip("\r").split("\r")[-1] for line in output.text.split("\n")]
        output.text = "\n".join(line for line in seen if not _BAR.match(line))
        return bool(output.text.strip())
    data = output.get("data", {})
    if "text/plain" in data:
        data["text/plain"] = _ADDRESS.sub("", data["text/plain"])
    if "text/html" in data:
        data["text/html"] = _STYLED.sub(
            lambda found: names.setdefault(found[0], f"T_{cell}_{len(names)}"), data["text/html"]
        )
    return True
