"""The jobs of an import: each converts some pictures to images of this project."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from common.jobs.files import atomic_write, fingerprint
from common.jobs.run import Job
from spectrogram_image.images.folder import ImageError, image_path
from spectrogram_image.images.rendering import encode_png
from spectrogram_image.importing.colormaps import KNOWN, to_levels
from spectrogram_image.importing.pictures import Box, as_colors, read_picture

PICTURES_PER_JOB = 32


@dataclass(frozen=True)
class Conversion:
    """Conversion of pictures."""

    width: int  # of the images
    height: int
    crop: Box
    cmap: str | None  # of the pictures: empty if they are grey, None if they stay in colours
    paint: str  # colour map of the images, empty for images in colours


@dataclass(frozen=True)
class Task:
    """One job: some pictures, as (track id, path relative to `source`)."""

    out: Path
    source: Path
    conversion: Conversion
    tracks: tuple[tuple[int, str], ...]


def make_jobs(
    tracks: list[tuple[int, str]], source: Path, out: Path, conversion: Conversion
) -> list[Job]:
    """Divide the pictures among jobs, named by their files' states: a changed file is a new job."""
    jobs = []
    for start in range(0, len(tracks), PICTURES_PER_JOB):
        some = tuple(tracks[start : start + PICTURES_PER_JOB])
        state = repr([fingerprint(source / name) for _, name in some]).encode()
        name = f"{start:07d} {hashlib.sha256(state).hexdigest()[:16]}"
        jobs.append(Job(name, Task(out, source, conversion, some), size=len(some)))
    return jobs


def convert_pictures(task: Task) -> dict:
    """Convert some pictures, and write the images.

    The result has ``files`` and ``unusable``, as `common.jobs.run.run_jobs` takes them;
    ``failures``, (track id, reason) of each picture that cannot be used; and ``pictures``, of each
    other one the track id, a checksum of its pixels, and whether it was resized.
    """
    files: dict[str, int] = {}
    failures, pictures = [], []
    size = (task.conversion.width, task.conversion.height)
    for track_id, name in task.tracks:
        target = image_path(task.out, track_id)
        try:
            pixels = _read_pixels(task.source / name, task.conversion)
        except ImageError as error:
            failures.append((track_id, error.reason))
            target.unlink(missing_ok=True)  # made from an earlier state of the picture
            continue
        content = repr(pixels.shape).encode() + pixels.tobytes()
        checksum = hashlib.blake2b(content, digest_size=16).hexdigest()
        image = Image.fromarray(pixels)
        if resized := image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            file.write(_encode(image, task.conversion.paint))
        files[target.relative_to(task.out).as_posix()] = target.stat().st_size
        pictures.append((track_id, checksum, resized))
    return {"files": files, "unusable": {}, "failures": failures, "pictures": pictures}


def _read_pixels(path: Path, conversion: Conversion) -> np.ndarray:
    """Read levels (height, width), or colours (height, width, 3)."""
    pixels = read_picture(path, conversion.crop)
    if conversion.cmap is None:
        pixels = as_colors(pixels)
    elif not conversion.cmap:
        if pixels.ndim == 3:
            raise ImageError(path, "has colours, while the other pictures are grey")
    else:
        pixels, match = to_levels(as_colors(pixels), conversion.cmap)
        if not match.fits(KNOWN):
            raise ImageError(
                path,
                f"has other colours than {conversion.cmap} ({match.exact:.0%} of the pixels are "
                f"exact, the mean distance of the others is {match.distance:.0f})",
            )
    if (pixels == pixels[0, 0]).all():
        raise ImageError(path, "is flat (all pixels are equal)")
    return pixels


def _encode(image: Image.Image, paint: str) -> bytes:
    if paint:
        return encode_png(np.asarray(image), paint)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()
