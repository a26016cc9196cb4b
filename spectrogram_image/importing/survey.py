"""Survey of the pictures before an import: sizes, colours and margins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.jobs.run import progress_bar
from common.text import one_line
from spectrogram_image.images.folder import ImageError
from spectrogram_image.images.rendering import palette
from spectrogram_image.importing.colormaps import (
    FOUND,
    NAMED,
    NEAR,
    Match,
    find_colormap,
    to_levels,
)
from spectrogram_image.importing.pictures import Box, picture_size, read_picture

SAMPLE = 48
"""Pictures that are decoded before an import."""

MOST = 0.9
"""Share of the sample that decides, so that a few pictures of another kind have no influence."""

UNCUT: Box = (0, 0, 0, 0)

_READERS = 8
"""Threads that read headers."""

_RING = 0.9
"""Smallest share of one colour among the outermost pixels of pictures with a margin."""

_INSIDE = 0.98
"""Smallest share of a colour map's colours in a row or column without a frame."""

_CHANGE = 24
"""Smallest difference between pictures where they differ by more than JPEG's noise."""


@dataclass(frozen=True)
class Survey:
    """The most frequent size, and the colours of a sample.

    Attributes
    ----------
    size : (int, int)
        Most frequent width and height, without the margins that are cut off.
    cmap : str or None
        The colour map, empty for grey pictures, None for pictures in colours.
    nearest : str
        The colour map that was compared, if any.
    truncated : bool
        See `to_levels`.
    match : Match or None
        Agreement of the sample with it.
    """

    size: tuple[int, int]
    cmap: str | None
    nearest: str = ""
    truncated: bool = False
    match: Match | None = None


def survey(
    folder: Path, names: Sequence[str], crop: Box | None = None, cmap: str | None = None
) -> Survey:
    """Read the sizes of all pictures, and colours and margins of some.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Paths relative to the folder.
    crop : Box, optional
        Margins to cut off. Without it, pictures with a margin are an error.
    cmap : str, optional
        Name of the colour map, by default the one that is found; ``"none"`` keeps colours.

    Raises
    ------
    UserError
        If no picture can be read, if the margins are larger than the pictures, if the pictures have
        margins but `crop` is not given, or if they do not have the colours of `cmap`.
    """
    found = dict(_read_sizes(folder, names))
    if not found:
        raise UserError(
            f"none of {len(names):,} pictures in {folder} can be read, the first being "
            f"{one_line(names[0])}: {_reason(folder / names[0])}"
        )
    left, top, right, bottom = crop or UNCUT
    sizes = Counter(
        (width - left - right, height - top - bottom)
        for width, height in found.values()
        if width > left + right and height > top + bottom
    )
    if not sizes:
        width, height = Counter(found.values()).most_common(1)[0][0]
        raise UserError(
            f"--crop {_comma(crop or UNCUT)} cuts off all of the pictures, which have {width} × "
            f"{height} pixels"
        )
    whole = Counter(found.values()).most_common(1)[0][0]
    alike = sorted(name for name, size in found.items() if size == whole)
    sample = list(_read_sample(folder, alike, crop or UNCUT))
    if not sample:
        raise UserError(
            f"none of {min(SAMPLE, len(alike))} pictures of {folder} that were tried decodes, the "
            f"first being {one_line(alike[0])}: {_reason(folder / alike[0])}"
        )
    if crop is None:
        _require_no_margin(sample, cmap)
    size = min(sizes, key=lambda size: (-sizes[size], size))
    if cmap == "none":
        return Survey(size, None)
    if cmap is None and np.mean([pixels.ndim == 2 for pixels in sample]) >= MOST:
        return Survey(size, "")
    chosen, truncated, match = match_colormap(sample, cmap)
    if match.fits(FOUND if cmap is None else NAMED):
        return Survey(size, chosen, chosen, truncated, match)
    if cmap is None:
        return Survey(size, None, chosen, truncated, match)
    raise UserError(
        f"{match.exact:.0%} of the pixels have colours of {cmap}, and the mean distance of the "
        f"others is {match.of_others:.0f} (limit {NAMED:.0f}): name another map with --cmap, or "
        "keep the colours with --cmap none"
    )


def match_colormap(
    sample: Iterable[np.ndarray], cmap: str | None = None
) -> tuple[str, bool, Match]:
    """Compare pictures of one size with a colour map, by default the best one.

    Returns
    -------
    cmap : str
    truncated : bool
        See `to_levels`.
    match : Match
        Agreement of the `MOST` pictures that fit best.
    """
    pictures = [as_colors(pixels) for pixels in sample]
    chosen = cmap or find_colormap(np.concatenate([p.reshape(-1, 3) for p in pictures]))
    results = []
    for truncated in (False, True):
        each = [to_levels(pixels, chosen, truncated=truncated)[1] for pixels in pictures]
        best = sorted(each, key=lambda match: match.mean)[: max(1, round(MOST * len(each)))]
        match = Match(
            exact=float(np.mean([match.exact for match in best])),
            mean=float(np.mean([match.mean for match in best])),
            largest=max(match.largest for match in best),
        )
        results.append((chosen, truncated, match))
    return min(results, key=lambda result: result[2].mean)


def as_colors(pixels: np.ndarray) -> np.ndarray:
    """Return pictures with red, green and blue, also if they are grey."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _read_sizes(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    def read(name: str) -> tuple[int, int] | None:
        try:
            return picture_size(folder / name)
        except ImageError:
            return None

    with (
        ThreadPoolExecutor(_READERS) as readers,
        progress_bar(total=len(names), desc="sizes", unit="picture", delay=2) as bar,
    ):
        for name, size in zip(names, readers.map(read, names), strict=True):
            bar.update()
            if size:
                yield name, size


def _read_sample(folder: Path, names: Sequence[str], crop: Box) -> Iterator[np.ndarray]:
    for index in np.unique(np.linspace(0, len(names) - 1, SAMPLE).round().astype(int)):
        try:
            yield read_picture(folder / names[index], crop)
        except ImageError:
            continue


def _reason(path: Path) -> str:
    try:
        read_picture(path)
    except ImageError as error:
        return one_line(error.reason)
    return "unknown"


def _comma(crop: Box) -> str:
    return ",".join(map(str, crop))


def _require_no_margin(sample: Sequence[np.ndarray], cmap: str | None) -> None:
    box = find_margin(sample, cmap)
    if box:
        raise UserError(
            f"the pictures have a margin: cut it off with --crop {_comma(box)} (left, top, right, "
            "bottom), or keep it with --crop 0,0,0,0"
        )


def find_margin(sample: Sequence[np.ndarray], cmap: str | None = None) -> Box | None:
    """Find the margin around the part in which pictures of one size differ.

    Parameters
    ----------
    sample : sequence of np.ndarray
        Pictures of one size, at least three.
    cmap : str, optional
        Their colour map, by default the one that is found. Rows and columns at the edge of the part
        that mix its colours with those of a frame are counted to the margin.

    Returns
    -------
    Box or None
        None without a margin: if the outermost pixels do not have one colour in all pictures.
    """
    if len(sample) < 3:
        return None
    stack = np.stack([as_colors(pixels) for pixels in sample])
    ring = np.concatenate(
        [stack[:, 0], stack[:, -1], stack[:, :, 0], stack[:, :, -1]], axis=1
    ).astype(int)
    color = np.median(ring, axis=(0, 1))
    uniform = (np.abs(ring - color).max(axis=2) <= _CHANGE).mean(axis=1)
    if np.quantile(uniform, 1 - MOST) < _RING:
        return None
    differs = (stack.max(axis=0).astype(int) - stack.min(axis=0) > _CHANGE).any(axis=2)
    if not differs.any():
        return None
    # A title that differs fills a smaller share of its rows.
    shares = (differs.mean(axis=axis) for axis in (1, 0))
    (top, bottom), (left, right) = (
        _first_and_last(share >= 0.7 * np.quantile(share, 0.95)) for share in shares
    )
    inside = stack[:, top:bottom, left:right]
    chosen, _, match = match_colormap(inside, None if cmap == "none" else cmap)
    if match.exact > _RING:
        near = _is_near(inside, chosen)
        # A title first, which would lower the shares of the columns.
        rows = _first_and_last(near.mean(axis=1) >= _RING)
        columns = _first_and_last(near[slice(*rows)].mean(axis=0) >= _INSIDE)
        rows = _first_and_last(near[:, slice(*columns)].mean(axis=1) >= _INSIDE)
        top, bottom = top + rows[0], top + rows[1]
        left, right = left + columns[0], left + columns[1]
    height, width = differs.shape
    return (left, top, width - right, height - bottom)


def _first_and_last(chosen: np.ndarray) -> tuple[int, int]:
    """Return the range of rows or columns from the first to the last chosen one."""
    places = np.flatnonzero(chosen)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(chosen))


def _is_near(colors: np.ndarray, cmap: str) -> np.ndarray:
    """Return the share of pictures in which a pixel has a colour of the map: (height, width)."""
    levels, _ = to_levels(colors, cmap)
    distance = np.linalg.norm(colors - palette(cmap)[levels].astype(float), axis=-1)
    return (distance <= NEAR).mean(axis=0)
