"""The jobs of an import: each converts some pictures to images of this project."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from common.jobs.files import atomic_write
from spectrogram_image.images.folder import ImageError, image_path
from spectrogram_image.images.rendering import encode_png
from spectrogram_image.importing.colormaps import ALONE, to_levels
from spectrogram_image.importing.pictures import Box, read_picture, resize
from spectrogram_image.importing.survey import as_colors

FLAT = "is flat (all pixels are equal)"
"""Reason of a picture without content, such as that of a silent track."""


@dataclass(frozen=True)
class Conversion:
    """Conversion of pictures.

    Attributes
    ----------
    width, height : int
        Pixels of the images.
    crop : Box
    cmap : str or None
    truncated : bool
        See `Survey`.
    paint : str
        Colour map of the images, empty for images in colours.
    """

    width: int
    height: int
    crop: Box
    cmap: str | None
    truncated: bool
    paint: str


@dataclass(frozen=True)
class Task:
    """One job: some pictures, as (track id, path relative to `source`)."""

    out: Path
    source: Path
    conversion: Conversion
    tracks: tuple[tuple[int, str], ...]


def convert_pictures(task: Task) -> dict:
    """Convert some pictures, and write the images.

    Returns
    -------
    dict
        ``files`` and ``unusable``, as `common.jobs.run.run_jobs` takes them; ``failures``, a (track
        id, reason) for each picture that cannot be used; ``pictures``, for each of the others the
        track id, a checksum of the pixels, whether they were resized, and the share of exact pixels
        and the mean and largest distance from the colour map, if there is one.
    """
    files: dict[str, int] = {}
    failures: list[tuple[int, str]] = []
    pictures = []
    for track_id, name in task.tracks:
        target = image_path(task.out, track_id)
        try:
            pixels, distance = _convert(task.source / name, task.conversion)
        except ImageError as error:
            failures.append((track_id, error.reason))
            target.unlink(missing_ok=True)  # made from an earlier state of the picture
            continue
        checksum = hashlib.blake2b(
            repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16
        ).hexdigest()
        size = (task.conversion.width, task.conversion.height)
        resized = resize(pixels, size)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(_encode(resized, task.conversion.paint))
        files[target.relative_to(task.out).as_posix()] = target.stat().st_size
        pictures.append((track_id, checksum, resized is not pixels, *distance))
    # Jobs are named by the state of their pictures, so that a changed picture is a new job.
    return {"files": files, "unusable": {}, "failures": failures, "pictures": pictures}


def _convert(path: Path, conversion: Conversion) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read levels or colours, and the distance of the pixels from the colour map."""
    pixels = read_picture(path, conversion.crop)
    distance: tuple[float, ...] = ()
    if conversion.cmap is None:
        pixels = as_colors(pixels)
    elif conversion.cmap == "":
        if pixels.ndim == 3:
            raise ImageError(path, "has colours, while the other pictures are grey")
    else:
        pixels, match = to_levels(
            as_colors(pixels), conversion.cmap, truncated=conversion.truncated
        )
        if not match.fits(ALONE):
            raise ImageError(
                path,
                f"has other colours than {conversion.cmap} ({match.exact:.0%} of the pixels are "
                f"exact, the mean distance of the others is {match.of_others:.0f})",
            )
        distance = (match.exact, match.mean, match.largest)
    if (pixels == pixels[0, 0]).all():
        raise ImageError(path, FLAT)
    return pixels, distance


def _encode(pixels: np.ndarray, paint: str) -> bytes:
    if paint:
        return encode_png(pixels, paint)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()
