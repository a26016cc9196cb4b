"""Blocks of layers and the classification head, used by the networks of both stages."""

from __future__ import annotations

import keras
from keras import layers, ops

BATCH_NORM_MOMENTUM = 0.9
"""Keras' default of 0.99 needs about 500 steps to converge, more than a small data set has: on two
folds of real music, it cost 7 and 33 points of validation accuracy."""

EPSILON = 1e-5
"""Added to variances, since the gradient of a standard deviation is infinite at zero (silence)."""


@keras.saving.register_keras_serializable(package="common")
class StatisticsPooling(layers.Layer):
    """Mean and standard deviation over time: (batch, frames, …, c) → (batch, …, 2 c)."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Pool a batch."""
        mean = ops.mean(x, axis=1)
        return ops.concatenate([mean, ops.sqrt(ops.var(x, axis=1) + EPSILON)], axis=-1)


def plain_convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Convolve without a bias, which the next normalisation would remove."""
    return layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False)(x)


def rectified(x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply batch norm and ReLU."""
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x)


def convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Apply convolution, batch norm and ReLU: (batch, frames, bins, c) → (…, channels)."""
    return rectified(plain_convolution(x, channels, kernel, strides))


def max_pool(x: keras.KerasTensor, frames: int, bands: int) -> keras.KerasTensor:
    """Max-pool by so many frames and bands, or by all there are."""
    return layers.MaxPooling2D((min(frames, x.shape[1]), min(bands, x.shape[2])))(x)


def statistics(x: keras.KerasTensor) -> keras.KerasTensor:
    """Pool mean and standard deviation over time, flat: (batch, frames, …, c) → float32 (batch, n).

    The dtype is always float32: sums over hundreds of frames are too coarse in half precision.
    """
    return layers.Flatten(dtype="float32")(StatisticsPooling(dtype="float32")(x))


def classifier(
    inputs: keras.KerasTensor, x: keras.KerasTensor, genres: int, dropout: float, name: str
) -> keras.Model:
    """Add dropout and the classification head: (batch, n) → probabilities (batch, genres)."""
    x = layers.Dropout(dropout)(x)
    # Half precision would round small probabilities to zero.
    outputs = layers.Dense(genres, activation="softmax", dtype="float32", name="genres")(x)
    return keras.Model(inputs, outputs, name=name)
