"""SpecAugment for images of spectrograms: the paper's policies in pixels.

The layer itself is `common.nn.spec_augment.SpecAugment`. In an image, time runs from left to right;
all channels are masked alike, and a mask has the lowest colour of the colour map: what it covers
is silent.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.nn.spec_augment import PAPER_BINS, PAPER_HOP_SECONDS, POLICIES, Policy, SpecAugment
from common.records.quantization import FULL_SCALE

__all__ = ["POLICIES", "scaled_policy", "spec_augment"]


def scaled_policy(name: str, size: tuple[int, int], seconds: float) -> Policy:
    """Give a policy of the paper in pixels of some images.

    In frequency, masks keep their share of the axis; in time, warp and masks keep their length in
    seconds. An image of 25 s is twice as long as the paper's utterances: its masks cover half the
    share that theirs do.

    Parameters
    ----------
    name : str
        A key of `POLICIES`.
    size : (int, int)
        Width and height of an image in pixels.
    seconds : float > 0
        What an image shows.

    Raises
    ------
    UserError
        If there is no such policy.
    """
    width, height = size
    return Policy.named(name).scaled(
        time=PAPER_HOP_SECONDS * width / seconds, frequency=height / PAPER_BINS
    )


def spec_augment(
    name: str,
    size: tuple[int, int],
    seconds: float,
    silence: Sequence[int],
    *,
    seed: int | None = None,
) -> SpecAugment:
    """Make the layer for images, float (batch, height, width, channels) from 0 to 1.

    Parameters
    ----------
    name : str
        A key of `POLICIES`.
    size : (int, int)
        Width and height of an image in pixels.
    seconds : float > 0
        What an image shows.
    silence : sequence of int
        The lowest colour of the colour map: a number from 0 to 255 for each channel.
    seed : int, optional
        By default one that `keras.utils.set_random_seed` decides.

    Raises
    ------
    UserError
        If there is no such policy.
    """
    return SpecAugment(
        scaled_policy(name, size, seconds),
        fill=[int(channel) / FULL_SCALE for channel in silence],
        time_axis=2,
        frequency_axis=1,
        seed=seed,
        name="spec_augment",
    )
