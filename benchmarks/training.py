"""What input and augmentation cost a training: `fit` from records, and on tensors in memory.

    python benchmarks/training.py --records data/records/demo-all [--model cnn] [--rounds 7]

In each round the same network is trained for the same number of steps on the same segments, in
turns:

records    read from disk, parsed, shuffled, augmented by SpecAugment (LD)
cached     the same, the serialised records kept in memory since the warming-up
memory     `fit` on arrays of all segments, augmented by SpecAugment (LD)
plain      `fit` on arrays of all segments, not augmented

Two ratios come of it: the speed of `fit` from records over that on arrays, and the share that
SpecAugment has of a training step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from common import cli
from common.quiet import import_tensorflow
from common.training_options import TrainingOptions
from spectrogram_feature.feature_records import FeatureRecords
from spectrogram_feature.training import build_model

if TYPE_CHECKING:
    import keras

POLICY = "LD"


def make_sides(
    records: FeatureRecords, name: str, options: TrainingOptions, steps: int
) -> dict[str, Callable[[], None]]:
    """Prepare what is to be timed: functions that train for so many steps, by name."""
    from common import training

    genres = len(records.manifest.genres)
    weights = np.ones(genres, dtype=np.float32)
    features, label = records.some("training", sum(records.manifest.segments["training"].values()))
    chosen = np.arange(steps * options.batch_size) % len(label)
    features, target = features[chosen], np.eye(genres, dtype=np.float32)[label[chosen]]

    def compiled(augment: str) -> keras.Model:
        model = build_model(records, name, augment)
        training.compile_model(model, options, steps)
        return model

    def from_records(cache: bool) -> Callable[[], None]:
        batches = records.batches(
            "training", batch_size=options.batch_size, training=True, cache=cache
        ).repeat()
        batches = training.with_targets(batches, weights)
        model = compiled(POLICY)
        return lambda: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)

    def from_memory(augment: str) -> Callable[[], None]:
        model = compiled(augment)
        return lambda: model.fit(features, target, batch_size=options.batch_size, verbose=0)

    return {
        "records": from_records(cache=False),
        "cached": from_records(cache=True),
        "memory": from_memory(POLICY),
        "plain": from_memory("none"),
    }


def main() -> None:
    """Run the comparison and print steps per second, medians and the two ratios."""
    parser = cli.make_parser(
        "python benchmarks/training.py",
        "Compare training from records with training on arrays, augmented or not.",
        "  python benchmarks/training.py --records data/records/demo-all --model texture",
    )
    parser.add_argument("--records", required=True, help="folder filled by generate_records")
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--steps", type=int, default=40, help="of 32 segments, in each round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    records = FeatureRecords.open(arguments.records)
    import_tensorflow()
    from common import training

    print(training.prepare_device())
    sides = make_sides(records, arguments.model, TrainingOptions(), arguments.steps)
    for side in sides.values():
        side()  # compiles, and fills the cache
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - started)
    for name, values in seconds.items():
        rates = [arguments.steps / value for value in values]
        listed = ", ".join(f"{rate:.1f}" for rate in rates)
        print(f"{name:<8} {statistics.median(rates):6.2f} steps/s  (rounds: {listed})")

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))

    print(f"records as fast as memory: {ratio('memory', 'records'):.1%}")
    print(f"cached as fast as memory:  {ratio('memory', 'cached'):.1%}")
    print(f"share of SpecAugment ({POLICY}): {1 - ratio('plain', 'memory'):.1%} of a step")


if __name__ == "__main__":
    cli.run_command(main)
