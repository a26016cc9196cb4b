"""Records of features: their size, and how fast they are written, and parsed into batches.

The same segments as raw bytes in TFRecords (ours), as float lists in TFRecords, as a ``.npy`` file
for each segment, and as one dataset in HDF5, from and to the system's file cache: what a slow disk
adds is not measured. Every side gives batches of 256 in a fixed order; TFRecords are read with all
cores, the others as their libraries read them.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from command import run_benchmark
from inputs import PARAMETERS, feature_records
from rows import Row, compared
from timing import measure, require_equal

from common.quiet import import_tensorflow
from common.records.tfrecords import Manifest, write_shard
from spectrogram_feature.features.records import FeatureRecords

SEGMENTS = 512
SHARDS = 4  # as many files as a set of this size has, for both kinds of TFRecords
BATCH = 256
EPOCHS = 40  # to open the files once an epoch, and to start reading once in these

KEPT = "kept in memory"


@dataclass(frozen=True)
class Format:
    """One way to store segments.

    Attributes
    ----------
    write : callable
        Takes a folder and features, uint8 (segments, frames, bins), in parts of equal size.
    open : callable
        Takes the folder and a number of epochs; gives what can be iterated over again and again,
        batches of features as NumPy's or TensorFlow's arrays.
    """

    write: Callable[[Path, list[np.ndarray]], None]
    open: Callable[[Path, int], Iterable]


def write_records(folder: Path, parts: list[np.ndarray]) -> None:
    """Write shards as extraction does, and the manifest that reading needs."""
    shards = []
    for index, part in enumerate(parts):
        path = folder / f"{index}.tfrecord"
        records = (
            {"features": segment.tobytes(), "label": 0, "track_id": number, "segment": 0}
            for number, segment in enumerate(part)
        )
        shards.append({"name": path.name, **write_shard(path, records)})
    Manifest(
        kind=FeatureRecords.kind,
        parameters=PARAMETERS.to_dict(),
        genres=("any",),
        mapping="all",
        data_set={},
        segments={"training": {"any": sum(map(len, parts))}},
        tracks={},
        shards={"training": shards},
    ).write(folder)


def open_records(folder: Path, epochs: int, *, cache: bool = False) -> Iterable:
    """Read as a training does, from the files or as what was read before."""
    records = FeatureRecords.open(folder)
    keys = ("features", "label")
    batches = records.batches("training", batch_size=BATCH, cache=cache, keys=keys)
    return batches.repeat(epochs)


def write_floats(folder: Path, parts: list[np.ndarray]) -> None:
    """Write Examples as TensorFlow's documentation shows it."""
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
    """Read them in parallel and parse a batch at a time, the fastest that there is."""
    import tensorflow as tf

    keys = {
        "features": tf.io.FixedLenFeature(PARAMETERS.shape, tf.float32),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    return (
        tf.data.Dataset.from_tensor_slices(sorted(map(str, folder.glob("*.tfrecord"))))
        .interleave(
            tf.data.TFRecordDataset, cycle_length=SHARDS, num_parallel_calls=tf.data.AUTOTUNE
        )
        .batch(BATCH)
        .map(
            lambda one: tuple(tf.io.parse_example(one, keys)[key] for key in keys),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
        .repeat(epochs)
    )


def write_arrays(folder: Path, parts: list[np.ndarray]) -> None:
    """Write a .npy file for each segment."""
    for number, segment in enumerate(np.concatenate(parts)):
        np.save(folder / f"{number:06d}.npy", segment)


@dataclass(frozen=True)
class Arrays:
    """Loads file by file."""

    folder: Path
    epochs: int

    def __iter__(self) -> Iterator:
        """Go through all epochs."""
        paths = sorted(self.folder.glob("*.npy"))
        for start in self.epochs * [*range(0, len(paths), BATCH)]:
            batch = np.stack([np.load(path) for path in paths[start : start + BATCH]])
            yield batch, np.zeros(len(batch), int)


def write_hdf5(folder: Path, parts: list[np.ndarray]) -> None:
    """Write one dataset, a chunk a segment, so that a shuffled training could read it."""
    shape = (sum(map(len, parts)), *PARAMETERS.shape)
    with h5py.File(folder / "features.h5", "w") as file:
        dataset = file.create_dataset("features", shape, np.uint8, chunks=(1, *PARAMETERS.shape))
        done = 0
        for part in parts:
            dataset[done : done + len(part)] = part
            done += len(part)


@dataclass(frozen=True)
class Hdf5:
    """Reads a slice at a time."""

    folder: Path
    epochs: int

    def __iter__(self) -> Iterator:
        """Go through all epochs."""
        with h5py.File(self.folder / "features.h5") as file:
            dataset = file["features"]
            for start in self.epochs * [*range(0, len(dataset), BATCH)]:
                batch = dataset[start : start + BATCH]
                yield batch, np.zeros(len(batch), int)


FORMATS = {
    "ours": Format(write_records, open_records),
    "float lists": Format(write_floats, open_floats),
    ".npy a segment": Format(write_arrays, Arrays),
    "HDF5": Format(write_hdf5, Hdf5),
}


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
            name: functools.partial(one.write, folders[name], parts)
            for name, one in FORMATS.items()
        }
        written = measure(writing, rounds=arguments.rounds, units=len(features))
        equal = _compare(folders, features)
        reading = {
            name: functools.partial(_exhaust, one.open(folders[name], EPOCHS))
            for name, one in FORMATS.items()
        }
        kept = open_records(folders["ours"], EPOCHS, cache=True)
        reading[KEPT] = functools.partial(_exhaust, kept)
        read = measure(reading, rounds=arguments.rounds, units=EPOCHS * len(features))
        sizes = {name: _size(path) / len(features) / 1000 for name, path in folders.items()}
    what = f"{len(features)} segments of (480, 84), batches of {BATCH}"
    for name in list(FORMATS)[1:]:
        yield Row(
            name=f"Size of records, against {name}",
            what=what,
            ours=sizes["ours"],
            peer=sizes[name],
            against=name,
            unit="kB/segment",
            ratio=sizes[name] / sizes["ours"],
            is_headline=name == "float lists",
        )
        for verb, times, target in (("Writing", written, None), ("Parsing", read, (">=", 2.5))):
            is_peer = name == "float lists"
            yield compared(
                f"{verb} of records, against {name}",
                what,
                times,
                "ours",
                name,
                unit="segments/s",
                equal=equal,
                target=target if is_peer else None,
                is_headline=is_peer or verb == "Parsing",
            )
    for side, name in (("ours", "from the files"), (KEPT, "kept in memory, as in training")):
        yield Row(
            name=f"Parsing of records {name}",
            what=what,
            ours=read.rate_of(side),
            unit="segments/s",
            rounds=arguments.rounds,
            target=(">=", 20_000),
        )


def _exhaust(batches: Iterable) -> None:
    for _ in batches:
        pass


def _compare(folders: dict[str, Path], features: np.ndarray) -> str:
    """See that all formats give back the same segments; interleaving deals them one by one."""
    expected = features.astype(int).sum(axis=(1, 2))
    for name, one in FORMATS.items():
        found = np.concatenate([np.asarray(batch) for batch, _ in one.open(folders[name], 1)])
        levels = np.rint(found * 255) if found.dtype == np.float32 else found
        sums = levels.astype(int).sum(axis=(1, 2))
        equal = require_equal(np.sort(expected), np.sort(sums), 0, "levels")
    return equal


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json")


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
