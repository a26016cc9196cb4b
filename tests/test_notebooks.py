"""Each notebook, executed whole from a clean kernel on a tiny demo set, its cells unchanged."""

import os
import subprocess
import sys

import nbformat
import pytest

from common.notebooks import NOTEBOOKS, execute
from fma_utils import PROJECT_ROOT, UserError

TRACKS = 48  # the smallest demo set: one track of each genre in each split


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
        execute(PROJECT_ROOT / name, target)
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


@pytest.mark.notebooks
def test_of_a_progress_bar_only_the_last_state_is_kept(tmp_path):
    source = write_notebook(
        tmp_path / "Bar.ipynb",
        r"""
import time
for text in ('10 %', '\r50 %', '\r100 %\nend'):
    print(text, end='', flush=True)
    time.sleep(0.3)
""",
    )
    execute(source, tmp_path / "out.ipynb")
    [output] = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs
    assert output.text == "100 %\nend"
