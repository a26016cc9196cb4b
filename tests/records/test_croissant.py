"""The Croissant card of a folder of records, read by the library of its specification."""

from __future__ import annotations

import json

import pytest

from common.fma.licences import UNNAMED, count_licences
from common.records.croissant import CARD, describe
from common.records.tfrecords import PLAN, Manifest


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")
def test_the_library_reads_the_card_and_the_tracks(tiny_records):
    import mlcroissant

    card = mlcroissant.Dataset(tiny_records / CARD)
    assert not card.metadata.ctx.issues.errors
    manifest = Manifest.read(tiny_records)
    assert manifest.data_set["title"] in card.metadata.name
    rows = list(card.records("tracks"))
    assert len(rows) == len((tiny_records / PLAN).read_text().splitlines()) - 1
    assert {row["tracks/genre"].decode() for row in rows} == set(manifest.genres)
    assert {row["tracks/split"].decode() for row in rows} == {"training", "validation", "test"}
    sets = json.loads((tiny_records / CARD).read_text())["distribution"]
    patterns = [one["includes"] for one in sets if one["@type"] == "cr:FileSet"]
    for split, pattern in zip(manifest.shards, patterns, strict=True):
        found = {path.name for path in tiny_records.glob(pattern)}
        assert found == {shard["name"] for shard in manifest.shards[split]}


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")
def test_several_genres_of_a_track_are_a_list(tmp_path):
    import mlcroissant

    sets = (("Folk", "Freak-Folk"), ("Rock",), ("Folk", "Freak-Folk", "Rock"))
    genres = ("Folk", "Freak-Folk", "Rock")
    shards = [{"name": "training-0", "records": 5, "bytes": 0, "crc32c": 0}]
    manifest = Manifest(
        kind="noise",
        parameters={},
        genres=genres,
        mapping="all",
        data_set={"title": "three tracks"},
        segments={"training": {"Folk": 4, "Freak-Folk": 4, "Rock": 3}},
        tracks={},
        shards={"training": shards, "validation": []},
        labels="all",
        parents={"Freak-Folk": "Folk"},
        label_sets=sets,
    )
    rows = [f"{i},training,{' | '.join(own)},{i},a{i}" for i, own in enumerate(sets)]
    (tmp_path / PLAN).write_text("\n".join(["track_id,split,genre,label,artist", *rows]) + "\n")
    manifest.write(tmp_path)
    card = mlcroissant.Dataset(tmp_path / CARD)
    assert not card.metadata.ctx.issues.errors
    assert "A track may have several genres" in card.metadata.description
    found = [[genre.decode() for genre in row["tracks/genre"]] for row in card.records("tracks")]
    assert found == [list(own) for own in sets]
    _, files = json.loads((tmp_path / CARD).read_text())["distribution"]
    assert files["description"].startswith("5 records")  # each once, whatever its genres


def test_a_folder_without_a_table_is_described(tmp_path):
    described = {
        "kind": "noise",
        "genres": ["A", "B"],
        "data_set": {},
        "shards": {},
        "segments": {},
    }
    card = describe(described, tmp_path / PLAN)
    assert card["distribution"] == []
    assert "name no licence" in card["license"]


def test_licences_of_training_tracks_are_counted(tiny_fma, monkeypatch):
    assert count_licences(tiny_fma) == {}  # its metadata name none
    tracks = tiny_fma.tracks()
    training = tracks.index[tracks["set", "split"] == "training"]
    tracks["track", "license"] = tracks["track", "license"].astype("string")
    tracks.loc[:, ("track", "license")] = "CC0"
    tracks.loc[training[0], ("track", "license")] = None
    monkeypatch.setattr(type(tiny_fma), "tracks", lambda self, columns=None: tracks)
    assert count_licences(tiny_fma) == {"CC0": len(training) - 1, UNNAMED: 1}
