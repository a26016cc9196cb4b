"""Badges that open the notebooks elsewhere, and the cell that they need on Google Colab.

Where the project is published stands in one place, ``pyproject.toml``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlparse

import nbformat

from common import cli
from common.files import atomic_write
from common.notebooks import COLAB_CELL, NOTEBOOKS
from fma_utils import PROJECT_ROOT, UserError

BRANCH = "main"

MARK = "[![Open in Colab]"
"""How the line of badges begins."""


def repository() -> str:
    """Read from ``pyproject.toml`` where the project is published.

    Returns
    -------
    str
        The address, such as ``https://github.com/OWNER/fma-genre-research``.

    Raises
    ------
    UserError
        If there is none, or it is not one of GitHub, which Colab and Binder take.
    """
    settings = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    address = settings["project"].get("urls", {}).get("Repository", "").rstrip("/")
    parts = urlparse(address)
    if parts.netloc != "github.com" or parts.path.count("/") != 2:
        raise UserError(
            f"pyproject.toml, [project.urls], Repository: {address or 'missing'}; expected "
            "https://github.com/OWNER/NAME"
        )
    return address


def badges(address: str, page: str | None = None) -> str:
    """Write the line of badges.

    Parameters
    ----------
    address : str
        As `repository` reads it.
    page : str, optional
        The notebook's path in the project; by default Colab shows the list of notebooks and
        Binder the folder.

    Returns
    -------
    str
        Markdown.
    """
    project = urlparse(address).path[1:]
    colab = f"https://colab.research.google.com/github/{project}"
    binder = f"https://mybinder.org/v2/gh/{project}/{BRANCH}"
    if page:
        colab += f"/blob/{BRANCH}/{quote(page)}"
        binder += f"?urlpath={quote(f'lab/tree/{quote(page)}', safe='')}"
    else:
        colab += "/"
        binder += "?urlpath=lab"
    return (
        f"{MARK}(https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def with_badges(text: str, line: str) -> str:
    """Put a line of badges under the title, in place of the one that is there."""
    title, *rest = (old for old in text.split("\n") if not old.startswith(MARK))
    below = "\n".join(rest).lstrip("\n")
    return f"{title}\n\n{line}\n\n{below}"


def colab_code(address: str, page: str) -> str:
    """Write the cell that makes a notebook work on Colab and does nothing elsewhere.

    Parameters
    ----------
    address : str
        As `repository` reads it.
    page : str
        The notebook's path in the project.
    """
    name, folder = PurePosixPath(address).name, PurePosixPath(page).parent
    return f"""\
# On Google Colab this fetches the project and what it needs; elsewhere it does nothing.
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules and not Path("../fma_utils.py").exists():
    ADDRESS, NAME = "{address}", "{name}"
    if not Path(NAME).exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", ADDRESS, NAME], check=True)
    sys.path.insert(0, NAME)
    from common.colab import set_up

    set_up(NAME, "{folder}")"""


def renew(notebook: nbformat.NotebookNode, address: str, page: str) -> None:
    """Give a notebook its badges and its cell, in place of those that are there.

    Parameters
    ----------
    notebook : NotebookNode
        It is changed; what its cells have put out stays.
    address, page : str
        As `colab_code` takes them.
    """
    cells = notebook.cells
    cells[0].source = with_badges(cells[0].source, badges(address, page))
    places = [place for place, cell in enumerate(cells) if cell.id == COLAB_CELL]
    if not places:
        places = [next(place for place, cell in enumerate(cells) if cell.cell_type == "code")]
        cells.insert(places[0], nbformat.v4.new_code_cell(id=COLAB_CELL))
    cells[places[0]].source = colab_code(address, page)


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m common.badges",
        "Write the badges that open the notebooks on Google Colab and Binder.\n\n"
        "Reads where the project is published from pyproject.toml, [project.urls], Repository,\n"
        "and writes the badges into README.md and the notebooks, and into each notebook the cell\n"
        "that fetches the project on Colab. What the notebooks show stays.",
        "  python -m common.badges",
    )
    parser.parse_args()
    address = repository()
    for name in NOTEBOOKS:
        notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
        renew(notebook, address, name)
        _write(PROJECT_ROOT / name, nbformat.writes(notebook) + "\n")
    readme = PROJECT_ROOT / "README.md"
    _write(readme, with_badges(readme.read_text(encoding="utf-8"), badges(address)))
    print(f"README.md and {len(NOTEBOOKS)} notebooks lead to {address}")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    cli.run_command(main)
