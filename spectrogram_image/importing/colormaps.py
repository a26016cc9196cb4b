"""Colours of Matplotlib's colour maps, turned back into levels."""

from __future__ import annotations

import functools
from typing import NamedTuple

import matplotlib
import numpy as np
from scipy.spatial import cKDTree

from spectrogram_image.images.rendering import palette

EXACT_SHARE = 0.98
"""Smallest share of exact pixels without lossy compression; a cursor or a watermark may be left."""

FOUND, KNOWN = 24.0, 50.0
"""Limits of `Match.distance`: for a map that is searched, and one that is named or found already.

Measured on eight spectrograms of FMA small at JPEG qualities 50 to 95: 11 to 21 for viridis, magma,
hot and coolwarm, 24 to 32 for turbo, gnuplot2 and jet with one pixel per value, the worst case; 6
to 15 with 4 × 4 pixels per value. Pictures in colours of no map of Matplotlib's: 31 and more.
"""

_SAMPLED_COLORS = 4000


class Match(NamedTuple):
    """Agreement of pixels with a colour map."""

    exact: float  # share of the pixels that have one of the map's colours, to 1 in each channel
    distance: float  # mean distance of the other pixels from the map, Euclidean, 0 to 442

    def fits(self, limit: float) -> bool:
        """Return whether the pixels are exact, or near the map after lossy compression."""
        return self.exact >= EXACT_SHARE or self.distance <= limit


@functools.cache
def _tree(cmap: str) -> tuple[cKDTree, np.ndarray]:
    """Index the different colours of a map; give the lowest level of each."""
    different, levels = np.unique(palette(cmap), axis=0, return_index=True)
    return cKDTree(different.astype(float)), levels.astype(np.uint8)


def to_levels(colors: np.ndarray, cmap: str) -> tuple[np.ndarray, Match]:
    """Turn colours (..., 3) into levels (...) of a map, by the nearest colour.

    Levels of one colour become the lowest of them. Matplotlib rounds or truncates the channels of a
    colour, depending on the function; truncated ones may give a neighbouring level.
    """
    packed = colors.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    used, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    channels = np.stack([used >> 16, used >> 8 & 255, used & 255], axis=1)
    tree, level_of = _tree(cmap)
    distance, nearest = tree.query(channels.astype(float))
    exact = distance <= np.sqrt(3)
    others = counts[~exact]
    return level_of[nearest][where].reshape(colors.shape[:-1]), Match(
        exact=float(counts[exact].sum() / counts.sum()),
        distance=float(np.average(distance[~exact], weights=others)) if len(others) else 0.0,
    )


def find_colormap(colors: np.ndarray) -> str:
    """Return the colour map of Matplotlib's with the smallest distance from some colours (n, 3).

    A map and its reversal have the same colours: the one without ``_r`` is returned.
    """
    colors = np.random.default_rng(0).choice(colors, _SAMPLED_COLORS)
    # gray comes before binary, which has the same colours in the other direction.
    names = ["gray", *(name for name in matplotlib.colormaps if not name.endswith("_r"))]

    def distance(name: str) -> float:
        distances, _ = _tree(name)[0].query(colors.astype(float))
        return float(np.minimum(distances, 30).mean())  # a few foreign pixels have little weight

    return min(names, key=distance)
