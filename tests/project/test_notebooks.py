"""Each notebook, executed whole from a clean kernel on a tiny demo set."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from common.errors import UserError
from common.paths import PROJECT_ROOT
from tools import notebooks
from tools.notebook_outputs import tidy
from tools.notebooks import NOTEBOOKS, digest, execute, execute_stages, parse_parameter

TRACKS = 48  # the smallest demo set: one track of each genre in each split
FEWER = {
    "Feature Extraction": {"KINDS": ["mel", "cqt"], "SECONDS": 10.0, "WORKERS": 1},
    "TFRecord Conversion": {"KINDS": ["mel", "cqt"], "ROUNDS": 1, "SECONDS": 0.1, "WORKERS": 1},
    "CNN": {"KINDS": ["mel", "cqt"]},
    "Full Data Pipeline": {"WORKERS": 1},
    "Training": {"MODELS": ["texture", "gru"], "SANITY_SEGMENTS": 16},
    "Genre Confusion": {"BASELINES": 2, "DELETIONS": 4},
}
"""Notebook → parameters of the test: two of each thing that is compared, few examples."""


def find_faults(notebook, digest):
    """List signs that a notebook was not executed once, in order, cleanly and with this code."""
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


@pytest.fixture(scope="module")
def tiny_demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    command = [sys.executable, "data/make_demo.py", "--tracks", str(TRACKS), "--out", root / "demo"]
    made = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return root


@pytest.mark.notebooks
def test_the_notebooks_run_in_the_order_of_reading(tiny_demo, monkeypatch):
    monkeypatch.setenv("FMA_ROOT", str(tiny_demo / "demo"))
    monkeypatch.setenv("FMA_OUTPUT", str(tiny_demo / "output"))
    monkeypatch.setenv("FMA_EPOCHS", "1")
    for name in NOTEBOOKS:
        target = tiny_demo / "executed" / name
        execute(PROJECT_ROOT / name, target, FEWER.get(target.stem))
        notebook = nbformat.read(target, as_version=4)
        code = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        outputs = [output for cell in code for output in cell.outputs]
        assert not [o for o in outputs if o.output_type == "error"]
        noise = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
        assert not noise, f"{name}: {noise}"
        assert any("SYNTHETIC DEMO SET" in o.get("text", "") for o in outputs)
        assert target.stat().st_size < 3e6
    results = subprocess.run(
        [sys.executable, "-m", "common.results"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert results.returncode == 0, results.stderr
    assert "Majority class" in results.stdout


def write_notebook(path, *sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    nbformat.write(notebook, path)
    return path


@pytest.mark.notebooks
def test_a_failing_notebook_is_named_with_its_error_and_left_as_it_was(tmp_path):
    source = write_notebook(tmp_path / "Broken.ipynb", "1 + 1", "raise ValueError('so it is')")
    before = source.read_bytes()
    with pytest.raises(UserError, match=r"Broken\.ipynb failed: ValueError: so it is"):
        execute(source, source)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_committed_notebook_shows_what_its_code_does_now(name):
    path = PROJECT_ROOT / name
    notebook = nbformat.read(path, as_version=4)
    assert find_faults(notebook, digest(path)) == [], "make render renews the outputs"
    assert path.stat().st_size < 3e6
    content = path.read_text(encoding="utf-8")
    assert "SYNTHETIC DEMO SET" in content
    assert str(PROJECT_ROOT) not in content
    tidied = nbformat.read(path, as_version=4)
    tidy(tidied)
    assert tidied == notebook, "outputs differ from run to run"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_shows_its_science_and_folds_its_imports(name):
    notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
    parameters, imports, *others = (c for c in notebook.cells if c.cell_type == "code")
    assert "tags" not in parameters.metadata
    assert imports.source.startswith(("import ", "from "))
    assert imports.metadata["tags"] == ["hide-input"]
    tags = {tag for cell in others for tag in cell.metadata.get("tags", [])}
    assert tags <= {"hide-input", "hide-output", "thumbnail"}
    for cell in others:
        if cell.source.startswith("show_source("):
            assert "tags" not in cell.metadata


@pytest.fixture
def executed():
    """Make a notebook of two cells as a clean run leaves it."""
    outputs = [[nbformat.v4.new_output("stream", text="2\n")], []]
    cells = [
        nbformat.v4.new_code_cell("print(1 + 1)", execution_count=1, outputs=outputs[0]),
        nbformat.v4.new_code_cell("x = 1", execution_count=2, outputs=outputs[1]),
    ]
    return nbformat.v4.new_notebook(cells=cells, metadata={"digest": "now"})


def test_a_notebook_that_was_run_cleanly_has_no_fault(executed):
    executed.cells.append(nbformat.v4.new_code_cell(""))  # nothing to run
    assert find_faults(executed, "now") == []


@pytest.mark.parametrize("counts", [(2, 1), (1, None), (None, None), (3, 4)])
def test_cells_that_were_not_run_in_order_are_a_fault(executed, counts):
    for cell, count in zip(executed.cells, counts, strict=True):
        cell.execution_count = count
    [fault] = find_faults(executed, "now")
    assert "not run in order" in fault


def test_errors_and_warnings_are_faults_and_their_cells_named(executed):
    first, second = executed.cells
    error = {"ename": "KeyError", "evalue": "'genre'", "traceback": []}
    first.outputs.append(nbformat.v4.new_output("error", **error))
    second.outputs.append(nbformat.v4.new_output("stream", name="stderr", text="deprecated\n"))
    assert find_faults(executed, "now") == [
        f"cell {first.id} failed: KeyError: 'genre'",
        f"cell {second.id} has a warning: deprecated",
    ]


@pytest.mark.parametrize("metadata", [{}, {"digest": "then"}])
def test_outputs_of_other_code_are_a_fault(executed, metadata):
    executed.metadata = metadata
    [fault] = find_faults(executed, "now")
    assert "older than its code" in fault


def test_a_digest_changes_with_code_and_surroundings_and_not_with_text(tmp_path, monkeypatch):
    monkeypatch.setenv("FMA_EPOCHS", "1")  # of no account: what is committed has none
    path = write_notebook(tmp_path / "some.ipynb", "import fma_utils")
    before = digest(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# A title"))
    nbformat.write(notebook, path)
    assert digest(path) == before
    assert digest(path, {"FMA_EPOCHS": "1"}) != before
    notebook.cells[-1].source += "\n"
    nbformat.write(notebook, path)
    assert digest(path) != before


def test_nothing_that_differs_from_run_to_run_is_kept():
    def run(address, style, rate):
        styled = (
            f'<style>#T_{style} th {{}}\n#T_{style}_row0_col1 {{}}</style><table id="T_{style}">'
        )
        data = {"text/plain": f"<Styler at {address}>", "text/html": styled}
        bar = f"records: 100%|{10 * '█'}| 240/240 [00:01<00:00, {rate}track/s]\n"
        cell = nbformat.v4.new_code_cell(
            "...",
            id="leaderboard",
            outputs=[
                nbformat.v4.new_output("stream", text="begin\nrecords:   0%|   | 0/240\r"),
                nbformat.v4.new_output("stream", text=f"{bar}end\n"),
                nbformat.v4.new_output("display_data", data=data),
                nbformat.v4.new_output("stream", text=bar),
            ],
        )
        notebook = nbformat.v4.new_notebook(cells=[cell])
        tidy(notebook)
        return cell.outputs

    outputs = run("0x7f10", "0a1b2", "163.01")
    assert outputs == run("0x7fee", "fffff", "99.10")
    stream, table = outputs  # and nothing of the output that had only a bar
    assert stream.text == "begin\nend\n"
    assert table.data["text/plain"] == "<Styler>"
    assert table.data["text/html"] == (
        "<style>#T_leaderboard_0 th {}\n#T_leaderboard_0_row0_col1 {}</style>"
        '<table id="T_leaderboard_0">'
    )


@pytest.mark.notebooks
def test_tags_are_kept(tmp_path):
    source = write_notebook(tmp_path / "Tagged.ipynb", "A = 1", "print(A)")
    notebook = nbformat.read(source, as_version=4)
    tags = [["hide-input"], ["hide-input", "hide-output"]]
    for cell, own in zip(notebook.cells, tags, strict=True):
        cell.metadata["tags"] = own
    nbformat.write(notebook, source)
    execute(source, tmp_path / "out.ipynb")
    execute(source, source)
    for path in (source, tmp_path / "out.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        assert [dict(cell.metadata) for cell in cells] == [{"tags": own} for own in tags]


@pytest.mark.notebooks
def test_parameters_of_a_rendering_are_in_its_first_cell(tmp_path):
    source = write_notebook(tmp_path / "Set.ipynb", "A, B = 1, 2\nC = 'c'", "print(A, B, C)")
    parameters = dict(map(parse_parameter, ["B=[3]", "C=a/b"]))
    execute(source, tmp_path / "out.ipynb", parameters)
    first, second = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert first.source.endswith('# Changed for these results\nB = [3]\nC = "a/b"')
    assert second.outputs[0].text == "1 [3] a/b\n"
    with pytest.raises(UserError, match=r"Set\.ipynb has no parameter D"):
        execute(source, tmp_path / "out.ipynb", {"D": 1})
    with pytest.raises(UserError, match="NAME=VALUE"):
        parse_parameter("D")


def test_a_progress_bar_is_on_the_standard_output_and_only_its_last_state_is_kept(tmp_path):
    source = write_notebook(
        tmp_path / "Bar.ipynb",
        r"""
import time
for text in ('10 %', '\r50 %', '\r100 %\nend'):
    print(text, end='', flush=True)
    time.sleep(0.3)
""",
        "from common.jobs.run import progress_bar\nprint(progress_bar(delay=60).fp.name)",
    )
    execute(source, tmp_path / "out.ipynb")
    first, second = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert first.outputs[0].text == "100 %\nend"
    assert second.outputs[0].text == "stdout\n"


@pytest.mark.notebooks
def test_an_execution_tells_where_it_is_and_records_its_seconds(tmp_path, capsys):
    source = write_notebook(tmp_path / "Two.ipynb", "A = 1\nB = 2", "print('shown')")
    execute(source, tmp_path / "out.ipynb")
    told = capsys.readouterr().out
    assert re.search(r"^\[Two 1/2, \d+ s\] A = 1$", told, re.M)
    assert re.search(r"^\[Two 2/2, \d+ s\] print\('shown'\)\nshown$", told, re.M)
    assert nbformat.read(tmp_path / "out.ipynb", as_version=4).metadata["seconds"] >= 0
    execute(source, tmp_path / "out.ipynb", quiet=True)
    assert "\nshown" not in capsys.readouterr().out


def test_the_plan_adds_the_seconds_of_a_stage(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "PROJECT_ROOT", tmp_path)
    names = {"a/1.ipynb": 60, "a/2.ipynb": 120, "b/1.ipynb": 240}
    for name, seconds in names.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        path = write_notebook(tmp_path / name, "1")
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["seconds"] = seconds
        nbformat.write(notebook, path)
    plan = notebooks._plan([*names], together=True)
    assert plan.startswith("Notebooks to execute: 3, stages beside each other; about 4 min")
    assert "; about 7 min" in notebooks._plan([*names], together=False)


@pytest.mark.parametrize("failing", [None, "a"])
def test_stages_are_executed_beside_each_other_each_in_order(monkeypatch, failing):
    started, waited = [], []

    class Process:
        def __init__(self, command):
            self.names = command[command.index("--quiet") + 1 :]
            started.append(self.names)

        def wait(self):
            waited.append(self.names)
            return int(self.names[0].startswith(f"{failing}/"))

    monkeypatch.setattr(subprocess, "Popen", Process)
    names = ["a/1.ipynb", "b/1.ipynb", "a/2.ipynb"]
    if failing:
        with pytest.raises(UserError, match="a notebook failed"):
            execute_stages(names)
    else:
        execute_stages(names)
    assert started == waited == [["a/1.ipynb", "a/2.ipynb"], ["b/1.ipynb"]]
