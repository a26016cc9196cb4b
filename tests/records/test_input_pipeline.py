"""Batches: every record once, an order that is known, and shuffling that can be repeated."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fma_for_tests import TINY_SEGMENTS

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.records import input_pipeline
from spectrogram_feature.features.records import FeatureRecords

IDENTITY = ("track_id", "segment")


@pytest.fixture(params=[True, False], ids=["cached", "uncached"])
def cached(request, monkeypatch) -> bool:
    """Both ways of reading: the split fits into memory, or it does not."""
    if not request.param:
        monkeypatch.setattr(input_pipeline, "CACHE_SHARE", 0)
    return request.param


@pytest.fixture
def records(tf, tiny_records) -> FeatureRecords:
    return FeatureRecords.open(tiny_records)


def identities(batches) -> list[tuple[int, int]]:
    """Give (track, segment) of every record, in the order it comes."""
    columns = zip(*batches.as_numpy_iterator(), strict=True)
    tracks, segments = (np.concatenate(column).tolist() for column in columns)
    return list(zip(tracks, segments, strict=True))


def messages(tf, records: FeatureRecords, split: str) -> list[dict[str, np.ndarray]]:
    """Read a split's records one by one, without what is tested here."""
    features = {
        "features": tf.io.FixedLenFeature([], tf.string),
        **{key: tf.io.FixedLenFeature([], tf.int64) for key in ("label", *IDENTITY)},
    }
    paths = [str(path) for path in records.manifest.shard_paths(records.folder, split)]
    parsed = [tf.io.parse_single_example(m, features) for m in tf.data.TFRecordDataset(paths)]
    return [{key: value.numpy() for key, value in record.items()} for record in parsed]


@pytest.mark.parametrize("split", SPLITS)
def test_evaluation_reads_every_record_once_in_the_same_order(tf, records, cached, split):
    expected = {(int(m["track_id"]), int(m["segment"])) for m in messages(tf, records, split)}
    batches = records.batches(split, batch_size=4, keys=IDENTITY)
    first, second = identities(batches), identities(batches)
    assert len(first) == TINY_SEGMENTS[split]
    assert set(first) == expected
    assert second == first
    assert identities(records.batches(split, batch_size=3, keys=IDENTITY)) == first


def test_records_arrive_as_they_were_written(tf, records, cached):
    written = {(m["track_id"], m["segment"]): m for m in messages(tf, records, "test")}
    keys = ("features", "label", *IDENTITY)
    for batch in records.batches("test", batch_size=4, keys=keys).as_numpy_iterator():
        for features, label, track, segment in zip(*batch, strict=True):
            record = written.pop((track, segment))
            assert label == record["label"]
            assert features.tobytes() == record["features"]
    assert not written


def test_training_reads_every_record_once_an_epoch(records, cached):
    batches = records.batches("training", batch_size=2, training=True, keys=IDENTITY)
    evaluation = records.batches("training", batch_size=2, keys=IDENTITY)
    for _ in range(2):
        epoch = identities(batches)
        assert sorted(epoch) == sorted(identities(evaluation))


def test_training_shuffles_anew_every_epoch(records, cached):
    batches = records.batches("training", batch_size=2, training=True, keys=IDENTITY)
    first, second = identities(batches), identities(batches)
    assert first != second
    assert first != identities(records.batches("training", batch_size=2, keys=IDENTITY))


def epochs(records: FeatureRecords, seed: int) -> list[list[tuple[int, int]]]:
    options = {"batch_size": 2, "training": True, "keys": IDENTITY, "seed": seed}
    batches = records.batches("training", **options)
    return [identities(batches) for _ in range(2)]


def test_seed_repeats_the_shuffling(records, cached):
    assert epochs(records, 1) == epochs(records, 1)


def test_another_seed_shuffles_otherwise(records, cached):
    assert epochs(records, 1) != epochs(records, 2)


def test_batches_have_shapes_types_and_a_known_number(tf, records):
    batches = records.batches("training", batch_size=4)
    features, labels = batches.element_spec
    assert (features.shape.as_list(), features.dtype) == ([None, 480, 84], tf.uint8)
    assert (labels.shape.as_list(), labels.dtype) == ([None], tf.int64)
    assert batches.cardinality() == 6  # of 22 records
    sizes = [len(label) for _, label in batches.as_numpy_iterator()]
    assert sizes == [4, 4, 4, 4, 4, 2]


def test_training_drops_the_smaller_last_batch(records):
    batches = records.batches("training", batch_size=4, training=True)
    assert batches.cardinality() == 5
    assert [len(label) for _, label in batches.as_numpy_iterator()] == [4] * 5


def test_training_keeps_the_only_batch_though_it_is_small(records):
    batches = records.batches("training", batch_size=100, training=True)
    assert batches.cardinality() == 1
    assert [len(label) for _, label in batches.as_numpy_iterator()] == [22]


def test_keys_decide_what_comes_and_in_which_order(records):
    keys = ("track_id", "label")
    tracks, labels = next(records.batches("test", batch_size=4, keys=keys).as_numpy_iterator())
    assert set(tracks) <= {22, 40, 41, 42}
    assert set(labels) <= {0, 1, 2}


def test_labelled_reads_features_labels_and_tracks(records):
    columns = zip(*records.arrays("test"), strict=True)
    features, labels, tracks = (np.concatenate(column) for column in columns)
    assert (features.shape, features.dtype) == ((10, 480, 84), np.uint8)
    order = [track for track, _ in identities(records.batches("test", batch_size=4, keys=IDENTITY))]
    assert tracks.tolist() == order
    names = np.array(records.manifest.genres)[labels]
    assert dict(zip(tracks.tolist(), names, strict=True)) == {
        22: "Jazz",
        40: "Rock",
        41: "Folk",
        42: "Jazz",
    }


@pytest.mark.parametrize(("count", "drawn"), [(5, 5), (22, 22), (1000, 22)])
def test_some_draws_as_many_as_there_are(records, count, drawn):
    features, labels = records.some("training", count)
    assert features.shape == (drawn, 480, 84)
    assert labels.shape == (drawn,)


def test_parameters_are_those_the_features_were_made_with(records):
    assert records.parameters.to_dict() == records.manifest.parameters


@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_shard_that_is_not_whole_is_named(tiny_records, tmp_path, damage):
    folder = Path(shutil.copytree(tiny_records, tmp_path / "records"))
    shard = min(folder.glob("training-*"))
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{shard.name} is missing or cut short"):
        FeatureRecords.open(folder).batches("training", batch_size=4)


def test_folder_without_records_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no finished records"):
        FeatureRecords.open(tmp_path)


def test_unknown_split_is_refused(records):
    with pytest.raises(UserError, match="no records of the train split"):
        records.batches("train", batch_size=4)
