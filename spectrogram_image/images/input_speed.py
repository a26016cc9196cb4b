"""Throughput of image input: ways of reading the training split, and their images per second.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from common.tables import read_table
from spectrogram_image.images.folder import ImageSet, table_path
from spectrogram_image.images.records import ImageRecords

if TYPE_CHECKING:
    import tensorflow as tf

SPLIT = "training"

Side = Callable[[], Iterator[Any]]
"""Function that iterates over batches without end: tuples of images and labels."""


def dataframe_side(folder: Path, records: ImageRecords, batch_size: int) -> Side:
    """Read files with Keras' dataframe generator."""
    import tensorflow as tf

    with contextlib.redirect_stdout(io.StringIO()):  # Keras prints the number of files
        generator = tf.keras.preprocessing.image.ImageDataGenerator().flow_from_dataframe(
            read_table(table_path(folder, SPLIT)),
            directory=str(folder),
            x_col="Pathname",
            y_col="Genre",
            classes=list(records.manifest.genres),
            class_mode="sparse",
            target_size=records.shape[:2],
            batch_size=batch_size,
            shuffle=False,
        )
    return lambda: (generator[i] for i in itertools.cycle(range(len(generator))))


def files_side(folder: Path, records: ImageRecords, batch_size: int) -> Side:
    """Read files with ``tf.data``, in parallel."""
    import tensorflow as tf

    size = records.shape[:2]
    files = ImageSet.read(folder).parameters
    table = read_table(table_path(folder, SPLIT))
    paths = [str(folder / name) for name in table["Pathname"]]
    labels = table["Genre"].map(records.manifest.genres.index).to_numpy()

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_png(tf.io.read_file(path), channels=3)
        if (files.height, files.width) != size:
            image = tf.image.resize(image, size, "nearest")
        return image, label

    batches = (
        tf.data.Dataset.from_tensor_slices((paths, labels))
        .map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: iter(batches.repeat())


def all_sides(folder: Path, records: ImageRecords, batch_size: int) -> dict[str, Side]:
    """Prepare every way of reading a folder of images, or `records` made of them.

    Each side has read all images once, so caches are filled and functions compiled.
    """

    def side(opened: ImageRecords, *, cache: bool) -> Side:
        batches = opened.batches(SPLIT, batch_size=batch_size, cache=cache).repeat()
        return lambda: iter(batches)

    sides = {
        "dataframe generator": dataframe_side(folder, records, batch_size),
        "files by tf.data": files_side(folder, records, batch_size),
        "records": side(records, cache=False),
        "records cached": side(records, cache=True),
    }
    if records.has_levels:
        levels = ImageRecords(records.folder, records.manifest, colors=False)
        sides |= {"levels": side(levels, cache=False), "levels cached": side(levels, cache=True)}
    epoch = -(-sum(records.manifest.segments[SPLIT].values()) // batch_size)
    for read in sides.values():
        for _ in itertools.islice(read(), epoch + 1):
            pass
    return sides


def measure(sides: dict[str, Side], *, rounds: int, seconds: float) -> pd.DataFrame:
    """Measure the sides in turns, so that disturbances affect all of them.

    Returns
    -------
    pandas.DataFrame
        Images per second, a row per round, a column per side. Each value is measured over `seconds`
        after the first batch.
    """

    def rate(side: Side) -> float:
        batches = side()
        next(batches)
        images, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            images += len(next(batches)[1])
        return images / elapsed

    return pd.DataFrame([{name: rate(side) for name, side in sides.items()} for _ in range(rounds)])
