"""The benchmarks: what they time, how they compare it, and that the README says the same."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from common.errors import UserError
from common.paths import PROJECT_ROOT

BENCHMARKS = PROJECT_ROOT / "benchmarks"
sys.path.append(str(BENCHMARKS))  # its scripts import from their own folder

import run  # noqa: E402
from harness import fma_costs, pages  # noqa: E402
from harness.model_cost import multiply_adds  # noqa: E402
from harness.pages import markdown_table, renew_pages  # noqa: E402
from harness.rows import Row, cells, compared, read_rows, write_rows  # noqa: E402
from harness.timing import DifferentResults, Times, measure, require_equal  # noqa: E402

ROW = Row(
    name="Reading",
    what="ten files",
    ours=20.0,
    unit="files/s",
    peer=5.0,
    against="by hand",
    ratio=4.0,
    spread=(3.5, 4.5),
    rounds=5,
    target=(">=", 3.0),
    where="an abacus, pebbles",
)


def test_sides_take_turns_and_every_other_round_goes_backwards():
    calls = []
    sides = {name: lambda name=name: calls.append(name) for name in "abc"}
    measure(sides, rounds=3, warm_up=False)
    assert "".join(calls) == "abccbaabc"


def test_the_warming_up_is_not_counted(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 16.0])
    calls = []
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    times = measure({"a": lambda: calls.append(1)}, rounds=2, units=2)
    assert times.seconds == {"a": [1.0, 3.0]}
    assert len(calls) == 3


def test_what_is_done_soon_is_called_until_its_turn_is_over(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 6.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    times = measure({"a": lambda: None}, rounds=1, seconds=5.0, warm_up=False)
    assert times.seconds == {"a": [2.0]}


def test_a_ratio_is_the_median_of_what_each_round_says():
    times = Times({"ours": [1.0, 10.0, 1.0], "peer": [4.0, 50.0, 3.0]})
    row = compared("x", "y", times, "ours", "peer", unit="ms")
    assert (row.ratio, row.spread, row.rounds) == (4.0, (3.0, 5.0), 3)
    assert (row.ours, row.peer, row.against) == (1000.0, 4000.0, "peer")
    assert compared("x", "y", times, "ours", "peer", unit="files/s").ours == 1.0


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (np.array([1.0, 2.2, 3.0]), "66.67% of the values are within 0.1 dB"),
        (np.array([1.0, np.nan, 3.0]), "66.67%"),
        (np.array([1.0, 2.0]), "gives"),
    ],
)
def test_sides_with_different_results_are_not_timed(peer, words):
    with pytest.raises(DifferentResults, match=words):
        require_equal(np.array([1.0, 2.0, 3.0]), peer, 0.1, "dB")


def test_a_share_of_the_values_may_be_allowed_to_differ():
    ours, peer = np.zeros(10), np.eye(10)[0]
    assert require_equal(ours, peer, 0.1, "dB", 0.9) == "90 % of the values within 0.1 dB"


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [ROW, Row(name="Alone", what="one", ours=1.5, unit="s", target=("<=", 2.0))]
    path = tmp_path / "results.json"
    write_rows(rows, path)
    assert read_rows(path) == rows
    entry = json.loads(path.read_text())["Reading"]
    assert [entry[key] for key in ("ours", "peer", "ratio", "unit", "what")] == [
        20.0,
        5.0,
        4.0,
        "files/s",
        "ten files",
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"other": 1}}'])
def test_results_of_another_kind_are_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(UserError, match="make bench"):
        read_rows(path)


def test_a_target_is_met_on_the_right_side_of_it():
    assert ROW.is_met
    assert not replace(ROW, ratio=2.9).is_met
    assert replace(ROW, ratio=0.04, target=("<=", 0.05)).is_met
    assert not replace(ROW, ratio=0.06, target=("<=", 0.05)).is_met
    assert not replace(ROW, ratio=None, target=(">=", 21.0)).is_met
    assert replace(ROW, target=None).is_met is None


def test_the_table_shows_the_ratio_its_spread_and_a_target_that_was_missed():
    assert cells(ROW) == (
        "Reading",
        "20.0 files/s",
        "by hand: 5.00",
        "4.00 × [3.50–4.50]",
        "≥ 3.00 ×",
    )
    assert cells(replace(ROW, ratio=2.0))[-1] == "≥ 3.00 ×, missed"
    share = replace(ROW, ratio=0.5, spread=(0.4, 0.6), is_share=True, target=("<=", 0.05))
    assert cells(share)[-2:] == ("50.0 % [40.0–60.0]", "≤ 5.0 %, missed")


def test_the_table_has_the_rows_and_where_they_were_measured():
    table = markdown_table([ROW])
    lines = table.splitlines()
    assert lines[0] == "| what | ours | against | ratio | target |"
    assert lines[1] == "| --- | --- | --- | --- | --- |"
    assert lines[2].startswith("| Reading | 20.0 files/s |")
    assert lines[3:] == ["", "Measured on an abacus, pebbles."]


def test_the_pages_show_the_current_results():
    renew_pages(check=True)


def test_pages_with_older_results_are_named_and_renewed(tmp_path):
    for page in ("README.md", "benchmarks/README.md", "docs/fma-costs.md"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT_ROOT / page, tmp_path / page)
    rows = {row.name: row for row in read_rows()}
    name = pages.README_ROWS[0]
    rows[name] = replace(rows[name], ours=123.4)
    results = tmp_path / "results.json"
    write_rows(rows.values(), results)
    with pytest.raises(UserError, match=r"README.md is out of date at 'speed': run python bench"):
        renew_pages(results, root=tmp_path, check=True)
    renew_pages(results, root=tmp_path)
    renew_pages(results, root=tmp_path, check=True)
    assert f"| {name} | 123 ms |" in (tmp_path / "README.md").read_text(encoding="utf-8")
    del rows[name]
    write_rows(rows.values(), results)
    with pytest.raises(UserError, match=f"has no row '{name}': make bench"):
        renew_pages(results, root=tmp_path)


SCALE = """
| tracks | 1,000 | 25,000 |
| segments/s from then on, median | 100.0 | 200.0 |
| whole run, s | 16.5 | 300.0 |
| peak memory of the parent, MB | 163 | 164 |
| peak memory of the largest worker, MB | 128 | 129 |
| all shards, MB | 72 | 1,874 |
"""


@pytest.fixture
def speeds(tmp_path):
    size = Row(name="Size of records, against float lists", what="", ours=40.0, unit="kB/segment")
    trained = [
        Row(name=f"Training of {name}", what="", ours=10.0, unit="steps/s")
        for name in fma_costs.NETWORKS
    ]
    (tmp_path / "scale.md").write_text(SCALE)
    return fma_costs.read_speeds([size, *trained], tmp_path / "scale.md")


def test_what_the_fma_costs_is_computed_from_the_largest_run(speeds):
    lines = {line.split(" | ")[0]: line for line in fma_costs.costs_table(speeds).splitlines()}
    records = lines["| constant-Q records on 2, 16 cores"]
    assert "| 2 min, 15 s (c) | 5 min, 38 s (m, c) | ≤ 12 min, 2 min (c) |" in records
    assert "| 1.0 GB (c) | 1.9 GB (m) | ≤ 6.0 GB (c) |" in lines["| constant-Q records"]
    # 31,180 segments are 974 steps: 40 epochs of them at ten a second are 65 minutes.
    assert "| 40 min (c) | 65 min (c) | ≤ 4.1 h (c) |" in lines["| `cnn`, 40 epochs on 2 cores"]


def test_what_was_not_measured_is_named(speeds, tmp_path):
    (tmp_path / "scale.md").write_text(SCALE.replace("whole run", "half a run"))
    with pytest.raises(UserError, match="'whole run, s' is in neither"):
        fma_costs.read_speeds(read_rows(), tmp_path / "scale.md")


def test_multiply_adds_are_those_of_convolutions_products_and_loops(tf):
    import keras

    inputs = keras.Input((8, 6), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Reshape((8, 6, 1))(x))
    x = keras.layers.Reshape((8, 24))(x)
    x = keras.layers.Bidirectional(keras.layers.GRU(5, use_cudnn=False))(x)
    outputs = keras.layers.Dense(3)(x)
    convolution, loops, product = 8 * 6 * 4 * 9, 2 * 8 * (24 * 15 + 5 * 15), 10 * 3
    assert multiply_adds(keras.Model(inputs, outputs)) == convolution + loops + product


@pytest.mark.parametrize("name", [*run.BENCHMARKS, "run", "accelerator"])
def test_every_benchmark_explains_itself(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    assert end.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_every_benchmark_is_run():
    scripts = BENCHMARKS.glob("*.py")
    found = {path.stem for path in scripts if "run_benchmark(__file__" in path.read_text()}
    assert found == set(run.BENCHMARKS)


def test_a_benchmark_that_fails_costs_its_rows_only(monkeypatch, tmp_path, capsys):
    def answer(name: str, options: list[str]) -> tuple[list[Row], bool]:
        return ([], False) if name == "records" else ([replace(ROW, name=name)], True)

    results = tmp_path / "results.json"
    monkeypatch.setattr(run, "run", answer)
    monkeypatch.setattr(run, "find_dataset", lambda: None)
    monkeypatch.setattr(
        sys, "argv", ["run.py", "--only", "records", "constant_q", "--results", str(results)]
    )
    with pytest.raises(UserError, match="failed, see their messages above: records"):
        run.main()
    assert [row.name for row in read_rows(results)] == ["constant_q"]
    assert "1 rows" in capsys.readouterr().out


def test_an_excerpt_has_tracks_of_every_genre_and_split(tiny_fma):
    from harness.inputs import Excerpt

    columns = [("set", "split"), ("track", "genre_top")]
    small = Excerpt(tiny_fma.root, tiny_fma.subset, tiny_fma.is_demo, limit=9)
    assert small.tracks(columns).value_counts(columns).tolist() == [1] * 9
    assert len(replace(small, limit=100).tracks(columns)) == len(tiny_fma.tracks(columns))
