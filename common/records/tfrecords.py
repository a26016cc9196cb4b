"""The TFRecord format, written without TensorFlow, and the manifest of a folder of records.

``tf.train.Example`` keeps its features in a protobuf map, whose order is undefined. The messages
are encoded here in a fixed order, so that equal records have equal bytes.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from crc32c import crc32c

from common.errors import UserError
from common.fma.dataset import notice
from common.jobs.files import atomic_write, find_damage
from common.records import croissant

MANIFEST = "manifest.json"
FAILURES = "failures.csv"
PLAN = "tracks.csv"  # table of the tracks and artists beside the shards


def shard_name(split: str, index: int, count: int) -> str:
    """Name a shard: ``training-00007-of-00042.tfrecord``."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def write_shard(path: str | Path, records: Iterable[Mapping[str, bytes | int]]) -> dict[str, int]:
    """Write records to a TFRecord file atomically, each as a message of `encode_example`.

    The number of ``records`` and the ``bytes`` and ``crc32c`` of the file are returned.
    """
    count, size, checksum = 0, 0, 0
    with atomic_write(path) as file:
        for record in records:
            message = encode_example(record)
            length = struct.pack("<Q", len(message))
            framed = length + _masked_crc(length) + message + _masked_crc(message)
            file.write(framed)
            count, size, checksum = count + 1, size + len(framed), crc32c(framed, checksum)
    return {"records": count, "bytes": size, "crc32c": checksum}


def _masked_crc(data: bytes) -> bytes:
    """Compute the checksum of the TFRecord format: a rotated CRC-32C plus a constant."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def encode_example(record: Mapping[str, bytes | int]) -> bytes:
    """Encode a record as the protobuf message ``Example{features{feature{key, value}*}}``.

    Features are encoded in the order of the record: raw bytes as a bytes list of one, non-negative
    integers as an int64 list of one.
    """
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in record.items()
    )
    return _field(1, entries)


def _feature(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))  # Feature.bytes_list.value
    return _field(3, _field(1, _varint(int(value))))  # Feature.int64_list.value, packed


def _field(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited field: wire type 2."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def count_genres(
    by_label: Mapping[str, Sequence[int]], labels: Sequence[Sequence[str]]
) -> dict[str, dict[str, int]]:
    """Sum the numbers of labels, the genres of each, to split → genre → number, without zeros."""
    counts: dict[str, Counter[str]] = {}
    for split, numbers in by_label.items():
        counts[split] = Counter()
        for number, genres in zip(numbers, labels, strict=True):
            counts[split].update(dict.fromkeys(genres, number))
    return {split: dict(+counted) for split, counted in counts.items()}


@dataclass(frozen=True)
class Manifest:
    """Description of a folder of records, in its file ``manifest.json``.

    Attributes
    ----------
    kind : str
        The kind of features, e.g. ``"constant-q"``; ``parameters`` are all of theirs.
    genres : tuple of str
        Genres in label order.
    mapping : str
        Name of the genre mapping, a key of `fma_utils.GENRE_MAPPINGS`.
    data_set : dict
        ``title``, ``subset``, ``synthetic``: whether it is the demo set, and perhaps ``licences``:
        the number of training tracks of each.
    segments, tracks : dict
        Split → genre → number of records, and of tracks with at least one.
    shards : dict
        Split → list of ``{"name", "records", "bytes", "crc32c"}``.
    versions : dict
        Versions of the libraries that the features depend on.
    labels : str
        A key of `common.fma.labels.LABELS`. With ``"top"``, the label of a record is the index of
        its genre; otherwise it is an index of ``label_sets``.
    parents : dict
        Genre → parent genre, for the genres that have one.
    label_sets : tuple of tuple of str
        Genres of each label.
    by_label : dict
        ``"segments"``, ``"tracks"`` → split → number of each label.
    left_out : dict
        Number of ``"genres"`` and ``"tracks"`` of the metadata that the labels leave out.
    """

    kind: str
    parameters: dict[str, Any]
    genres: tuple[str, ...]
    mapping: str
    data_set: dict[str, Any]
    segments: dict[str, dict[str, int]]
    tracks: dict[str, dict[str, int]]
    shards: dict[str, list[dict[str, Any]]]
    versions: dict[str, str] = field(default_factory=dict)
    labels: str = "top"
    parents: dict[str, str] = field(default_factory=dict)
    label_sets: tuple[tuple[str, ...], ...] = ()
    by_label: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def has_several_genres(self) -> bool:
        """bool: True if a track may have several genres."""
        return self.labels != "top"

    @property
    def targets(self) -> np.ndarray:
        """np.ndarray: genres of each label [shape=(labels, genres), dtype=bool]."""
        if not self.has_several_genres:
            return np.eye(len(self.genres), dtype=bool)
        return np.array([[genre in own for genre in self.genres] for own in self.label_sets])

    def size(self, what: str, split: str) -> int:
        """Return the number of ``"segments"`` or ``"tracks"`` of a split."""
        if self.has_several_genres:
            return sum(self.by_label[what][split])
        return sum(self.counts(what, split))

    def write(self, folder: str | Path) -> None:
        """Write ``manifest.json`` into a folder, and the card of the data set, `croissant.CARD`."""
        content = asdict(self)
        for name, described in (
            (MANIFEST, content),
            (croissant.CARD, croissant.describe(content, Path(folder) / PLAN)),
        ):
            text = json.dumps(described, indent=1, ensure_ascii=False)
            with atomic_write(Path(folder) / name) as file:
                file.write(text.encode() + b"\n")

    @classmethod
    def read(cls, folder: str | Path, *kinds: str) -> Manifest:
        """Read the manifest of a folder of records.

        A `UserError` is raised if the folder has no finished records, or its records are of
        none of `kinds`, if any are given.
        """
        path = Path(folder) / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            manifest = cls(**(content | {"genres": tuple(content["genres"])}))
            manifest = replace(manifest, label_sets=tuple(map(tuple, manifest.label_sets)))
        except FileNotFoundError:
            raise UserError(
                f"{folder} holds no finished records (no {MANIFEST}): make them first, or choose "
                "another folder"
            ) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UserError(f"{path} is no manifest of this project: make the records again") from (
                None
            )
        if kinds and manifest.kind not in kinds:
            wanted = " or ".join(map(repr, kinds))
            raise UserError(f"{folder} holds {manifest.kind!r} records, {wanted} ones are needed")
        return manifest

    @property
    def notice(self) -> str:
        """str: message of notebooks, with a warning for the demo set."""
        return notice(self.data_set["title"], is_demo=self.data_set["synthetic"])

    def counts(self, what: str, split: str) -> list[int]:
        """List the ``"segments"`` or ``"tracks"`` of each genre in a split, in label order."""
        numbers = getattr(self, what)[split]
        return [numbers.get(genre, 0) for genre in self.genres]

    def shard_paths(self, folder: str | Path, split: str) -> list[Path]:
        """List the shards of a split.

        A `UserError` is raised if the split is empty, or a shard is missing or has changed its
        size.
        """
        if not self.segments.get(split):
            raise UserError(f"{folder} has no records of the {split} split")
        paths = []
        for shard in self.shards[split]:
            path = Path(folder) / shard["name"]
            if not path.exists() or path.stat().st_size != shard["bytes"]:
                raise UserError(
                    f"{path} is missing or cut short: run the command that made the records again, "
                    "which makes the missing ones"
                )
            paths.append(path)
        return paths

    def check(self, folder: str | Path) -> None:
        """Raise a `UserError` that names the first shard whose content has changed."""
        for shard in (shard for shards in self.shards.values() for shard in shards):
            name = shard["name"]
            checks = {name: shard["bytes"]}, {name: shard["crc32c"]}
            for path, problem in find_damage(Path(folder), *checks):
                raise UserError(
                    f"{path} is {problem}: run the command that made the records again, which "
                    "repeats this shard"
                )
