"""Genres and splits without usable audio are found before training; tables keep their types."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from common.errors import UserError
from common.records import shards
from common.records.coverage import find_shortcomings, require_coverage
from common.records.folder import RecordFolder
from common.records.tfrecords import Manifest
from common.tables import read_table, write_table

SOUND = {split: {"Folk": 2, "Rock": 1} for split in ("training", "validation", "test")}


@pytest.fixture
def manifest() -> Manifest:
    no_shards = {split: [] for split in SOUND}
    return Manifest("constant-q", {}, ("Folk", "Rock"), "all", {}, SOUND, SOUND, no_shards)


@pytest.mark.parametrize(
    ("split", "counts", "message"),
    [
        ("training", {"Rock": 1}, "no training track of Folk has usable audio"),
        ("training", {"Rock": 1}, "1 of the genres can be trained, two are needed"),
        ("validation", {}, "no validation track has usable audio"),
        ("test", {"Rock": 0}, "no test track has usable audio"),
    ],
)
def test_what_prevents_training_is_a_warning_first_and_then_one_line(
    manifest, tmp_path, split, counts, message
):
    poor = dataclasses.replace(manifest, segments=SOUND | {split: counts})
    assert message in find_shortcomings(poor.genres, poor.segments)
    with pytest.raises(UserError, match=rf"{message}.*: see .*failures.csv") as error:
        require_coverage(poor, tmp_path)
    assert "\n" not in str(error.value)
    write_table(tmp_path / "failures.csv", pd.DataFrame({"track_id": [], "reason": []}))
    assert f"warning: {message}; training will refuse" in shards.summarise(poor, tmp_path, "s")


def test_training_does_not_begin_on_records_without_test_audio(manifest, tmp_path):
    from common.training.train import train

    poor = dataclasses.replace(manifest, segments=SOUND | {"test": {}})
    with pytest.raises(UserError, match="no test track has usable audio"):
        train("cnn", pytest.fail, RecordFolder(tmp_path, poor), folder=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_sound_records_are_neither_refused_nor_warned_of(manifest, tmp_path):
    require_coverage(manifest, tmp_path)
    write_table(tmp_path / "failures.csv", pd.DataFrame({"track_id": [], "reason": []}))
    assert "warning" not in shards.summarise(manifest, tmp_path, "segments")


def test_genres_that_differ_in_case_or_spaces_are_reported_with_both_spellings(manifest, tmp_path):
    alike = dataclasses.replace(manifest, genres=("Hip  Hop", "Hip Hop", "Rock", "rock"))
    write_table(tmp_path / "failures.csv", pd.DataFrame({"track_id": [], "reason": []}))
    text = shards.summarise(alike, tmp_path, "segments")
    assert "'Hip  Hop' and 'Hip Hop'" in text
    assert "'Rock' and 'rock'" in text


def test_text_stays_text_and_only_an_empty_cell_is_missing(tmp_path):
    genres = ["1980", "True", "NA", "None", "nan", "1e5", "007", None]
    table = pd.DataFrame({"track_id": range(8), "genre": genres, "offset": [0.5] * 7 + [None]})
    write_table(tmp_path / "t.csv", table.assign(artist=table["genre"]))
    read = read_table(tmp_path / "t.csv", "track_id")
    assert read["genre"].tolist()[:7] == read["artist"].tolist()[:7] == genres[:7]
    assert read["genre"].isna().tolist() == [False] * 7 + [True]
    assert read["offset"].tolist()[:7] == [0.5] * 7
    assert read.index.tolist() == list(range(8))
