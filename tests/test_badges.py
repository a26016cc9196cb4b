"""Badges, and what the notebooks need on Google Colab and Binder."""

import subprocess
import sys
from types import ModuleType

import nbformat
import pytest

from common import badges, colab
from common.notebooks import COLAB_CELL, NOTEBOOKS, digest
from fma_utils import PROJECT_ROOT, UserError

ELSEWHERE = "https://github.com/someone/some-project"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_lead_to_where_pyproject_says(name):
    notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
    [cell] = [cell for cell in notebook.cells if cell.id == COLAB_CELL]
    assert cell.source == badges.colab_code(badges.repository(), name)
    assert notebook.cells[0].source.split("\n")[2] == badges.badges(badges.repository(), name)
    assert next(cell.id for cell in notebook.cells if cell.cell_type == "code") == COLAB_CELL
    assert not cell.outputs


def test_the_readme_leads_there_too():
    lines = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8").split("\n")
    assert lines[2] == badges.badges(badges.repository())
    assert sum(line.startswith(badges.MARK) for line in lines) == 1


def test_another_address_replaces_the_one_that_is_there_and_outputs_stay_right(tmp_path):
    name = NOTEBOOKS[0]
    notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
    badges.renew(notebook, ELSEWHERE, name)
    nbformat.write(notebook, tmp_path / "renewed.ipynb")
    assert digest(tmp_path / "renewed.ipynb") == digest(PROJECT_ROOT / name)
    text = (tmp_path / "renewed.ipynb").read_text(encoding="utf-8")
    assert badges.repository() not in text
    project = "someone/some-project"
    page = "spectrogram_image/Feature%20Visualization.ipynb"
    assert f"(https://colab.research.google.com/github/{project}/blob/main/{page})" in text
    page = page.replace("/", "%2F").replace("%20", "%2520")
    assert f"(https://mybinder.org/v2/gh/{project}/main?urlpath=lab%2Ftree%2F{page})" in text


@pytest.mark.parametrize("address", ["", "https://example.org/a/b", "https://github.com/someone"])
def test_an_address_that_neither_takes_is_refused(tmp_path, monkeypatch, address):
    urls = f'[project.urls]\nRepository = "{address}"\n' if address else ""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}')
    monkeypatch.setattr(badges, "PROJECT_ROOT", tmp_path)
    with pytest.raises(UserError, match=r"expected https://github\.com/OWNER/NAME"):
        badges.repository()


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Collect commands instead of running them, in an empty folder; git clones as it would."""
    collected = []

    def run(command, **options):
        assert options["check"]
        collected.append(command[:2])
        if command[0] == "git":
            (tmp_path / command[-1] / "spectrogram_image").mkdir(parents=True)
            (tmp_path / command[-1] / "requirements.txt").write_text("no-such-package==1.0\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    return collected


def run_cell(name):
    exec(badges.colab_code(ELSEWHERE, name), {})


def test_the_cell_does_nothing_here(commands, tmp_path, capsys):
    before = [*sys.path]
    run_cell(NOTEBOOKS[0])
    assert (commands, sys.path, list(tmp_path.iterdir())) == ([], before, [])
    assert capsys.readouterr() == ("", "")


def test_on_colab_the_cell_fetches_the_project_once_and_goes_to_the_notebook(
    commands, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    run_cell(NOTEBOOKS[0])
    python = sys.executable
    demo = str(tmp_path / "some-project" / "data" / "make_demo.py")
    assert commands == [["git", "clone"], [python, "-m"], [python, demo]]
    assert (tmp_path / "some-project" / "spectrogram_image").samefile(".")
    assert sys.path[0] == str(tmp_path / "some-project")
    (tmp_path / "some-project" / "fma_utils.py").touch()
    commands.clear()
    run_cell(NOTEBOOKS[0])
    assert commands == []


def test_only_what_is_in_no_version_there_is_installed():
    requirements = (PROJECT_ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert colab.missing_requirements(requirements) == []  # all is here
    asked = "numpy==0.1  # older\n# a comment\n\nno-such-package==1.0\ntensorflow-cpu==99.0\n"
    assert colab.missing_requirements(asked) == ["no-such-package==1.0"]


def test_binder_has_the_versions_of_the_project_and_the_demo_set():
    folder = PROJECT_ROOT / "binder"
    wanted = (folder / "requirements.txt").read_text().split("\n")
    for line in wanted:
        if line.startswith("-"):
            assert (folder / line.split()[1]).is_file()
    assert (folder / "runtime.txt").read_text() == "python-3.11\n"
    script = folder / "postBuild"
    assert script.stat().st_mode & 0o111
    assert "data/make_demo.py" in script.read_text()
