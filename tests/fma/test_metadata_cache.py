"""Columns of a large metadata file that are kept: the same table, sooner, never in the way."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from fma_for_tests import COLUMNS, write_tracks_csv
from hypothesis import given, settings
from hypothesis import strategies as st

import common.fma.metadata
from common.errors import UserError
from common.fma.metadata import load
from common.paths import output_root

SOME = [("set", "subset"), ("artist", "name"), ("track", "genres"), ("track", "date_created")]


def tracks_with_name(name: str) -> list[tuple[int, dict]]:
    """Make the rows of a tracks.csv of two tracks."""
    known = {("artist", "name"): name, ("set", "subset"): "small", ("track", "genres"): "[21, 45]"}
    return [(2, known | {("track", "title"): "Food"}), (3, {("set", "subset"): "large"})]


@pytest.fixture
def tracks_csv(tmp_path, monkeypatch) -> Path:
    """Write a tracks.csv that counts as large."""
    monkeypatch.setattr("common.fma.metadata.CACHED_FROM", 0)
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path / "output"))
    path = tmp_path / "fma_metadata" / "tracks.csv"
    write_tracks_csv(path, tracks_with_name("AWOL"))
    return path


@pytest.fixture
def parsed(monkeypatch) -> list:
    """Note what pandas is given to parse."""
    sources: list = []
    read_csv = pd.read_csv

    def noting(source, **options) -> pd.DataFrame:
        sources.append(source)
        return read_csv(source, **options)

    monkeypatch.setattr(pd, "read_csv", noting)
    return sources


def kept_files(tracks_csv: Path) -> list[Path]:
    return sorted((tracks_csv.parents[1] / "output").rglob("*.*"))


def load_plainly(path: Path, columns: list) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.fma.metadata.CACHED_FROM", float("inf"))
        return load(path, columns)


# --- The same table ------------------------------------------------------------------------------

NUMBERS = "-1 007 0.1 0.30000000000000004 1e400 2.2250738585072011e-308 18446744073709551615 inf"
TEXTS = [
    "",
    '"',
    '""',
    ",",
    "\n",
    "\r",
    " 3 ",
    "<p>“a”,\r\n</p>",
    "=1+1",
    "東京",
    "#",
    "\\",
    "2009-01-05",
]
HOSTILE = st.sampled_from([*NUMBERS.split(), *TEXTS, "NA", "nan", "True"])
CELLS = st.one_of(
    HOSTILE,
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), st.data())
@settings(max_examples=80)
def test_a_table_is_the_same_plain_when_its_cells_are_kept_and_when_they_were(rows, data):
    names = ["first", "second", "third"]
    columns = data.draw(st.lists(st.sampled_from(names), unique=True))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.fma.metadata.CACHED_FROM", 0)
        patch.setenv("FMA_OUTPUT", folder)
        path = Path(folder, "raw_tracks.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["track_id", *names])
            writer.writerows([number, *row] for number, row in enumerate(rows))
        plain = outcome(load_plainly, path, columns)
        first, second = outcome(load, path, columns), outcome(load, path, columns)
    for other in (first, second):
        if isinstance(plain, str):
            assert other == plain
        else:
            pd.testing.assert_frame_equal(other, plain, check_exact=True)


def outcome(function: Callable[..., pd.DataFrame], path: Path, columns: list) -> pd.DataFrame | str:
    try:
        return function(path, columns)
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("columns", [SOME, SOME[::-1], COLUMNS])
@pytest.mark.parametrize("genre", ["Rock", "1980", "NA", "True"])
def test_types_of_tracks_are_the_same(tracks_csv, columns, genre):
    rows = [(i, {**cells, ("track", "genre_top"): genre}) for i, cells in tracks_with_name("None")]
    write_tracks_csv(tracks_csv, rows)
    plain = load_plainly(tracks_csv, columns)
    for _ in range(2):
        pd.testing.assert_frame_equal(load(tracks_csv, columns), plain)


@pytest.mark.parametrize("others", [[*SOME, ("track", "title")], [*SOME[1:], ("track", "title")]])
def test_columns_that_were_not_kept_are_read(tracks_csv, others):
    load(tracks_csv, SOME)
    table = load(tracks_csv, others)
    assert table.loc[2, ("track", "title")] == "Food"
    pd.testing.assert_frame_equal(table, load_plainly(tracks_csv, others))


def test_files_of_equal_size_and_time_are_not_taken_for_each_other(tracks_csv):
    other = tracks_csv.with_name("other") / "tracks.csv"
    write_tracks_csv(other, tracks_with_name("LOWA"))
    for path in (tracks_csv, other):
        os.utime(path, ns=(0, 0))
    assert [load(path, SOME).iloc[0, 1] for path in (tracks_csv, other)] == ["AWOL", "LOWA"]


# --- Sooner --------------------------------------------------------------------------------------


def test_a_large_file_is_parsed_once(tracks_csv, parsed):
    load(tracks_csv, SOME)
    assert tracks_csv in parsed
    parsed.clear()
    load(tracks_csv, SOME)
    assert parsed
    assert tracks_csv not in parsed


def test_a_changed_file_is_read_anew_even_if_its_size_and_time_are_the_same(tracks_csv):
    before = tracks_csv.stat()
    load(tracks_csv, SOME)
    write_tracks_csv(tracks_csv, tracks_with_name("LOWA"))
    os.utime(tracks_csv, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = tracks_csv.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert load(tracks_csv, SOME).loc[2, ("artist", "name")] == "LOWA"


def test_small_files_and_whole_tables_are_not_kept(tracks_csv, monkeypatch):
    load(tracks_csv)
    monkeypatch.setattr("common.fma.metadata.CACHED_FROM", tracks_csv.stat().st_size + 1)
    load(tracks_csv, SOME)
    assert kept_files(tracks_csv) == []


# --- Never in the way ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-20], id="cut short"),
        pytest.param(lambda content: content.replace(b"AWOL", b"LOWA"), id="altered"),
        pytest.param(lambda content: b"", id="emptied"),
        pytest.param(lambda content: b"\xff" * len(content), id="no text"),
        pytest.param(lambda content: content.partition(b"\n")[2], id="without its checksum"),
    ],
)
def test_damaged_cells_are_not_believed_and_are_made_anew(tracks_csv, damage):
    load(tracks_csv, SOME)
    (kept,) = kept_files(tracks_csv)
    sound = kept.read_bytes()
    kept.write_bytes(damage(sound))
    assert kept.read_bytes() != sound
    pd.testing.assert_frame_equal(load(tracks_csv, SOME), load_plainly(tracks_csv, SOME))
    assert kept.read_bytes() == sound


def test_where_nothing_can_be_written_the_table_is_read_all_the_same(tracks_csv, capfd):
    (tracks_csv.parents[1] / "output").write_text("a file where the folder belongs")
    for _ in range(2):
        pd.testing.assert_frame_equal(load(tracks_csv, SOME), load_plainly(tracks_csv, SOME))
    assert capfd.readouterr() == ("", "")


def test_a_disk_that_fills_up_leaves_nothing_half_written(tracks_csv, monkeypatch):
    write_bytes = Path.write_bytes

    def write_half(path: Path, content: bytes) -> int:
        write_bytes(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    assert len(load(tracks_csv, SOME)) == 2
    assert kept_files(tracks_csv) == []


def test_two_processes_may_read_the_same_file_at_once(tracks_csv):
    plain = load_plainly(tracks_csv, SOME)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for table in pool.map(load_many_times, [tracks_csv] * 2):
            pd.testing.assert_frame_equal(table, plain)
    (kept,) = kept_files(tracks_csv)
    assert not kept.name.startswith(".")


def load_many_times(path: Path) -> pd.DataFrame:
    """Load a table again and again, as if its cells had never been kept."""
    common.fma.metadata.CACHED_FROM = 0
    for _ in range(10):
        table = load(path, SOME)
        shutil.rmtree(output_root() / "cache", ignore_errors=True)
    return load(path, SOME) if len(table) else table


@pytest.mark.parametrize("content", ["", "no FMA\n", ",a\n,b\ntrack_id,\n"])
def test_a_file_that_is_not_fmas_is_refused_as_ever(tracks_csv, content):
    tracks_csv.write_text(content)
    with pytest.raises(UserError, match=r"fetch it again|is it FMA's"):
        load(tracks_csv, SOME)
    assert kept_files(tracks_csv) == []


def test_a_file_without_rows_is_refused_as_ever(tracks_csv):
    write_tracks_csv(tracks_csv, [])
    with pytest.raises(UserError, match="has no rows"):
        load(tracks_csv, SOME)
