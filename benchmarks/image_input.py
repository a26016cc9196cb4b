"""How fast images reach a training: records against Keras' dataframe generator and against files.

All sides give batches of the same size in pixels, of the training split in its order, in turns.
Keras' generator works in one thread, as ``fit`` runs it unless told otherwise, and gives float32;
the others use all cores and give uint8. Reading files with tf.data is what
``image_dataset_from_directory`` does, without its resizing. Files that were read before are in the
system's memory on all sides: what a slow disk adds is not measured. Each side has run before it is
timed, and the first batch of a round is not counted.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from command import run_benchmark
from inputs import excerpt, kept_folder
from PIL import Image
from rows import Row, compared
from timing import Times, require_equal

from common.quiet import import_tensorflow
from common.tables import read_table
from spectrogram_image import TFRecord_generation, spectrogram_generation
from spectrogram_image.images.folder import ImageSet, table_path
from spectrogram_image.images.input_speed import SPLIT, Side, all_sides, measure
from spectrogram_image.images.records import ImageRecords

KIND = "mel"
SIZE = "quarter"
TRACKS = 96
BATCH = 16

PEERS = {"dataframe generator": (">=", 3.0), "files by tf.data": None}
OURS = "records"
DECODING = "decoding alone"


def inputs() -> tuple[Path, ImageRecords]:
    """Give images and their records, which are made if there are none."""
    images, records = kept_folder("images"), kept_folder("image-records")
    spectrogram_generation.generate(excerpt(TRACKS), images, kinds=[KIND], size=SIZE)
    TFRecord_generation.generate(images / KIND, records)
    return images / KIND, ImageRecords.open(records)


def decoding_side(folder: Path) -> Side:
    """Decode files as Keras does, and do nothing else: lists of images."""
    names = read_table(table_path(folder, SPLIT))["Pathname"]
    parts = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    return lambda: (
        [[_pixels(folder / name) for name in part]] * 2 for part in itertools.cycle(parts)
    )


def _pixels(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare ways of reading, and find what limits the slower ones."""
    folder, records = inputs()
    import_tensorflow()
    sides = all_sides(folder, records, BATCH)
    height, width, _ = records.shape
    images = ImageSet.read(folder).images[SPLIT]
    what = f"{images} images of {width} × {height} pixels, {KIND}, batches of {BATCH}"
    del sides["records cached"], sides["levels cached"]
    sides[DECODING] = decoding_side(folder)
    rates = measure(sides, rounds=arguments.rounds, seconds=arguments.seconds)
    times = Times({name: [1 / rate for rate in rates[name]] for name in rates})
    for peer, target in PEERS.items():
        yield compared(
            f"Input of images, against {peer}",
            what,
            times,
            OURS,
            peer,
            unit="images/s",
            equal=check_equal(sides[OURS], sides[peer], images),
            target=target,
        )
    yield compared(
        "Input of images as levels, against the dataframe generator",
        f"{what}; a byte a pixel, coloured by nobody",
        times,
        "levels",
        "dataframe generator",
        unit="images/s",
        is_headline=False,
    )
    yield compared(
        "Input of images, what the generator spends on decoding",
        f"{what}; Pillow from the file to RGB, one thread",
        times,
        "dataframe generator",
        DECODING,
        unit="ms",
        is_share=True,
        is_headline=False,
    )


def check_equal(ours: Side, peer: Side, images: int) -> str:
    """See that both give the same images in an epoch; records are in another order."""
    of_ours, of_peer = (
        np.sort(
            np.concatenate(
                [
                    np.asarray(batch, np.float64).sum(axis=(1, 2, 3))
                    for batch, _ in itertools.islice(side(), -(-images // BATCH))
                ]
            )
        )
        for side in (ours, peer)
    )
    return require_equal(of_ours, of_peer, 0, "levels")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this benchmark."""
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in each round")


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, add_options=add_options)
