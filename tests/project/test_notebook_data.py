"""The line of a rendered notebook that names its data, and renderings without audio."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import nbformat
import pytest

from common.errors import UserError
from common.fma.dataset import notice
from common.paths import PROJECT_ROOT
from tools import notebook_data, notebooks
from tools.notebook_data import renew_data_lines, state_data, without_data_line, write_notebook
from tools.notebook_outputs import remove_players

DEMO, REAL = notice("synthetic demo set", is_demo=True), notice("some music", is_demo=False)
SOURCES = [PROJECT_ROOT / name for name in notebooks.NOTEBOOKS]
COMMITTED = [
    (path, source)
    for source in SOURCES
    for path in (source, *sorted(PROJECT_ROOT.glob(f"results/*/{source.name}")))
]
in_each = pytest.mark.parametrize(
    ("path", "source"),
    COMMITTED,
    ids=[str(path.relative_to(PROJECT_ROOT)) for path, _ in COMMITTED],
)


def make_notebook(printed: str) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("stream", text=f"{printed}\n")] if printed else []
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A title\n\nWhat it shows.\n\nHow long it takes."),
            nbformat.v4.new_code_cell("print(notice)", outputs=outputs),
        ]
    )


def first_paragraphs(notebook: nbformat.NotebookNode) -> list[str]:
    return notebook.cells[0].source.split("\n\n")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Make a project with one notebook of a stage, rendered on real music, and one that is not."""
    root = tmp_path / "project"
    results = root / "results" / "music"
    write_notebook(make_notebook(DEMO), root / "stage" / "Some Notebook.ipynb")
    write_notebook(make_notebook(DEMO), root / "stage" / "Another.ipynb")
    write_notebook(make_notebook(REAL), results / "Some Notebook.ipynb")
    text = "# Music\n\n12 tracks (30.5 s each),\nthree genres. All scores\nare here.\n"
    (results / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(notebook_data, "PROJECT_ROOT", root)
    monkeypatch.setattr(notebooks, "PROJECT_ROOT", root)
    return root


def test_a_page_names_its_data_once_and_links_to_its_other_renderings(project):
    sources = [project / "stage" / name for name in ("Some Notebook.ipynb", "Another.ipynb")]
    rendering = project / "results" / "music" / "Some Notebook.ipynb"
    renew_data_lines(sources)
    demo, alone, real = (
        first_paragraphs(nbformat.read(path, as_version=4)) for path in (*sources, rendering)
    )
    for title, _, *others in (demo, alone, real):
        assert (title, others) == ("# A title", ["What it shows.", "How long it takes."])
    assert demo[1].startswith("> **Data:** the synthetic demo set.")
    assert "](../results/music/Some%20Notebook.ipynb)" in demo[1]
    assert "](../results/music/README.md)" in alone[1]
    assert real[1].startswith("> **Data:** 12 tracks (30.5 s each), three genres. All")
    assert "](README.md)" in real[1]
    assert "](../../stage/Some%20Notebook.ipynb)" in real[1]

    before = [path.read_bytes() for path in (*sources, rendering)]
    renew_data_lines(sources)
    assert [path.read_bytes() for path in (*sources, rendering)] == before


@pytest.mark.parametrize("printed", ["", "nothing of data"])
def test_a_notebook_that_prints_no_notice_gets_no_line_and_loses_an_earlier_one(printed):
    notebook = make_notebook(DEMO)
    state_data(notebook, SOURCES[0], SOURCES[0])
    assert len(first_paragraphs(notebook)) == 4
    notebook.cells[1] = make_notebook(printed).cells[1]
    state_data(notebook, SOURCES[0], SOURCES[0])
    assert notebook == make_notebook(printed) | {"cells": notebook.cells}
    assert len(first_paragraphs(notebook)) == 3


def test_data_without_a_page_are_named_by_their_title(tmp_path):
    notebook = make_notebook(REAL)
    state_data(notebook, SOURCES[0], tmp_path / SOURCES[0].name)
    assert first_paragraphs(notebook)[1] == "> **Data:** some music."


@in_each
def test_a_committed_notebook_names_its_data_and_its_links_lead_somewhere(path, source):
    notebook = nbformat.read(path, as_version=4)
    before = notebook.cells[0].source
    state_data(notebook, source, path)
    assert notebook.cells[0].source == before, "python -m tools.notebooks renews the line"
    line = before.split("\n\n")[1]
    assert line.startswith("> **Data:** ")
    assert ("synthetic demo set. Its" in line) == (path == source)
    links = re.findall(r"\]\(([^)]+)\)", line)
    assert links
    for link in links:
        assert (path.parent / unquote(link)).is_file(), link


@in_each
def test_no_music_of_others_is_in_a_committed_notebook(path, source):
    content = path.read_text(encoding="utf-8")
    assert path == source or "<audio" not in content
    assert str(PROJECT_ROOT) not in content


def test_players_are_replaced_by_a_text_and_everything_else_is_kept():
    player = '<audio controls="controls">\n<source src="data:audio/mpeg;base64,SUQz"/>\n</audio>'
    html = [f"\n {player} \n", f"<td><b>Rock</b><br>{player}<img></td>{player}", "<table></table>"]
    outputs = [nbformat.v4.new_output("display_data", data={"text/html": text}) for text in html]
    outputs += [nbformat.v4.new_output("stream", text="<audio>, printed</audio>\n")]
    outputs += [nbformat.v4.new_output("display_data", data={"image/png": "iVBO"})]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("...", outputs=outputs)])
    remove_players(notebook)
    left = "<em>Audio is left out of this rendering.</em>"
    alone, gallery, table, stream, figure = notebook.cells[0].outputs
    assert alone.data["text/html"].strip() == left
    assert gallery.data["text/html"] == f"<td><b>Rock</b><br>{left}<img></td>{left}"
    assert table.data["text/html"] == "<table></table>"
    assert stream.text == "<audio>, printed</audio>\n"
    assert figure.data == {"image/png": "iVBO"}


@pytest.fixture
def run(monkeypatch):
    """Run the command with a stub in place of the kernel; return the calls of the stub."""
    calls = []

    def execute(source, target, parameters=None, *, players=True, quiet=False):
        calls.append((source, target, parameters, players))
        notebook = nbformat.read(source, as_version=4)
        notebook.metadata["digest"] = notebooks.digest(source, notebooks.surroundings())
        state_data(notebook, source, target)
        write_notebook(notebook, target)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["tools.notebooks", *map(str, arguments)])
        calls.clear()
        notebooks.main()
        return list(calls)

    monkeypatch.setattr(notebooks, "execute", execute)
    monkeypatch.setattr(
        notebooks, "NOTEBOOKS", ("stage/Some Notebook.ipynb", "stage/Another.ipynb")
    )
    return run


def test_a_rendering_for_a_folder_of_results(project, run, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("FMA_ROOT", "music")
    monkeypatch.setenv("FMA_OUTPUT", "outputs")
    name = "stage/Another.ipynb"
    made = run(name, "--out", "results/music", "--without-players", "--set", "EPOCHS=3")
    target = project / "results" / "music" / "Another.ipynb"
    assert made == [(project / name, target, {"EPOCHS": 3}, False)]
    for variable, folder in (("FMA_ROOT", "music"), ("FMA_OUTPUT", "outputs")):
        assert notebooks.os.environ[variable] == str(project / folder)  # the kernel runs elsewhere
    renewed = nbformat.read(project / name, as_version=4)
    assert "results/music/Another.ipynb](" in first_paragraphs(renewed)[1]


@pytest.mark.parametrize("target", ["render-real", "render-fma-small"])
def test_make_renders_existing_notebooks_with_existing_parameters(target):
    command = ["make", "-n", "-o", ".venv/installed", target, "DATA=../some music"]
    shown = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    lines = shown.stdout.replace("\\\n", " ").splitlines()
    renderings = [shlex.split(line) for line in lines if "tools.notebooks" in line]
    assert renderings
    for words in renderings:
        out = PROJECT_ROOT / words[words.index("--out") + 1]
        for name in (word for word in words if word.endswith(".ipynb")):
            assert name in notebooks.NOTEBOOKS
            assert (out / Path(name).name).exists()
            code = [
                c.source
                for c in nbformat.read(PROJECT_ROOT / name, 4).cells
                if c.cell_type == "code"
            ]
            after = words[words.index("--set") + 1 :] if "--set" in words else []
            parameters = dict(map(notebooks.parse_parameter, after))
            assert set(parameters) <= notebooks.parameter_names(code[0])
        assert ("--without-players" in words) == (target == "render-real")
        assert (target == "render-real") == ("FMA_ROOT=../some music" in words)


def test_options_of_a_rendering_need_its_folder(project, run):
    for options in (["--without-players"], ["--set", "A=1"], ["--out", "results/music"]):
        with pytest.raises(UserError, match="need --out and the names of notebooks"):
            run(*options)


def test_the_line_of_a_copy_does_not_make_it_out_of_date(project, run, monkeypatch, capsys):
    dataset = SimpleNamespace(name="demo-medium", title="demo", notice=DEMO, is_demo=True)
    monkeypatch.setattr(notebooks, "find_dataset", lambda: dataset)
    monkeypatch.setattr(notebooks, "EXECUTED", project / "build")
    monkeypatch.delenv("FMA_ROOT", raising=False)
    name = "stage/Some Notebook.ipynb"
    assert len(run(name)) == 1
    source = nbformat.read(project / name, as_version=4)
    copy = nbformat.read(project / "build" / "demo-medium" / name, as_version=4)
    assert source.cells[0].source != copy.cells[0].source
    assert source.cells[0].source == without_data_line(copy.cells[0].source)
    assert run(name) == []
    assert "up to date" in capsys.readouterr().out
    source.cells[0].source += " More text."
    write_notebook(source, project / name)
    assert len(run(name)) == 1
