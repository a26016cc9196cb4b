"""TFRecord shards as TensorFlow reads them, and the manifest beside them."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pickle
import struct
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.jobs.files import atomic_write, find_damage
from common.records.tfrecords import MANIFEST, Manifest, encode_example, shard_name, write_shard

RECORDS = [
    {"features": bytes([n]) * 300, "label": n, "track_id": 100_000 + n, "segment": 0}
    for n in range(5)
]


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.binary(max_size=400) | st.integers(0, 2**63 - 1),
        max_size=5,
    )
)
def test_tensorflow_parses_what_was_encoded(tf, record):
    features = tf.train.Example.FromString(encode_example(record)).features.feature
    parsed = {
        name: feature.bytes_list.value[0]
        if feature.HasField("bytes_list")
        else feature.int64_list.value[0]
        for name, feature in features.items()
    }
    assert parsed == record


def test_encoding_keeps_the_order_it_is_given():
    record = {"b": 1, "a": b"x"}
    assert encode_example(record) == encode_example(dict(record))
    assert encode_example(record) != encode_example({"a": b"x", "b": 1})


def test_shard_is_read_by_tensorflow(tf, tmp_path):
    write_shard(tmp_path / "a.tfrecord", RECORDS)
    messages = list(tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord")).as_numpy_iterator())
    assert messages == [encode_example(record) for record in RECORDS]


def test_changed_byte_is_noticed_by_tensorflow(tf, tmp_path):
    path = tmp_path / "a.tfrecord"
    write_shard(path, RECORDS)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))


def test_shard_is_described_as_it_is(tmp_path):
    path = tmp_path / "a.tfrecord"
    written = write_shard(path, iter(RECORDS))
    content = path.read_bytes()
    assert written == {"records": 5, "bytes": len(content), "crc32c": crc32c(content)}


def test_frame_is_length_message_and_their_checksums(tmp_path):
    write_shard(tmp_path / "a.tfrecord", RECORDS[:1])
    content = (tmp_path / "a.tfrecord").read_bytes()
    message = encode_example(RECORDS[0])
    assert content[:8] == struct.pack("<Q", len(message))
    assert content[12:-4] == message
    assert len(content) == len(message) + 16


def test_failure_midway_leaves_nothing(tmp_path):
    def records():
        yield RECORDS[0]
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError, match="the power fails"):
        write_shard(tmp_path / "a.tfrecord", records())
    assert list(tmp_path.iterdir()) == []


def test_failure_midway_leaves_the_earlier_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_tells_which_file_it_has_no_room_for_in_another_process_too(tmp_path):
    with pytest.raises(OSError, match="No space left") as error, atomic_write(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert pickle.loads(pickle.dumps(error.value)).filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# --- Damage --------------------------------------------------------------------------------------


@pytest.fixture
def known(tmp_path) -> tuple[dict[str, int], dict[str, int]]:
    """Sizes and checksums of two files; the second is longer than what is read at a time."""
    sizes, checksums = {}, {}
    for name, content in {"a": b"short", "b": bytes(range(256)) * 5000}.items():
        (tmp_path / name).write_bytes(content)
        sizes[name], checksums[name] = len(content), crc32c(content)
    return sizes, checksums


def test_files_that_are_what_they_were_have_no_damage(known, tmp_path):
    assert find_damage(tmp_path, *known) == []


@pytest.mark.parametrize("place", [0, 300_000, -1])
def test_changed_bit_is_found_by_checksum_and_only_by_it(known, tmp_path, place):
    sizes, checksums = known
    content = bytearray((tmp_path / "b").read_bytes())
    content[place] ^= 16
    (tmp_path / "b").write_bytes(content)
    assert find_damage(tmp_path, sizes, checksums) == [(tmp_path / "b", "damaged (checksum)")]
    assert find_damage(tmp_path, sizes, {}) == []


def test_missing_changed_and_unreadable_files_are_told_apart(known, tmp_path):
    (tmp_path / "a").unlink()
    os.truncate(tmp_path / "b", 10)
    (tmp_path / "c").mkdir()
    sizes = known[0] | {"c": (tmp_path / "c").stat().st_size}
    assert find_damage(tmp_path, sizes, known[1] | {"c": 0}) == [
        (tmp_path / "a", "missing"),
        (tmp_path / "b", "damaged (size)"),
        (tmp_path / "c", "damaged (cannot be read)"),
    ]


def test_shards_are_named_by_split_and_number():
    assert shard_name("training", 7, 42) == "training-00007-of-00042.tfrecord"


# --- The manifest --------------------------------------------------------------------------------


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    written = write_shard(tmp_path / "training-00000-of-00001.tfrecord", RECORDS)
    return Manifest(
        kind="constant-q",
        parameters={"hop_length": 460, "fmin": 32.70319566257483},
        genres=("Folk", "Rock", "Entechno – Εντεχνο"),
        mapping="all",
        data_set={"title": "toy", "subset": "small", "synthetic": True},
        segments={"training": {"Folk": 5}, "validation": {}},
        tracks={"training": {"Folk": 5}, "validation": {}},
        shards={
            "training": [{"name": "training-00000-of-00001.tfrecord", **written}],
            "validation": [],
        },
        versions={"numpy": "2"},
    )


def test_manifest_comes_back_as_it_was_written(manifest, tmp_path):
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path, "constant-q") == manifest


def test_equal_manifests_give_equal_bytes(manifest, tmp_path):
    manifest.write(tmp_path)
    first = (tmp_path / MANIFEST).read_bytes()
    Manifest.read(tmp_path, "constant-q").write(tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == first


def test_records_of_another_kind_are_refused_naming_both(manifest, tmp_path):
    manifest.write(tmp_path)
    with pytest.raises(UserError, match="holds 'constant-q' records, 'mel' ones are needed"):
        Manifest.read(tmp_path, "mel")


@pytest.mark.parametrize("content", ["shards", "nothing", "no folder"])
def test_folder_without_manifest_is_not_finished(manifest, tmp_path, content):
    folder = {"shards": tmp_path, "nothing": tmp_path / "new", "no folder": tmp_path / "absent"}
    (tmp_path / "new").mkdir()
    with pytest.raises(UserError, match="holds no finished records"):
        Manifest.read(folder[content], "constant-q")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"genres": null}',
        b'{"genres": [], "kind": "constant-q", "colour": "red"}',
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(UserError, match=r"manifest.json is no manifest of this project"):
        Manifest.read(tmp_path, "constant-q")


def test_shards_that_are_whole_are_listed(manifest, tmp_path):
    paths = manifest.shard_paths(tmp_path, "training")
    assert paths == [tmp_path / "training-00000-of-00001.tfrecord"]


@pytest.mark.parametrize("size", [0, 100, None], ids=["empty", "cut short", "missing"])
def test_shard_that_is_not_whole_is_named(manifest, tmp_path, size):
    path = tmp_path / "training-00000-of-00001.tfrecord"
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"training-00000-of-00001.tfrecord is missing or cut"):
        manifest.shard_paths(tmp_path, "training")


def test_shard_whose_content_has_changed_is_named_with_what_to_do(manifest, tmp_path):
    path = tmp_path / "training-00000-of-00001.tfrecord"
    manifest.check(tmp_path)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{path} is damaged \(checksum\): run the command that"):
        manifest.check(tmp_path)


@pytest.mark.parametrize("split", ["validation", "test", "train"])
def test_split_without_records_is_named(manifest, tmp_path, split):
    with pytest.raises(UserError, match=f"no records of the {split} split"):
        manifest.shard_paths(tmp_path, split)


def test_manifest_is_text_that_people_can_read(manifest, tmp_path):
    manifest.write(tmp_path)
    text = (tmp_path / MANIFEST).read_text(encoding="utf-8")
    assert "Entechno – Εντεχνο" in text
    assert json.loads(text) == json.loads(json.dumps(dataclasses.asdict(manifest)))


def test_manifest_is_written_whole_or_not_at_all(manifest, tmp_path):
    manifest.write(tmp_path)
    with pytest.raises(TypeError):
        dataclasses.replace(manifest, versions={"path": Path()}).write(tmp_path)
    assert Manifest.read(tmp_path, "constant-q") == manifest
