"""Base of the layers that augment spectrograms in training, as arrays and as images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from common.errors import UserError


class Augmentation(keras.layers.Layer):
    """Augment a batch in training; return it unchanged in inference.

    Input and output have the same shape, 3 or 4 axes, and the layer's compute dtype; only the batch
    size may be unknown. Each example of a batch has its own random numbers; all channels of an
    example share them. Axes that do not fit the input are a `UserError`.

    Parameters
    ----------
    time_axis, frequency_axis : int from 1 to 3
        The defaults fit (batch, frames, bins) and (batch, frames, bins, channels). Images with
        time from left to right, (batch, height, width, channels), have 2 and 1.
    seed : int, optional
        By default derived from `keras.utils.set_random_seed`.
    """

    def __init__(
        self,
        *,
        time_axis: int = 1,
        frequency_axis: int = 2,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sorted((time_axis, frequency_axis)) not in ([1, 2], [1, 3], [2, 3]):
            raise UserError(
                f"{type(self).__name__}: time_axis and frequency_axis must be two of 1, 2 and 3, "
                f"not {time_axis} and {frequency_axis}"
            )
        self.time_axis, self.frequency_axis = time_axis, frequency_axis
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the axes fit the input."""
        rank, axes = len(input_shape), (self.time_axis, self.frequency_axis)
        if not max(axes) < rank <= 4 or None in input_shape[1:]:
            raise UserError(
                f"{type(self).__name__}: the input {tuple(input_shape)} needs 3 or 4 axes, the "
                f"batch aside of known size: {self.time_axis} for time, {self.frequency_axis} for "
                "frequency"
            )

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Augment a batch in training; return it unchanged in inference."""
        x = ops.cast(x, self.compute_dtype)
        if not training:
            return x
        order = [0, self.time_axis, self.frequency_axis]
        order += [axis for axis in range(1, len(x.shape)) if axis not in order]
        x = _transposed(x, order)
        batch, *sizes = ops.shape(x)
        x = ops.reshape(self.augment(x), (batch, *sizes))
        return _transposed(x, [order.index(axis) for axis in range(len(order))])

    def augment(self, x: Any) -> Any:
        """Augment (batch, frames, bins[, channels]) → (batch, frames, bins · channels)."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        axes = {"time_axis": self.time_axis, "frequency_axis": self.frequency_axis}
        return {**super().get_config(), **axes, "seed": self.seed}


def _transposed(x: Any, order: Sequence[int]) -> Any:
    return x if order == sorted(order) else ops.transpose(x, order)
