"""Colours of Matplotlib's colour maps, turned back into levels."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import matplotlib
import numpy as np
from scipy.spatial import cKDTree

from spectrogram_image.images.rendering import COLORS, palette

NEAR = 3.0
"""Distance up to which a colour is one of the map: rounding differs by at most 1 a channel."""

EXACT_SHARE = 0.98
"""Smallest share of exact pixels without lossy compression; a cursor or a watermark may be left."""

FOUND, NAMED, ALONE = 24.0, 36.0, 50.0
"""Limits of `Match.of_others`: for a map that is found, one that is named, and a single picture.

Measured on eight spectrograms of FMA small with one pixel per value, the worst case, at JPEG
qualities 50 to 95: 11 to 21 for viridis, magma, hot and coolwarm, 24 to 32 for turbo, gnuplot2 and
jet; the levels correlate with the true ones at 0.96 to 0.99. With 4 × 4 pixels per value: 6 to 15
for all of them. Pictures in colours of no map of Matplotlib's (SoX, parula, Audacity, three
channels): 31 and more. Pictures of one map have a distance of 77 from another (viridis, jet).
"""

SAMPLED_COLORS = 4000
"""Pixels that are compared with all maps."""


@dataclass(frozen=True)
class Match:
    """Agreement of pixels with a colour map.

    Attributes
    ----------
    exact : float
        Share of the pixels that have one of the map's colours, to 1 in each channel.
    mean, largest : float
        Distance to the nearest colour of the map, Euclidean, 0 to 442.
    """

    exact: float
    mean: float
    largest: float

    @property
    def of_others(self) -> float:
        """float: mean distance of the pixels that are not exact."""
        return self.mean / (1 - self.exact) if self.exact < 1 else 0.0

    def fits(self, limit: float) -> bool:
        """Return whether the pixels are exact, or near the map after lossy compression.

        Near means that `of_others` is at most `limit`, `FOUND`, `NAMED` or `ALONE`.
        """
        return self.exact >= EXACT_SHARE or self.of_others <= limit


@functools.cache
def _tree(cmap: str, truncated: bool) -> tuple[cKDTree, np.ndarray]:
    """Index the different colours of a map; give the lowest level of each."""
    colors = palette(cmap)
    if truncated:
        colors = (matplotlib.colormaps[cmap](np.linspace(0, 1, COLORS))[:, :3] * 255).astype(int)
    different, levels = np.unique(colors, axis=0, return_index=True)
    return cKDTree(different.astype(float)), levels.astype(np.uint8)


def to_levels(
    colors: np.ndarray, cmap: str, *, truncated: bool = False
) -> tuple[np.ndarray, Match]:
    """Turn colours back into the levels of a map, by the nearest colour.

    Where levels have the same colour, it becomes the lowest of them.

    Parameters
    ----------
    colors : np.ndarray [shape=(..., 3), uint8]
    cmap : str
        A name that `spectrogram_image.images.rendering.palette` takes.
    truncated : bool
        Whether the channels of the map were truncated to whole numbers instead of rounded:
        Matplotlib does either. A rounded colour can be the truncated one of the next level.

    Returns
    -------
    levels : np.ndarray [shape=(...), uint8]
    match : Match
    """
    packed = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    used, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    channels = np.stack([used >> 16, used >> 8 & 255, used & 255], axis=1)
    tree, level_of = _tree(cmap, truncated)
    distance, nearest = tree.query(channels.astype(float))
    levels = level_of[nearest][where].reshape(colors.shape[:-1])
    total = counts.sum()
    match = Match(
        exact=float(counts[distance <= np.sqrt(3)].sum() / total),
        mean=float((distance * counts).sum() / total),
        largest=float(distance.max()),
    )
    return levels, match


def find_colormap(colors: np.ndarray) -> str:
    """Return the colour map of Matplotlib's that fits some colours best.

    A map and its reversal have the same colours: the one without ``_r`` is returned.

    Parameters
    ----------
    colors : np.ndarray [shape=(n, 3), uint8]

    Returns
    -------
    str
        The map with the smallest mean distance, the distance of a pixel being at most 30, so that a
        few foreign pixels have little influence.
    """
    if len(colors) > SAMPLED_COLORS:
        colors = colors[np.random.default_rng(0).choice(len(colors), SAMPLED_COLORS, False)]
    values = colors.astype(float)
    # gray comes before binary, which has the same colours in the other direction.
    names = ["gray", *(name for name in matplotlib.colormaps if not name.endswith("_r"))]

    def score(name: str) -> float:
        distance, _ = _tree(name, truncated=False)[0].query(values)
        return float(np.minimum(distance, 30).mean())

    return min(names, key=score)
