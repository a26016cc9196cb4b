"""The tables of results: whether they are what the leaderboards say, and what is refused."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from common.errors import UserError
from common.paths import PROJECT_ROOT
from tools.marked_text import markers

sys.path.append(str(PROJECT_ROOT / "results"))  # a script, as those of benchmarks/

import tables


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["tables.py", *map(str, arguments)])
    tables.main()


def test_the_pages_say_what_the_leaderboards_say(monkeypatch):
    run(monkeypatch, "--check")


@pytest.mark.parametrize(
    ("note", "gains"),
    [
        ("", {}),
        ("4 members, folds 30% to 39%", {}),
        (
            "folds 57% to 88%; +2.3 points [-4.2, +8.3] over SVM on bin statistics",
            {"SVM on bin statistics": "+2.3 [-4.2, +8.3]"},
        ),
        (
            "-0.5 points [-7.0, +6.0] over A; +12.0 points [+1.0, +23.0] over B; seen twice",
            {"A": "-0.5 [-7.0, +6.0]", "B": "+12.0 [+1.0, +23.0]"},
        ),
    ],
)
def test_gains_are_read_from_notes(note, gains):
    assert tables.read_gains(note) == gains


def test_gains_are_read_as_they_are_written():
    from common.evaluation.metrics import Difference

    note = f"folds 1% to 2%; {Difference(0.012, -0.005, 0.029)} over the rest"
    assert tables.read_gains(note) == {"the rest": "+1.2 [-0.5, +2.9]"}


def test_a_gain_of_another_form_is_refused():
    with pytest.raises(UserError, match="has no gain in the form"):
        tables.read_gains("2.3 points better than the SVM")


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(tables.REAL_MUSIC, tmp_path / "results")
    shutil.copy(tables.README, tmp_path)
    return tmp_path


def options(copy):
    return "--readme", copy / "README.md", "--folder", copy / "results"


def test_a_score_that_changed_is_noticed_and_a_new_best_row_comes_into_the_readme(
    monkeypatch, copy
):
    run(monkeypatch, *options(copy), "--check")
    path = copy / "results" / "one_model" / "leaderboard.csv"
    text = path.read_text()
    path.write_text(re.sub(r"(?m)^crnn,False,[\d.]+", "crnn,False,0.9911", text))
    with pytest.raises(UserError, match="out of date at 'one_model'"):
        run(monkeypatch, *options(copy), "--check")
    run(monkeypatch, *options(copy))
    assert (
        "| **the best of all: crnn, `one_model`** | 99.1\u00a0% ["
        in (copy / "README.md").read_text()
    )
    run(monkeypatch, *options(copy), "--check")


def test_a_leaderboard_that_no_page_shows_is_named(monkeypatch, copy):
    shutil.copytree(copy / "results" / "one_model", copy / "results" / "tuned")
    with pytest.raises(UserError, match="does not show tuned: add the lines <!-- tuned: made by"):
        run(monkeypatch, *options(copy))
    page = copy / "results" / "README.md"
    page.write_text(page.read_text() + "\n".join(markers("tuned", tables.SCRIPT)))
    run(monkeypatch, *options(copy))
    assert page.read_text().count("| crnn |") == 2


def test_a_marker_without_its_leaderboard_is_named(monkeypatch, copy):
    shutil.rmtree(copy / "results" / "four_members")
    with pytest.raises(UserError, match=r"four_members/leaderboard.csv is missing"):
        run(monkeypatch, *options(copy))


def test_a_row_of_the_readme_that_is_gone_is_named(monkeypatch, copy):
    path = copy / "results" / "four_members" / "leaderboard.csv"
    path.write_text(path.read_text().replace("\ntexture,", "\nfabric,"))
    with pytest.raises(UserError, match="four_members has no row 'texture' any more"):
        run(monkeypatch, *options(copy))
