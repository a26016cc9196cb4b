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
from common.nn.augmentation import Augmentation
from common.nn.policies import Policy

MEAN = "mean"


PAPER_BINS = 80  # number of mel bins of the paper's spectrograms
PAPER_HOP_SECONDS = 0.010  # hop between frames of the paper's spectrograms


@keras.saving.register_keras_serializable(package="common")
class SpecAugment(Augmentation):
    """Warp time, then mask bands of frequency and spans of time, in training only.

    For the axes and the seed see `Augmentation`. Invalid arguments are a `UserError`.

    Parameters
    ----------
    policy : Policy or mapping
        In frames and bins; larger widths are reduced to the size of the input.
    fill : "mean", number or sequence of number
        Value of masked points: the mean of each channel of each example before the warp, a number,
        or one number per channel.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.policy = policy if isinstance(policy, Policy) else Policy(**policy)
        self.fill = _checked_fill(fill)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check that the axes and the fill fit the input."""
        super().build(input_shape)
        channels = (
            input_shape[6 - self.time_axis - self.frequency_axis] if len(input_shape) == 4 else 1
        )
        if isinstance(self.fill, list) and len(self.fill) != channels:
            raise UserError(
                f"SpecAugment: fill has {len(self.fill)} numbers for {channels} channel(s)"
            )

    def augment(self, x: Any) -> Any:
        """Augment (batch, frames, bins[, channels]) → (batch, frames, bins · channels)."""
        policy, batch = self.policy, ops.shape(x)[0]
        frames, bins, channels = (*x.shape[1:], 1)[:3]
        # A single call of the generator is faster than several.
        ends = (2, 2 + 2 * policy.time_masks)
        shape = (batch, ends[1] + 2 * policy.frequency_masks)
        draws = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        for_warp, for_time, for_frequency = ops.split(draws, ends, axis=1)
        widest = min(policy.time_width, int(policy.time_share * frames))
        in_time = draw_masks(for_time, frames, widest)
        in_frequency = draw_masks(for_frequency, bins, policy.frequency_width)
        in_frequency = ops.repeat(in_frequency, channels, axis=1)
        filling = ops.tile(self._filling(x, channels), (1, bins))
        # The rest is faster on a CPU with fewer axes.
        x = warp_time(ops.reshape(x, (batch, frames, bins * channels)), policy.warp, for_warp)
        return ops.where(in_time[:, :, None] | in_frequency[:, None], filling[:, None], x)

    def _filling(self, x: Any, channels: int) -> Any:
        """Compute the value of masked points [shape=(batch or 1, channels)]."""
        if self.fill == MEAN:
            # The sum over a segment exceeds the range of float16.
            mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2))
            return ops.cast(ops.reshape(mean, (ops.shape(x)[0], channels)), x.dtype)
        return ops.broadcast_to(ops.convert_to_tensor(self.fill, x.dtype), (1, channels))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "policy": asdict(self.policy), "fill": self.fill}


def _checked_fill(fill: Any) -> str | float | list[float]:
    if isinstance(fill, str) and fill == MEAN:
        return MEAN
    try:
        return [float(number) for number in fill] if isinstance(fill, Sequence) else float(fill)
    except (TypeError, ValueError):
        raise UserError(
            f"SpecAugment: fill must be {MEAN!r}, a number or one for each channel, not {fill!r}"
        ) from None


def draw_masks(draws: Any, size: int, widest: int) -> Any:
    """Compute the union of masks [shape=(batch, size), bool] from draws (batch, 2 · masks)."""
    widths, starts = ops.split(ops.expand_dims(draws, -1), 2, axis=1)
    widths = ops.floor(widths * (min(widest, size) + 1))
    starts = ops.floor(starts * (size - widths + 1))
    position = ops.arange(size, dtype="float32")
    return ops.any((starts <= position) & (position < starts + widths), axis=1)


def warp_time(x: Any, furthest: int, draws: Any) -> Any:
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
