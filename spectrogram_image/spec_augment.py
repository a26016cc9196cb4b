"""SpecAugment for images of spectrograms, with the paper's policies converted to pixels.

The layer is `common.nn.spec_augment.SpecAugment`. Time runs from left to right, all channels share
the masks, and the fill is the lowest colour of the colour map: silence.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.nn.policies import Policy
from common.nn.spec_augment import PAPER_BINS, PAPER_HOP_SECONDS, SpecAugment
from common.records.quantization import FULL_SCALE


def scaled_policy(name: str, size: tuple[int, int], seconds: float) -> Policy:
    """Convert a policy of `common.nn.policies.POLICIES` to pixels.

    Frequency masks keep their share of the axis. Time masks and the warp keep their length in
    seconds: in images of 25 s, time masks cover half of the paper's share. `size` is width and
    height of an image in pixels, `seconds` its duration.
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
    """Create the layer for images, float (batch, height, width, channels) from 0 to 1.

    `name`, `size` and `seconds` are those of `scaled_policy`; `silence` is the lowest colour of the
    colour map, 0 to 255 per channel. By default, `keras.utils.set_random_seed` determines the seed.
    """
    return SpecAugment(
        scaled_policy(name, size, seconds),
        fill=[int(channel) / FULL_SCALE for channel in silence],
        time_axis=2,
        frequency_axis=1,
        seed=seed,
        name="spec_augment",
    )
