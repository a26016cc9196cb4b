"""Devices of a training: precision, and batches shared among the GPUs of a machine."""

from __future__ import annotations

import keras
import tensorflow as tf


def gpus() -> list[str]:
    """Name the GPUs; the environment's ``CUDA_VISIBLE_DEVICES`` limits them."""
    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]


def prepare_device() -> str:
    """Choose the arithmetic, mixed precision on GPUs and float32 on a CPU; return a description."""
    names = gpus()
    keras.mixed_precision.set_global_policy("mixed_float16" if names else "float32")
    return f"{len(names)} GPU(s), mixed precision" if names else "CPU, float32"


def strategy(*batch_sizes: int) -> tf.distribute.Strategy:
    """Give the distribution strategy for the largest number of GPUs that share batches equally.

    Keras averages the losses of devices without regard to the sizes of their shares. Of three
    GPUs, two share a batch of 32.

    Parameters
    ----------
    *batch_sizes : int
        Segments in a batch, over all devices.

    Returns
    -------
    tf.distribute.Strategy
        TensorFlow's default for one device.
    """
    names = gpus()
    equal = [n for n in range(2, len(names) + 1) if all(size % n == 0 for size in batch_sizes)]
    if not equal:
        return tf.distribute.get_strategy()
    # Collective operations have numbers that clash when one process trains several networks, as a
    # cross-validation does.
    return tf.distribute.MirroredStrategy(
        names[: max(equal)], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def is_shared() -> bool:
    """Tell whether a model built now, in the scope of a strategy, is for several devices."""
    return tf.distribute.get_strategy().num_replicas_in_sync > 1


def synchronise(model: keras.Model) -> None:
    """Normalise by the statistics of whole batches where devices share them.

    Otherwise results would depend on the number of devices.

    Parameters
    ----------
    model : keras.Model
        Built in the scope of its strategy. Layers inside other layers are not changed.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = is_shared()
