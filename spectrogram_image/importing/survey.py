"""Survey of a sample of the pictures before an import: their size, colours and margin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.errors import UserError
from spectrogram_image.images.folder import ImageError
from spectrogram_image.importing.colormaps import (
    EXACT_SHARE,
    FOUND,
    KNOWN,
    Match,
    find_colormap,
    to_levels,
)
from spectrogram_image.importing.pictures import UNCUT, Box, as_colors, read_picture

SAMPLE = 48

MOST = 0.9
"""Share of the sample that decides, so that a few pictures of another kind have no influence."""

_PIXELS = 4000  # of a picture that are compared with a colour map

_CHANGE = 24  # smallest difference between pictures, in levels, that is more than JPEG's noise


class Survey(NamedTuple):
    """Properties of most of the pictures."""

    size: tuple[int, int]  # width and height, without the margins that are cut off
    cmap: str | None  # empty for grey pictures, None for pictures in colours
    note: str  # for the user
    match: Match | None = None  # agreement with the colour map that was compared, if any


def survey(folder: Path, names: Sequence[str], crop: Box | None, cmap: str | None) -> Survey:
    """Read a sample of the pictures at `names`, relative to the folder.

    Pictures with a margin are a `UserError` if `crop` is None. Without `cmap`, the colour map is
    searched among Matplotlib's; ``"none"`` keeps colours. A `UserError` is also raised if no
    picture can be read, or if they do not have the colours of `cmap`.
    """
    sample = _read_sample(folder, names, crop or UNCUT)
    if crop is None and (margin := find_margin(sample)):
        raise UserError(
            "the pictures have a margin: cut off about --crop "
            f"{','.join(map(str, margin))} (left, top, right, bottom), or keep it: --crop 0,0,0,0"
        )
    height, width = _most_frequent_shape(sample)
    size = (width, height)
    in_colors = "Pixels: colours, three bytes each"
    if cmap == "none":
        return Survey(size, None, in_colors)
    if cmap is None and np.mean([pixels.ndim == 2 for pixels in sample]) >= MOST:
        return Survey(size, "", "Pixels: grey, taken as levels")
    rng = np.random.default_rng(0)
    colors = [rng.choice(as_colors(pixels).reshape(-1, 3), _PIXELS) for pixels in sample]
    chosen = cmap or find_colormap(np.concatenate(colors))
    match = to_levels(np.concatenate(colors), chosen)[1]
    agreement = f"{match.exact:.2%} of the sampled pixels have colours of {chosen}"
    if match.exact < 1:
        agreement += f", and the mean distance of the others is {match.distance:.0f}"
    limit = KNOWN if cmap else FOUND
    if np.mean([to_levels(some, chosen)[1].fits(limit) for some in colors]) >= MOST:
        note = f"Pixels: levels of {chosen}; {agreement}"
        if not cmap:
            note += f". --cmap {chosen}_r would invert the levels"
        if match.exact < EXACT_SHARE:
            note += ". The levels are approximate, as after lossy compression (JPEG) or resizing"
        return Survey(size, chosen, note, match)
    if cmap is None:
        return Survey(size, None, f"{in_colors}; {agreement}", match)
    raise UserError(
        f"{agreement} (limit {limit:.0f}): name another map with --cmap, or keep the colours with "
        "--cmap none"
    )


def _read_sample(folder: Path, names: Sequence[str], crop: Box) -> list[np.ndarray]:
    present = [name for name in names if (folder / name).exists()] or names
    chosen = np.unique(np.linspace(0, len(present) - 1, SAMPLE).round().astype(int))
    sample, errors = [], []
    for index in chosen:
        try:
            sample.append(read_picture(folder / present[index], crop))
        except ImageError as error:
            errors.append(error)
    if not sample:
        raise UserError(f"none of {len(chosen)} pictures can be used, the first being {errors[0]}")
    return sample


def _most_frequent_shape(sample: Sequence[np.ndarray]) -> tuple[int, int]:
    shapes = Counter(pixels.shape[:2] for pixels in sample)
    return min(shapes, key=lambda shape: (-shapes[shape], shape))


def find_margin(sample: Sequence[np.ndarray]) -> Box | None:
    """Find the margin around the part in which pictures differ, to about one pixel.

    Only pictures of the most frequent size are compared. The result is None if there are fewer than
    three of them, or if they differ at their edges.
    """
    shape = _most_frequent_shape(sample)
    alike = [as_colors(pixels) for pixels in sample if pixels.shape[:2] == shape]
    change = reduce(np.maximum, alike).astype(int) - reduce(np.minimum, alike)
    differs = (change > _CHANGE).any(axis=2)
    edges = np.concatenate([differs[0], differs[-1], differs[:, 0], differs[:, -1]])
    if len(alike) < 3 or edges.mean() > 1 - MOST or not differs.any():
        return None
    # A title that differs fills a smaller share of its rows.
    shares = (differs.mean(axis=axis) for axis in (1, 0))
    inside = [np.flatnonzero(share >= 0.7 * np.quantile(share, 0.95)) for share in shares]
    (top, bottom), (left, right) = ((int(found[0]), int(found[-1]) + 1) for found in inside)
    return left, top, shape[1] - right, shape[0] - bottom
