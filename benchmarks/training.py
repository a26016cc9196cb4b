"""Training speed: cost of the input pipeline, and steps per second of each network.

In each round, a network takes the same number of steps on the same segments, with SpecAugment LD,
from records on the disk (parsed and shuffled), records in memory, and arrays in memory. Then each
network takes steps on one batch without augmentation.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from common.quiet import import_tensorflow
from common.training.options import TrainingOptions
from harness.command import run_benchmark
from harness.inputs import feature_records
from harness.model_cost import multiply_adds
from harness.rows import Row, compared
from harness.timing import DifferentResults, measure
from spectrogram_feature.training import build_model

if TYPE_CHECKING:
    import keras

MODEL, POLICY = "cnn", "LD"
STEPS = 24  # of 32 segments, in each round


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare the inputs of a network, then measure all networks."""
    import_tensorflow()
    from common.training import targets
    from common.training.devices import prepare_device
    from common.training.train import compile_model
    from spectrogram_feature.models import names_for

    device = prepare_device()
    records, options, steps = feature_records(), TrainingOptions(), STEPS
    size, genres = options.batch_size, len(records.manifest.genres)
    count = sum(records.manifest.segments["training"].values())
    segments, label = records.some("training", count)
    chosen = np.arange(steps * size) % count
    features, target = segments[chosen], np.eye(genres, dtype=np.float32)[label[chosen]]

    def compiled(name: str, augment: str) -> keras.Model:
        model = build_model(records, name, augment)
        compile_model(model, options, steps)
        return model

    read = functools.partial(records.batches, "training", batch_size=size, training=True)
    found = {segment.tobytes() for batch, _ in read() for segment in batch.numpy()}
    if not found <= {segment.tobytes() for segment in segments}:
        raise DifferentResults("records and arrays hold other segments")
    fit, peer = compiled(MODEL, POLICY).fit, "arrays in memory"
    sides = {peer: functools.partial(fit, features, target, batch_size=size, verbose=0)}
    for side, cache in (("records from the disk", False), ("records kept in memory", True)):
        batches = targets.with_targets(read(cache=cache).repeat(), np.ones(genres, np.float32))
        fit = functools.partial(compiled(MODEL, POLICY).fit, shuffle=False, verbose=0)
        sides[side] = functools.partial(fit, batches, steps_per_epoch=steps)
    times = measure(sides, rounds=rounds, units=steps)
    what = f"{MODEL}, {steps} steps of {size} segments, SpecAugment {POLICY}, {device}"
    details = {"equal": "the same segments", "is_share": True, "target": (">=", 0.95)}
    for side in list(sides)[1:]:
        yield compared(f"Training from {side}", what, times, side, peer, unit="steps/s", **details)
    models = {name: compiled(name, "none") for name in names_for(records.manifest.kind)}
    batch = features[:size], target[:size]
    sides = {name: functools.partial(one.train_on_batch, *batch) for name, one in models.items()}
    times = measure(sides, rounds=rounds, seconds=1.0)
    for name, model in models.items():
        products = f"{multiply_adds(model) / 1e6:,.1f} million multiply-adds a segment"
        yield Row(
            name=f"Training of {name}",
            what=f"steps of {size} segments, without their input, not augmented, {device}",
            ours=times.rate_of(name),
            unit="steps/s",
            against=f"{model.count_params():,} parameters, {products}",
            rounds=rounds,
        )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
