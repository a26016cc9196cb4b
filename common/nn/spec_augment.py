"""SpecAugment as a Keras layer, for spectrograms as arrays and as images.

Park et al. 2019, "SpecAugment: a simple data augmentation method for automatic speech recognition",
Interspeech, arXiv:1904.08779. Sections and letters named below are those of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from common.errors import UserError

MEAN = "mean"


@dataclass(frozen=True)
class Policy:
    """How strongly SpecAugment augments; by default, not at all.

    Parameters
    ----------
    warp : int ≥ 0
        W: frames by which a point in time is moved, at most.
    frequency_width : int ≥ 0
        F: bins that a frequency mask covers, at most.
    frequency_masks : int ≥ 0
        m_F: number of frequency masks.
    time_width : int ≥ 0
        T: frames that a time mask covers, at most.
    time_share : number from 0 to 1
        p: share of all frames that a time mask covers, at most.
    time_masks : int ≥ 0
        m_T: number of time masks.

    Raises
    ------
    UserError
        If a value has the wrong type or is out of its range.
    """

    warp: int = 0
    frequency_width: int = 0
    frequency_masks: int = 0
    time_width: int = 0
    time_share: float = 1.0
    time_masks: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type == "int"
            kinds, most = (int, math.inf) if whole else ((int, float), 1)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= most:
                wanted = "a whole number, 0 or more" if whole else "a number from 0 to 1"
                raise UserError(f"SpecAugment: {field.name} must be {wanted}, not {value!r}")

    @classmethod
    def named(cls, name: str) -> Policy:
        """Give one of `POLICIES`.

        Raises
        ------
        UserError
            If there is no such policy.
        """
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise UserError(f"there is no SpecAugment policy {name!r}: choose one of {known}")
        return POLICIES[name]

    def scaled(self, *, time: float, frequency: float) -> Policy:
        """Adapt the policy to steps of another size; the number and the share of masks stay.

        Parameters
        ----------
        time, frequency : number > 0
            New frames for one of the old, new bins for one of the old. Results are rounded.
        """
        return replace(
            self,
            warp=round(self.warp * time),
            frequency_width=round(self.frequency_width * frequency),
            time_width=round(self.time_width * time),
        )


POLICIES = {
    "LB": Policy(80, 27, 1, 100, 1.0, 1),
    "LD": Policy(80, 27, 2, 100, 1.0, 2),
    "SM": Policy(40, 15, 2, 70, 0.2, 2),
    "SS": Policy(40, 27, 2, 70, 0.2, 2),
}
"""Table 1: LibriSpeech basic and double, Switchboard mild and strong; see `PAPER_BINS`."""

PAPER_BINS = 80
"""Mel bins of the spectrograms that `POLICIES` are made for."""

PAPER_HOP_SECONDS = 0.010
"""Step from one of their frames to the next."""


@keras.saving.register_keras_serializable(package="common")
class SpecAugment(keras.layers.Layer):
    """Warp time, then mask bands of frequency and stretches of time, in training only.

    Every example of a batch has its own draw; its channels share it. In inference the layer gives
    back what it takes.

    Parameters
    ----------
    policy : Policy or mapping
        In frames and bins of the input; a mapping has the fields of `Policy`. What exceeds the
        input is cut down to it.
    fill : "mean", number or sequence of number
        What the masks hold: the mean over time and frequency that each channel of each example has
        before the warp (section 2, where it is zero), a number, or one for each channel.
    time_axis, frequency_axis : int from 1 to 3
        The defaults are for (batch, frames, bins) and (batch, frames, bins, channels). Images with
        time from left to right, (batch, height, width, channels), have 2 and 1.
    seed : int, optional
        By default one that `keras.utils.set_random_seed` decides.
    **kwargs
        What `keras.layers.Layer` takes.

    Raises
    ------
    UserError
        If an argument cannot be meant, or the input has not the axes and channels it speaks of.

    Notes
    -----
    Input and output have the same shape, 3 or 4 axes, and the layer's compute dtype. Only the
    batch may be of unknown size.

    *Time warp.* A point between W and frames − W is moved by up to W, the ends stay, and what lies
    between follows in proportion, with linear interpolation between frames. The paper moves such a
    point by a spline over the image; a line on either side of it costs far less.

    *Masks.* A width is uniform from 0 to F (or T), both included, a start uniform over all places
    where the mask fits. The paper leaves out the last of them, and so never masks the last bin.
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
        """Refuse inputs that the arguments do not speak of."""
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
        """Augment a batch, or give it back."""
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
        """Augment (batch, frames, bins) or (batch, frames, bins, channels).

        Gives (batch, frames, bins · channels): fewer axes make faster work on a CPU.
        """
        policy, batch = self.policy, ops.shape(x)[0]
        frames, bins, channels = (*x.shape[1:], 1)[:3]
        # One call of the generator for all: the call costs more than the numbers.
        counts = (2, 2 * policy.time_masks, 2 * policy.frequency_masks)
        draws = keras.random.uniform(
            (batch, sum(counts)), dtype="float32", seed=self.seed_generator
        )
        for_warp, for_time, for_frequency = tf.split(draws, counts, axis=1)
        in_time = _masks(for_time, frames, min(policy.time_width, int(policy.time_share * frames)))
        in_frequency = _masks(for_frequency, bins, policy.frequency_width)
        in_frequency = ops.repeat(in_frequency, channels, axis=1)
        filling = ops.tile(self._filling(x, channels), (1, bins))
        x = _warped(ops.reshape(x, (batch, frames, bins * channels)), policy.warp, for_warp)
        return ops.where(in_time[:, :, None] | in_frequency[:, None], filling[:, None], x)

    def _filling(self, x: Any, channels: int) -> Any:
        """Give what the masks hold [shape=(batch or 1, channels)]."""
        if self.fill == MEAN:
            # In float32: the sum over a segment is beyond half precision.
            mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2))
            return ops.cast(ops.reshape(mean, (ops.shape(x)[0], channels)), x.dtype)
        return ops.broadcast_to(ops.convert_to_tensor(self.fill, x.dtype), (1, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
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
    """Turn draws [shape=(batch, 2 masks)] into the union of masks [shape=(batch, size), bool]."""
    widths, starts = ops.split(ops.expand_dims(draws, -1), 2, axis=1)
    widths = ops.floor(widths * (min(widest, size) + 1))
    starts = ops.floor(starts * (size - widths + 1))
    position = ops.arange(size, dtype="float32")
    return ops.any((starts <= position) & (position < starts + widths), axis=1)


def _warped(x: Any, furthest: int, draws: Any) -> Any:
    """Warp the time of (batch, frames, n), given two draws for each example."""
    last = x.shape[1] - 1
    # The point keeps a frame's distance from the ends, also after it has moved.
    furthest = min(furthest, last / 2 - 1)
    if furthest <= 0:
        return x
    point = 1 + furthest + draws[:, :1] * (last - 2 - 2 * furthest)
    moved = point + furthest * (2 * draws[:, 1:] - 1)
    # Where each frame of the result comes from [shape=(batch, frames)]. Counted from the end on its
    # side of the point, so that both ends are met exactly.
    to = ops.arange(last + 1, dtype="float32")
    from_first = to * (point / moved)
    from_last = last - (last - to) * ((last - point) / (last - moved))
    source = ops.where(to < moved, from_first, from_last)
    frame = ops.floor(source)
    weight = ops.cast(source - frame, x.dtype)[:, :, None]
    frame = ops.cast(frame, "int32")
    # Not ops.take_along_axis, which takes over ten times as long.
    before = tf.gather(x, frame, axis=1, batch_dims=1)
    after = tf.gather(x, ops.minimum(frame + 1, last), axis=1, batch_dims=1)
    return before + weight * (after - before)
