"""Blocks of layers and the classification head of the networks of both stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

# Keras' default of 0.99 needs about 500 steps to converge, more than a small data set has: on two
# folds of real music, it cost 7 and 33 points of validation accuracy.
BATCH_NORM_MOMENTUM = 0.9
STEPS, BANDS = 80, 64  # approximate frames and bands after the first layer of a network
HEAD = "genres"  # name of the last dense layer
EPSILON = 1e-5  # added to variances: the gradient of a standard deviation is infinite at zero


@keras.saving.register_keras_serializable(package="common")
class BatchNorm(layers.BatchNormalization):
    """Batch normalization with TensorFlow's fused kernel in training.

    The kernel replaces several float32 operations of Keras, and reads half precision directly.
    Other backends and inputs that are not (batch, frames, bands, c) use Keras' operations.
    """

    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize a batch."""
        fused = keras.backend.backend() == "tensorflow" and len(x.shape) == 4
        if not (training and self.trainable and fused):
            return super().call(x, training=training, mask=mask)
        import tensorflow as tf

        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return y


@keras.saving.register_keras_serializable(package="common")
class StatisticsPooling(layers.Layer):
    """Mean, deviation and maximum over time: (batch, frames, …, c) → (batch, …, 3 c)."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Pool a batch."""
        deviation = ops.sqrt(ops.var(x, axis=1) + EPSILON)
        # JAX's gradient of ops.max divides by the number of maxima, which rounding can make zero.
        highest = ops.max_pool(x, (x.shape[1], *[1] * (len(x.shape) - 3)), strides=1)[:, 0]
        return ops.concatenate([ops.mean(x, axis=1), deviation, highest], axis=-1)


def plain_convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Convolve without a bias, which the next batch norm would remove."""
    return layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False)(x)


def rectified(x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply batch norm and ReLU."""
    return layers.ReLU()(BatchNorm(momentum=BATCH_NORM_MOMENTUM)(x))


def convolution(
    x: keras.KerasTensor,
    channels: int,
    kernel: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    pool: tuple[int, int] = (1, 1),
) -> keras.KerasTensor:
    """Apply convolution, max-pooling, batch norm and ReLU: (batch, frames, bins, c) → (…, c).

    Max-pooling and ReLU commute, and batch norm costs less on the pooled tensor.
    """
    return rectified(max_pool(plain_convolution(x, channels, kernel, strides), *pool))


def max_pool(x: keras.KerasTensor, frames: int, bands: int) -> keras.KerasTensor:
    """Max-pool over at most this number of frames and bands."""
    if frames == bands == 1:
        return x
    return layers.MaxPooling2D((min(frames, x.shape[1]), min(bands, x.shape[2])))(x)


def first_strides(frames: int, bands: int) -> tuple[int, int]:
    """Choose strides in time and frequency that leave about `STEPS` frames and `BANDS` bands."""
    return max(1, round(frames / STEPS)), max(1, round(bands / BANDS))


def first_convolution(
    x: keras.KerasTensor,
    channels: int,
    strides: tuple[int, int],
    convolve: Callable[..., keras.KerasTensor] = convolution,
) -> keras.KerasTensor:
    """Convolve with strides: (batch, a, b, c) → (batch, a / strides[0], b / strides[1], channels).

    Kernels are twice as long as small strides, plus one, and three longer than large strides.
    ``convolve`` adds batch norm and ReLU by default.
    """
    kernel = tuple(min(2 * s + 1, s + 3) for s in strides)
    return convolve(x, channels, kernel=kernel, strides=strides)


def encode(x: keras.KerasTensor, width: int, depth: int) -> keras.KerasTensor:
    """Apply ``depth`` convolutions with max-pooling, each with twice as many channels, and a last.

    (batch, steps, bands, width) → (batch, steps / 2^depth, bands / 2^depth, width · 2^depth).
    """
    for block in range(1, depth + 1):
        x = convolution(x, width * 2**block, pool=(2, 2))
    return convolution(x, width * 2**depth)


def statistics(x: keras.KerasTensor) -> keras.KerasTensor:
    """Apply `StatisticsPooling` and flatten: (batch, frames, …, c) → float32 (batch, n).

    The dtype is always float32: half precision is too coarse for sums over hundreds of frames.
    """
    return layers.Flatten(dtype="float32")(StatisticsPooling(dtype="float32")(x))


def classifier(
    inputs: keras.KerasTensor, x: keras.KerasTensor, genres: int, dropout: float, name: str
) -> keras.Model:
    """Add dropout and the classification head: (batch, n) → probabilities (batch, genres)."""
    x = layers.Dropout(dropout)(x)
    # Half precision would round small probabilities to zero.
    outputs = layers.Dense(genres, activation="softmax", dtype="float32", name=HEAD)(x)
    return keras.Model(inputs, outputs, name=name)


@keras.saving.register_keras_serializable(package="common")
class HierarchicalSigmoid(layers.Layer):
    """Probabilities of genres in a tree: (batch, genres) → (batch, genres).

    The sigmoid of a logit is the probability of a genre given its parent. The probability of a
    genre is the product over the genre and its ancestors, so that it is at most that of its parent.
    ``ancestors`` (genres, genres) is the output of `common.fma.labels.ancestors`.
    """

    def __init__(self, ancestors: list[list[bool]], **options: Any) -> None:
        super().__init__(**options)
        self.ancestors = [[bool(cell) for cell in row] for row in ancestors]

    def call(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Compute the probabilities of a batch."""
        paths = ops.cast(self.ancestors, logits.dtype)
        return ops.exp(ops.log_sigmoid(logits) @ ops.transpose(paths))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return super().get_config() | {"ancestors": self.ancestors}


def with_several_genres(model: keras.Model, ancestors: list[list[bool]]) -> keras.Model:
    """Replace the classification head of `classifier` by one for several genres a track."""
    x = model.get_layer(HEAD).input
    x = layers.Dense(len(ancestors), dtype="float32", name=HEAD)(x)
    outputs = HierarchicalSigmoid(ancestors, dtype="float32", name="probabilities")(x)
    return keras.Model(model.input, outputs, name=model.name)
