"""Build a static site of the notebooks with Sphinx and MyST-NB, for reading without Jupyter."""

from __future__ import annotations

import ast
import contextlib
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import jinja2
import nbformat

from common import cli
from common.errors import UserError
from common.fma.dataset import find_dataset
from common.paths import PROJECT_ROOT, display_path
from spectrogram_feature.page import PAGE
from tools import findings
from tools.notebook_data import notice_of, state_data
from tools.notebooks import EXECUTED, NOTEBOOKS
from tools.pictures import accuracy_figure, thumbnail

SITE = PROJECT_ROOT / "build" / "report"
MODULE_FOLDERS = ("common", "data", "spectrogram_feature", "spectrogram_image", "tools")

_RESULTS = PROJECT_ROOT / "results"
_CONFIGURATION = PROJECT_ROOT / "tools" / "site"
_TRY = "try"  # folder of `spectrogram_feature.page` in the site
_SITE_MARK = ".buildinfo"  # Sphinx writes it into every site
_MENTION = re.compile(r"(?<!\[)`(?P<target>[\w ./-]+\.(?:ipynb|py))`(?!\])")
_PLAIN_TABLE = '<table border="1" class="dataframe">'
_FOLDED_TABLE = {
    "code_prompt_show": "Show the whole table",
    "code_prompt_hide": "Hide the whole table",
}
_LINK = re.compile(r"\]\(<?(?P<target>[^)>#:]+\.py)>?\)")


class Page(NamedTuple):
    """An entry of the index: path of the page's source, heading, and what a notebook adds."""

    path: str
    title: str
    thumbnail: str = ""
    on_real_data: str = ""

    @property
    def name(self) -> str:
        """str: file name without its suffix."""
        return PurePosixPath(self.path).stem

    @property
    def subtitle(self) -> str:
        """str: part of the title after its colon, or all of it."""
        return self.title.split(": ", 1)[-1]


def choose_notebooks() -> Path:
    """Return the folder of the notebooks executed on the current data set, or the project's root.

    The root contains the committed notebooks. It is returned if an executed one is missing.
    """
    with contextlib.suppress(UserError):  # the committed notebooks need no data
        executed = EXECUTED / find_dataset().name
        if all((executed / name).exists() for name in NOTEBOOKS):
            return executed
    return PROJECT_ROOT


def build(notebooks: Path, out: Path) -> Path:
    """Build a site of a folder's `NOTEBOOKS`, replace an earlier one, and return its index page.

    A `UserError` is raised if a notebook is missing or invalid, `out` contains anything but such a
    site, or Sphinx fails.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / _SITE_MARK).exists():
        raise UserError(f"{out} holds something other than a report; choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".report-") as folder:
        sources, site = Path(folder, "sources"), Path(folder, "site")
        _collect(notebooks, sources)
        options = ("-q", "-d", f"{folder}/doctrees")
        command = (sys.executable, "-m", "sphinx", *options, str(sources), str(site))
        if subprocess.run(command, check=False).returncode:
            raise UserError("Sphinx could not build the report; see its message above")
        if PAGE.exists():
            shutil.copytree(PAGE, site / _TRY)
        if out.exists():
            shutil.rmtree(out)
        site.rename(out)
    return out / "index.html"


def _collect(notebooks: Path, sources: Path) -> None:
    """Write the sources of all pages."""
    shutil.copytree(_CONFIGURATION, sources)
    links = {name: f"/{name}" for name in NOTEBOOKS} | _write_modules(sources)
    readmes = sorted(_RESULTS.glob("*/README.md"))
    results = [page for readme in readmes for page in _copy_results(readme, sources, links)]
    (sources / "pictures").mkdir()
    pages, notices = [], []
    for name in NOTEBOOKS:
        notebook = _read(notebooks / name)
        notices.append(notice_of(notebook))
        page = Page(name, _heading(notebook.cells[0].source))
        same = [real for real in results if real.name == page.name]
        real_links = [f"[{real.title.split(': ')[0]}](</{real.path}>)" for real in same]
        page = page._replace(on_real_data=", ".join(real_links))
        if small := thumbnail(notebook):
            page = page._replace(thumbnail=f"pictures/{page.name.replace(' ', '_')}.png")
            small.save(sources / page.thumbnail, optimize=True)
        _prepare(notebook, name, links)
        _write(sources / name, nbformat.writes(notebook))
        pages.append(page)
    _draw_results(sources / "pictures")
    _render(
        sources / "index.md",
        answers=findings.answers(_RESULTS),
        caption=findings.describe_test(_RESULTS),
        notebooks=pages,
        notices=[*dict.fromkeys(notices)],
        results=results,
        page=f"{_TRY}/index.html" if PAGE.exists() else "",
        limits=_limits(links),
    )


def _draw_results(folder: Path) -> None:
    """Write the pictures of the front page that are not thumbnails."""
    shutil.copy(PROJECT_ROOT / "docs" / "picture.png", folder / "road.png")
    for name, table in findings.accuracies(_RESULTS).items():
        accuracy_figure(table, title=name).savefig(folder / f"{name.replace(' ', '_')}.png")


def _limits(links: dict[str, str]) -> str:
    """Return the README's section on limits."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    _, _, after = readme.partition("\n## Limits\n")
    section, _, _ = after.partition("\n## ")
    return _link_files(section.replace("](results/", "](/results/"), "", links)


def _read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook; raise a `UserError` if it is missing or invalid."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such notebook; make run executes them all") from None
    except nbformat.reader.NotJSONError:
        raise UserError(f"{path} is not a notebook; delete it and run make run") from None


def _prepare(notebook: nbformat.NotebookNode, name: str, links: dict[str, str]) -> None:
    """Name the data and the folded tables, give plain tables the theme's style, link files.

    The sources of the site have the layout of the project. The theme folds the code of cells tagged
    ``hide-input`` and the outputs of those tagged ``hide-output``.
    """
    source = next(source for source in NOTEBOOKS if Path(source).name == Path(name).name)
    state_data(notebook, PROJECT_ROOT / source, PROJECT_ROOT / name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if "hide-output" in cell.metadata.get("tags", []):
                cell.metadata["mystnb"] = _FOLDED_TABLE
            for output in cell.outputs:
                html = output.get("data", {}).get("text/html")
                if html:  # the theme styles plain tables of pandas
                    output.data["text/html"] = html.replace(_PLAIN_TABLE, "<table>")
        elif cell.cell_type == "markdown":
            cell.source = _link_files(cell.source, posixpath.dirname(name), links)


def _link_files(text: str, folder: str, links: dict[str, str]) -> str:
    """Link names of notebooks and modules in a text to their pages."""

    def link(match: re.Match) -> str:
        target = match["target"]
        beside = posixpath.normpath(posixpath.join(folder, unquote(target)))
        page = links.get(beside) or links.get(target)
        if page is None:
            return match[0]
        return f"](<{page}>)" if match[0].startswith("]") else f"[`{target}`](<{page}>)"

    return _LINK.sub(link, _MENTION.sub(link, text))


def _write_modules(sources: Path) -> dict[str, str]:
    """Write a page for each module and a list of them; return the pages by module."""
    files = [PROJECT_ROOT / "fma_utils.py"]
    for folder in MODULE_FOLDERS:
        modules = (PROJECT_ROOT / folder).rglob("*.py")
        files += sorted(file for file in modules if file.stem not in ("__init__", "conf"))
    links, pages = {}, []
    for file in files:
        name, code = display_path(file), file.read_text(encoding="utf-8")
        purpose = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
        links[name] = f"/modules/{name.removesuffix('.py')}.md"
        text = f"# {name}\n\n{purpose}\n\n``````````python\n{code}``````````\n"
        _write(sources / links[name][1:], text)
        pages.append(Page(links[name], f"{name}: {purpose}"))
    _render(sources / "modules" / "index.md", modules=pages)
    return links


def _copy_results(readme: Path, sources: Path, links: dict[str, str]) -> list[Page]:
    """Copy a page of results, its figures and its notebooks; return the pages."""
    folder = display_path(readme.parent)
    shutil.copytree(readme.parent, sources / folder)
    text = readme.read_text(encoding="utf-8")
    _write(sources / folder / readme.name, _link_files(text, folder, links))
    pages = [Page(f"{folder}/{readme.name}", _heading(text))]
    name = re.split("[,:]", pages[0].title)[0]
    for path in sorted((sources / folder).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        _prepare(notebook, f"{folder}/{path.name}", links)
        _write(path, nbformat.writes(notebook))
        pages.append(Page(f"{folder}/{path.name}", f"{name}: {path.stem}"))
    return pages


def _heading(text: str) -> str:
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


def _render(template: Path, **content: object) -> None:
    """Replace a template by its rendered text."""
    # The template is Markdown, and its content comes from the project.
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701
    _write(template, environment.from_string(template.read_text("utf-8")).render(content))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m tools.report",
        "Build a static site of the notebooks: code, figures, tables and sounds.\n\n"
        "The site contains the notebooks that make run executed on the current data set, or the\n"
        "committed ones if there are none, and the page of make page if there is one. Its index\n"
        "page needs no server and no network.",
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
