"""Image input of training: records against Keras' dataframe generator and against files.

All sides yield batches of the training split at the same size. Keras' generator uses one thread,
the default of ``fit``, and yields float32; the others use all cores and yield uint8. Files are read
with tf.data as in ``image_dataset_from_directory``, without resizing. All files are in the system's
file cache. Warm-up runs and the first batch of each round are not counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from common.quiet import import_tensorflow
from harness.command import run_benchmark
from harness.inputs import excerpt, kept_folder
from harness.rows import Row, compared
from harness.timing import Times, require_equal
from spectrogram_image import TFRecord_generation, spectrogram_generation
from spectrogram_image.images.folder import ImageSet
from spectrogram_image.images.input_speed import SPLIT, Side, all_sides, measure
from spectrogram_image.images.records import ImageRecords

KIND = "mel"
TRACKS = 96
BATCH = 16

PEERS = {"dataframe generator": (">=", 3.0), "files by tf.data": None}


def sums(side: Side, images: int) -> np.ndarray:
    """Return the sorted sums of the images of an epoch, which do not depend on the order."""
    batches = itertools.islice(side(), -(-images // BATCH))
    found = [np.asarray(batch, np.float64).sum(axis=(1, 2, 3)) for batch, _ in batches]
    return np.sort(np.concatenate(found))


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare ways of reading."""
    folder = kept_folder("images")
    spectrogram_generation.generate(excerpt(TRACKS), folder, kinds=[KIND], size="quarter")
    folder = folder / KIND
    TFRecord_generation.generate(folder, kept_folder("image-records"))
    records = ImageRecords.open(kept_folder("image-records"))
    import_tensorflow()
    sides = all_sides(folder, records, BATCH)
    height, width, _ = records.shape
    images = ImageSet.read(folder).images[SPLIT]
    what = f"{images} images of {width} × {height} pixels, {KIND}, batches of {BATCH}"
    sides = {name: sides[name] for name in ("records", *PEERS)}
    rates = measure(sides, rounds=rounds, seconds=1.0)
    times = Times({name: [1 / rate for rate in rates[name]] for name in rates})
    for peer, target in PEERS.items():
        ours, theirs = (sums(sides[side], images) for side in ("records", peer))
        equal = require_equal(ours, theirs, 0, "levels")
        name, details = f"Input of images, against {peer}", {"equal": equal, "target": target}
        yield compared(name, what, times, "records", peer, unit="images/s", **details)


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
