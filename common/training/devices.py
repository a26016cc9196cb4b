"""Sharing a training among the GPUs of a machine, with the results of one device."""

from __future__ import annotations

import keras
import tensorflow as tf


def gpus() -> list[str]:
    """Name the GPUs; the environment's ``CUDA_VISIBLE_DEVICES`` says which there are."""
    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]


def strategy(*batch_sizes: int) -> tf.distribute.Strategy:
    """Give the distribution strategy: as many GPUs as can share batches equally, or one device.

    Equally, since Keras averages the losses of devices without regard to the sizes of their shares,
    and cannot begin with unequal ones: of three GPUs, two share a batch of 32.

    Parameters
    ----------
    *batch_sizes : int
        In segments, over all devices together.

    Returns
    -------
    tf.distribute.Strategy
        TensorFlow's default where it is one device.
    """
    names = gpus()
    equal = [n for n in range(2, len(names) + 1) if all(size % n == 0 for size in batch_sizes)]
    if not equal:
        return tf.distribute.get_strategy()
    # Sums by copying work on all devices alike. Collective operations have numbers that clash when
    # one process trains several networks, as a cross-validation does.
    return tf.distribute.MirroredStrategy(
        names[: max(equal)], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def is_shared() -> bool:
    """Tell whether what is built now, in the scope of a strategy, is for several devices."""
    return tf.distribute.get_strategy().num_replicas_in_sync > 1


def synchronise(model: keras.Model) -> None:
    """Let devices that share batches normalise them by the statistics of whole batches.

    Each would otherwise take the mean and the variance of its share, and results would depend on
    how many devices there are. It costs three sums over devices for each such layer and step, of a
    number a channel, and as many on the way back.

    Parameters
    ----------
    model : keras.Model
        Just built, in the scope of its strategy. Layers inside other layers are not found.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = is_shared()
