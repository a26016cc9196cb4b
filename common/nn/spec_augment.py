"""SpecAugment as a Keras layer, for spectrograms as arrays and as images.

Letters are those of the paper: Park et al. 2019, "SpecAugment: a simple data augmentation method
for automatic speech recognition", Interspeech, arXiv:1904.08779.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
from keras import ops

from common.errors import UserError
from common.nn.policies import Policy

MEAN = "mean"


PAPER_BINS = 80  # number of mel bins of the paper's spectrograms
PAPER_HOP_SECONDS = 0.010  # hop between frames of the paper's spectrograms


@keras.saving.register_keras_serializable(package="common")
class SpecAugment(keras.layers.Layer):
    """Warp time, then mask bands of frequency and spans of time, in training only.

    Input and output have the same shape, 3 or 4 axes, and the layer's compute dtype; only the batch
    size may be unknown. Each example of a batch has its own random numbers; all channels of an
    example share them. Invalid arguments, and those that do not fit the input, are a `UserError`.

    Parameters
    ----------
    policy : Policy or mapping
        In frames and bins; larger widths are reduced to the size of the input.
    fill : "mean", number or sequence of number
        Value of masked points: the mean of each channel of each example before the warp, a number,
        or one number per channel.
    time_axis, frequency_axis : int from 1 to 3
        The defaults fit (batch, frames, bins) and (batch, frames, bins, channels). Images with
        time from left to right, (batch, height, width, channels), have 2 and 1.
    seed : int, optional
        By default derived from `keras.utils.set_random_seed`.

    Notes
    -----
    *Time warp.* A point between W and frames − W is moved by up to W, the ends are fixed, and time
    between them is interpolated linearly. The paper uses a spline over the image; this piecewise
    linear map is far cheaper.

    *Masks.* A width is uniform from 0 to F (or T), both included, and a start is uniform over all
    positions where the mask fits. The paper excludes the last position, so that it never masks the
    last bin.
    """

    def __init__(
        self,
        policy: Policy | Mapping[str, Any],
        *,
        fill: str | float | Sequence[float] = MEAN,
        time_axis: int = 1,
        frequency_axis: int = 2,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sorted((time_axis, frequency_axis)) not in ([1, 2], [1, 3], [2, 3]):
            raise UserError(
                "SpecAugment: time_axis and frequency_axis must be two of 1, 2 and 3, "
                f"not {time_axis} and {frequency_axis}"
            )
        self.policy = policy if isinstance(policy, Policy) else Policy(**policy)
        self.fill = _checked_fill(fill)
        self.time_axis, self.frequency_axis = time_axis, frequency_axis
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the arguments fit the axes and channels of the input."""
        rank, axes = len(input_shape), (self.time_axis, self.frequency_axis)
        if not max(axes) < rank <= 4 or None in input_shape[1:]:
            raise UserError(
                f"SpecAugment: the input {tuple(input_shape)} needs 3 or 4 axes, the batch aside "
                f"of known size: {self.time_axis} for time, {self.frequency_axis} for frequency"
            )
        channels = input_shape[6 - sum(axes)] if rank == 4 else 1
        if isinstance(self.fill, list) and len(self.fill) != channels:
            raise UserError(
                f"SpecAugment: fill has {len(self.fill)} numbers for {channels} channel(s)"
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
        x = ops.reshape(self._augmented(x), (batch, *sizes))
        return _transposed(x, [order.index(axis) for axis in range(len(order))])

    def _augmented(self, x: Any) -> Any:
        """Augment (batch, frames, bins[, channels]) → (batch, frames, bins · channels)."""
        policy, batch = self.policy, ops.shape(x)[0]
        frames, bins, channels = (*x.shape[1:], 1)[:3]
        # A single call of the generator is faster than several.
        ends = (2, 2 + 2 * policy.time_masks)
        shape = (batch, ends[1] + 2 * policy.frequency_masks)
        draws = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        for_warp, for_time, for_frequency = ops.split(draws, ends, axis=1)
        in_time = _masks(for_time, frames, min(policy.time_width, int(policy.time_share * frames)))
        in_frequency = _masks(for_frequency, bins, policy.frequency_width)
        in_frequency = ops.repeat(in_frequency, channels, axis=1)
        filling = ops.tile(self._filling(x, channels), (1, bins))
        # The rest is faster on a CPU with fewer axes.
        x = _warped(ops.reshape(x, (batch, frames, bins * channels)), policy.warp, for_warp)
        return ops.where(in_time[:, :, None] | in_frequency[:, None], filling[:, None], x)

    def _filling(self, x: Any, channels: int) -> Any:
        """Compute the value of masked points [shape=(batch or 1, channels)]."""
        if self.fill == MEAN:
            # The sum over a segment exceeds the range of float16.
            mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2))
            return ops.cast(ops.reshape(mean, (ops.shape(x)[0], channels)), x.dtype)
        return ops.broadcast_to(ops.convert_to_tensor(self.fill, x.dtype), (1, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "policy": asdict(self.policy),
            "fill": self.fill,
            "time_axis": self.time_axis,
            "frequency_axis": self.frequency_axis,
            "seed": self.seed,
        }


def _checked_fill(fill: Any) -> str | float | list[float]:
    if isinstance(fill, str) and fill == MEAN:
        return MEAN
    try:
        return [float(number) for number in fill] if isinstance(fill, Sequence) else float(fill)
    except (TypeError, ValueError):
        raise UserError(
            f"SpecAugment: fill must be {MEAN!r}, a number or one for each channel, not {fill!r}"
        ) from None


def _transposed(x: Any, order: Sequence[int]) -> Any:
    return x if order == sorted(order) else ops.transpose(x, order)


def _masks(draws: Any, size: int, widest: int) -> Any:
    """Compute the union of masks [shape=(batch, size), bool] from draws (batch, 2 · masks)."""
    widths, starts = ops.split(ops.expand_dims(draws, -1), 2, axis=1)
    widths = ops.floor(widths * (min(widest, size) + 1))
    starts = ops.floor(starts * (size - widths + 1))
    position = ops.arange(size, dtype="float32")
    return ops.any((starts <= position) & (position < starts + widths), axis=1)


def _warped(x: Any, furthest: int, draws: Any) -> Any:
    """Warp the time of (batch, frames, n), given two draws (batch, 2)."""
    last = x.shape[1] - 1
    # The point stays at least one frame from either end.
    furthest = min(furthest, last / 2 - 1)
    if furthest <= 0:
        return x
    point = 1 + furthest + draws[:, :1] * (last - 2 - 2 * furthest)
    moved = point + furthest * (2 * draws[:, 1:] - 1)
    # Source of each output frame [shape=(batch, frames)], counted from the end beyond the point, so
    # that both ends are exact.
    to = ops.arange(last + 1, dtype="float32")
    from_first = to * (point / moved)
    from_last = last - (last - to) * ((last - point) / (last - moved))
    source = ops.where(to < moved, from_first, from_last)
    frame = ops.floor(source)
    weight = ops.cast(source - frame, x.dtype)[:, :, None]
    frame = ops.cast(frame, "int32")
    # Rows of all examples in one matrix: ops.take_along_axis takes over ten times as long.
    batch = ops.shape(x)[0]
    rows = ops.reshape(x, (batch * (last + 1), x.shape[2]))
    first = ops.arange(batch, dtype="int32")[:, None] * (last + 1)
    before = ops.take(rows, first + frame, axis=0)
    after = ops.take(rows, first + ops.minimum(frame + 1, last), axis=0)
    return before + weight * (after - before)
