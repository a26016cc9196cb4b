"""Arrays of features in files of other projects: NumPy files and pictures.

A source is a folder with a ``.npy`` file or a picture a track, named after the track's id, or one
file with all tracks: ``.npz`` with ``ids`` and ``features``, or with an array a track, named after
its id.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.errors import FileError, UserError
from common.records.quantization import quantize
from spectrogram_feature.features.imported import ImportedParameters

ARRAYS, PICTURES = (".npy",), (".png",)
ALL_TRACKS = (".npz",)

_DAMAGE = (
    ValueError, OSError, EOFError, SyntaxError, KeyError, zipfile.BadZipFile,
    Image.DecompressionBombError,
)  # fmt: skip


class ArrayError(FileError):
    """An array that cannot be used."""


@dataclass(frozen=True)
class Place:
    """Where the features of a track are.

    Attributes
    ----------
    file : str
        Path relative to the source's folder.
    key : str
        Name of the array in an ``.npz`` file, or empty.
    rows : tuple of int
        Rows of the array that are segments of the track; empty if the whole array is the track's.
    """

    file: str
    key: str = ""
    rows: tuple[int, ...] = ()


def find_arrays(source: Path) -> tuple[Path, dict[int, Place], list[str]]:
    """Find the arrays of a source.

    Returns
    -------
    folder : Path
        Folder to which the places are relative.
    places : dict
        Track id → `Place`.
    ignored : list of str
        Files or names of arrays without a track id.

    Raises
    ------
    UserError
        If there are no arrays, or two of one track.
    """
    if source.is_file():
        return source.parent, *_in_one_file(source)
    if not source.is_dir():
        raise UserError(f"{source} is missing: name a folder, or an .npz file")
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in (*ARRAYS, *PICTURES))
    places: dict[int, Place] = {}
    ignored = []
    for path in found:
        name = path.relative_to(source).as_posix()
        if not path.stem.isdecimal():
            ignored.append(name)
        elif (track := int(path.stem)) in places:
            raise UserError(
                f"{source} has two arrays of track {track}, {places[track].file} and {name}: "
                "remove one"
            )
        else:
            places[track] = Place(name)
    if not places:
        raise UserError(
            f"{source} has no .npy file or picture named after a track id, such as 000/000002.npy"
        )
    return source, places, ignored


def _in_one_file(path: Path) -> tuple[dict[int, Place], list[str]]:
    if path.suffix.lower() not in ALL_TRACKS:
        raise UserError(
            f"{path} is no .npz file: save ids and features with numpy.savez, or name a folder of "
            ".npy files"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            names = content.files
            ids = content["ids"] if {"ids", "features"} <= set(names) else None
        count = 0 if ids is None else len(_read_once(path, "features"))
    except _DAMAGE as error:
        raise UserError(f"{path} is no .npz file, or is damaged ({error})") from None
    if ids is None:
        places = {int(name): Place(path.name, name) for name in names if name.isdecimal()}
        if not places:
            raise UserError(
                f"{path} has neither the arrays 'ids' and 'features' nor arrays named after track "
                f"ids; it has {', '.join(sorted(names)[:5]) or 'none'}"
            )
        return places, [name for name in names if not name.isdecimal()]
    if ids.dtype.kind not in "iu" or ids.shape != (count,) or (ids < 0).any():
        raise UserError(
            f"{path}: 'ids' must be {count:,} whole numbers, one for each of 'features', not "
            f"{ids.dtype} of the shape {ids.shape}"
        )
    rows: dict[int, list[int]] = {}
    for row, track in enumerate(ids.tolist()):
        rows.setdefault(track, []).append(row)
    return {track: Place(path.name, "features", tuple(r)) for track, r in rows.items()}, []


def _read_once(path: Path, key: str) -> np.ndarray:
    """Read an array of an ``.npz`` file; keep it until another, or a changed file, is read."""
    return _read_version(path, key, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read_version(path: Path, key: str, _: int) -> np.ndarray:
    with np.load(path, allow_pickle=False) as content:
        return content[key]


def read_array(folder: Path, place: Place, *, bins_first: bool = False) -> np.ndarray:
    """Read the features of a track [shape=(segments, frames, bins)].

    The columns of a picture are frames, and its lowest row is bin 0. `bins_first` is for arrays of
    the shape (bins, frames), as librosa computes them. What cannot be read is an `ArrayError`.
    """
    path = folder / place.file
    try:
        if path.suffix.lower() in PICTURES:
            return read_picture(path)[None]
        if place.rows:
            array = _read_once(path, place.key)[list(place.rows)]
        else:
            array = np.load(path, allow_pickle=False)
            array = array if not place.key else _close(array, place.key)
    except _DAMAGE as error:
        raise ArrayError(path, f"cannot be read ({error})") from None
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not array.size:
        raise ArrayError(path, f"has the shape {array.shape}, not (frames, bins)")
    return array.swapaxes(1, 2) if bins_first else array


def _close(content: Any, key: str) -> np.ndarray:
    with content:
        return content[key]


def read_picture(path: Path) -> np.ndarray:
    """Read the levels of a grey picture, or of one of this project's, uint8 (frames, bins)."""
    with Image.open(path) as image:
        palette = image.getpalette("RGB") if image.mode == "P" else None
        if image.mode == "1" or image.mode.startswith("I") or image.mode not in ("L", "P"):
            raise ArrayError(
                path,
                f"is a picture in colours or of another depth ({image.mode}): convert it to levels "
                "with python -m spectrogram_image.import_images",
            )
        levels = np.asarray(image)
    if palette is not None and len(palette) != 3 * 256:
        raise ArrayError(path, "has a palette of less than 256 colours, whose order is no level")
    return levels[::-1].T


def to_levels(array: np.ndarray, parameters: ImportedParameters) -> np.ndarray:
    """Convert values to levels, uint8 (segments, frames, bins).

    Values of uint8 are levels already. Another shape, NaN, infinity, a value outside the range by
    more than half a level, or an array of one value raises a `ValueError` with the reason.
    """
    if array.shape[1:] != parameters.shape:
        raise ValueError(f"has the shape {array.shape[1:]}, not {parameters.shape}")
    if array.dtype != np.uint8:
        if array.dtype.kind not in "fiu":
            raise ValueError(f"has values of the type {array.dtype}, not numbers")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError("has NaN or infinity")
        low, high = parameters.low, parameters.high
        slack = (high - low) / 510
        if array.min() < low - slack or array.max() > high + slack:
            raise ValueError(
                f"has values from {array.min():.4g} to {array.max():.4g}, outside the range from "
                f"{low:g} to {high:g}"
            )
        array = quantize(np.clip((array - low) / (high - low), 0, 1))
    if (array.min(axis=(1, 2)) == array.max(axis=(1, 2))).any():
        raise ValueError("is flat: all values of a segment are equal")
    return array


def describe_arrays(
    folder: Path, places: Mapping[int, Place], *, bins_first: bool, sample: int = 100
) -> tuple[tuple[int, int], list[np.ndarray]]:
    """Read a sample of the arrays; return their most frequent shape, and those of this shape.

    If none can be read, the first one's `ArrayError` is raised as a `UserError`.
    """
    chosen = list(places.values())[:: max(1, len(places) // sample)]
    seen: dict[tuple[int, int], list[np.ndarray]] = {}
    first: ArrayError | None = None
    for place in chosen:
        try:
            array = read_array(folder, place, bins_first=bins_first)
            seen.setdefault(array.shape[1:], []).append(array)
        except ArrayError as error:
            first = first or error
    if not seen:
        raise UserError(str(first))
    shape = max(seen, key=lambda one: len(seen[one]))
    return shape, seen[shape]
