"""Records of features: size, and speed of writing and of parsing into batches.

The same segments are stored as raw bytes in TFRecords (ours), as float lists in TFRecords, as a
``.npy`` file per segment, and as one HDF5 dataset, all in the system's file cache. Each side yields
batches of 256 in a fixed order. TFRecords are read with all cores, the others with their libraries.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from common.quiet import import_tensorflow
from common.records.tfrecords import Manifest, write_shard
from harness.command import run_benchmark
from harness.inputs import PARAMETERS, feature_records
from harness.rows import Row, compared
from harness.timing import measure, require_equal
from spectrogram_feature.features.kinds import CONSTANT_Q
from spectrogram_feature.features.records import FeatureRecords

SEGMENTS = 512
SHARDS = 4  # files of both kinds of TFRecords
BATCH = 256
EPOCHS = 40  # files are opened in each of them, reading starts once


def write_records(folder: Path, parts: list[np.ndarray]) -> None:
    """Write shards as extraction does, and their manifest."""
    shards = []
    for index, part in enumerate(parts):
        path = folder / f"{index}.tfrecord"
        records = (
            {"features": segment.tobytes(), "label": 0, "track_id": number, "segment": 0}
            for number, segment in enumerate(part)
        )
        shards.append({"name": path.name, **write_shard(path, records)})
    Manifest(
        kind=CONSTANT_Q,
        parameters=PARAMETERS.to_dict(),
        genres=("any",),
        mapping="all",
        data_set={},
        segments={"training": {"any": sum(map(len, parts))}},
        tracks={},
        shards={"training": shards},
    ).write(folder)


def open_records(folder: Path, epochs: int, *, cache: bool = False) -> Iterable:
    """Read with the input pipeline of training, from the files or from memory (`cache`)."""
    batches = FeatureRecords.open(folder).batches(
        "training", batch_size=BATCH, cache=cache, keys=("features", "label")
    )
    return batches.repeat(epochs)


def write_floats(folder: Path, parts: list[np.ndarray]) -> None:
    """Write Examples as in TensorFlow's documentation."""
    import tensorflow as tf

    for index, part in enumerate(parts):
        with tf.io.TFRecordWriter(str(folder / f"{index}.tfrecord")) as writer:
            for segment in part:
                values = tf.train.FloatList(value=(segment / 255).astype(np.float32).ravel())
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[0]))
                features = {"features": tf.train.Feature(float_list=values), "label": label}
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())


def open_floats(folder: Path, epochs: int) -> Iterable:
    """Read in parallel and parse a batch at a time."""
    import tensorflow as tf

    keys = {
        "features": tf.io.FixedLenFeature(PARAMETERS.shape, tf.float32),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    auto = tf.data.AUTOTUNE
    return (
        tf.data.Dataset.from_tensor_slices(sorted(map(str, folder.glob("*.tfrecord"))))
        .interleave(tf.data.TFRecordDataset, cycle_length=SHARDS, num_parallel_calls=auto)
        .batch(BATCH)
        .map(
            lambda one: tuple(tf.io.parse_example(one, keys)[key] for key in keys),
            num_parallel_calls=auto,
        )
        .prefetch(auto)
        .repeat(epochs)
    )


def write_arrays(folder: Path, parts: list[np.ndarray]) -> None:
    """Write a .npy file per segment."""
    for number, segment in enumerate(np.concatenate(parts)):
        np.save(folder / f"{number:06d}.npy", segment)


@dataclass
class Arrays:
    """Batches loaded file by file."""

    folder: Path
    epochs: int

    def __iter__(self) -> Iterator:
        """Iterate over all epochs."""
        paths = sorted(self.folder.glob("*.npy"))
        for start in self.epochs * [*range(0, len(paths), BATCH)]:
            batch = np.stack([np.load(path) for path in paths[start : start + BATCH]])
            yield batch, np.zeros(len(batch), int)


def write_hdf5(folder: Path, parts: list[np.ndarray]) -> None:
    """Write one dataset with a chunk per segment, as for shuffled reading."""
    with h5py.File(folder / "features.h5", "w") as file:
        chunks = (1, *PARAMETERS.shape)
        file.create_dataset("features", data=np.concatenate(parts), chunks=chunks)


class Hdf5(Arrays):
    """Batches read as slices."""

    def __iter__(self) -> Iterator:
        """Iterate over all epochs."""
        with h5py.File(self.folder / "features.h5") as file:
            dataset = file["features"]
            for start in self.epochs * [*range(0, len(dataset), BATCH)]:
                batch = dataset[start : start + BATCH]
                yield batch, np.zeros(len(batch), int)


FORMATS = {
    "ours": (write_records, open_records),
    "float lists": (write_floats, open_floats),
    ".npy a segment": (write_arrays, Arrays),
    "HDF5": (write_hdf5, Hdf5),
}
"""Functions that write parts of equal size and that return batches of several epochs."""


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare sizes and rates."""
    import_tensorflow()
    features, _ = feature_records().some("training", SEGMENTS)
    parts = np.array_split(features, SHARDS)
    with tempfile.TemporaryDirectory(prefix="records-") as folder:
        folders = {name: Path(folder, str(index)) for index, name in enumerate(FORMATS)}
        for path in folders.values():
            path.mkdir()
        writing = {
            name: functools.partial(write, folders[name], parts)
            for name, (write, _) in FORMATS.items()
        }
        written = measure(writing, rounds=arguments.rounds, units=len(features))
        equal = _compare(folders, features)
        reading: dict[str, Callable[[], object]] = {
            name: functools.partial(deque, read(folders[name], EPOCHS), maxlen=0)
            for name, (_, read) in FORMATS.items()
        }
        kept = open_records(folders["ours"], EPOCHS, cache=True)
        reading["kept in memory"] = functools.partial(deque, kept, maxlen=0)
        read = measure(reading, rounds=arguments.rounds, units=EPOCHS * len(features))
        sizes = {name: _size(path) / len(features) / 1000 for name, path in folders.items()}
    what = f"{len(features)} segments of (480, 84), batches of {BATCH}"
    for name in list(FORMATS)[1:]:
        is_main = name == "float lists"
        yield Row(
            name=f"Size of records, against {name}",
            what=what,
            ours=sizes["ours"],
            peer=sizes[name],
            against=name,
            unit="kB/segment",
            ratio=sizes[name] / sizes["ours"],
            is_headline=is_main,
        )
        row = functools.partial(
            compared, what=what, side="ours", peer=name, unit="segments/s", equal=equal
        )
        title, target = f"of records, against {name}", (">=", 2.5) if is_main else None
        yield row(f"Writing {title}", times=written, is_headline=is_main)
        yield row(f"Parsing {title}", times=read, target=target)
    for side, source in (
        ("ours", "from the files"),
        ("kept in memory", "kept in memory, as in training"),
    ):
        yield Row(
            name=f"Parsing of records {source}",
            what=what,
            ours=read.rate_of(side),
            unit="segments/s",
            rounds=arguments.rounds,
            target=(">=", 20_000),
        )


def _compare(folders: dict[str, Path], features: np.ndarray) -> str:
    """Check that all formats return the same segments, in any order."""
    expected = np.sort(features.astype(int).sum(axis=(1, 2)))
    for name, (_, read) in FORMATS.items():
        found = np.concatenate([np.asarray(batch) for batch, _ in read(folders[name], 1)])
        levels = np.rint(found * 255) if found.dtype == np.float32 else found
        equal = require_equal(expected, np.sort(levels.astype(int).sum(axis=(1, 2))), 0, "levels")
    return equal


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json")


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
