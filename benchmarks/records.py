"""Records of features: size, and speed of writing and of parsing into batches.

The same segments are stored as raw bytes (ours) and as float lists in TFRecords, in the system's
file cache. Both sides yield batches of 256 in a fixed order and read with all cores.
"""

from __future__ import annotations

import functools
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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
SHARDS = 4
BATCH = 256
EPOCHS = 40  # files are opened in each of them, reading starts once
PEER = "float lists"


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


def sums(batches: Iterable) -> np.ndarray:
    """Return the sorted sums of the levels of segments, which do not depend on the order."""
    features = np.concatenate([np.asarray(batch) for batch, _ in batches])
    levels = np.rint(features * 255) if features.dtype == np.float32 else features
    return np.sort(levels.astype(int).sum(axis=(1, 2)))


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare sizes and rates."""
    import_tensorflow()
    features, _ = feature_records().some("training", SEGMENTS)
    parts, count = np.array_split(features, SHARDS), len(features)
    with tempfile.TemporaryDirectory(prefix="records-") as folder:
        ours, peer = Path(folder, "ours"), Path(folder, "peer")
        ours.mkdir()
        peer.mkdir()
        writing = {
            "ours": functools.partial(write_records, ours, parts),
            PEER: functools.partial(write_floats, peer, parts),
        }
        written = measure(writing, rounds=rounds, units=count)
        equal = require_equal(sums(open_records(ours, 1)), sums(open_floats(peer, 1)), 0, "levels")
        opened = {
            "ours": open_records(ours, EPOCHS),
            PEER: open_floats(peer, EPOCHS),
            "kept in memory": open_records(ours, EPOCHS, cache=True),
        }
        reading: dict[str, Callable[[], object]] = {
            name: functools.partial(deque, batches, maxlen=0) for name, batches in opened.items()
        }
        read = measure(reading, rounds=rounds, units=EPOCHS * count)
        size, peer_size = (
            sum(path.stat().st_size for path in one.glob("*.tfrecord")) / count / 1000
            for one in (ours, peer)
        )
    what = f"{count} segments of (480, 84), batches of {BATCH}"
    yield Row(
        name=f"Size of records, against {PEER}",
        what=what,
        ours=size,
        peer=peer_size,
        against=PEER,
        unit="kB/segment",
        ratio=peer_size / size,
    )
    row = functools.partial(
        compared, what=what, side="ours", peer=PEER, unit="segments/s", equal=equal
    )
    yield row(f"Writing of records, against {PEER}", times=written)
    yield row(f"Parsing of records, against {PEER}", times=read, target=(">=", 2.5))
    where = {"ours": "from the files", "kept in memory": "kept in memory, as in training"}
    for side, source in where.items():
        yield Row(
            name=f"Parsing of records {source}",
            what=what,
            ours=read.rate_of(side),
            unit="segments/s",
            rounds=rounds,
            target=(">=", 20_000),
        )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
