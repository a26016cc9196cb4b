"""The networks of stage 2: each a function from the shape of a segment to a Keras model.

Every model takes features as the records hold them, uint8 (batch, frames, bins), scales them to
0…1, and gives genre probabilities, float32 (batch, genres). Augmentation is a layer inside, active
in training only, so that it runs on the device that trains.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from fma_utils import UserError

BATCH_NORM_MOMENTUM = 0.9
"""Keras' 0.99 needs some 500 steps to converge, more than a small set has: on two folds of real
music it cost 7 and 33 points of accuracy in validation with the same accuracy in training."""


def cnn(
    input_shape: tuple[int, int],
    genres: int,
    *,
    width: int = 16,
    depth: int = 3,
    dropout: float = 0.4,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a small convolutional network with statistics pooling.

    The first layer's kernels are 8 frames long and move by 4: from 21 ms, the frames become
    84 ms, at a fraction of the cost of convolving all of them. 3×3 convolutions with max-pooling
    follow (Choi, Fazekas and Sandler 2016, "Automatic tagging using deep convolutional neural
    networks", ISMIR). At the end, each channel's mean and standard deviation over time are taken,
    as for speakers (Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker
    recognition", ICASSP): genre is in what happens how much and how varied, not in when. Frequency
    is kept, in a few broad bands, since bass and treble do not mean the same.

    Parameters
    ----------
    input_shape : (int, int)
        Frames, bins.
    genres : int
    width : int
        Channels of the first layer; each further one has twice as many.
    depth : int
        Number of 3×3 convolutions.
    dropout : float
        Before the classifier.
    augmentation : keras.Layer, optional
        Takes and gives float (batch, frames, bins).

    Returns
    -------
    keras.Model
        uint8 (batch, frames, bins) → float32 (batch, genres).
    """
    inputs, x = _segments(input_shape, augmentation)
    x = layers.Reshape((*input_shape, 1))(x)
    x = _convolution(x, width, kernel=(8, 3), strides=(4, 1))
    for block in range(1, depth + 1):
        x = layers.MaxPooling2D((2, 2))(x)
        x = _convolution(x, width * 2**block)
    x = StatisticsPooling()(x)
    x = layers.Flatten()(x)
    return _classifier(inputs, x, genres, dropout, "cnn")


@keras.saving.register_keras_serializable(package="spectrogram_feature")
class StatisticsPooling(layers.Layer):
    """Mean and standard deviation over time: (batch, frames, …, c) → (batch, …, 2 c)."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Pool; the gradient of a standard deviation is infinite at zero, hence the ε."""
        mean = keras.ops.mean(x, axis=1)
        variance = keras.ops.var(x, axis=1)
        return keras.ops.concatenate([mean, keras.ops.sqrt(variance + 1e-5)], axis=-1)


def _segments(
    input_shape: tuple[int, int], augmentation: keras.Layer | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    inputs = keras.Input(input_shape, dtype="uint8", name="features")
    x = layers.Rescaling(1 / 255, name="as_float")(inputs)
    return inputs, x if augmentation is None else augmentation(x)


def _convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    x = layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.ReLU()(x)


def _classifier(
    inputs: keras.KerasTensor, x: keras.KerasTensor, genres: int, dropout: float, name: str
) -> keras.Model:
    x = layers.Dropout(dropout)(x)
    # Always float32: a softmax in half precision rounds small probabilities to zero.
    outputs = layers.Dense(genres, activation="softmax", dtype="float32", name="genres")(x)
    return keras.Model(inputs, outputs, name=name)


MODELS: dict[str, Callable[..., keras.Model]] = {"cnn": cnn}


def find(name: str) -> Callable[..., keras.Model]:
    """Give the function that builds a model.

    Raises
    ------
    UserError
        If there is no such model.
    """
    if name not in MODELS:
        raise UserError(f"there is no model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name]
