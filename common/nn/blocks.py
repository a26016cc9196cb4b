"""What the networks of both stages share: blocks of layers, and the end of a network."""

from __future__ import annotations

import keras
from keras import layers, ops

BATCH_NORM_MOMENTUM = 0.9
"""Keras' 0.99 needs some 500 steps to converge, more than a small set has: on two folds of real
music it cost 7 and 33 points of accuracy in validation with the same accuracy in training."""

EPSILON = 1e-5
"""Added to variances: the gradient of a standard deviation is infinite at zero, as in silence."""


@keras.saving.register_keras_serializable(package="common")
class StatisticsPooling(layers.Layer):
    """Mean and standard deviation over time: (batch, frames, …, c) → (batch, …, 2 c)."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Pool."""
        mean = ops.mean(x, axis=1)
        return ops.concatenate([mean, ops.sqrt(ops.var(x, axis=1) + EPSILON)], axis=-1)


def plain_convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Convolve; the bias is left to the normalisation that follows."""
    return layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False)(x)


def rectified(x: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise over the batch and rectify."""
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x)


def convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Convolve, normalise, rectify: (batch, frames, bins, c) → (…, channels)."""
    return rectified(plain_convolution(x, channels, kernel, strides))


def max_pool(x: keras.KerasTensor, frames: int, bands: int) -> keras.KerasTensor:
    """Keep the largest of each so many frames and bands, or of all where there are fewer."""
    return layers.MaxPooling2D((min(frames, x.shape[1]), min(bands, x.shape[2])))(x)


def statistics(x: keras.KerasTensor) -> keras.KerasTensor:
    """Mean and standard deviation over time, flattened: (batch, frames, …, c) → float32 (batch, n).

    In float32 always: half precision has no digits to spare for sums over hundreds of frames.
    """
    return layers.Flatten(dtype="float32")(StatisticsPooling(dtype="float32")(x))


def classifier(
    inputs: keras.KerasTensor, x: keras.KerasTensor, genres: int, dropout: float, name: str
) -> keras.Model:
    """End a network: (batch, n) → float32 (batch, genres), probabilities."""
    x = layers.Dropout(dropout)(x)
    # Always float32: a softmax in half precision rounds small probabilities to zero.
    outputs = layers.Dense(genres, activation="softmax", dtype="float32", name="genres")(x)
    return keras.Model(inputs, outputs, name=name)
