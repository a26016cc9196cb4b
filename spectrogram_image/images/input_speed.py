"""How fast images reach a training: ways of reading them, and how many images a second each gives.

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
"""Gives batches without end: tuples of images and labels."""


def dataframe_side(folder: Path, records: ImageRecords, batch_size: int) -> Side:
    """Read files with Keras' generator, as its documentation shows it."""
    import tensorflow as tf

    height, width, _ = records.shape
    with contextlib.redirect_stdout(io.StringIO()):  # it says how many files it found
        generator = tf.keras.preprocessing.image.ImageDataGenerator().flow_from_dataframe(
            read_table(table_path(folder, SPLIT)),
            directory=str(folder),
            x_col="Pathname",
            y_col="Genre",
            classes=list(records.manifest.genres),
            class_mode="sparse",
            target_size=(height, width),
            batch_size=batch_size,
            shuffle=False,
        )
    return lambda: (generator[i] for i in itertools.cycle(range(len(generator))))


def files_side(folder: Path, records: ImageRecords, batch_size: int) -> Side:
    """Read files with TensorFlow, in parallel."""
    import tensorflow as tf

    height, width, _ = records.shape
    files = ImageSet.read(folder).parameters
    resized = (files.height, files.width) != (height, width)
    table = read_table(table_path(folder, SPLIT))
    paths = [str(folder / name) for name in table["Pathname"]]
    labels = table["Genre"].map(records.manifest.genres.index).to_numpy()

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_png(tf.io.read_file(path), channels=3)
        if resized:
            image = tf.image.resize(image, (height, width), "nearest")
        return image, label

    batches = (
        tf.data.Dataset.from_tensor_slices((paths, labels))
        .map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    return lambda: iter(batches.repeat())


def records_side(records: ImageRecords, batch_size: int, *, cache: bool) -> Side:
    """Read records, from their files or from memory."""
    batches = records.batches(SPLIT, batch_size=batch_size, cache=cache).repeat()
    return lambda: iter(batches)


def rate(side: Side, seconds: float) -> float:
    """Return the images per second of a side, counted for some seconds after its first batch."""
    batches = side()
    next(batches)
    images, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        images += len(next(batches)[1])
    return images / elapsed


def all_sides(folder: Path, records: ImageRecords, batch_size: int) -> dict[str, Side]:
    """Prepare every way of reading the same images at the size of the records.

    Parameters
    ----------
    folder : Path
        Images of one kind.
    records : ImageRecords
        Made of them.
    batch_size : int

    Returns
    -------
    dict of str to Side
        Each has read all images once: caches are filled, and what is compiled is compiled.
    """
    levels = ImageRecords(records.folder, records.manifest, colors=False)
    sides = {
        "dataframe generator": dataframe_side(folder, records, batch_size),
        "files by tf.data": files_side(folder, records, batch_size),
        "records": records_side(records, batch_size, cache=False),
        "records cached": records_side(records, batch_size, cache=True),
        "levels": records_side(levels, batch_size, cache=False),
        "levels cached": records_side(levels, batch_size, cache=True),
    }
    epoch = -(-sum(records.manifest.segments[SPLIT].values()) // batch_size)
    for side in sides.values():
        for _ in itertools.islice(side(), epoch + 1):
            pass
    return sides


def measure(sides: dict[str, Side], *, rounds: int, seconds: float) -> pd.DataFrame:
    """Measure ways of reading in turns, so that what disturbs one disturbs the others too.

    Parameters
    ----------
    sides : dict of str to Side
    rounds : int > 0
    seconds : float > 0
        For each side in each round.

    Returns
    -------
    pandas.DataFrame
        Images per second, a row per round, a column per side.
    """
    return pd.DataFrame(
        [{name: rate(side, seconds) for name, side in sides.items()} for _ in range(rounds)]
    )
