"""How fast images reach a training: Keras' dataframe generator against records, in one run.

    python benchmarks/image_input.py IMAGES/KIND RECORDS [--rounds 5] [--batch-size 16]

All sides give batches of the same size in pixels, that of the records, of the training split in
its order, in turns. Keras' generator works in one thread, as ``fit`` runs it unless told otherwise,
and gives float32; the others use all cores and give uint8. Files that were read before are in the
system's memory on all sides: what a slow disk adds is not measured. Each side has run before it is
timed, and the first batch of a round is not counted.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from common import cli
from common.jobs import default_workers
from common.quiet import import_tensorflow
from spectrogram_image.image_folder import ImageSet, table_path
from spectrogram_image.image_records import ImageRecords

SPLIT = "training"

Side = Callable[[], Iterator[Any]]
"""Gives batches without end: tuples of images and labels."""


def dataframe_side(folder: Path, records: ImageRecords, batch_size: int) -> Side:
    """Read files with Keras' generator, as its documentation shows it."""
    import tensorflow as tf

    height, width, _ = records.shape
    with contextlib.redirect_stdout(io.StringIO()):  # it says how many files it found
        generator = tf.keras.preprocessing.image.ImageDataGenerator().flow_from_dataframe(
            pd.read_csv(table_path(folder, SPLIT)),
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
    table = pd.read_csv(table_path(folder, SPLIT))
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


def main() -> None:
    """Run the comparison and print rates, medians and ratios."""
    parser = cli.make_parser(
        "python benchmarks/image_input.py",
        "Compare Keras' dataframe generator with records of the same images.",
        "  python benchmarks/image_input.py data/images/demo-medium-half/mel \\\n"
        "      data/records/demo-medium-half-mel-quarter --rounds 9",
    )
    parser.add_argument("images", metavar="IMAGES/KIND", type=Path, help="folder of one kind")
    parser.add_argument("records", metavar="RECORDS", help="folder of records made of it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side in each round")
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    images = ImageSet.read(arguments.images)
    records = ImageRecords.open(arguments.records)
    levels = ImageRecords.open(arguments.records, colors=False)
    import_tensorflow()
    folder, size = arguments.images, arguments.batch_size
    sides = {
        "dataframe generator": dataframe_side(folder, records, size),
        "files by tf.data": files_side(folder, records, size),
        "records": records_side(records, size, cache=False),
        "records cached": records_side(records, size, cache=True),
        "levels": records_side(levels, size, cache=False),
        "levels cached": records_side(levels, size, cache=True),
    }
    height, width, _ = records.shape
    print(
        f"{images.kind} of {images.data_set['title']}: {width} × {height} pixels "
        f"(files {images.parameters.width} × {images.parameters.height}), "
        f"{images.images[SPLIT]} images, batches of {size}, {default_workers()} cores"
    )
    epoch = -(-images.images[SPLIT] // size)
    for side in sides.values():  # compiles, fills the caches
        for _ in itertools.islice(side(), epoch + 1):
            pass
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            rates[name].append(rate(side, arguments.seconds))
    for name, values in rates.items():
        ratio = statistics.median(
            value / plain for value, plain in zip(values, rates["dataframe generator"], strict=True)
        )
        print(
            f"{name:<20} {statistics.median(values):8.1f} images/s  ratio {ratio:5.1f}  "
            f"(rounds: {', '.join(f'{value:.0f}' for value in values)})"
        )


if __name__ == "__main__":
    cli.run_command(main)
