"""Training speed of the networks on an accelerator, under any Keras backend.

Each network is trained on random segments (480 frames of 84 bins, uint8): in float32 and in mixed
precision, with batches copied from host memory before each step and with a batch that is on the
device. Steps are synchronous, so the difference is all of the input's cost; `fit` overlaps part of
it with computation. The table has steps per second, the input's share of a step, and the seconds of
an epoch of the 71,421 training segments of FMA medium. The original work took 350 s an epoch on one
GPU.

A second table measures the input pipeline of training, which is TensorFlow's tf.data under every
backend: records of random features, and of random images with a palette, are read, shuffled, parsed
and mixed (CutMix). It has the batches per second of the pipeline alone, the steps per second of
`fit` of the convolutional network in mixed precision, and the share of a step in which the device
waits for its input. The table is left out if TensorFlow is not installed.

The first table needs Keras 3 and one backend, but neither TensorFlow nor data. From a checkout of
the project:

  pip install keras 'jax[cuda13]'
  pip install tensorflow-cpu crc32c pandas psutil filelock tqdm     # for the second table
  KERAS_BACKEND=jax python benchmarks/accelerator.py --out benchmarks/accelerator.md
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.records.folder import RecordFolder

NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")
PRECISIONS = ("float32", "mixed_float16")
INPUTS = ("features", "images")
SHAPE, GENRES, SEGMENTS = (480, 84), 16, 71_421
HEADER = (
    "| network | precision | steps/s, input from host memory | steps/s, input on the device "
    "| input | epoch of 71,421 segments |\n|---|---|---:|---:|---:|---:|\n"
)
INPUT_HEADER = (
    "| input | batches/s, pipeline alone | steps/s of fit | steps/s, input on the device "
    "| device waits |\n|---|---:|---:|---:|---:|\n"
)
IMAGE = (154, 310)  # height and width of an image at a quarter of the size
KEPT_BATCHES = 16  # batches in the records, which are read repeatedly


def seconds_of(step: Callable[[], Any], steps: int, rounds: int) -> float:
    """Measure the seconds of a step: the median of some rounds, after three steps to compile."""
    for _ in range(3):
        step()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(steps):
            step()
        taken.append((time.perf_counter() - started) / steps)
    return statistics.median(taken)


def measure(name: str, precision: str, arguments: argparse.Namespace) -> str:
    """Measure a network and return its row of the table."""
    import keras
    import numpy as np

    from spectrogram_feature import models
    from spectrogram_feature.spec_augment import spec_augment

    keras.mixed_precision.set_global_policy(precision)
    rng, size = np.random.default_rng(0), arguments.batch_size
    # Several batches, so that none stays in a cache of the host.
    batches = rng.integers(0, 256, (8, size, *SHAPE), dtype=np.uint8)
    target = np.eye(GENRES, dtype=np.float32)[rng.integers(0, GENRES, size)]
    on_device = [keras.ops.convert_to_tensor(x) for x in (batches[0], target)]
    augmentation = None if arguments.augment == "none" else spec_augment(arguments.augment)
    model = getattr(models, name)(SHAPE, GENRES, augmentation=augmentation)
    model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
    cycle, options = itertools.cycle(batches), (arguments.steps, arguments.rounds)
    host = seconds_of(lambda: model.train_on_batch(next(cycle), target), *options)
    device = seconds_of(lambda: model.train_on_batch(*on_device), *options)
    epoch = math.ceil(SEGMENTS / size) * host
    return (
        f"| {name} | {precision} | {1 / host:.1f} | {1 / device:.1f} "
        f"| {max(0, 1 - device / host):.0%} | {epoch:.1f} s |\n"
    )


def measure_input(name: str, arguments: argparse.Namespace) -> str:
    """Measure the input pipeline with the CNN of its stage and return its row of the table."""
    import keras
    import numpy as np

    from common.training.targets import with_targets
    from spectrogram_feature.models import cnn
    from spectrogram_image.models import cnn as image_cnn

    keras.mixed_precision.set_global_policy(arguments.precisions[-1])
    weights, steps = np.ones(GENRES, np.float32), arguments.steps
    with tempfile.TemporaryDirectory() as folder:
        records = random_records(name, Path(folder), KEPT_BATCHES * arguments.batch_size)
        size = {"batch_size": arguments.batch_size}
        read = records.batches("training", training=True, cache=False, **size)
        batches = with_targets(read, weights, cutmix=0.5).repeat()
        iterator = iter(batches)
        alone = seconds_of(lambda: next(iterator), steps, arguments.rounds)
        first = [keras.ops.convert_to_tensor(np.asarray(part)) for part in next(iterator)]
        build = cnn if name == "features" else image_cnn
        model = build(records.shape, GENRES)  # type: ignore[attr-defined]
        model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
        device = seconds_of(lambda: model.train_on_batch(*first), steps, arguments.rounds)
        fit = seconds_of(
            lambda: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0),
            1,
            arguments.rounds,
        )
    return (
        f"| {name}, {' × '.join(map(str, first[0].shape[1:]))} | {1 / alone:.1f} "
        f"| {steps / fit:.1f} | {1 / device:.1f} | {max(0, 1 - device * steps / fit):.0%} |\n"
    )


def random_records(name: str, folder: Path, count: int) -> RecordFolder:
    """Write records of random ``"features"`` or ``"images"``."""
    import numpy as np

    from common.records.tfrecords import Manifest, shard_name, write_shard
    from spectrogram_feature.features.parameters import FeatureParameters
    from spectrogram_feature.features.records import FeatureRecords
    from spectrogram_image.images.records import ImageRecords

    rng, shards = np.random.default_rng(0), 4
    genres = tuple(map(str, range(GENRES)))

    def examples() -> Iterator[dict[str, bytes | int]]:
        for number in range(count // shards):
            yield {"features": rng.bytes(math.prod(shape)), "label": number % GENRES}

    parameters: dict[str, Any]
    records: type[RecordFolder]
    if name == "features":
        shape, kind, records = SHAPE, "constant-q", FeatureRecords
        parameters = FeatureParameters().to_dict()
    else:
        shape, kind, records = IMAGE, ImageRecords.kind, ImageRecords
        palette = rng.bytes(256 * 3).hex()
        parameters = {"height": IMAGE[0], "width": IMAGE[1], "palette": palette}
    names = [shard_name("training", shard, shards) for shard in range(shards)]
    written = [{"name": file, **write_shard(folder / file, examples())} for file in names]
    segments = {"training": dict.fromkeys(genres, count // GENRES)}
    split = {"training": written}
    return records(folder, Manifest(kind, parameters, genres, "all", {}, segments, segments, split))


def device() -> str:
    """Name the backend and the device."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        name = jax.devices()[0].device_kind
    elif backend == "torch":
        import torch

        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        name = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"
    return f"Keras {keras.version()} with {backend} on {name}"


def main() -> None:
    """Read the options, measure and write the table."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/accelerator.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="a minute on a CPU:\n  KERAS_BACKEND=jax python benchmarks/accelerator.py "
        "--networks texture --precisions float32 --batch-size 16 --steps 3 --rounds 1",
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, metavar="NAME")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=[*PRECISIONS])
    parser.add_argument("--augment", default="LD", help="SpecAugment policy, or none (default LD)")
    parser.add_argument("--batch-size", type=int, default=32, help="(default 32)")
    parser.add_argument("--steps", type=int, default=100, help="per round (default 100)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    # The project need not be installed.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    augmentation = "no augmentation" if arguments.augment == "none" else arguments.augment
    table = f"{device()}; batches of {arguments.batch_size}, {augmentation}.\n\n{HEADER}"
    print(table, end="", flush=True)
    for name in arguments.networks:
        for precision in arguments.precisions:
            row = measure(name, precision, arguments)
            table += row
            print(row, end="", flush=True)
            write(arguments.out, table)  # rows are kept if a later network fails
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow  # noqa: F401

        rows = INPUT_HEADER + "".join(measure_input(name, arguments) for name in INPUTS)
    except ImportError as error:
        rows = f"The input pipeline was not measured: {error.name} is not installed.\n"
    print(f"\n{rows}", end="")
    write(arguments.out, f"{table}\n{rows}")


def write(out: Path | None, table: str) -> None:
    """Write the page, if there is a file for it."""
    if out:
        out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
