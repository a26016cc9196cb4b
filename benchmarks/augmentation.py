"""SpecAugment: our batched layer against a NumPy implementation of the paper, example by example.

Policy LD is applied to batches of 32 segments on the training device and in a tf.data pipeline. The
masked share of the segments is compared first, since all draws are random. The last row is the
layer's share of a training step of `cnn`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from common.quiet import import_tensorflow
from common.training.options import TrainingOptions
from harness.command import run_benchmark
from harness.inputs import PARAMETERS, feature_records
from harness.rows import Row, compared
from harness.timing import measure, require_equal
from spectrogram_feature.training import build_model

if TYPE_CHECKING:
    from common.nn.policies import Policy

POLICY = "LD"
BATCH = 32
BATCHES = 32


def augment_one(x: np.ndarray, policy: Policy, rng: np.random.Generator) -> np.ndarray:
    """Warp and mask one example (frames, bins) as in section 2 of the paper."""
    frames, bins = x.shape
    mean, last = x.mean(), frames - 1
    point = rng.uniform(policy.warp, last - policy.warp)
    moved = point + rng.uniform(-policy.warp, policy.warp)
    source = np.interp(np.arange(frames), [0, moved, last], [0, point, last])
    before = np.minimum(source.astype(int), last - 1)
    weight = (source - before).astype(np.float32)[:, None]
    x = x[before] + weight * (x[before + 1] - x[before])
    for _ in range(policy.frequency_masks):
        width = rng.integers(0, policy.frequency_width + 1)
        start = rng.integers(0, bins - width + 1)
        x[:, start : start + width] = mean
    for _ in range(policy.time_masks):
        width = rng.integers(0, min(policy.time_width, int(policy.time_share * frames)) + 1)
        start = rng.integers(0, frames - width + 1)
        x[start : start + width] = mean
    return x


def measure_rows(rounds: int) -> Iterator[Row]:
    """Compare rates, then the share of a training step."""
    import_tensorflow()
    import tensorflow as tf

    from common.training.devices import prepare_device
    from common.training.train import compile_model
    from spectrogram_feature.spec_augment import scaled_policy, spec_augment

    prepare_device()
    records = feature_records()
    levels, labels = records.some("training", BATCH)
    policy, rng = scaled_policy(POLICY), np.random.default_rng(0)
    of_keras: Any = spec_augment(POLICY)
    layer = functools.partial(of_keras, training=True)
    on_device = tf.function(layer, reduce_retracing=True)

    def with_numpy(batch: np.ndarray) -> np.ndarray:
        return np.stack([augment_one(x, policy, rng) for x in batch])

    noise = np.random.default_rng(0).uniform(0, 1, (1024, *PARAMETERS.shape)).astype(np.float32)
    ours = np.concatenate([np.asarray(layer(part)) for part in np.split(noise, 32)])
    fill = noise.mean(axis=(1, 2), keepdims=True)
    masked, of_peer = (np.abs(x - fill) < 1e-6 for x in (ours, with_numpy(noise)))
    shares = masked.mean(keepdims=True), of_peer.mean(keepdims=True)
    require_equal(*shares, 0.02, "of a segment")
    examples = (levels / 255).astype(np.float32)
    tensor = tf.constant(examples)
    pipeline = (
        tf.data.Dataset.from_tensors(tensor)
        .repeat(BATCHES)
        .map(layer, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    sides = {
        "on the device": lambda: [on_device(tensor) for _ in range(BATCHES)][-1].numpy(),
        "in the pipeline": lambda: [None for _ in pipeline],
        "NumPy": lambda: [with_numpy(examples) for _ in range(BATCHES)],
    }
    times = measure(sides, rounds=rounds, units=BATCH * BATCHES)
    what = f"policy {POLICY}, segments of {PARAMETERS.shape}, batches of {BATCH}"
    row = functools.partial(compared, what=what, times=times, peer="NumPy", unit="examples/s")
    for side in ("on the device", "in the pipeline"):
        equal = "masks cover the same share within 2 %"
        yield row(f"SpecAugment {side}, against NumPy", side=side, equal=equal)
    model = build_model(records, "cnn", POLICY)
    compile_model(model, TrainingOptions(), 1000)
    target = np.eye(len(records.manifest.genres), dtype=np.float32)[labels]
    sides = {
        "SpecAugment": lambda: on_device(tensor).numpy(),
        "a training step of cnn": lambda: model.train_on_batch(levels, target),
    }
    yield compared(
        "SpecAugment, share of a training step",
        f"{what}; the layer alone beside train_on_batch of cnn",
        measure(sides, rounds=rounds, seconds=0.5),
        "a training step of cnn",
        "SpecAugment",
        unit="ms",
        is_share=True,
        target=("<=", 0.05),
    )


if __name__ == "__main__":
    run_benchmark(__file__, __doc__, measure_rows)
