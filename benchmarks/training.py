"""What input and augmentation cost a training, and what each network costs.

In each round the same network is trained for the same number of steps on the same segments, in
turns: from records that are read from disk, parsed, shuffled and augmented by SpecAugment (LD);
the same with the serialised records kept in memory since the warming-up; and by ``fit`` on arrays
of all segments, augmented likewise. Then the steps of each network by themselves, not augmented, on
a batch that is there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from command import run_benchmark
from inputs import feature_records
from model_cost import multiply_adds
from rows import Row, compared
from timing import DifferentResults, measure

from common.quiet import import_tensorflow
from common.training.options import TrainingOptions
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.training import build_model

if TYPE_CHECKING:
    import keras

POLICY = "LD"

SIDES = {
    "records": "records from the disk",
    "cached": "records kept in memory",
    "memory": "arrays in memory",
}


class Sides:
    """What is to be timed: functions that train for so many steps.

    Parameters
    ----------
    records : FeatureRecords
    steps : int
        In a call.
    """

    def __init__(self, records: FeatureRecords, steps: int) -> None:
        self.records, self.steps, self.options = records, steps, TrainingOptions()
        segments = sum(records.manifest.segments["training"].values())
        self.genres = len(records.manifest.genres)
        self.segments, label = records.some("training", segments)
        chosen = np.arange(steps * self.options.batch_size) % segments
        self.features = self.segments[chosen]
        self.target = np.eye(self.genres, dtype=np.float32)[label[chosen]]

    def model(self, name: str, augment: str) -> keras.Model:
        """Build and compile a network."""
        from common.training.train import compile_model

        model = build_model(self.records, name, augment)
        compile_model(model, self.options, self.steps)
        return model

    def from_records(self, name: str, *, cache: bool) -> Callable[[], None]:
        """Train from records."""
        from common.training import targets

        batches = self.records.batches(
            "training", batch_size=self.options.batch_size, training=True, cache=cache
        )
        weights = np.ones(self.genres, dtype=np.float32)
        batches = targets.with_targets(batches.repeat(), weights)
        model = self.model(name, POLICY)
        return lambda: model.fit(batches, steps_per_epoch=self.steps, shuffle=False, verbose=0)

    def from_memory(self, model: keras.Model) -> Callable[[], None]:
        """Train on arrays."""
        size = self.options.batch_size
        return lambda: model.fit(self.features, self.target, batch_size=size, verbose=0)

    def on_one_batch(self, model: keras.Model) -> Callable[[], None]:
        """Train a step on a batch that is there."""
        size = self.options.batch_size
        return lambda: model.train_on_batch(self.features[:size], self.target[:size])


def check_batches(sides: Sides) -> str:
    """See that an epoch from records has the segments that the arrays are made of."""
    batches = sides.records.batches("training", batch_size=sides.options.batch_size, training=True)
    found = {segment.tobytes() for features, _ in batches for segment in features.numpy()}
    if not found <= {segment.tobytes() for segment in sides.segments}:
        raise DifferentResults("records and arrays hold other segments")
    return "the same segments"


def measure_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Compare ways of feeding one network, then measure all networks."""
    import_tensorflow()
    from common.training.devices import prepare_device
    from spectrogram_feature.models import names_for

    device = prepare_device()
    records = feature_records()
    sides = Sides(records, arguments.steps)
    equal = check_batches(sides)
    name, size = arguments.model, sides.options.batch_size
    what = f"{name}, {arguments.steps} steps of {size} segments, SpecAugment {POLICY}, {device}"
    times = measure(
        {
            SIDES["records"]: sides.from_records(name, cache=False),
            SIDES["cached"]: sides.from_records(name, cache=True),
            SIDES["memory"]: sides.from_memory(sides.model(name, POLICY)),
        },
        rounds=arguments.rounds,
        units=arguments.steps,
    )
    for side in ("records", "cached"):
        yield compared(
            f"Training from {SIDES[side]}",
            what,
            times,
            SIDES[side],
            SIDES["memory"],
            unit="steps/s",
            equal=equal,
            is_share=True,
            target=(">=", 0.95),
        )
    models = {name: sides.model(name, "none") for name in names_for(records.manifest.kind)}
    times = measure(
        {name: sides.on_one_batch(model) for name, model in models.items()},
        rounds=arguments.rounds,
        seconds=1.0,
    )
    for name, model in models.items():
        parameters, products = f"{model.count_params():,}", f"{multiply_adds(model) / 1e6:,.1f}"
        yield Row(
            name=f"Training of {name}",
            what=f"steps of {size} segments, without their input, not augmented, {device}",
            ours=times.rate_of(name),
            unit="steps/s",
            against=f"{parameters} parameters, {products} million multiply-adds a segment",
            rounds=arguments.rounds,
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what is particular to this benchmark."""
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--steps", type=int, default=24, help="of 32 segments, in each round")


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows, add_options=add_options)
