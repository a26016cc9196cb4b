"""Devices of a training: precision, and data parallelism over the GPUs of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

CPU_INFO = Path("/proc/cpuinfo")


def gpus() -> list[str]:
    """List the visible GPUs; see ``CUDA_VISIBLE_DEVICES``."""
    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]


def prepare_device() -> str:
    """Set mixed precision where the device multiplies matrices in it; return a description.

    These are GPUs, with float16, and CPUs with AMX, with bfloat16.
    """
    names = gpus()
    kind = "float16" if names else "bfloat16" if has_amx() else None
    keras.mixed_precision.set_global_policy(f"mixed_{kind}" if kind else "float32")
    precision = f"mixed precision ({kind})" if kind else "float32"
    return f"{len(names)} GPU(s), {precision}" if names else f"CPU, {precision}"


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


def strategy(*batch_sizes: int) -> tf.distribute.Strategy:
    """Return the strategy for the largest number of GPUs that divides all batch sizes.

    Keras averages the losses of devices without weights for the sizes of their shares. Of three
    GPUs, two share a batch of 32.
    """
    names = gpus()
    equal = [n for n in range(2, len(names) + 1) if all(size % n == 0 for size in batch_sizes)]
    if not equal:
        return tf.distribute.get_strategy()
    # The keys of collective operations clash when one process trains several networks, as
    # cross-validation does.
    return tf.distribute.MirroredStrategy(
        names[: max(equal)], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def is_shared() -> bool:
    """Return True in the scope of a strategy for several devices."""
    return tf.distribute.get_strategy().num_replicas_in_sync > 1


def synchronise(model: keras.Model) -> None:
    """Synchronise batch normalisation over devices, so that it uses statistics of whole batches.

    Layers inside other layers are not changed.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = is_shared()
