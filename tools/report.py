"""One static site of the notebooks, to be read without Jupyter, by Sphinx and MyST-NB."""

from __future__ import annotations

import ast
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import jinja2
import nbformat

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from common.paths import PROJECT_ROOT, display_path
from tools.notebooks import EXECUTED, NOTEBOOKS

SITE = PROJECT_ROOT / "build" / "report"
MODULE_FOLDERS = ("common", "data", "spectrogram_feature", "spectrogram_image", "tools")

_CONFIGURATION = PROJECT_ROOT / "tools" / "site"
_SITE_MARK = ".buildinfo"  # Sphinx writes it into every site
_MENTION = re.compile(r"(?<!\[)`(?P<text>[\w ./-]+\.(?:ipynb|py))`(?!\])")
_PLAIN_TABLE = '<table border="1" class="dataframe">'
_LINK = re.compile(r"\]\(<?(?P<target>[^)>#:]+\.py)>?\)")


@dataclass(frozen=True)
class Page:
    """A page of the report, as the index shows it.

    Attributes
    ----------
    path : str
        Its source, relative to the report's sources.
    title : str
        Its first heading.
    """

    path: str
    title: str

    @property
    def name(self) -> str:
        """str: the file's name without its suffix."""
        return PurePosixPath(self.path).stem

    @property
    def subtitle(self) -> str:
        """str: what the title says after its colon, or all of it."""
        return self.title.split(": ", 1)[-1]


def choose_notebooks() -> Path:
    """Find the folder whose notebooks are worth showing.

    Returns
    -------
    Path
        Where ``make run`` has executed all notebooks on the current data set, or else the project
        itself, whose notebooks show the demo set.
    """
    try:
        executed = EXECUTED / find_dataset().name
    except UserError:  # no data here, which the committed notebooks do not need
        return PROJECT_ROOT
    return executed if all((executed / name).exists() for name in NOTEBOOKS) else PROJECT_ROOT


def build(notebooks: Path, out: Path) -> Path:
    """Build the site; one that is there is replaced when the new one is complete.

    Parameters
    ----------
    notebooks : Path
        A folder with executed notebooks under the names of `NOTEBOOKS`.
    out : Path
        The site's folder.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    UserError
        If a notebook is missing or not one, if `out` holds something other than such a site, or
        if Sphinx fails.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / _SITE_MARK).exists():
        raise UserError(f"{out} holds something other than a report; choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".report-") as folder:
        sources, site = Path(folder, "sources"), Path(folder, "site")
        banner = _collect(notebooks, sources)
        options = ("-q", "-d", f"{folder}/doctrees")
        setting = ("-D", f"html_theme_options.announcement={banner}")
        command = (sys.executable, "-m", "sphinx", *options, *setting, str(sources), str(site))
        if subprocess.run(command, check=False).returncode:
            raise UserError("Sphinx could not build the report; its message stands above")
        if out.exists():
            shutil.rmtree(out)
        site.rename(out)
    return out / "index.html"


def _collect(notebooks: Path, sources: Path) -> str:
    """Write the sources of all pages; tell what stands in the banner above each, if anything."""
    shutil.copytree(_CONFIGURATION, sources)
    modules = _write_modules(sources)
    links = {name: f"/{name}" for name in NOTEBOOKS} | modules
    read = {name: _read_notebook(notebooks / name) for name in NOTEBOOKS}
    pages = [Page(name, _heading(notebook.cells[0].source)) for name, notebook in read.items()]
    for name, notebook in read.items():
        _prepare(notebook, name, links)
        _write(sources / name, nbformat.writes(notebook))
    results = [_copy_results(readme, sources, links) for readme in _results_pages()]
    banner, data_set = _describe_data([_notice(notebook) for notebook in read.values()])
    _render(
        sources / "index.md",
        introduction=_introduction(),
        data_set=data_set,
        notebooks=pages,
        results=results,
    )
    return banner


def _read_notebook(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such notebook; make run executes them all") from None
    except nbformat.reader.NotJSONError:
        raise UserError(f"{path} is not a notebook; delete it and run make run") from None


def _prepare(notebook: nbformat.NotebookNode, name: str, links: dict[str, str]) -> None:
    """Hide the code of each cell behind a click, and link the files that the text names.

    Badges are for those who read the notebook elsewhere: they go, and the cell that they need.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
            for output in cell.outputs:
                html = output.get("data", {}).get("text/html")
                if html:  # the theme has a look of its own for plain tables of pandas
                    output.data["text/html"] = html.replace(_PLAIN_TABLE, "<table>")
        elif cell.cell_type == "markdown":
            text = cell.source
            cell.source = _link_files(text, posixpath.dirname(name), links)


def _link_files(text: str, folder: str, links: dict[str, str]) -> str:
    """Turn names of notebooks and modules, and links to modules, into links to their pages."""

    def page_of(target: str) -> str | None:
        beside = posixpath.normpath(posixpath.join(folder, unquote(target)))
        return links.get(beside) or links.get(target)

    def link_mention(match: re.Match) -> str:
        page = page_of(match["text"])
        return f"[`{match['text']}`](<{page}>)" if page else match[0]

    def redirect(match: re.Match) -> str:
        page = page_of(match["target"])
        return f"](<{page}>)" if page else match[0]

    return _LINK.sub(redirect, _MENTION.sub(link_mention, text))


def _notice(notebook: nbformat.NotebookNode) -> str:
    """Find what a notebook says of its data, which is the first line that it prints."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    return texts[0].splitlines()[0] if texts else ""


def _describe_data(notices: list[str]) -> tuple[str, str]:
    """Write the banner, if numbers must not be taken for music's, and the index's line on data."""
    if any("SYNTHETIC" in notice for notice in notices):
        banner = "The notebooks show the synthetic demo set: their numbers say nothing about music."
        return banner, f"**{banner}** The README says how to run them on the FMA."
    return "", "; ".join(dict.fromkeys(notices))


def _write_modules(sources: Path) -> dict[str, str]:
    """Write a page for each module and a table of them; tell each module's page."""
    files = [PROJECT_ROOT / "fma_utils.py"]
    for folder in MODULE_FOLDERS:
        files += sorted(f for f in (PROJECT_ROOT / folder).glob("*.py") if f.stem != "__init__")
    links, rows = {}, []
    for file in files:
        name, code = display_path(file), file.read_text(encoding="utf-8")
        purpose = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
        page = f"modules/{name}".removesuffix(".py")
        fence = "`" * 10
        text = f"# {name}\n\n{purpose}\n\n{fence}python\n{code}{fence}\n"
        _write(sources / f"{page}.md", text)
        links[name] = f"/{page}.md"
        rows.append(Page(links[name], f"{name}: {purpose}"))
    _render(sources / "modules" / "index.md", modules=rows)
    return links


def _results_pages() -> list[Path]:
    return sorted((PROJECT_ROOT / "results").glob("*/README.md"))


def _copy_results(readme: Path, sources: Path, links: dict[str, str]) -> Page:
    """Copy a folder of results, which is a page and its figures."""
    folder = display_path(readme.parent)
    shutil.copytree(readme.parent, sources / folder)
    text = readme.read_text(encoding="utf-8")
    _write(sources / folder / readme.name, _link_files(text, folder, links))
    return Page(f"{folder}/{readme.name}", _heading(text))


def _introduction() -> str:
    """Take the README's first paragraph of text."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    return next(paragraph for paragraph in readme.split("\n\n") if paragraph[:1].isalpha())


def _heading(text: str) -> str:
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


def _render(template: Path, **content: object) -> None:
    """Fill in a template where it lies."""
    # Markdown, not HTML; what fills it in is the project's own.
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701
    _write(template, environment.from_string(template.read_text("utf-8")).render(content))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m tools.report",
        "Build a static site of the notebooks: figures, tables, sounds, and code on a click.\n\n"
        "It shows the notebooks that make run executed on the current data set, or, where there\n"
        "are none, the committed ones. Open its index page in a browser; it needs no server and\n"
        "no network.",
        "  python -m tools.report\n"
        "  FMA_ROOT=/music/fma python -m tools.report\n"
        "  python -m tools.report --notebooks . --out ~/site",
    )
    parser.add_argument("--notebooks", type=Path, help="folder of executed notebooks")
    parser.add_argument("--out", type=Path, default=SITE, help="folder of the site")
    arguments = parser.parse_args()
    notebooks = arguments.notebooks or choose_notebooks()
    index = build(notebooks, arguments.out)
    committed = notebooks.resolve() == PROJECT_ROOT
    shown = "the committed notebooks" if committed else display_path(notebooks)
    print(f"Report on {shown}: {display_path(index)}")


if __name__ == "__main__":
    cli.run_command(main)
