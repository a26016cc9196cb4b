"""What a notebook's outputs may hold once they are kept: nothing that differs from run to run."""

from __future__ import annotations

import re

from nbformat import NotebookNode

_BAR = re.compile(r"^.*\d+%\|.*\| [\d.,]+\w?/[\d.,]+\w? ?\[.*\]$")
"""What `tqdm` leaves of a progress bar."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>)")

_STYLED = re.compile(r"\bT_[0-9a-f]{5}(?=[_\" ])")
"""The identifier that pandas draws at random for a styled table."""


def tidy(notebook: NotebookNode) -> None:
    """Make outputs the same in every run of the same code on the same data, as far as they can be.

    What a cell printed is joined, with what a terminal shows in the end where a line was written
    over. Progress bars are for those who wait, and go. Addresses in memory go too, and the
    identifiers of tables are made of their cells'.

    Parameters
    ----------
    notebook : NotebookNode
        Executed; it is changed.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in _joined(cell.outputs) if _tidy_output(output)]
            _name_tables(cell)


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        follows = joined and joined[-1].get("name") == output.get("name")
        if output.output_type == "stream" and follows:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _tidy_output(output: NotebookNode) -> bool:
    """Tidy an output; tell whether anything is left of it."""
    if output.output_type == "stream":
        seen = [line.rstrip("\r").split("\r")[-1] for line in output.text.split("\n")]
        output.text = "\n".join(line for line in seen if not _BAR.match(line))
        return bool(output.text.strip())
    text = output.get("data", {}).get("text/plain")
    if text is not None:
        output.data["text/plain"] = _ADDRESS.sub("", text)
    return True


def _name_tables(cell: NotebookNode) -> None:
    names: dict[str, str] = {}
    for output in cell.outputs:
        html = output.get("data", {}).get("text/html")
        if html is not None:
            output.data["text/html"] = _STYLED.sub(
                lambda found: names.setdefault(found[0], f"T_{cell.id}_{len(names)}"), html
            )


def find_faults(notebook: NotebookNode, digest: str) -> list[str]:
    """Tell what is wrong with a notebook whose outputs are to be read.

    Parameters
    ----------
    notebook : NotebookNode
    digest : str
        Of what its outputs depend on, as it is now.

    Returns
    -------
    list of str
        A sentence a fault; empty if it was run once, in order, from a clean kernel, without an
        error or a warning, with the code as it is now.
    """
    faults = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        faults.append("its cells were not run in order from a clean kernel")
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                faults.append(f"cell {cell.id} failed: {output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                faults.append(f"cell {cell.id} has a warning: {output.text.strip()}")
    if notebook.metadata.get("digest") != digest:
        faults.append("its outputs are older than its code, or were made with FMA_ variables set")
    return faults
