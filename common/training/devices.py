"""Devices of a training: precision, compilation, and devices that share each batch.

TensorFlow trains on one device. Under JAX (``KERAS_BACKEND=jax``), all devices of a host, and of
several hosts (`common.training.hosts`), share each batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from common.errors import UserError
from common.training import hosts

CPU_INFO = Path("/proc/cpuinfo")


def on_jax() -> bool:
    """Return True if JAX is the backend of Keras."""
    return keras.backend.backend() == "jax"


def gpus() -> list[Any]:
    """List the GPUs of this host that the backend sees; see ``CUDA_VISIBLE_DEVICES``."""
    if on_jax():
        import jax

        return [device for device in jax.local_devices() if device.platform == "gpu"]
    return tf.config.list_physical_devices("GPU")


def prepare_device() -> str:
    """Join the other hosts, if there are any, and set the precision; return a description.

    Precision is mixed where the device multiplies matrices in half precision: on GPUs in float16,
    and under TensorFlow on CPUs with AMX in bfloat16.
    """
    hosts.join()
    if on_jax():
        tf.config.set_visible_devices([], "GPU")  # tf.data runs on the CPU
    found = gpus()
    kind = "float16" if found else "bfloat16" if has_amx() and not on_jax() else None
    keras.mixed_precision.set_global_policy(f"mixed_{kind}" if kind else "float32")
    parts = [f"{len(found)} GPU(s)" if found else "CPU"]
    parts += [f"{hosts.count()} processes"] if hosts.count() > 1 else []
    parts += [f"mixed precision ({kind})" if kind else "float32"]
    parts += ["JAX"] if on_jax() else []
    return ", ".join(parts)


@contextmanager
def full_precision() -> Iterator[None]:
    """Build models in float32 within the context."""
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(policy)


def has_amx() -> bool:
    """Return True if the CPU multiplies bfloat16 matrices (Advanced Matrix Extensions)."""
    return CPU_INFO.exists() and "amx_bf16" in CPU_INFO.read_text(encoding="utf-8").split()


def compiles() -> bool:
    """Return True if XLA compiles the steps: under JAX, and under TensorFlow on a GPU.

    On a CPU, XLA's convolutions are slower than TensorFlow's, which are those of oneDNN.
    """
    return on_jax() or bool(gpus())


def sharing(*batch_sizes: int) -> AbstractContextManager:
    """Return a context in which a model is built and fitted on all devices.

    Each host contributes the largest number of its devices such that all devices have equal parts
    of a batch of any of the sizes: of three GPUs, two share a batch of 32. A `UserError` is raised
    if the hosts cannot divide a batch.
    """
    if not on_jax():
        return nullcontext()
    import jax

    local = [jax.local_devices(process) for process in range(hosts.count())]
    fewest, processes = min(map(len, local)), len(local)
    whole = math.gcd(*batch_sizes)
    equal = [n for n in range(fewest, 0, -1) if whole % (n * processes) == 0]
    if not equal:
        raise UserError(
            f"{processes} processes cannot share a batch of {min(batch_sizes)} segments equally: "
            "choose a --batch-size that is a multiple of their number"
        )
    if equal[0] * processes == 1:
        return nullcontext()
    devices = [device for part in local for device in part[: equal[0]]]
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()


def share(batches: tf.data.Dataset, size: int) -> tf.data.Dataset:
    """Reduce each batch to the part of this host, within the context of `sharing`.

    A batch of fewer than ``size`` segments is filled with zeros, since devices need equal parts.
    The targets and weights of these rows are zero. Training batches are full.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batches
    size = batches.element_spec[-1].shape[0] or size
    rows = size // distribution.num_processes
    first = hosts.number() * rows

    def part(*batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        missing = size - tf.shape(batch[0])[0]
        filled = (tf.pad(x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1)) for x in batch)
        return tuple(tf.ensure_shape(x, (size, *x.shape[1:]))[first : first + rows] for x in filled)

    return batches.map(part, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def weight_of_segments(segments: int, size: int) -> float:
    """Compute the weight of each segment for which Keras' loss of `share` is the mean over them.

    Keras divides the sum of the losses of all batches by the number of rows, with those of zeros.
    """
    if keras.distribution.distribution() is None:
        return 1.0
    return -(-segments // size) * size / segments


def accuracy(*, several_genres: bool = False) -> keras.metrics.Metric:
    """Make the metric ``accuracy``.

    It is the share of segments whose most probable genre is the true one, in mixed targets that of
    the larger share. With ``several_genres``, it is the share of segments whose most probable genre
    is one of theirs.
    """
    if several_genres:
        return _AccuracyOfSets(name="accuracy")
    if keras.distribution.distribution() is None:
        return keras.metrics.CategoricalAccuracy(name="accuracy")
    return _AccuracyOfSegments(name="accuracy")


class _AccuracyOfSegments(keras.metrics.CategoricalAccuracy):
    """Accuracy without the rows of zeros that `share` adds, and without sample weights."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().update_state(y_true, y_pred, ops.any(y_true > 0, axis=-1))


class _AccuracyOfSets(keras.metrics.Mean):
    """Share of the segments whose most probable genre is in their target."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        predicted = ops.argmax(y_pred, axis=-1)[..., None]
        hits = ops.take_along_axis(y_true, predicted, axis=-1)[..., 0] > 0
        return super().update_state(hits, ops.any(y_true > 0, axis=-1))
