"""Random changes of a recording that keep its genre, as Keras layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from common.errors import UserError
from common.nn.augmentation import Augmentation
from common.nn.policies import PERTURB, Policy
from common.nn.spec_augment import MEAN, SpecAugment

EQUALIZER = 0.06  # deviation of the random equaliser: 5 dB of 80 dB
EQUALIZER_POINTS = 6
"""Control points of the random equaliser, from the lowest to the highest bin."""

MASKED = 1 / 10, 1 / 8
"""Largest shares of the bins and of the frames that a mask covers; Park et al. (2019) mask up to a
third of the bins."""


def perturb(
    frames: int, bins: int, *, fill: Any = MEAN, equalizer: float = EQUALIZER, **axes: int
) -> keras.Sequential:
    """Chain a `Perturbation` and `SpecAugment` with one mask of frequency and one of time.

    The arguments are those of the two layers. ``results/fma_small`` compares the training with and
    without each part.
    """
    in_frequency, in_time = MASKED
    masks = Policy(0, round(in_frequency * bins), 1, round(in_time * frames), 1.0, 1)
    chain = [Perturbation(equalizer=equalizer, **axes), SpecAugment(masks, fill=fill, **axes)]
    return keras.Sequential(chain, name=PERTURB)


@keras.saving.register_keras_serializable(package="common")
class Perturbation(Augmentation):
    """Rotate time and equalise each example at random, in training only.

    *Rotation.* An example begins at a random frame, and its beginning follows its end. Networks
    that pool over time see a track as a texture.

    *Equaliser.* A gain per bin is added, since values are levels in decibels: a line through
    `EQUALIZER_POINTS` independent normal gains of deviation ``equalizer``. The deviation is a share
    of the range 0…1, to which the result is clipped. (With bands instead of
    points: Nam, Kim and Park 2022, "FilterAugment: an acoustic environmental data augmentation
    method", ICASSP, arXiv:2110.03282.)

    For the axes and the seed see `Augmentation`. A negative deviation is a `UserError`.
    """

    def __init__(self, *, equalizer: float = EQUALIZER, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if equalizer < 0:
            raise UserError(f"the deviation of the equaliser, {equalizer}, must be 0 or more")
        self.equalizer = equalizer

    def augment(self, x: Any) -> Any:
        """Perturb (batch, frames, bins[, channels]) → (batch, frames, bins · channels)."""
        batch, (frames, bins, channels) = ops.shape(x)[0], (*x.shape[1:], 1)[:3]
        x = ops.reshape(x, (batch, frames, bins * channels))
        x = rotate_time(x, keras.random.uniform((batch,), seed=self.seed_generator))
        if self.equalizer:
            shape = (batch, EQUALIZER_POINTS)
            gains = keras.random.normal(shape, 0, self.equalizer, seed=self.seed_generator)
            x = ops.clip(x + ops.cast(equalizer_curve(gains, bins, channels), x.dtype), 0, 1)
        return x

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "equalizer": self.equalizer}


def rotate_time(x: Any, draws: Any) -> Any:
    """Rotate the frames of (batch, frames, n) by a uniform number, given draws (batch,)."""
    batch, frames = ops.shape(x)[0], x.shape[1]
    start = ops.cast(ops.floor(draws * frames), "int32")
    frame = ops.mod(start[:, None] + ops.arange(frames), frames)
    # Rows of all examples in one matrix: ops.take_along_axis takes over ten times as long.
    rows = ops.arange(batch, dtype="int32")[:, None] * frames + frame
    return ops.take(ops.reshape(x, (batch * frames, x.shape[2])), rows, axis=0)


def equalizer_curve(gains: Any, bins: int, channels: int) -> Any:
    """Interpolate gains (batch, points) linearly over bins: (batch, 1, bins · channels)."""
    points = gains.shape[1]
    position = np.linspace(0, points - 1, bins)
    weight = np.maximum(0, 1 - np.abs(np.arange(points)[:, None] - position))
    curve = ops.matmul(gains, ops.convert_to_tensor(weight, "float32"))
    return ops.repeat(curve, channels, axis=1)[:, None]
