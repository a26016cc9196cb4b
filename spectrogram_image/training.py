"""Training and evaluation of genre classifiers on records of spectrogram images.

`train_model` passes the network of `models.cnn` to `common.training.train.train`. TensorFlow is
imported inside the functions that need it, so that ``--help`` is quick.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.evaluation.baselines import SVM_NAME, bin_statistics, majority, svm
from common.evaluation.judging import Judged, judge_on_test, judge_seeds
from common.evaluation.leaderboard import Result, text_leaderboard, write_leaderboard
from common.nn.policies import PERTURB
from common.paths import output_root
from common.quiet import import_tensorflow
from common.records.quantization import FULL_SCALE
from common.training.options import TrainingOptions
from spectrogram_image.images.records import ImageRecords

if TYPE_CHECKING:
    import keras

    from common.training.train import Run

MODEL = "cnn"


def build_model(records: ImageRecords, augment: str = "none", **architecture: Any) -> keras.Model:
    """Build the network for the image size and the genres of some records.

    ``augment`` is one of `common.training.options.AUGMENTATIONS`, and ``architecture`` are further
    arguments of `models.cnn`. Images in colours are not equalised.
    """
    from common.nn.perturbation import EQUALIZER, perturb
    from spectrogram_image.models import cnn
    from spectrogram_image.spec_augment import spec_augment

    height, width, _ = records.shape
    silence, layer = records.palette[0] if records.colors else [0], None
    if augment == PERTURB:
        fill = [int(channel) / FULL_SCALE for channel in silence]
        strength = 0.0 if records.colors else EQUALIZER
        layer = perturb(width, height, fill=fill, equalizer=strength, time_axis=2, frequency_axis=1)
    elif augment != "none":
        seconds = records.manifest.parameters["seconds"]
        layer = spec_augment(augment, (width, height), seconds, silence)
    return cnn(records.shape, len(records.manifest.genres), augmentation=layer, **architecture)


def train_model(
    records: ImageRecords,
    *,
    folder: str | Path,
    options: TrainingOptions | None = None,
    **architecture: Any,
) -> Run:
    """Train the network on the splits of some records; see `common.training.train.train`.

    `architecture` holds further arguments of `models.cnn`.
    """
    from common.training.train import train

    options = options or TrainingOptions()
    return train(
        MODEL,
        lambda: build_model(records, options.augment, **architecture),
        records,
        folder=folder,
        options=options,
        architecture={"colors": records.colors, **architecture},
    )


def throughput(model: keras.Model, batch_size: int, rounds: int = 5) -> float:
    """Measure the throughput of training on a batch in memory, in images per second.

    Parameters
    ----------
    model : keras.Model
        The function compiles the model and changes its weights.
    batch_size : int
    rounds : int > 0
        Number of timed steps; the result is their median.
    """
    from common.training.train import compile_model

    compile_model(model, TrainingOptions(batch_size=batch_size), rounds)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (batch_size, *model.input_shape[1:]), dtype=np.uint8)
    genres = model.output_shape[1]
    targets = np.eye(genres, dtype=np.float32)[rng.integers(0, genres, batch_size)]
    seconds = []
    for _ in range(1 + rounds):  # the first compiles
        started = time.perf_counter()
        model.train_on_batch(noise, targets)
        seconds.append(time.perf_counter() - started)
    return batch_size / statistics.median(seconds[1:])


def judge_baselines(records: ImageRecords) -> list[Judged]:
    """Fit the majority class and the SVM on levels, and evaluate them on the test split.

    The SVM uses the mean, standard deviation and mean absolute difference of each row of pixels, or
    of each row of each channel where the images have no levels.
    """
    levels = ImageRecords(records.folder, records.manifest, colors=not records.has_levels)
    fit_svm = partial(svm, describe=row_statistics, name=describe(SVM_NAME, records))
    return [judge_on_test(fit(levels), levels) for fit in (majority, fit_svm)]


def row_statistics(images: np.ndarray) -> np.ndarray:
    """Compute the `bin_statistics` of the rows of images (batch, height, width, channels)."""
    batch, _, width, _ = images.shape
    return bin_statistics(images.transpose(0, 2, 1, 3).reshape(batch, width, -1))


def describe(model: str, records: ImageRecords) -> str:
    """Return the name of a leaderboard row: the model, and the kind and size of its images."""
    height, width, _ = records.shape
    return f"{model}, {records.representation} {width}×{height}"


def default_folder(records: ImageRecords, name: str = MODEL) -> Path:
    """Return the default folder of a model."""
    return output_root() / "models" / records.folder.resolve().name / name


def leaderboard_folder(opened: Sequence[ImageRecords]) -> Path:
    """Return the default folder of a leaderboard, named by the common prefix of the records."""
    names = [records.folder.resolve().name.split("-") for records in opened]
    alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False))
    return output_root() / "models" / ("-".join(parts[0] for parts in alike) or "images")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_image.training",
        "Train a convolutional network on records of spectrogram images and evaluate it on the\n"
        "test split, beside the majority class and a support-vector machine.\n\n"
        "The validation split selects the best epoch; the test split is used once, at the end.\n"
        "Scores have 95 % bootstrap intervals over tracks. With several folders of records, of\n"
        "other kinds or sizes, each trains a model, and one leaderboard compares them.\n\n"
        "To continue after an interruption, run the same command again; a finished model is only\n"
        "evaluated.",
        "  python -m spectrogram_image.training --records data/records/demo-medium-quarter-cqt\n"
        "  python -m spectrogram_image.training --records data/records/*-half --augment LD\n"
        "  python -m spectrogram_image.training --records data/records/*-quarter --window 200",
    )
    parser.add_argument(
        "--records", required=True, nargs="+", help="folders from TFRecord_generation"
    )
    parser.add_argument("--out", help="folder for models and table (default: under data/models)")
    parser.add_argument(
        "--levels",
        action="store_true",
        help="read levels, one channel, instead of colours",
    )
    parser.add_argument("--window", type=int, help="width of a sliding window, pixels")
    parser.add_argument("--shift", type=int, help="step of the sliding window, pixels")
    parser.add_argument("--no-baselines", action="store_true", help="skip the baselines")
    TrainingOptions.add_to(parser)
    arguments = parser.parse_args()
    options = TrainingOptions.from_arguments(arguments)
    chosen = {"window": arguments.window, "shift": arguments.shift}
    architecture = {name: pixels for name, pixels in chosen.items() if pixels is not None}
    opened = [
        ImageRecords.open(folder, colors=not arguments.levels) for folder in arguments.records
    ]

    import_tensorflow()
    from common.training import hosts
    from common.training.devices import prepare_device

    print(f"{opened[0].manifest.data_set['title']}; {prepare_device()}")
    out = hosts.own_folder(Path(arguments.out or leaderboard_folder(opened)))
    results: list[Result] = []
    with hosts.together():
        for records in opened:
            if not arguments.no_baselines:
                rows = [result for result, _ in judge_baselines(records)]
                results += rows[1:] if results else rows
            name = records.folder.resolve().name
            own = out / name if arguments.out else hosts.own_folder(default_folder(records))
            runs = [
                train_model(records, folder=inner, options=seeded, **architecture)
                for seeded, inner in options.with_seeds(arguments.seeds, own)
            ]
            print(f"Model, learning curves, predictions and logs: {own}")
            results.append(judge_seeds(runs, records, describe(MODEL, records))[0])
    title = f"{opened[0].manifest.data_set['title']}: test split, 95 % intervals"
    print(text_leaderboard(write_leaderboard(results, out, title)))
    print(f"Table and figure: {out}")


if __name__ == "__main__":
    cli.run_command(main)
