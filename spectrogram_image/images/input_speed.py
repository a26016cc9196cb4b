"""Throughput of image input: ways of reading the training split, and their images per second.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from common.tables import read_table
from spectrogram_image.images.folder import table_path
from spectrogram_image.images.records import ImageRecords

SPLIT = "training"

Side = Callable[[], Iterator[Any]]
"""Function that iterates over batches without end: tuples of images and labels."""


def all_sides(folder: Path, records: ImageRecords, batch_size: int) -> dict[str, Side]:
    """Prepare every way of reading a folder of images, or `records` of the same size made of them.

    Each side has read all images once, so caches are filled and functions compiled.
    """
    import tensorflow as tf

    table, genres = read_table(table_path(folder, SPLIT)), list(records.manifest.genres)
    with contextlib.redirect_stdout(io.StringIO()):  # Keras prints the number of files
        generator = tf.keras.preprocessing.image.ImageDataGenerator().flow_from_dataframe(
            table,
            directory=str(folder),
            x_col="Pathname",
            y_col="Genre",
            classes=genres,
            class_mode="sparse",
            target_size=records.shape[:2],
            batch_size=batch_size,
            shuffle=False,
        )

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.decode_png(tf.io.read_file(path), channels=3), label

    paths = [str(folder / name) for name in table["Pathname"]]
    datasets = {
        "files by tf.data": tf.data.Dataset.from_tensor_slices(
            (paths, table["Genre"].map(genres.index).to_numpy())
        )
        .map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    }
    folders = {"records": records}
    if records.has_levels:
        folders["levels"] = replace(records, colors=False)
    for name, opened in folders.items():
        for cache in (False, True):
            batches = opened.batches(SPLIT, batch_size=batch_size, cache=cache)
            datasets[f"{name} cached" if cache else name] = batches
    order = range(len(generator))
    sides: dict[str, Side] = {
        "dataframe generator": lambda: map(generator.__getitem__, itertools.cycle(order))
    }
    for name, batches in datasets.items():
        sides[name] = functools.partial(iter, batches.repeat())
    for side in sides.values():
        for _ in itertools.islice(side(), len(generator) + 1):
            pass
    return sides


def measure(sides: dict[str, Side], *, rounds: int, seconds: float) -> pd.DataFrame:
    """Measure the sides in turns, so that disturbances affect all of them.

    Returns images per second, a row per round, a column per side. Each value is measured over
    `seconds` after the first batch.
    """

    def rate(side: Side) -> float:
        batches = side()
        next(batches)
        images, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            images += len(next(batches)[1])
        return images / elapsed

    return pd.DataFrame([{name: rate(side) for name, side in sides.items()} for _ in range(rounds)])
